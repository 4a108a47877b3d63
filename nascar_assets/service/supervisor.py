"""Keeps worker processes alive and every job accounted for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from nascar_assets.orchestration.hosts.presence import Lookout
from nascar_assets.processes import born, lives
from nascar_assets.service.metrics import ServiceMetrics
from nascar_assets.service.run_store import CLIENT, SERVER, Job, RunStore
from nascar_assets.service.settings import ServiceSettings

TICK_SECONDS = 0.1
BEAT_SECONDS = 2.0
LEASE_SECONDS = 15.0
"""A server on another machine that has said nothing new for so long is gone."""
GAP_SECONDS = 10.0
"""After so long without a look, such as while the records were away, the wait begins anew."""
CANCEL_SECONDS = 1.2
"""How long a worker may take to stop by itself; then it is ended."""
SILENT_SECONDS = 6.0
"""A worker without a job that has said nothing for so long is replaced."""
BUSY_SILENT_SECONDS = 20.0
"""The same for one that has a job at work."""
STALE_SECONDS = 3.0
"""One that has said nothing for so long is given no job and is not counted as ready."""
POLL_SECONDS = 1.0
"""How often jobs are polled of which no message came: those of other servers on this storage."""
LOST_SECONDS = 3.0
"""A job of this server that no worker of it has for so long is lost."""
START_SECONDS = 180.0
"""A worker that is not ready and has not worked for a second in so long is replaced.

It compiles its kernels at the first start. On a busy machine that takes many times as long, and one
that is ended in the middle of it would begin anew and never become ready.
"""
START_WORK_SECONDS = 900.0
"""How much of a processor's time it may use before it is ready."""

_log = structlog.get_logger(__name__)


