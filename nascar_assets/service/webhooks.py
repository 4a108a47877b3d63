"""Deliveries on completion: signed, retried, at least once, to public addresses only.

Each try has a deadline, and a client has few of them at once: no receiver, and no client, holds
another one's deliveries back.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

import httpx
import structlog

from nascar_assets.service.contracts import ENDED, JobStatus, OptimizeResponse
from nascar_assets.service.metrics import ServiceMetrics
from nascar_assets.service.run_store import CLIENT, WEBHOOK, Job, RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.signatures import signature
from nascar_assets.service.webhook_targets import ForbiddenTarget, parse_target, resolve

_log = structlog.get_logger(__name__)
TICK_SECONDS = 0.25
SEARCH_SECONDS = 5.0
LONGEST_WAIT = 600.0
DEADLINE_SECONDS = 10.0
"""How long one try may take in all, from the look-up of the name to the answer's head."""
AT_ONCE, EACH = 32, 2
"""Tries at once, of all clients and of one."""


class Webhooks:
    """Delivers what has ended; what was not delivered before a restart is delivered after it.

    The job's tag says whether its delivery is still open, so nothing is lost with the process.
    """

    def __init__(
        self,
        store: RunStore,
        response: Callable[[Job], OptimizeResponse],
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
        self._stopping = threading.Event()
        self._all = asyncio.Semaphore(AT_ONCE)
        self._each: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        # A name server that does not answer holds a thread for longer than a try may take.
        self._names = ThreadPoolExecutor(2 * AT_ONCE, thread_name_prefix="names")
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="webhooks", daemon=True
        )

    def start(self) -> None:
        """Starts delivering; without a secret there is nothing to deliver."""
        if self._settings.webhook_secret is not None:
            self._thread.start()

    def stop(self) -> None:
        """Stops delivering; what is open stays so."""
        self._stopping.set()
        self._names.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def job_ended(self, run_id: str) -> None:
        """Looks whether the job that ended has a delivery, soon."""
        if self._settings.webhook_secret is not None:
            with self._lock:
                self._due.setdefault(run_id, (time.monotonic(), 0))

    async def _run(self) -> None:
        tries: dict[str, asyncio.Task[None]] = {}
        next_search = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= next_search:
                next_search = time.monotonic() + SEARCH_SECONDS
                await asyncio.to_thread(self._search)
            tries = {run_id: task for run_id, task in tries.items() if not task.done()}
            now = time.monotonic()
            with self._lock:
                due = [run_id for run_id, (when, _) in self._due.items() if when <= now]
            for run_id in due:
                if run_id not in tries:
                    tries[run_id] = asyncio.create_task(self._attempt(run_id))
            await asyncio.sleep(TICK_SECONDS)
        for task in tries.values():
            task.cancel()

    def _search(self) -> None:
        """Finds deliveries of which no message came: from before a restart, or of lost messages."""
        try:
            for job in self._store.jobs(statuses=ENDED, tags={WEBHOOK: "pending"}, limit=500):
                with self._lock:
                    self._due.setdefault(job.run_id, (time.monotonic(), 0))
        except Exception as error:  # the storage is away; the next search finds them
            _log.warning("storage fault", during="webhooks", error=type(error).__name__)

    async def _attempt(self, run_id: str) -> None:
        with self._lock:
            _, tries = self._due[run_id]
        try:
            job = await asyncio.to_thread(self._store.find, run_id)
            if job is None or not job.finished or job.tag(WEBHOOK) != "pending":
                self._done(run_id)
                return
            client = job.tag(CLIENT) or ""
            mine = self._each.setdefault(client, asyncio.Semaphore(EACH))
            async with mine, self._all, asyncio.timeout(DEADLINE_SECONDS):
                outcome, detail = await self._deliver(job)
        except TimeoutError:
            outcome, detail = "failed", f"no answer within {DEADLINE_SECONDS:g} seconds"
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
            await asyncio.to_thread(self._store.note, run_id, **{WEBHOOK: final})
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

    async def _deliver(self, job: Job) -> tuple[str, str]:
        """One try: `delivered`, `forbidden` or `failed`, and why."""
        url = await asyncio.to_thread(self._url_of, job.run_id)
        if url is None:
            return "forbidden", "The request names no URL."
        private = self._settings.webhook_private
        try:
            target = parse_target(url)
            address = await asyncio.get_running_loop().run_in_executor(
                self._names, lambda: resolve(target, allow_private=private)
            )
        except ForbiddenTarget as error:
            return "forbidden", str(error)
        body = await asyncio.to_thread(self._body, job)
        secret = self._settings.webhook_secret
        assert secret is not None  # nothing starts without one
        timestamp = str(int(time.time()))
        name = f"[{target.host}]" if ":" in target.host else target.host
        default = 443 if target.scheme == "https" else 80
        host = name if target.port == default else f"{name}:{target.port}"
        shown = f"[{address}]" if ":" in address else address
        # The connection goes to the address that was checked; the name is in Host and in TLS.
        async with (
            httpx.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=DEADLINE_SECONDS
            ) as client,
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
            "result": self._response(job).model_dump(mode="json")
            if status.status is JobStatus.COMPLETED
            else None,
        }
        return json.dumps(content, ensure_ascii=True, allow_nan=False).encode()
