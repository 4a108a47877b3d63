"""Sends requests, waits for jobs, and gives results as values of the contracts."""

from __future__ import annotations

import time
from typing import Self
from urllib.parse import quote

import httpx

from nascar_assets.client.calls import Call, T, of_ended, refusal, unreachable, value_of
from nascar_assets.service.contracts import (
    ENDED,
    JobList,
    JobStatus,
    OptimizationStatus,
    OptimizeRequest,
    OptimizeResponse,
    Readiness,
)

_JOBS = "/api/v1/optimize"
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 1.0


class JobFailed(Exception):
    """A job ended without a result."""

    def __init__(self, status: OptimizationStatus) -> None:
        super().__init__(f"job {status.run_id} {status.status}: {status.error}")
        self.status = status


class Client:
    """One service. Use it as a context manager, or close it.

    Example:
        with Client("http://127.0.0.1:8000") as client:
            job = client.submit(request)
            result = client.result(client.wait(job.run_id).run_id)

    Args:
        url: Where the service is.
        api_key: The key that the service wants, if it wants one.
        timeout: Seconds that one answer may take.
        retries: How often an answer of 429 or 503, or a connection that failed, is tried again.
            Submitting is tried again only where it has an idempotency key.

    Raises:
        ValueError: If the retries are fewer than none.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 5,
    ) -> None:
        if retries < 0:
            raise ValueError(f"retries is {retries}; give 0 for none")
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def submit(
        self, request: OptimizeRequest, *, idempotency_key: str | None = None
    ) -> OptimizationStatus:
        """Sends a request; the job is pending when this returns.

        Args:
            idempotency_key: The same key and request give the same job, however often it is sent.

        Raises:
            Refused: If the service does not take it.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        call = Call(
            "POST",
            _JOBS,
            value_of(OptimizationStatus),
            content=request.model_dump_json(by_alias=True, exclude_unset=True).encode(),
            headers={"Content-Type": "application/json", **headers},
            again=idempotency_key is not None,
        )
        return self.call(call)

    def status(self, run_id: str) -> OptimizationStatus:
        """Where a job stands.

        Raises:
            Refused: If no job has this id.
        """
        return self.call(Call("GET", f"{_job(run_id)}/status", value_of(OptimizationStatus)))

    def wait(self, run_id: str, *, timeout: float = 300.0) -> OptimizationStatus:
        """Waits until a job has completed.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            JobFailed: If it failed or was cancelled.
            TimeoutError: If it has not ended by then; it goes on.
        """
        end = time.monotonic() + timeout
        wait = _FIRST_WAIT
        while True:
            status = self.status(run_id)
            if status.status is JobStatus.COMPLETED:
                return status
            if status.status in ENDED:
                raise JobFailed(status)
            if time.monotonic() + wait > end:
                raise TimeoutError(f"Job {run_id} is {status.status} after {timeout:g} seconds.")
            time.sleep(wait)
            wait = min(_LONGEST_WAIT, 1.5 * wait)

    def result(self, run_id: str) -> OptimizeResponse:
        """A completed job's result.

        Raises:
            Refused: 404 for an unknown job, 409 for one that failed, was cancelled or still runs.
        """
        read = value_of(OptimizeResponse)
        return self.call(
            Call("GET", f"{_job(run_id)}/result", lambda answer: read(of_ended(answer)))
        )

    def cancel(self, run_id: str) -> OptimizationStatus:
        """Stops a job.

        Raises:
            Refused: 404 for an unknown job, 409 for one that has ended already.
        """
        return self.call(Call("DELETE", _job(run_id), value_of(OptimizationStatus)))

    def jobs(
        self,
        *,
        slate_id: str | None = None,
        status: JobStatus | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> JobList:
        """A page of jobs, the newest first."""
        wanted = {"slate_id": slate_id, "status": status, "limit": limit, "cursor": cursor}
        return self.call(Call("GET", _JOBS, value_of(JobList), wanted))

    def call(self, call: Call[T]) -> T:
        """Sends a call, such as `slates.forecast(key)`, and gives its answer's value.

        Raises:
            Refused: If the service does not take it.
        """
        return call.read(self._send(call))

    def ready(self) -> Readiness:
        """Whether graph, storage and workers answer.

        Raises:
            Unavailable: If the service itself does not.
        """
        call = Call("GET", "/ready", value_of(Readiness))
        return call.read(self._send(call, also=503))

    def _send(self, call: Call[T], *, also: int = 0) -> httpx.Response:
        """An answer of 200 to 299, or of one status besides."""
        tries = 1 + (self._retries if call.again else 0)
        for number in range(1, tries + 1):
            try:
                answer = self._http.request(call.method, call.path, **call.sent)
            except httpx.RequestError as error:
                if number < tries:
                    time.sleep(min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**number))
                    continue
                raise unreachable(error) from error
            if answer.is_success or answer.status_code == also:
                return answer
            refused = refusal(answer)
            if answer.status_code not in (429, 503) or number == tries:
                raise refused
            time.sleep(min(60.0, refused.retry_after or _LONGEST_WAIT))
        raise AssertionError("every try returns or raises")


def _job(run_id: str) -> str:
    return f"{_JOBS}/{quote(run_id, safe='')}"
