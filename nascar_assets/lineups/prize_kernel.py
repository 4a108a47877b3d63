"""Compiled kernels that rank lineups against a field, scenario by scenario.

Scores of six drivers are summed as three pairs from a table of all pairs; a missing partner is a
driver of no points. Per-scenario results are added up as integers in fixed chunks, so the sums do
not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

_CHUNKS = 32


def summed_prizes(prizes_cents: Ints, entries: int) -> Ints:
    """[entries + 1] summed prizes of the first places, in cents."""
    places = np.zeros(entries, np.int64)
    paid = min(entries, prizes_cents.shape[0])
    places[:paid] = prizes_cents[:paid]
    return np.concatenate([[0], np.cumsum(places)]).astype(np.int64)


def pair_codes(lineups: npt.NDArray[np.integer], n_drivers: int) -> Ints32:
    """[n, ceil(K / 2)] positions of each lineup's pairs in the table of pairs."""
    rows = np.asarray(lineups, np.int32)
    if rows.shape[1] % 2:
        filler = np.full((rows.shape[0], 1), n_drivers, np.int32)
        rows = np.concatenate([rows, filler], axis=1)
    codes = rows[:, 0::2] * (n_drivers + 1) + rows[:, 1::2]
    return np.ascontiguousarray(codes, dtype=np.int32)


@njit(cache=True, nogil=True, inline="always")
def _pair_table(points: Ints32, s: Any, table: Ints32) -> None:
    n = points.shape[1]
    for a in range(n + 1):
        pa = points[s, a] if a < n else 0
        for b in range(n + 1):
            table[a * (n + 1) + b] = pa + (points[s, b] if b < n else 0)


@njit(cache=True, nogil=True, inline="always")
def _score(codes: Ints32, row: Any, table: Ints32) -> Any:
    total = np.int32(0)
    for pair in range(codes.shape[1]):
        total += table[codes[row, pair]]
    return total


@njit(cache=True, nogil=True, parallel=True)
def prize_lines(points: Ints32, field: Ints32, place: Any) -> Ints32:
    """[S] score of the field's entry at a place (from 1) in every scenario."""
    n_scenarios, n_drivers = points.shape
    out = np.empty(n_scenarios, np.int32)
    for chunk in prange(_CHUNKS):
        table = np.empty((n_drivers + 1) ** 2, np.int32)
        scores = np.empty(field.shape[0], np.int32)
        for s in range(chunk * n_scenarios // _CHUNKS, (chunk + 1) * n_scenarios // _CHUNKS):
            _pair_table(points, s, table)
            lowest = np.int32(2**30)
            highest = np.int32(-(2**30))
            for entry in range(field.shape[0]):
                v = _score(field, entry, table)
                scores[entry] = v
                lowest = min(lowest, v)
                highest = max(highest, v)
            count = np.zeros(highest - lowest + 1, np.int32)
            for entry in range(field.shape[0]):
                count[scores[entry] - lowest] += 1
            v = highest - lowest
            reached = count[v]
            while reached < place:
                v -= 1
                reached += count[v]
            out[s] = lowest + v
    return out


@njit(cache=True, nogil=True, parallel=True)
def alone(
    points: Ints32, field: Ints32, candidates: Ints32, pool_to: Ints, top_place: Any
) -> tuple[Ints, Ints]:
    """What each candidate wins as the only entry of its owner, summed over scenarios.

    Args:
        points: [S, N] points.
        field: [F, P] pair codes of the rivals.
        candidates: [M, P] pair codes of the candidates.
        pool_to: [F + 2] sum of the prizes of the first places, in hundredths of a cent.
        top_place: Place that counts as the top of the field.

    Returns:
        [M] summed prizes, rounded down to a hundredth of a cent in each scenario, and [M]
        scenarios in which the candidate is at that place or above.
    """
    n_scenarios, n_drivers = points.shape
    n_field = field.shape[0]
    n_candidates = candidates.shape[0]
    prizes = np.zeros((_CHUNKS, n_candidates), np.int64)
    tops = np.zeros((_CHUNKS, n_candidates), np.int64)
    for chunk in prange(_CHUNKS):
        table = np.empty((n_drivers + 1) ** 2, np.int32)
        scores = np.empty(n_field, np.int32)
        for s in range(chunk * n_scenarios // _CHUNKS, (chunk + 1) * n_scenarios // _CHUNKS):
            _pair_table(points, s, table)
            lowest = np.int32(2**30)
            highest = np.int32(-(2**30))
            for entry in range(n_field):
                v = _score(field, entry, table)
                scores[entry] = v
                lowest = min(lowest, v)
                highest = max(highest, v)
            # above[v]: rivals with a score of lowest + v or more.
            width = highest - lowest + 2
            above = np.zeros(width, np.int32)
            for entry in range(n_field):
                above[scores[entry] - lowest] += 1
            for v in range(width - 2, -1, -1):
                above[v] += above[v + 1]
            for candidate in range(n_candidates):
                v = _score(candidates, candidate, table) - lowest
                if v < 0:
                    better = n_field
                    level = 0
                elif v >= width - 1:
                    better = 0
                    level = 0
                else:
                    better = above[v + 1]
                    level = above[v] - better
                if pool_to[better] < pool_to[better + level + 1]:
                    prizes[chunk, candidate] += (pool_to[better + level + 1] - pool_to[better]) // (
                        level + 1
                    )
                if better < top_place:
                    tops[chunk, candidate] += 1
    return prizes.sum(axis=0), tops.sum(axis=0)
