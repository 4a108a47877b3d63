"""A resident worker: a process with warm kernels that claims jobs and executes them.

It speaks with its server over pipes: a line on standard input wakes it, the end of standard input
(the server is gone) ends it at once, and lines of JSON on standard output say what it does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

IDLE_SECONDS = 1.0
"""How long a worker that nobody wakes waits before it looks by itself."""
POLITE = 10
"""How much a worker gives way to the server, whose answers are due at once."""
FAULT_SECONDS = 1.0
"""How long it waits where the storage does not answer."""


class Reports:
    """Lines of JSON to the server, on a descriptor that nothing else writes to."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever prints goes to standard error

    def __call__(self, event: str, **content: Any) -> None:
        """Reports an event."""
        self._out.write(json.dumps({"event": event, **content}) + "\n")
        self._out.flush()


def main(arguments: list[str] | None = None) -> None:
    """Works until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--server", required=True)
    options = parser.parse_args(arguments)
    report = Reports()
    os.nice(POLITE)
    wake = threading.Event()
    threading.Thread(target=_listen, args=(wake,), daemon=True).start()

    from nascar_assets.orchestration.resources import Platform
    from nascar_assets.orchestration.storage.instance import open_instance
    from nascar_assets.service.jobs import resolved_job
    from nascar_assets.service.run_log import stage_seconds
    from nascar_assets.service.run_store import RunStore

    definition = resolved_job(Platform(home=options.home))
    warm_up()
    store: RunStore | None = None
    report("ready")
    while True:
        wake.clear()
        try:
            if store is None:
                store = RunStore(open_instance(options.home))
                store.without_compute_logs()
            job = store.claim(options.server)
            if job is not None:
                report("start", run_id=job.run_id)
                begun = time.perf_counter()
                success = store.execute(definition, job)
                report(
                    "end",
                    run_id=job.run_id,
                    success=success,
                    seconds=time.perf_counter() - begun,
                    stages=stage_seconds(store.instance, job.run_id),
                )
                continue
        except Exception as error:  # the storage is away; it may come back
            report("fault", message=f"{type(error).__name__}: {error}")
            time.sleep(FAULT_SECONDS)
            continue
        wake.wait(IDLE_SECONDS)


def _listen(wake: threading.Event) -> None:
    for _ in sys.stdin:
        wake.set()
    os._exit(0)  # the server is gone; its successor takes the job up again


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
