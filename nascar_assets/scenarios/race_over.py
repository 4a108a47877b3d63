"""A race that is over: every scenario is what stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from nascar_assets.scenarios.kernel_arrays import Begin
from nascar_assets.scenarios.race_events import RUNNING
from nascar_assets.scenarios.setup import RaceSetup
from nascar_assets.telemetry.race_state import RaceState

RETIRED_FROM = 0.5
"""Chance never to return from which a car that stands still at the end counts as retired."""
LATE_FROM = 0.8
"""Share of the scheduled laps after which a caution is late."""


def standing(
    begin: Begin, state: RaceState, setup: RaceSetup, n: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays of `n` scenarios of a race that is over: those over cars, and those over races.

    Args:
        begin: Where the race stands, by entry.
        state: The same, as it was read; entries that it does not know come last.
        setup: The race.
        n: Scenarios.
    """
    place = dict(zip(state.driver_ids, state.position.tolist(), strict=True))
    size = len(setup.driver_ids)
    position = np.array(
        [place.get(driver, size + at) for at, driver in enumerate(setup.driver_ids)]
    )
    finish = np.argsort(np.argsort(position, kind="stable"), kind="stable") + 1
    retired = (begin.out_lap > 0) | (begin.gone >= RETIRED_FROM)
    dnf_lap = np.where(begin.out_lap > 0, begin.out_lap, begin.laps_completed + 1)
    cars = {
        "start": begin.start,
        "finish": finish,
        "laps_led": begin.laps_led,
        "fastest_laps": begin.fastest_laps,
        "laps_completed": begin.laps_completed,
        "status": np.where(retired, begin.out_status, RUNNING),
        "dnf_lap": np.where(retired, dnf_lap, 0),
        "mid_position": begin.mid_position,
    }
    races = {
        "race_laps": state.lap,
        "green_laps": state.green_laps,
        "cautions": begin.cautions,
        "late_cautions": int((state.caution_starts > LATE_FROM * state.scheduled_laps).sum()),
        "strategy": 0,
        "fuel_gambles": 0,
        "last_leader": int(np.argmin(finish)),
    }
    return (
        {name: np.tile(values, (n, 1)) for name, values in cars.items()},
        {name: np.full(n, value) for name, value in races.items()},
    )
