"""The laws of the race, checked over whole sets of scenarios."""

from __future__ import annotations

import numpy as np

from nascar_assets.scenarios.diagnostics import LawRecord
from nascar_assets.scenarios.result import Scenarios

LAWS: dict[str, str] = {
    "finish_permutation": "The finish is a permutation of 1 to N.",
    "laps_led": "Laps led sum to the race's laps; nobody leads more laps than he completed.",
    "fastest_laps": (
        "A green lap awards at most one fastest lap, and only to a car on track: fastest laps "
        "sum to at most the green laps, and nobody has more of them than laps completed."
    ),
    "laps_completed": (
        "Laps completed never increase with the finishing position; none exceeds the race's laps."
    ),
    "last_leader_wins": "The leader of the last lap runs at the end, led a lap, and wins.",
    "retired_cars": "A retired car leads and completes no lap from its retirement on.",
}
"""Statements of the laws by name."""


def check_laws(scenarios: Scenarios) -> tuple[LawRecord, ...]:
    """Check every law on every scenario.

    Args:
        scenarios: Any number of scenarios, simulated or loaded.

    Returns:
        One record for each of `LAWS`, in its order.
    """
    n, size = scenarios.finish.shape
    race_laps = scenarios.race_laps.astype(np.int64)[:, None]
    led = scenarios.laps_led.astype(np.int64)
    done = scenarios.laps_completed.astype(np.int64)
    fastest = scenarios.fastest_laps.astype(np.int64)
    out_lap = scenarios.dnf_lap.astype(np.int64)
    rows = np.arange(n)
    by_finish = np.argsort(scenarios.finish, axis=1, kind="stable")
    ordered = np.take_along_axis(done, by_finish, axis=1)
    permutation = np.take_along_axis(scenarios.finish, by_finish, axis=1) == np.arange(1, size + 1)
    leader = scenarios.last_leader
    retired = scenarios.status != 0
    kept = {
        "finish_permutation": permutation.all(axis=1),
        "laps_led": (led.sum(axis=1) == race_laps[:, 0])
        & (led <= done).all(axis=1)
        & (led >= 0).all(axis=1),
        "fastest_laps": (fastest.sum(axis=1) <= scenarios.green_laps)
        & (fastest <= done).all(axis=1)
        & (fastest >= 0).all(axis=1),
        "laps_completed": (np.diff(ordered, axis=1) <= 0).all(axis=1)
        & (done <= race_laps).all(axis=1)
        & (done >= 0).all(axis=1),
        "last_leader_wins": (scenarios.finish[rows, leader] == 1)
        & (scenarios.status[rows, leader] == 0)
        & (led[rows, leader] >= 1)
        & (done[rows, leader] == race_laps[:, 0]),
        "retired_cars": (
            np.where(retired, (led < out_lap) & (done < out_lap), out_lap == 0)
            & (out_lap <= race_laps)
        ).all(axis=1),
    }
    return tuple(
        LawRecord(
            law,
            statement,
            checked=n,
            broken=int((~kept[law]).sum()),
            examples=tuple(int(row) for row in np.flatnonzero(~kept[law])[:5]),
        )
        for law, statement in LAWS.items()
    )
