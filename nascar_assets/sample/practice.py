"""Practice: the feed's lap averages of invented sessions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.sample.feed_files import MAKES, Json, Race, marked_name, number
from nascar_assets.sample.world import TEAMS, driver_id

Floats = npt.NDArray[np.float64]

_WINDOWS = (5, 10, 15, 20, 25, 30)


def lap_averages(race: Race, rng: np.random.Generator, level: Floats, title: str) -> list[Json]:
    """Practice averages; 999 where a car has not run that many laps in a row.

    Args:
        race: The race.
        rng: Source of randomness.
        level: Each car's ability, [N].
        title: The session's title.
    """
    n, longest = len(race.cars), 36
    track = race.track
    length = rng.integers(3, longest + 1, n)
    noise = rng.normal(0.0, 0.0025, (n, longest))
    wear = 0.02 * (1.0 - np.exp(-np.arange(longest) / 16.0))
    setup = rng.normal(0.0, 0.002, (n, 1))
    laps = track.lap_time * (1.0 - 0.003 * level[:, None] + setup + wear + noise)
    laps[np.arange(longest) >= length[:, None]] = np.nan
    best = np.nanmin(laps, axis=1)
    overall = np.nanmean(laps, axis=1)
    sums = np.concatenate([np.zeros((n, 1)), np.cumsum(np.nan_to_num(laps, nan=1e6), axis=1)], 1)
    items = {"BestLap": best, "OverAllAvg": overall}
    for window in _WINDOWS:
        mean = ((sums[:, window:] - sums[:, :-window]) / window).min(axis=1)
        items[f"Con{window}Lap"] = np.where(length >= window, mean, 999.0)
    ranks = {
        key: np.argsort(np.argsort(values, kind="stable"), kind="stable") + 1
        for key, values in items.items()
    }

    def average(key: str, car: int) -> Json:
        if items[key][car] == 999.0:
            return {key: 999, f"{key}Rank": None}
        return {key: number(float(items[key][car])), f"{key}Rank": int(ranks[key][car])}

    rows = []
    for car in np.argsort(overall, kind="stable"):
        entry = race.cars[car]
        row: Json = {
            "BestLapRank": int(ranks["BestLap"][car]),
            "Number": entry.number,
            "NASCARDriverID": driver_id(entry.driver),
            "FullName": marked_name(race, int(car)),
            "Manufacturer": MAKES[TEAMS[entry.team][1]],
            "Sponsor": entry.sponsor,
            "BestLapTime": number(float(best[car])),
            "OverAllAvg": number(float(overall[car]), 7),
            "OverAllAvgRank": int(ranks["OverAllAvg"][car]),
        }
        for window in _WINDOWS:
            row |= average(f"Con{window}Lap", int(car))
        rows.append(row)
    return [{"Title": title, "Items": rows}]
