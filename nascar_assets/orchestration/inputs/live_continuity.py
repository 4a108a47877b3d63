"""Whether the state of a race under way goes on from the race's last forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nascar_assets.errors import InputError

if TYPE_CHECKING:
    from nascar_assets.telemetry.race_state import RaceState

CORRECTED = 1
"""Laps by which a later feed may correct what was counted before."""


def check_goes_on(series: Sequence[Mapping[str, Any]], state: RaceState) -> None:
    """Refuses a state in which drivers have lost what they had at the last forecast.

    A feed whose cars have changed drivers is a race of its own, lawful by itself; the race before
    it tells: a driver's laps, completed and led, do not become fewer, he does not vanish, and his
    place on the grid is not another's.

    Args:
        series: The race's forecasts so far, by lap.
        state: The state of the newest feed.

    Raises:
        InputError: If it contradicts the last forecast; the message names a driver.
    """
    if not series:
        return
    last = series[-1]
    rows = {row["driver_id"]: row for found in last["slates"].values() for row in found["drivers"]}
    known = {driver: row for driver, row in rows.items() if row["position"] is not None}
    place = {driver: at for at, driver in enumerate(state.driver_ids)}
    start = {driver: int(state.start[at]) for driver, at in place.items()}
    # The grid by the feed then; that of the slate, which points count from, may be another.
    grid = {driver: row.get("lined_up", row["start"]) for driver, row in known.items()}
    started = {at: driver for driver, at in grid.items()}
    for driver, row in known.items():
        at = place.get(driver)
        if at is None:
            why = f"{row['name']} raced then and is not in it"
        elif int(state.laps_completed[at]) < last["lap"] - row["laps_down"] - CORRECTED:
            why = (
                f"{row['name']} had completed {last['lap'] - row['laps_down']} laps then and has "
                f"{int(state.laps_completed[at])} in it"
            )
        elif int(state.laps_led[at]) < row["laps_led"] - CORRECTED:
            why = (
                f"{row['name']} had led {row['laps_led']} laps then and has "
                f"{int(state.laps_led[at])} in it"
            )
        elif (
            start[driver] != grid[driver]
            and (other := started.get(start[driver])) is not None
            and start.get(other) == grid[driver]
        ):
            why = f"{row['name']} and {known[other]['name']} have each other's start in it"
        else:
            continue
        raise InputError(
            f"The feed does not go on from the forecast after lap {last['lap']}: {why}. Cars have "
            "changed drivers, or it is of another race.",
            field="driver_id",
            remedy="Wait for the next feed. Where the earlier feed was wrong, remove the race's "
            "folder of live forecasts to begin anew.",
        )
