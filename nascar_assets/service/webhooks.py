"""Deliveries on completion: signed, retried, at least once, to public addresses only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import httpx
import structlog

from nascar_assets.service.contracts import JobStatus, OptimizeResponse
from nascar_assets.service.metrics import ServiceMetrics
from nascar_assets.service.run_store import WEBHOOK, Job, RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.signatures import signature
from nascar_assets.service.webhook_targets import ForbiddenTarget, parse_target, resolve

_log = structlog.get_logger(__name__)
TICK_SECONDS = 0.25
SEARCH_SECONDS = 5.0
LONGEST_WAIT = 600.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


class Webhooks:
    """Delivers what has ended; what was not delivered before a restart is delivered after it.

    The job's tag says whether its delivery is still open, so nothing is lost with the process.

    Args:
        store: The run storage.
        response: Gives a completed job's result.
        url_of: Gives the URL that a job's request named.
        settings: The service's settings.
        metrics: Where deliveries are counted.
    """

    def __init__(
        self,
        store: RunStore,
        response: Callable[[str], OptimizeResponse],
        url_of: Callable[[str], str | None],
        settings: ServiceSettings,
        metrics: ServiceMetrics,
    ) -> None:
        self._store = store
        self._response = response
        self._url_of = url_of
        self._settings = settings
        self._metrics = metrics
        self._due: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._next_search = 0.0
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Starts delivering; without a secret there is nothing to deliver."""
        if self._settings.webhook_secret is not None:
            self._thread.start()

    def stop(self) -> None:
        """Stops delivering; what is open stays so."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def job_ended(self, run_id: str) -> None:
        """Looks whether the job that ended has a delivery, soon."""
        if self._settings.webhook_secret is None:
            return
        with self._lock:
            self._due.setdefault(run_id, (time.monotonic(), 0))
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if time.monotonic() >= self._next_search:
                self._next_search = time.monotonic() + SEARCH_SECONDS
                self._search()
            now = time.monotonic()
            with self._lock:
                ready = [run_id for run_id, (when, _) in self._due.items() if when <= now]
            for run_id in ready:
                if self._stopping.is_set():
                    return
                self._attempt(run_id)
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _search(self) -> None:
        """Finds deliveries that nobody told us of: from before a restart, or of lost messages."""
        try:
            ended = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]
            for job in self._store.jobs(statuses=ended, tags={WEBHOOK: "pending"}, limit=500):
                with self._lock:
                    self._due.setdefault(job.run_id, (time.monotonic(), 0))
        except Exception as error:  # the storage is away; the next search finds them
            _log.warning("storage fault", during="webhooks", error=type(error).__name__)

    def _attempt(self, run_id: str) -> None:
        with self._lock:
            _, tries = self._due[run_id]
        try:
            job = self._store.find(run_id)
            if job is None or not job.finished or job.tag(WEBHOOK) != "pending":
                self._done(run_id)
                return
            outcome, detail = self._deliver(job)
        except Exception as error:  # one delivery at fault never stops the others
            outcome, detail = "failed", f"{type(error).__name__}: {error}"
        tries += 1
        if outcome == "failed" and tries < self._settings.webhook_attempts:
            wait = min(LONGEST_WAIT, self._settings.webhook_backoff * 2.0 ** (tries - 1))
            with self._lock:
                self._due[run_id] = (time.monotonic() + wait, tries)
            _log.info("webhook failed", run_id=run_id, tries=tries, detail=detail, wait=wait)
            self._metrics.webhooks.labels("failed").inc()
            return
        final = "given up" if outcome == "failed" else outcome
        try:
            self._store.note(run_id, **{WEBHOOK: final})
        except Exception as error:  # tried again: at least once, not at most once
            _log.warning("storage fault", during="webhooks", error=type(error).__name__)
            with self._lock:
                self._due[run_id] = (time.monotonic() + SEARCH_SECONDS, tries)
            return
        _log.info("webhook", run_id=run_id, outcome=final, tries=tries, detail=detail)
        self._metrics.webhooks.labels(final).inc()
        self._done(run_id)

    def _done(self, run_id: str) -> None:
        with self._lock:
            self._due.pop(run_id, None)

    def _deliver(self, job: Job) -> tuple[str, str]:
        """One try: `delivered`, `forbidden` or `failed`, and why."""
        url = self._url_of(job.run_id)
        if url is None:
            return "forbidden", "The request names no URL."
        try:
            target = parse_target(url)
            address = resolve(target, allow_private=self._settings.webhook_private)
        except ForbiddenTarget as error:
            return "forbidden", str(error)
        body = self._body(job)
        secret = self._settings.webhook_secret
        assert secret is not None  # nothing starts without one
        timestamp = str(int(time.time()))
        name = f"[{target.host}]" if ":" in target.host else target.host
        default = 443 if target.scheme == "https" else 80
        host = name if target.port == default else f"{name}:{target.port}"
        shown = f"[{address}]" if ":" in address else address
        # The connection goes to the address that was checked; the name is in Host and in TLS.
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=_TIMEOUT) as client,
            client.stream(
                "POST",
                f"{target.scheme}://{shown}:{target.port}{target.path}",
                content=body,
                headers={
                    "Host": host,
                    "Content-Type": "application/json",
                    "User-Agent": "nascar-assets",
                    "X-Delivery-ID": job.run_id,
                    "X-Signature-Timestamp": timestamp,
                    "X-Signature-256": signature(secret, timestamp, body),
                },
                extensions={"sni_hostname": target.host},
            ) as answer,
        ):
            status = answer.status_code  # what it says besides is not read
        if 200 <= status < 300:
            return "delivered", f"status {status}"
        return "failed", f"status {status}"

    def _body(self, job: Job) -> bytes:
        status = self._store.describe(job)
        content = {
            "event": f"job.{status.status}",
            "job": status.model_dump(mode="json"),
            "result": self._response(job.run_id).model_dump(mode="json")
            if status.status is JobStatus.COMPLETED
            else None,
        }
        return json.dumps(content, ensure_ascii=True, allow_nan=False).encode()
