"""A resident worker: a process with warm kernels that executes the jobs it is given.

It speaks with its server over pipes. Lines on standard input say which job to run or to stop; the
end of standard input (the server is gone) ends it at once. Lines of JSON on standard output say
what it does, and every second that it lives and how much it has worked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

from nascar_assets.processes import give_way

BEAT_SECONDS = 1.0
"""How often a worker says that it lives."""
POLITE = 10
"""How much a worker gives way to the server, whose answers are due at once."""


class Reports:
    """Lines of JSON to the server, on a descriptor that nothing else writes to."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        self._lock = threading.Lock()
        os.dup2(2, 1)  # whatever prints goes to standard error

    def __call__(self, event: str, **content: Any) -> None:
        """Reports an event."""
        with self._lock:
            self._out.write(json.dumps({"event": event, **content}) + "\n")
            self._out.flush()


def main(arguments: list[str] | None = None) -> None:
    """Works until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    options = parser.parse_args(arguments)
    report = Reports()
    give_way(POLITE)
    given: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given,), daemon=True).start()
    threading.Thread(target=_beat, args=(report,), daemon=True).start()

    from nascar_assets.orchestration.resources import Platform
    from nascar_assets.orchestration.storage.instance import open_instance
    from nascar_assets.service import stopping
    from nascar_assets.service.run_log import stage_seconds
    from nascar_assets.service.run_store import RunStore
    from nascar_assets.service.slate_jobs import resolved_jobs

    stopping.listen()
    definitions = resolved_jobs(Platform(home=options.home))
    warm_up()

    def opened() -> RunStore:
        made = RunStore(open_instance(options.home))
        made.without_compute_logs()
        return made

    store: RunStore | None = None
    with contextlib.suppress(Exception):  # the storage is away; the first job tries again
        store = opened()
    report("ready")
    while True:
        run_id = given.get()
        report("start", run_id=run_id)
        begun = time.perf_counter()
        try:
            if store is None:
                store = opened()
            job = store.find(run_id)
            success = job is not None and store.execute(definitions[job.run.job_name], job)
            stages = stage_seconds(store.instance, run_id)
        except Exception as error:  # the storage is away; it may come back
            report("fault", run_id=run_id, message=f"{type(error).__name__}: {error}")
            continue
        seconds = time.perf_counter() - begun
        report("end", run_id=run_id, success=success, seconds=seconds, stages=stages)


def _listen(given: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        what, _, run_id = line.strip().partition(" ")
        if what == "run":
            given.put(run_id)
        else:
            from nascar_assets.service.stopping import ask

            ask(run_id)
    os._exit(0)  # the server is gone; its successor takes the job up again


def _beat(report: Reports) -> None:
    while True:
        time.sleep(BEAT_SECONDS)
        report("beat", worked=time.process_time())


def warm_up() -> None:
    """Compiles or loads every kernel that a job needs, on a small race of nobody's."""
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.service.contracts import (
        DriverConstraintsRequest,
        OptimizeRequest,
        ScenarioConfig,
    )
    from nascar_assets.service.request_race import compile_request, parameters_of
    from nascar_assets.service.run_request import choose, respond, simulate
    from nascar_assets.service.track_names import catalogue

    for portfolio in (None, PortfolioSettings(lineups=2)):
        request = OptimizeRequest(
            slate_id="warm-up",
            drivers=tuple(
                DriverConstraintsRequest(
                    driver_id=f"driver-{i}",
                    salary=5_000 + 200 * i,
                    skill=0.05 * (i + 1),
                    aggression=0.5,
                    shadow_risk=0.5,
                )
                for i in range(12)
            ),
            scenario_config=ScenarioConfig(track_id="105", n_scenarios=50, race_length=50),
            random_seed=1,
            portfolio=portfolio,
        )
        job = compile_request(
            request,
            parameters_of(request, 1),
            run_id="warm-up",
            now=datetime(2026, 1, 1, tzinfo=UTC),
            slate=None,
            tracks=catalogue(2026),
        )
        made = simulate(job)
        respond("warm-up", job, made, choose(job, made))


if __name__ == "__main__":
    main()
