"""What is kept of ended jobs: so many for each client, for so long; what no job owns goes, too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from nascar_assets.orchestration.storage.retention import forget_run, unknown_runs
from nascar_assets.service.jobs import job_folder
from nascar_assets.service.run_store import RUN_ID, RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.storage import DataRoot

_log = structlog.get_logger(__name__)
SWEEP_SECONDS = 300.0
FIRST_SECONDS = 30.0
ORPHAN_AGE = timedelta(minutes=15)
"""A request's file that has had no job for so long belongs to none: its POST was refused."""
_AT_ONCE = 200


class Retention:
    """Deletes ended jobs with their files, and files without a job, now and then."""

    def __init__(
        self, store: RunStore, root: DataRoot, settings: ServiceSettings, forget: Callable[[], None]
    ) -> None:
        self._store = store
        self._root = root
        self._settings = settings
        self._forget = forget
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Starts sweeping."""
        self._thread.start()

    def stop(self) -> None:
        """Stops; what is left is found by the next sweep."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        wait = FIRST_SECONDS
        while not self._stopping.wait(wait):
            wait = SWEEP_SECONDS
            try:
                self.sweep(datetime.now(UTC))
            except Exception as error:  # the storage is away; the next sweep goes on
                _log.warning("storage fault", during="retention", error=type(error).__name__)

    def sweep(self, now: datetime) -> None:
        """Deletes what is past its time or too much, and what belongs to no job."""
        deleted = orphans = 0
        before = now - timedelta(days=self._settings.keep_days)
        while found := self._store.outlived(before, self._settings.keep_jobs, _AT_ONCE):
            for run_id in found:
                if self._stopping.is_set():
                    return
                forget_run(self._store.instance, run_id)
                self._root.delete_folder(job_folder(run_id))
                deleted += 1
            self._forget()
        latest: dict[str, datetime] = {}
        for file in self._root.list("api"):
            run_id = file.path.split("/")[1]
            if RUN_ID.fullmatch(run_id):
                latest[run_id] = max(file.modified, latest.get(run_id, file.modified))
        old = [run_id for run_id, modified in latest.items() if now - modified > ORPHAN_AGE]
        for run_id in unknown_runs(self._store.instance, old):
            files = self._root.list(job_folder(run_id))
            if any(now - file.modified <= ORPHAN_AGE for file in files):
                continue  # sent again meanwhile with its Idempotency-Key: a job goes on with them
            self._root.delete_folder(job_folder(run_id))
            orphans += 1
        if deleted or orphans:
            _log.info("jobs deleted", ended=deleted, without_a_job=orphans)
