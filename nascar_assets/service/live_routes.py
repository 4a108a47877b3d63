"""The routes of a race under way: its newest forecast, and each as it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from anyio import to_thread
from fastapi import FastAPI, Path, Request
from fastapi.responses import Response, StreamingResponse

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.live_forecast import live_answer, live_tag
from nascar_assets.orchestration.inputs.schedule import stored_schedule
from nascar_assets.service.event_streams import EVENTS, Event, EventStreams
from nascar_assets.service.live_contracts import LiveForecast, RaceName
from nascar_assets.service.problems import RequestRefused, problem_answers, unknown_race
from nascar_assets.storage import DataRoot

TAG = "races"
LOOK_SECONDS = 1.0
"""How often a race is looked at for those who follow it."""


def add_live_routes(app: FastAPI, root: DataRoot, ending: asyncio.Event) -> None:
    """Adds the routes that read forecasts made while a race is run."""
    streams = EventStreams("races", ending)

    def key_of(race: str) -> str:
        rows = stored_schedule(root).select("race_key", "race_id")
        for key, number in rows.iter_rows():
            if race in (key, number):
                return str(key)
        raise unknown_race()

    def newest(key: str) -> LiveForecast:
        try:
            answer = live_answer(root, key, datetime.now(UTC))
        except InputError as error:
            raise RequestRefused(
                404, "NO_LIVE_FORECAST", error.message, field="race", remedy=error.remedy
            ) from error
        return LiveForecast.model_validate(answer)

    def event(key: str) -> Event:
        try:
            return "forecast", newest(key)
        except RequestRefused as error:
            return "none", error.problem

    async def moving(key: str) -> AsyncIterator[Event]:
        before = None
        while True:
            tag = await to_thread.run_sync(live_tag, root, key)
            if tag != before:
                before = tag
                yield await to_thread.run_sync(event, key)
            await asyncio.sleep(LOOK_SECONDS)

    @app.get(
        "/api/v1/races/{race}/live",
        tags=[TAG],
        summary="A race while it is run",
        responses=problem_answers(401, 403, 404, 422, 429, 503),
    )
    def live(race: Annotated[RaceName, Path()]) -> LiveForecast:
        """The newest forecast with its age, and how chances and points moved lap by lap."""
        return newest(key_of(race))

    @app.get(
        "/api/v1/races/{race}/live/events",
        tags=[TAG],
        summary="A race's forecasts as they are made",
        response_class=StreamingResponse,
        responses=EVENTS,
    )
    async def events(request: Request, race: Annotated[RaceName, Path()]) -> Response:
        """Server-sent events without an end: `forecast`, or `none` with why there is none yet."""
        key = await to_thread.run_sync(key_of, race)
        return streams.answer(moving(key), request.state.client, request.state.known)
