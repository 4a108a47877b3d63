"""The client for programs that wait for many things at once; it follows jobs as they go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Self

import httpx

from nascar_assets.client.calls import Call, T, Unavailable, read_by, refusal, unreachable
from nascar_assets.client.races import live_path
from nascar_assets.client.slates import job_path
from nascar_assets.service.contracts import ENDED, Problem
from nascar_assets.service.live_contracts import LiveForecast
from nascar_assets.service.slate_contracts import SlateJob, SlateProblem


class AsyncClient:
    """One service, asked without blocking. Use it as a context manager, or close it.

    It tries nothing again: who asks many things at once decides what may wait.

    Example:
        async with AsyncClient("http://127.0.0.1:8000") as client:
            job = await client.call(slates.portfolio(key, PortfolioRequest()))
            async for status in client.follow(job.run_id):
                print(status.progress, status.stage)

    Args:
        url: Where the service is.
        api_key: The key that the service wants, if it wants one.
        timeout: Seconds that one answer may take.
        transport: How requests are sent; over the network where none is given.
        headers: Headers of every request.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        own = {**(headers or {}), **({"X-API-Key": api_key} if api_key else {})}
        self._http = httpx.AsyncClient(
            base_url=url, headers=own, timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def call(self, call: Call[T]) -> T:
        """Sends a call, such as `slates.forecast(key)`, and gives its answer's value.

        Raises:
            Refused: If the service does not take it.
        """
        try:
            answer = await self._http.request(call.method, call.path, **call.sent)
        except httpx.RequestError as error:
            raise unreachable(error) from error
        if not answer.is_success:
            raise refusal(answer)
        return call.read(answer)

    async def follow(self, run_id: str) -> AsyncIterator[SlateJob]:
        """A job's status whenever it is another one, the last one how it ended.

        Raises:
            Refused: If no job has this id, or an event is none of the service's own.
            Unavailable: If the service ended before the job did, which goes on once it is back.
        """
        async for _, data, answer in self._events(f"{job_path(run_id)}/events"):
            job = read_by(SlateJob.model_validate_json, data, answer)
            yield job
            if job.status in ENDED:
                return
        raise _cut_short()

    async def follow_race(self, race: str) -> AsyncIterator[LiveForecast | Problem]:
        """A race's live forecast, and again whenever there is another one or a feed is refused.

        Without any forecast yet, why there is none.

        Raises:
            Refused: If the schedule does not know the race, or an event is none of the service's
                own.
            Unavailable: If the service ended; nothing else ends it.
        """
        async for name, data, answer in self._events(f"{live_path(race)}/events"):
            if name == "forecast":
                yield read_by(LiveForecast.model_validate_json, data, answer)
            else:
                yield read_by(Problem.model_validate_json, data, answer)
        raise _cut_short()

    async def _events(self, path: str) -> AsyncIterator[tuple[str, str, httpx.Response]]:
        """Server-sent events, each with its name, its data and the answer that it came in."""
        name = ""
        try:
            async with self._http.stream("GET", path) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise refusal(answer)
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield name, line.removeprefix("data: "), answer
        except httpx.RequestError as error:
            raise unreachable(error) from error


def _cut_short() -> Unavailable:
    """What a stream of events says that ended before what it tells of."""
    message = "The stream of events ended: the service is stopped, or something before it ended it."
    return Unavailable(0, SlateProblem(code="UNREACHABLE", message=message))
