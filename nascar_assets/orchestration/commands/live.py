"""`nascar live`: a stored race replayed to a lap, and what was forecast of a race under way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.landing import LANDING
from nascar_assets.feed.paths import race_path
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.orchestration.inputs.live_forecast import live_answer
from nascar_assets.orchestration.inputs.past import all_results, known_entries, race_ratings
from nascar_assets.orchestration.inputs.process_parameters import model_as_of
from nascar_assets.orchestration.inputs.schedule import Race, stored_schedule
from nascar_assets.orchestration.resources import Platform
from nascar_assets.slates.race_match import listed_races, nearest_races, races_called
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.race_state import RaceState
from nascar_assets.telemetry.state_from_laps import last_lap, state_from_lap_times

if TYPE_CHECKING:
    from nascar_assets.calibration.forecasts import RaceForecast, RaceToForecast
    from nascar_assets.calibration.race_forecast import RunningOrder


def replayed(
    home: str, race: str, at: float, feed: Path | None, scenarios: int, seed: int
) -> dict[str, Any]:
    """A race with laps as it would have been forecast at a share of its distance.

    Args:
        home: The data root, whose ratings and race process are used.
        race: The race: its id, its key or a part of its name.
        at: Share of the scheduled distance, between 0 and 1.
        feed: A folder like the feed to take everything from instead.

    Raises:
        InputError: If the race is unknown, has no laps, or did not come so far.
    """
    from nascar_assets.calibration.live_backtest import score_finish

    if not 0.0 < at < 1.0:
        raise InputError(
            f"--at is {at}; it is a share of the distance above 0 and below 1.", field="--at"
        )
    if feed is None:
        root = Platform(home=home).root
        files = DataRoot.open(f"{home}/{LANDING}")
        row = race_row(stored_schedule(root), race)
        ready, model = _from_home(root, row)
        results = all_results(root, row["start_time"])
    else:
        files = DataRoot.open(feed)
        row, ready, model, results = _from_feed(files, race)
    path = race_path("lap_times", row["season"], row["series"], row["race_id"])
    data = files.read(path)
    if data is None or data.strip() == b"null":
        raise InputError(
            f"There are no lap times of race {row['race_key']}.",
            file=path,
            remedy="Sync the race's files; the feed has laps of some races only.",
        )
    lap = max(1, round(at * ready.scheduled_laps))
    state = state_from_lap_times(data, {**row, "scheduled_laps": ready.scheduled_laps}, lap)
    made = model.forecast_from(state, ready, scenarios, seed)
    rows = results.filter(pl.col("race_id") == row["race_id"], pl.col("finish").is_not_null())
    finish = dict(zip(rows["driver_id"], rows["finish"], strict=True))
    kept = [k for k, driver in enumerate(made.driver_ids) if driver in finish]
    truth = np.array([finish[made.driver_ids[k]] for k in kept])
    return {
        "race_key": row["race_key"],
        "lap": lap,
        "race_laps": last_lap(data),
        "scheduled_laps": ready.scheduled_laps,
        "flag": {1: "green", 2: "yellow", 3: "red"}.get(int(state.flags[-1])),
        "notices": [*state.notices, *model.notes.get("not used", ())],
        "scores": score_finish(made.finish[:, kept], truth) if kept else None,
        "drivers": _drivers(made, ready, state, finish),
    }


def race_row(schedule: pl.DataFrame, race: str) -> Race:
    """The schedule's row of a race by its id, its key or a part of its name.

    Raises:
        InputError: If there is none, or more than one; lists them, or the nearest.
    """
    rows = races_called(schedule, race)
    if rows.height == 1:
        return rows.row(0, named=True)
    if rows.is_empty():
        fault, rows = f"The schedule holds no race {race}.", nearest_races(race, schedule)
    else:
        fault = f"{race!r} names several races."
    listed = (
        f" Nearest: {listed_races(rows, _now())}." if rows.height else " Run nascar sync first."
    )
    raise InputError(
        fault,
        field="RACE",
        remedy=f"Name it by its key, its feed id or a part of its name.{listed}",
    )


def _from_home(root: DataRoot, row: Race) -> tuple[RaceToForecast, RunningOrder]:
    """A race as it stood at its start by the home's tables, and the race process of then."""
    from nascar_assets.calibration.archive import race_to_forecast
    from nascar_assets.calibration.race_forecast import RunningOrder

    key, start = str(row["race_key"]), row["start_time"]
    entries = known_entries(root, key, start)
    if entries is None or entries.is_empty():
        raise InputError(f"Race {key} has no entry list.", remedy="Sync the race's files first.")
    ready = race_to_forecast(
        row,
        entries,
        race_ratings(root, key, start),
        pl.DataFrame(schema=DRIVER_VALUES),
        pl.DataFrame(schema=TRACK_VALUES),
        as_of=start,
    )
    used = model_as_of(root, row["series"], start)
    return ready, RunningOrder(used.parameters, values=False, notes={"not used": used.notices})


