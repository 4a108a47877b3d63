"""What one race looked like in numbers, for simulated and real races alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.scenarios.race_events import ACCIDENT, MECHANICAL, RUNNING
from nascar_assets.scenarios.regimes import REGIMES, classify
from nascar_assets.scenarios.result import Scenarios

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

CLUSTER_LAPS = 2
"""Accident retirements within so many laps of each other count as one wreck."""
GROUPS = 5
"""Groups of a field by rating, the weakest first."""
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of the field within which the finishes of a group are counted."""


@dataclass(frozen=True, slots=True)
class Races:
    """Arrays of `n` races of one field, as `Scenarios` has them; a real race has n = 1.

    Attributes:
        start, finish, laps_led, fastest_laps, laps_completed, status: [n, N].
        mid_position: [n, N] running position at half distance, 0 where unknown or retired.
        race_laps, green_laps, cautions: [n].
        scheduled_laps: Of the race, one number or [n].
        level: Rating of each car, [N] or [n, N].
        team: Code of each car's team below N, -1 for none; [N] or [n, N].
    """

    start: Array
    finish: Array
    laps_led: Array
    fastest_laps: Array
    laps_completed: Array
    status: Array
    mid_position: Array
    race_laps: Array
    green_laps: Array
    cautions: Array
    scheduled_laps: Array | int
    level: Floats
    team: Array


_OF_THE_RACE = ("scheduled_laps", "level", "team")
"""What `Scenarios` do not hold."""


def of_scenarios(made: Scenarios, scheduled_laps: int, level: Floats, team: Array) -> Races:
    """Simulated races as `Races`."""
    shared = {name: getattr(made, name) for name in Races.__slots__ if name not in _OF_THE_RACE}
    return Races(**shared, scheduled_laps=scheduled_laps, level=level, team=team)


def _rows_correlation(a: Floats, b: Floats, valid: Array) -> Floats:
    """[n] correlation within each row over the valid columns; NaN where fewer than five."""
    count = valid.sum(axis=1)
    safe = np.maximum(count, 1)[:, None]
    a = np.where(valid, a - np.where(valid, a, 0.0).sum(axis=1, keepdims=True) / safe, 0.0)
    b = np.where(valid, b - np.where(valid, b, 0.0).sum(axis=1, keepdims=True) / safe, 0.0)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (a * b).sum(axis=1) / norm
    return np.where((count >= 5) & (norm > 0.0), value, np.nan)


def race_moments(races: Races) -> dict[str, Floats]:
    """Statistics of each race, [n] each; NaN where a race does not have one.

    Shares are of laps; correlations are between ranks within the race.
    """
    n, size = races.finish.shape
    rows = np.arange(n)
    laps = races.race_laps.astype(np.float64)
    led = np.sort(races.laps_led, axis=1)[:, ::-1] / laps[:, None]
    fastest = races.fastest_laps.astype(np.float64)
    total_fast = fastest.sum(axis=1)
    winner = np.argmin(races.finish, axis=1)
    winner_led = races.laps_led[rows, winner]
    accidents = (races.status == ACCIDENT).sum(axis=1).astype(np.float64)
    mechanical = (races.status == MECHANICAL).sum(axis=1).astype(np.float64)
    running = races.status == RUNNING
    down = races.race_laps[:, None] - races.laps_completed
    level = np.broadcast_to(races.level, races.finish.shape)
    finish = races.finish.astype(np.float64)
    everyone = np.ones(races.finish.shape, np.bool_)
    known_mid = running & (races.mid_position > 0)
    share = (finish - 0.5) / size
    place = np.argsort(np.argsort(level, axis=1), axis=1)
    weakest, strongest = place < size // 5, place >= size - size // 5
    with np.errstate(invalid="ignore", divide="ignore"):
        fast_top = np.where(total_fast > 0, fastest.max(axis=1) / total_fast, np.nan)
        fast_level = np.where(total_fast > 0, (fastest * level).sum(axis=1) / total_fast, np.nan)
        # None awarded: a real race without loop statistics.
        fast_awarded = np.where(
            total_fast > 0, total_fast / np.maximum(races.green_laps, 1), np.nan
        )
        accident_level = np.where(
            accidents > 0, (level * (races.status == ACCIDENT)).sum(axis=1) / accidents, np.nan
        )
        mechanical_level = np.where(
            mechanical > 0, (level * (races.status == MECHANICAL)).sum(axis=1) / mechanical, np.nan
        )
    values: dict[str, Floats] = {
        "accidents": accidents,
        "mechanical": mechanical,
        "clustered": _clustered(races),
        "led_first": led[:, 0],
        "led_second": led[:, 1],
        "leaders": (races.laps_led > 0).sum(axis=1).astype(np.float64),
        "winner_led_most": (winner_led == races.laps_led.max(axis=1)).astype(np.float64),
        "led_level": (races.laps_led * level).sum(axis=1) / laps,
        "fastest_first": fast_top,
        "fastest_level": fast_level,
        "fastest_awarded": fast_awarded,
        "start_finish": _rows_correlation(races.start.astype(np.float64), finish, everyone),
        "level_finish": -_rows_correlation(level, finish, everyone),
        "level_finish_running": -_rows_correlation(level, finish, running),
        "start_mid": _rows_correlation(
            races.start.astype(np.float64), races.mid_position.astype(np.float64), known_mid
        ),
        "mid_finish": _rows_correlation(races.mid_position.astype(np.float64), finish, known_mid),
        "accident_level": accident_level,
        "mechanical_level": mechanical_level,
        "weakest_finish": _group_mean(weakest, share),
        "weakest_spread": _group_mean(weakest, (share - 0.5) ** 2),
        "strongest_finish": _group_mean(strongest, share),
        "green_share": races.green_laps / laps,
        "cautions": races.cautions.astype(np.float64),
        "caution_laps": np.where(
            races.cautions > 0,
            (laps - races.green_laps) / np.maximum(races.cautions, 1),
            np.nan,
        ),
        "overtime": (races.race_laps > races.scheduled_laps).astype(np.float64),
        "lead_lap": (running & (down == 0)).sum(axis=1) / size,
        "laps_down": np.where(running, np.minimum(down, 20), 0).sum(axis=1)
        / np.maximum(running.sum(axis=1), 1),
        "teammates": _teammates(races),
    }
    codes = classify(
        race_laps=races.race_laps,
        green_laps=races.green_laps,
        top_laps_led=races.laps_led.max(axis=1),
        winner_laps_led=winner_led,
        accidents=accidents,
        field_size=size,
    )
    for code, label in enumerate(REGIMES):
        values[f"regime_{label}"] = (codes == code).astype(np.float64)
    return values


