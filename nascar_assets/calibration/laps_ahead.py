"""The running order some laps ahead of a state: forecasts of it against what it came to be.

The measure of the literature (RankNet: Peng et al. 2021, "Rank Position Forecasting in Car Racing",
IPDPS): mean absolute error of a car's position k laps later, and whether the leader then was named,
against the order that stays as it is. Here a position counts retired cars, too, by the laps that
they completed, as the scoring pylon does; cars that ran at the state are scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.live_climatology import Case, climatology
from nascar_assets.telemetry.race_state import RaceState

AHEAD: tuple[int, ...] = (2, 10, 20, 50)
"""Laps ahead of the state."""


@dataclass(frozen=True, slots=True)
class OrderAhead:
    """A forecast of positions some laps ahead.

    Attributes:
        median: Median position of each driver.
        leads: Chance of each to lead then.
    """

    median: Mapping[str, float]
    leads: Mapping[str, float]

    @classmethod
    def of(cls, driver_ids: Sequence[str], positions: npt.NDArray[Any]) -> OrderAhead:
        """From scenarios of positions [n, N]."""
        middle, leads = np.median(positions, axis=0), (positions == 1).mean(axis=0)
        return cls(
            dict(zip(driver_ids, middle.tolist(), strict=True)),
            dict(zip(driver_ids, leads.tolist(), strict=True)),
        )


def laps_to_trace(state: RaceState) -> dict[int, int]:
    """The lap that is so many laps ahead, where the schedule has it."""
    return {k: state.lap + k for k in AHEAD if state.lap + k <= state.scheduled_laps}


def places_after(state: RaceState, later: RaceState) -> dict[str, int]:
    """Positions in a later state of the cars that ran at an earlier one."""
    place = dict(zip(later.driver_ids, later.position.tolist(), strict=True))
    ran = np.array(state.driver_ids)[state.moving].tolist()
    return {driver: place[driver] for driver in ran if driver in place}


def scored_ahead(
    case: Case, cases: Sequence[Case], made: OrderAhead, names: tuple[str, str, str]
) -> list[dict[str, Any]]:
    """Errors of a forecast, of the climatology and of the order that stays, one row each.

    Args:
        case: A race's state with the positions so many laps later.
        cases: All of them, for the climatology: the median of cars that ran within three places
            at this share in other races of the type.
        made: The forecast.
        names: What the three are called.

    Returns:
        Rows of race_id, race_key, track_type, fraction, forecaster, cars, `mae` and `leader`
        (whether the likeliest leader led); no climatology without another race of the type.
    """
    state, drivers = case.state, [d for d in case.places if d in made.median]
    truth = np.array([case.places[driver] for driver in drivers])
    running = dict(zip(state.driver_ids, state.position.tolist(), strict=True))
    now = np.array([running[driver] for driver in drivers])
    elsewhere = climatology(case, cases, now)
    forecasts = [made, None if elsewhere is None else OrderAhead.of(drivers, elsewhere),
                 OrderAhead.of(drivers, now[None, :])]  # fmt: skip
    rows = []
    for name, forecast in zip(names, forecasts, strict=True):
        if forecast is None:
            continue
        middle = np.array([forecast.median[driver] for driver in drivers])
        first = max(drivers, key=lambda driver: forecast.leads[driver])
        rows.append(
            {
                "race_id": case.race.race_id,
                "race_key": case.race.race_key,
                "track_type": case.race.track_type,
                "fraction": case.fraction,
                "forecaster": name,
                "cars": len(drivers),
                "mae": float(np.abs(middle - truth).mean()),
                "leader": float(case.places[first] == 1),
            }
        )
    return rows