def _from_feed(
    files: DataRoot, race: str
) -> tuple[Race, RaceToForecast, RunningOrder, pl.DataFrame]:
    """The same from a folder like the feed alone: ratings and process made from its races."""
    from nascar_assets.calibration.backtest import NOT_PREPARED
    from nascar_assets.calibration.feed_tables import read_feed_tables
    from nascar_assets.calibration.live_backtest import (
        LiveSettings,
        walk_forward,
        with_models,
    )

    tables = read_feed_tables(files)
    row = race_row(tables.schedule, race)
    day = row["start_time"].date()
    settings = LiveSettings(day, day, series=row["series"])
    walker = walk_forward(tables, row["series"])
    for prepared, model in with_models(tables, walker, {str(row["race_id"])}, settings):
        return row, prepared.race, model, tables.results
    why = "it is no points race"
    if row["race_type"] == "points":
        same = tables.schedule.filter(race_id=row["race_id"])
        why = tables.without_results(same).get(row["race_key"], NOT_PREPARED).rstrip(".")
    raise InputError(f"Race {row['race_key']} cannot be forecast: {why}.", field="RACE")


def _drivers(
    made: RaceForecast, race: RaceToForecast, state: RaceState, finish: dict[str, int]
) -> list[dict[str, Any]]:
    names = dict(zip(race.entries["driver_id"], race.entries["driver_name"], strict=True))
    rows = {driver: row for row, driver in enumerate(state.driver_ids)}
    found = []
    for car, driver in enumerate(made.driver_ids):
        ends = made.finish[:, car]
        row = rows.get(driver)
        low, high = np.quantile(ends, (0.1, 0.9), method="inverted_cdf")
        found.append(
            {
                "driver_id": driver,
                "name": names.get(driver),
                "position": None if row is None else int(state.position[row]),
                "laps_down": None if row is None else int(state.laps_down[row]),
                "moving": bool(row is not None and state.moving[row]),
                "win": float((ends == 1).mean()),
                "top_5": float((ends <= 5).mean()),
                "top_10": float((ends <= 10).mean()),
                "expected_finish": round(float(ends.mean()), 2),
                "finish_p10": int(low),
                "finish_p90": int(high),
                "expected_points": round(float(made.points[:, car].mean() / made.points_scale), 2),
                "finish": finish.get(driver),
            }
        )
    return sorted(found, key=lambda one: (one["position"] is None, one["position"]))


def shown(home: str, race: str) -> dict[str, Any]:
    """The newest forecast of a race made while it was run, with its age and the series.

    Raises:
        InputError: If the race is unknown or there is none.
    """
    root = Platform(home=home).root
    return live_answer(root, str(race_row(stored_schedule(root), race)["race_key"]), _now())


def _now() -> datetime:
    return datetime.now(UTC)
