"""The route of a race under way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Path

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.live_forecast import live_answer
from nascar_assets.orchestration.inputs.schedule import stored_schedule
from nascar_assets.service.live_contracts import LiveForecast, RaceName
from nascar_assets.service.problems import RequestRefused, problem_answers
from nascar_assets.storage import DataRoot

TAG = "races"


def add_live_routes(app: FastAPI, root: DataRoot) -> None:
    """Adds the route that reads forecasts made while a race is run.

    Args:
        app: The application.
        root: The data root.
    """

    @app.get(
        "/api/v1/races/{race}/live",
        tags=[TAG],
        summary="A race while it is run",
        responses=problem_answers(401, 403, 404, 422, 429, 503),
    )
    def live(race: Annotated[RaceName, Path()]) -> LiveForecast:
        """The newest forecast with its age, and how chances and points moved lap by lap."""
        rows = stored_schedule(root)
        known = {
            name: key
            for key, number in rows.select("race_key", "race_id").iter_rows()
            for name in (key, number)
        }
        if race not in known:
            raise RequestRefused(
                404, "RACE_UNKNOWN", "The schedule holds no such race.", field="race"
            )
        try:
            answer = live_answer(root, known[race], datetime.now(UTC))
        except InputError as error:
            raise RequestRefused(
                404, "NO_LIVE_FORECAST", error.message, field="race", remedy=error.remedy
            ) from error
        return LiveForecast.model_validate(answer)
