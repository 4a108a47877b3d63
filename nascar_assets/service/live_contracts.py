"""The contract of a race under way: its newest forecast, and how it moved lap by lap."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from nascar_assets.service.contracts import Contract, Notice

RaceName = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z-]{0,40}$"),
    Field(description="The race's key or feed id.", examples=["2026-cup-05"]),
]


class LiveDriver(Contract, tables=("scenario_summary", "slate")):
    """A player while the race is run."""

    driver_id: str
    name: str
    position: int | None = Field(description="Running position; none for one without laps.")
    laps_down: int | None
    moving: bool = Field(description="Whether the car is in the race and does not stand still.")
    start: int | None = Field(description="Start that contest points count from.")
    lined_up: int | None = Field(
        None,
        description="Place on the grid by the feed; none in forecasts of older versions.",
    )
    laps_led: int = Field(description="Laps led so far.")
    points_now: float = Field(description="Contest points if the race ended as it stands.")
    mean_points: float = Field(description="Contest points expected.")
    points_p10: float
    points_p50: float
    points_p90: float
    expected_finish: float
    finish_p10: int
    finish_p50: int
    finish_p90: int
    win: float = Field(description="Chance to win.")
    win_before: float | None = Field(
        None,
        description="Chance to win before the race by the model, without what views state of "
        "points and chances; none in forecasts of older versions.",
    )
    top_5: float
    top_10: float


class LiveValue(Contract):
    """What one set of players is worth while the race is run."""

    drivers: tuple[str, ...] = Field(
        (), description="The players' ids; none in forecasts of older versions."
    )
    points_now: float
    mean_points: float
    points_p10: float
    points_p50: float
    points_p90: float
    expected_place: float = Field(description="Mean place in the contest.")
    best_tenth: float = Field(description="Chance to end in the contest's best tenth.")


class LiveLineup(LiveValue):
    """A lineup of the portfolio."""

    lineup: int


class LiveEntry(LiveValue):
    """An entry of an entries file, as it was last written."""

    entry_id: str


class LiveContest(Contract):
    """The contest in which places are counted, against rivals drawn before the race."""

    name: str
    entries: int


class LiveSlate(Contract):
    """One slate's forecast, drivers in running order."""

    drivers: tuple[LiveDriver, ...]
    contest: LiveContest
    lineups: tuple[LiveLineup, ...]
    entries: tuple[LiveEntry, ...]


class LiveRefusal(Contract):
    """Why the newest feed gave no forecast; the last good one stands."""

    reason: str
    at: datetime


class LivePoint(Contract):
    """One forecast of the series."""

    lap: int
    made_at: datetime
    win: dict[str, float] = Field(
        description="Chance to win by driver, as the race's first slate has it."
    )
    win_by_slate: dict[str, dict[str, float]] = Field(
        default={}, description="Chance to win by slate and driver."
    )
    mean_points: dict[str, dict[str, float]] = Field(
        description="Expected contest points by slate and driver."
    )


class LiveForecast(Contract):
    """A race while it is run."""

    race_key: str
    race_id: str
    lap: int = Field(description="Laps that the leader had completed.")
    scheduled_laps: int
    flag: str | None
    notices: tuple[Notice, ...]
    slates: dict[str, LiveSlate]
    made_at: datetime
    age_s: float = Field(description="Seconds since it was made.")
    seal: str = Field(description="SHA-256 of its content.")
    before: str | None = Field(description="The seal of the forecast before it.")
    refused: LiveRefusal | None
    series: tuple[LivePoint, ...]