class Worker:
    """One worker process as its server sees it."""

    def __init__(self, number: int, command: list[str], environment: Mapping[str, str]) -> None:
        self.number = number
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            text=True,
            bufsize=1,
            # Ctrl-C is the server's: it ends its workers itself.
            process_group=0 if os.name == "posix" else None,
        )
        self.born = self.heard = self.moved = time.monotonic()
        self.worked = 0.0
        self.ready = False
        self.run_id: str | None = None
        self.client = ""
        self.begun = False
        self.since = 0.0
        self.killed_for: str | None = None

    def send(self, what: str, run_id: str) -> None:
        """Tells it to `run` or to `stop` a job."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(f"{what} {run_id}\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            pass  # it died; the next tick sees it

    def answers(self) -> bool:
        """Whether it is ready and has said so of late; longer ago where it has a job at work."""
        silence = BUSY_SILENT_SECONDS / 2 if self.begun else STALE_SECONDS
        fresh = time.monotonic() - self.heard < silence
        return self.ready and self.process.poll() is None and fresh

    def kill(self, why: str) -> None:
        """Ends it at once."""
        self.killed_for = why
        self.process.kill()

    def close(self) -> None:
        """Lets it go: the end of its input ends it."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class Supervisor:
    """Starts workers, replaces the dead, and takes up again what they left behind.

    Args:
        on_end: Called with the id of a job that has ended, however.
    """

    def __init__(
        self,
        store: RunStore,
        home: str,
        settings: ServiceSettings,
        metrics: ServiceMetrics,
        on_end: Callable[[str], None],
    ) -> None:
        self.server_id = uuid.uuid4().hex
        self._store = store
        self._home = home
        self._settings = settings
        self._metrics = metrics
        self._on_end = on_end
        self._workers: dict[int, Worker] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._turns: dict[str, None] = {}
        self._cancelled: dict[str, float] = {}
        self._unaccounted: dict[str, float] = {}
        self._to_account: list[tuple[str, str | None]] = []
        self._failures = 0
        self._next_start = 0.0
        self._next_beat = self._next_poll = 0.0
        self._identity = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "born": born(os.getpid()),
        }
        self._lookout = Lookout(silent=LEASE_SECONDS, gap=GAP_SECONDS)
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Starts the workers and the thread that watches them; the spare one comes after them."""
        for number in range(self._settings.workers):
            self._spawn(number)
        self._thread.start()

    def stop(self) -> None:
        """Ends the workers; what they had in hand goes back into the queue."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=10)
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.kill("the server stopped")
        for worker in workers:
            worker.process.wait(timeout=10)
            worker.close()
            if worker.run_id is not None:
                self._to_account.append((worker.run_id, "the server was stopped"))
        self._guarded(self._account_all)

    @property
    def ready_workers(self) -> int:
        """Workers that are ready for jobs or have one at work."""
        with self._lock:
            return sum(worker.answers() for worker in self._workers.values())

    def wake(self) -> None:
        """Tells of a new job."""
        self._wake.set()

    def cancelled(self, run_id: str) -> None:
        """Sees to it that a job that was asked to stop does stop."""
        with self._lock:
            if run_id in self._cancelled:
                return
            self._cancelled[run_id] = time.monotonic()
            holding = [w for w in self._workers.values() if w.run_id == run_id]
        for worker in holding:
            worker.send("stop", run_id)

    def _spawn(self, number: int) -> None:
        command = [sys.executable, "-m", "nascar_assets.service.worker"]
        command += ["--home", self._home]
        environment = {
            # Kernels use the cores themselves. On matrices as small as a portfolio's, a linear
            # algebra with threads of its own waits a third of a second for them on a busy machine.
            "OPENBLAS_NUM_THREADS": "1",
            # Threads of kernels wait asleep: turning, they take the core that another worker needs.
            "OMP_WAIT_POLICY": "passive",
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
        }
        worker = Worker(number, command, environment)
        with self._lock:
            self._workers[number] = worker
        threading.Thread(
            target=self._listen, args=(worker,), name=f"worker-{number}", daemon=True
        ).start()

    def _listen(self, worker: Worker) -> None:
        """Reads what a worker reports until it ends."""
        assert worker.process.stdout is not None
        try:
            for line in worker.process.stdout:
                try:
                    self._heard(worker, json.loads(line))
                except (ValueError, KeyError) as error:
                    _log.warning("worker said something odd", line=line[:200], error=str(error))
        except (OSError, ValueError):
            pass  # closed

    def _heard(self, worker: Worker, said: dict[str, Any]) -> None:
        event = said["event"]
        worker.heard = time.monotonic()
        if event == "beat" and said["worked"] >= worker.worked + 1.0:
            worker.worked, worker.moved = said["worked"], worker.heard
        elif event == "ready":
            worker.ready = True
            self._failures = 0
            seconds = round(time.monotonic() - worker.born, 2)
            _log.info("worker ready", worker=worker.number, seconds=seconds)
            self.wake()
        elif event == "start":
            with self._lock:
                worker.begun, worker.since = True, time.monotonic()
            _log.info("job started", run_id=said["run_id"], worker=worker.number)
        elif event == "end":
            with self._lock:
                worker.run_id, worker.begun = None, False
                self._cancelled.pop(said["run_id"], None)
            self.wake()
            self._metrics.job_seconds.observe(said["seconds"])
            for stage, seconds in said["stages"].items():
                self._metrics.stage_seconds.labels(stage).observe(seconds)
            self._metrics.jobs.labels("completed" if said["success"] else "not_completed").inc()
            _log.info(
                "job ended",
                run_id=said["run_id"],
                success=said["success"],
                seconds=round(said["seconds"], 4),
            )
            self._on_end(said["run_id"])
        elif event == "fault":
            with self._lock:
                worker.run_id, worker.begun = None, False
            self._to_account.append((said["run_id"], None))
            _log.warning("worker fault", worker=worker.number, message=said["message"])

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stopping.is_set():
            now = time.monotonic()
            if now - last > STALE_SECONDS:  # this process itself stood still
                for worker in self._workers.values():
                    worker.heard = now
            last = now
            self._replace_the_dead()
            self._enforce_limits()
            self._guarded(self._account_all)
            if now >= self._next_beat:
                self._next_beat = now + BEAT_SECONDS
                self._guarded(self._beat)
                self._guarded(self._recover)
            if self._wake.is_set() or now >= self._next_poll:
                self._wake.clear()
                self._next_poll = now + POLL_SECONDS
                self._guarded(self._give_jobs)
            self._wake.wait(TICK_SECONDS)

    def _give_jobs(self) -> None:
        """Gives waiting jobs to workers that have none, client by client in turn."""
        with self._lock:
            free = [w for w in self._workers.values() if w.run_id is None and w.answers()]
        for worker in free:
            job = self._store.claim(self.server_id, self._whose_turn)
            if job is None:
                return
            client = job.tag(CLIENT) or ""
            self._turns.pop(client, None)
            self._turns[client] = None
            with self._lock:
                worker.run_id, worker.client, worker.begun = job.run_id, client, False
                worker.since = worker.heard = time.monotonic()
            worker.send("run", job.run_id)

    def _whose_turn(self, waiting: Mapping[str, int]) -> str | None:
        """The client who has fewest jobs at work, of those the one whose last turn is longest ago.

        The spare worker takes jobs of clients who have none at work, so that nobody waits for
        another one's long jobs.
        """
        with self._lock:
            busy = Counter(w.client for w in self._workers.values() if w.run_id is not None)
        if busy.total() >= self._settings.workers:
            waiting = {client: row for client, row in waiting.items() if not busy[client]}
        known = set(waiting) | set(busy)
        self._turns = {client: None for client in self._turns if client in known}
        order = {client: place for place, client in enumerate(self._turns)}
        return min(
            waiting,
            key=lambda client: (busy[client], order.get(client, -1), waiting[client]),
            default=None,
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        """The storage may be away for a while; what was not done is done at a later tick."""
        try:
            work()
        except Exception as error:
            _log.warning(
                "storage fault", during=work.__name__, error=f"{type(error).__name__}: {error}"
            )

    def _replace_the_dead(self) -> None:
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            if worker.process.poll() is None:
                continue
            self._metrics.worker_deaths.inc()
            _log.warning(
                "worker died",
                worker=worker.number,
                code=worker.process.returncode,
                run_id=worker.run_id,
                why=worker.killed_for,
            )
            with self._lock:
                del self._workers[worker.number]
            if worker.run_id is not None:
                self._to_account.append((worker.run_id, worker.killed_for))
            if not worker.ready:
                self._failures += 1
                self._next_start = time.monotonic() + min(30.0, 0.5 * 2.0**self._failures)
            worker.close()
        if time.monotonic() < self._next_start:
            return
        wanted = self._settings.workers
        if self.ready_workers >= wanted:
            wanted += self._settings.spare_workers
        for number in set(range(wanted)) - set(self._workers):
            self._spawn(number)

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        limit = self._settings.job_seconds
        with self._lock:
            workers = list(self._workers.values())
            cancelled = dict(self._cancelled)
        for worker in workers:
            run_id = worker.run_id
            silence = BUSY_SILENT_SECONDS if worker.begun else SILENT_SECONDS
            if not worker.ready:
                idle = now - worker.moved > START_SECONDS
                if idle or worker.worked > START_WORK_SECONDS:
                    worker.kill("it did not become ready")
            elif now - worker.heard > silence:
                worker.kill("it did not answer")
            elif worker.begun and now - worker.since > limit:
                worker.kill(f"it took longer than the limit of {limit:g} seconds")
            elif run_id in cancelled and now - cancelled[str(run_id)] > CANCEL_SECONDS:
                worker.kill("it was cancelled")

    def _beat(self) -> None:
        self._store.beat(self.server_id, {**self._identity, "beat": time.time()})

    def _account_all(self) -> None:
        while self._to_account:
            run_id, why = self._to_account[0]
            job = self._store.find(run_id)
            if job is not None and not job.finished and job.tag(SERVER) == self.server_id:
                self._account(job, why)
            self._to_account.pop(0)

    def _account(self, job: Job, why: str | None) -> None:
        """Decides what becomes of a job whose worker is gone: again, failed, or cancelled."""
        with self._lock:
            self._cancelled.pop(job.run_id, None)
        if self._store.asked_to_stop(job):
            self._store.end_cancelled(job)
            _log.info("job cancelled", run_id=job.run_id)
        elif why is not None and "limit" in why:
            self._store.fail(job, f"The job was ended: {why}.")
            _log.warning("job failed", run_id=job.run_id, why=why)
        elif job.attempts >= self._settings.max_attempts:
            reason = f"Its worker died {job.attempts} times while it ran; it was given up."
            self._store.fail(job, reason)
            _log.warning("job failed", run_id=job.run_id, why=reason)
        else:
            if self._store.requeue(job, "Taken up again: the worker that had it is gone."):
                _log.info("job taken up again", run_id=job.run_id, attempt=job.attempts)
                self.wake()
            return
        self._metrics.jobs.labels("not_completed").inc()
        self._on_end(job.run_id)

    def _recover(self) -> None:
        """Takes up what servers that are gone, or lost messages of our own, left in flight."""
        with self._lock:
            held = {worker.run_id: worker for worker in self._workers.values()}
        now = time.monotonic()
        seen: dict[str, float] = {}
        alive: dict[str, bool] = {}
        for job in self._store.in_flight():
            owner = job.tag(SERVER) or ""
            if owner == self.server_id:
                if job.cancelling:  # another server on this storage may have been asked
                    self.cancelled(job.run_id)
                if job.run_id in held:
                    continue
                seen[job.run_id] = self._unaccounted.get(job.run_id, now)
                if now - seen[job.run_id] > LOST_SECONDS:
                    self._account(job, None)
                continue
            if job.run_id in held:  # it was taken over while this server could not be heard
                held[job.run_id].kill("another server has its job")
            if owner not in alive:
                alive[owner] = self._lives(owner)
            if not alive[owner]:
                self._account(job, None)
        self._unaccounted = seen

    def _lives(self, server_id: str) -> bool:
        """Whether another server that shares this storage still runs."""
        said = self._store.last_beat(server_id)
        if said is None:
            return False
        if said["host"] == self._identity["host"]:
            return lives(int(said["pid"]), float(said["born"]))
        return not self._lookout.nothing_new(server_id, said["beat"])
