"""Contest scoring of whole arrays of scenarios, in exact integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.rules.rule_set import RuleSet

Integers = npt.NDArray[np.integer]


def score(
    rules: RuleSet,
    *,
    start: Integers,
    finish: Integers,
    laps_led: Integers,
    fastest_laps: Integers,
    laps_completed: Integers,
) -> npt.NDArray[np.int32]:
    """Contest points of every car in every scenario.

    Args:
        rules: The contest's rules.
        start: Official starting positions, from 1; any shape that broadcasts with the others,
            usually [N] or [S, N].
        finish: Official finishing positions, from 1, usually [S, N].
        laps_led: Laps led.
        fastest_laps: Green-flag laps on which the car was the fastest.
        laps_completed: Laps completed.

    Returns:
        Points in units of 1 / `rules.points_scale`, of the broadcast shape.

    Raises:
        ValueError: If a position is below 1 or a count below 0.
    """
    for name, array in (("start", start), ("finish", finish)):
        if array.size and int(array.min()) < 1:
            raise ValueError(f"{name} holds a position below 1; positions count from 1.")
    counts = {
        "laps_led": laps_led,
        "fastest_laps": fastest_laps,
        "laps_completed": laps_completed,
    }
    for name, array in counts.items():
        if array.size and int(array.min()) < 0:
            raise ValueError(f"{name} holds a count below 0.")
    places = np.zeros(max(int(finish.max(initial=0)), len(rules.finish)) + 1, np.int32)
    places[1 : len(rules.finish) + 1] = rules.finish
    units = (
        places[finish]
        + rules.place_differential * (start.astype(np.int32) - finish.astype(np.int32))
        + rules.lap_led * laps_led.astype(np.int32)
        + rules.fastest_lap * fastest_laps.astype(np.int32)
        + rules.lap_completed * laps_completed.astype(np.int32)
    )
    return np.asarray(units, dtype=np.int32)