def finish_shares(races: Races) -> Floats:
    """[n, GROUPS * len(SHARES)] shares of a group's cars that finish within a share of the field.

    The groups are fifths of the field by rating: what a rating says about the whole distribution
    of the finish. Columns go through the shares group by group, the weakest cars first.
    """
    n, size = races.finish.shape
    level = np.broadcast_to(races.level, races.finish.shape)
    place = np.argsort(np.argsort(level, axis=1, kind="stable"), axis=1, kind="stable")
    group = GROUPS * np.arange(n)[:, None] + place * GROUPS // size
    code = group.reshape(-1)
    cars = np.maximum(np.bincount(code, minlength=GROUPS * n), 1)
    share = ((races.finish - 0.5) / size).reshape(-1)
    counted = [np.bincount(code, share < part, minlength=GROUPS * n) / cars for part in SHARES]
    return np.stack(counted, axis=-1).reshape(n, GROUPS * len(SHARES))


def _group_mean(group: Array, values: Floats) -> Floats:
    return np.asarray((values * group).sum(axis=1) / group.sum(axis=1), np.float64)


def _clustered(races: Races) -> Floats:
    """[n] share of accident retirements that share their lap, give or take two, with another."""
    n, size = races.finish.shape
    far = np.where(
        races.status == ACCIDENT,
        races.laps_completed.astype(np.int64),
        -1000 * (1 + np.arange(size)),
    )
    order = np.sort(far, axis=1)
    near = np.diff(order, axis=1) <= CLUSTER_LAPS
    edge = np.zeros((n, 1), np.bool_)
    both = np.concatenate([near, edge], axis=1) | np.concatenate([edge, near], axis=1)
    count = (order >= 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, (both & (order >= 0)).sum(axis=1) / count, np.nan)


def _teammates(races: Races) -> Floats:
    """[n] mean product of the standardised finishes of teammates."""
    n, size = races.finish.shape
    z = (races.finish - (size + 1) / 2.0) / np.sqrt((size * size - 1) / 12.0)
    team = np.broadcast_to(races.team, races.finish.shape)
    # Sum over pairs by (sum over the team)^2 minus the squares; cars without a team are alone.
    code = np.where(team >= 0, team, size + np.arange(size)) + 2 * size * np.arange(n)[:, None]
    code = code.reshape(-1)
    total = np.bincount(code, z.reshape(-1), minlength=2 * size * n).reshape(n, -1)
    count = np.bincount(code, minlength=2 * size * n).reshape(n, -1)
    pairs = (count * (count - 1)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = ((total * total).sum(axis=1) - (z * z).sum(axis=1)) / pairs
    return np.where(pairs > 0, mean, np.nan)


def stack(parts: list[Races]) -> Races:
    """Races of several fields of the same size, one after the other."""
    rows = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Races.__slots__
        if name not in _OF_THE_RACE
    }
    per_car = {
        name: np.concatenate(
            [np.broadcast_to(getattr(part, name), part.finish.shape) for part in parts]
        )
        for name in ("level", "team")
    }
    laps = [
        np.broadcast_to(np.asarray(part.scheduled_laps), part.race_laps.shape) for part in parts
    ]
    return Races(**rows, scheduled_laps=np.concatenate(laps), **per_car)
