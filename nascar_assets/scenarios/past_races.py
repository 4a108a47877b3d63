"""Real races as the simulation sees them: the setup known before, the outcome known after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.feed.status import ACCIDENT, DISQUALIFIED, status_codes
from nascar_assets.scenarios.moments import Races
from nascar_assets.scenarios.race_events import RUNNING
from nascar_assets.scenarios.regimes import REGIMES, classify
from nascar_assets.scenarios.setup import RACE_LAPS, Entry, RaceSetup, inner_stage_ends

_MOVED = pl.when(pl.col("status") == DISQUALIFIED).then("finish_on_track")
"""Places on track of a race's disqualified cars, null for the others."""
ON_TRACK = (_MOVED - 0.5 - 0.99 * (_MOVED.rank("min").over("race_id") - 1)).fill_null(
    pl.col("finish")
)
"""Order of a race's cars, a disqualified one just ahead of who was next behind it on track, as
`history.ratings_scores.finish_scores` has it: no simulated car is disqualified."""


@dataclass(frozen=True, slots=True)
class PastRace:
    """One real race.

    Attributes:
        series: cup, xfinity or trucks.
        start_time: When it started.
        setup: What was known before it.
        outcome: What happened, as a set of one race.
        ratings: [N] ratings without start and qualifying (the table RATINGS' `rating`).
    """

    series: str
    start_time: datetime
    setup: RaceSetup
    outcome: Races
    ratings: npt.NDArray[np.float64]


def past_races(
    results: pl.DataFrame,
    ratings: pl.DataFrame,
    schedule: pl.DataFrame,
    as_of: datetime,
    *,
    series: tuple[str, ...] | None = None,
    full_distance: bool = True,
) -> list[PastRace]:
    """Points races known by a time, with their out-of-sample ratings.

    Args:
        results: RESULTS.
        ratings: RATINGS of those races, each as of its start.
        schedule: SCHEDULE, for the stage ends.
        as_of: Races whose results were known later are left out.
        series: Series wanted; all by default.
        full_distance: Leave out races that were called before their scheduled distance.

    Returns:
        The races in order of start. Left out: exhibitions, races of other lengths or field sizes
        than can be simulated, without a count of caution laps or laps led or without ratings.
    """
    known = results.filter(
        pl.col("race_type") == "points",
        pl.col("results_at") <= as_of,
        pl.col("finish").is_not_null(),
        pl.col("caution_laps").is_not_null(),
        pl.col("cautions").is_not_null(),
        pl.col("actual_laps").is_not_null(),
        pl.col("scheduled_laps").is_between(*RACE_LAPS),
        # Somebody leads a race: where nobody did, the laps led were not counted.
        pl.col("laps_led").sum().over("race_id") > 0,
    )
    if series is not None:
        known = known.filter(pl.col("series").is_in(series))
    if full_distance:
        known = known.filter(pl.col("actual_laps") >= pl.col("scheduled_laps"))
    joined = (
        known.join(
            ratings.select("race_id", "driver_id", "rating", "level", "level_sd"),
            on=["race_id", "driver_id"],
            how="inner",
        )
        .join(schedule.select("race_id", "stage_ends").unique("race_id"), on="race_id", how="left")
        .sort("start_time", "race_id", ON_TRACK, "driver_id")
    )
    races = joined.partition_by("race_id", maintain_order=True)
    return [_past_race(race) for race in races if 6 <= race.height <= 50]


def _past_race(race: pl.DataFrame) -> PastRace:
    first: dict[str, Any] = race.row(0, named=True)
    size = race.height
    # Rows may be missing (a withdrawn driver's, a malformed one's): close the gaps.
    listed = race["start"].fill_null(size + 1).to_numpy()
    start = np.argsort(np.argsort(listed, kind="stable")) + 1
    laps = int(first["scheduled_laps"])
    entries = tuple(
        Entry(
            driver_id=driver,
            name=name or "",
            team=team or "",
            manufacturer=make or "",
            start=int(place),
            level=level,
            level_sd=level_sd,
        )
        for (driver, name, team, make, level, level_sd), place in zip(
            race.select(
                "driver_id", "driver_name", "team", "manufacturer", "level", "level_sd"
            ).iter_rows(),
            start,
            strict=True,
        )
    )
    setup = RaceSetup(
        race_id=first["race_id"],
        track_id=first["track_id"],
        track_type=first["track_type"],
        scheduled_laps=laps,
        stage_ends=inner_stage_ends(first["stage_ends"], laps),
        entries=entries,
        track_length=first["track_length_miles"],
    )
    status = status_codes(race["status"])
    run = int(first["actual_laps"])

    def counts(name: str) -> npt.NDArray[np.int64]:
        return race[name].fill_null(0).cast(pl.Int64).to_numpy()[None, :]

    outcome = Races(
        start=start[None, :],
        finish=np.arange(1, size + 1)[None, :],
        laps_led=counts("laps_led"),
        fastest_laps=counts("fastest_laps"),
        laps_completed=counts("laps_completed"),
        status=status[None, :],
        mid_position=counts("mid_position") * (status == RUNNING),
        race_laps=np.array([run]),
        green_laps=np.array([run - int(first["caution_laps"])]),
        cautions=np.array([int(first["cautions"])]),
        scheduled_laps=laps,
        level=race["level"].to_numpy(),
        team=team_codes([entry.team for entry in entries]),
    )
    return PastRace(first["series"], first["start_time"], setup, outcome, race["rating"].to_numpy())


def past_regimes(results: pl.DataFrame) -> tuple[dict[str, float], int]:
    """How often real races took each course, by the classifier of the simulated ones.

    Args:
        results: RESULTS; races without a count of caution laps or laps led are left out.

    Returns:
        Share of the races by label of `REGIMES` (all of them; empty without races), and how many
        races there are.
    """
    led = pl.col("laps_led")
    races = (
        results.filter(
            pl.col("finish").is_not_null(),
            pl.col("caution_laps").is_not_null(),
            pl.col("actual_laps") > 0,
        )
        .sort("race_id", ON_TRACK)
        .group_by("race_id", maintain_order=True)
        .agg(
            laps=pl.col("actual_laps").first(),
            green=(pl.col("actual_laps") - pl.col("caution_laps")).first(),
            top=led.max(),
            winner=led.first().fill_null(0),
            accidents=(pl.col("status") == ACCIDENT).sum(),
            size=pl.len(),
        )
        .filter(pl.col("top") > 0)  # somebody leads a race that was counted
    )
    if races.is_empty():
        return {}, 0
    codes = classify(
        race_laps=races["laps"].to_numpy(),
        green_laps=races["green"].to_numpy(),
        top_laps_led=races["top"].to_numpy(),
        winner_laps_led=races["winner"].to_numpy(),
        accidents=races["accidents"].to_numpy(),
        field_size=races["size"].to_numpy(),
    )
    shares = {label: float((codes == code).mean()) for code, label in enumerate(REGIMES)}
    return shares, races.height


def team_codes(teams: list[str]) -> npt.NDArray[np.int64]:
    """Codes of the teams from 0 in order of their first car; -1 for a car without one."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(t, len(first)) if t else -1 for t in teams], np.int64)
