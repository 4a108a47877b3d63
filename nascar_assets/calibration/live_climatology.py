"""The climatology of a race under way: what became of cars that ran about as far up, elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.forecasts import RaceToForecast
from nascar_assets.telemetry.race_state import RaceState

NEIGHBOURS = 3
"""Places on either side that the climatology of a running position pools."""


@dataclass(frozen=True, slots=True)
class Case:
    """One race at one share of its distance, with what came.

    Attributes:
        race: The race.
        fraction: Share of its distance.
        state: Where it stood.
        places: Where its drivers came: the finish, or positions some laps later.
    """

    race: RaceToForecast
    fraction: float
    state: RaceState
    places: Mapping[str, int]


def climatology(
    case: Case, cases: Sequence[Case], positions: npt.NDArray[np.int64]
) -> npt.NDArray[Any] | None:
    """Places of cars that ran within three places at this share, in other races of the type.

    Leave-one-race-out: it knows later races too, which a forecast does not.

    Returns:
        [m, N] as many quantiles of each car's places; none without another race of the type.
    """
    pairs = [
        (int(place), other.places[driver])
        for other in cases
        if other.fraction == case.fraction
        and other.race.track_type == case.race.track_type
        and other.race.race_id != case.race.race_id
        for driver, place in zip(other.state.driver_ids, other.state.position, strict=True)
        if driver in other.places
    ]
    if not pairs:
        return None
    run, ended = np.array(pairs).T
    shares = (np.arange(1000) + 0.5) / 1000
    made = np.empty((1000, len(positions)))
    for car, position in enumerate(positions):
        away = np.abs(run - position)
        near = ended[away <= max(NEIGHBOURS, int(away.min()))]
        made[:, car] = np.quantile(near, shares, method="inverted_cdf")
    return made
