"""Compiled kernels of settlement: whole cents, ties shared, own entries among the rivals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

_CHUNKS = 32
_QUARTER = 1 << 15  # scores that a quarter of an integer of 64 bits holds, its sign left out
_MASK = (1 << 16) - 1


@njit(cache=True, nogil=True)
def share_out(scores: Ints, pool_to: Ints) -> Ints:
    """[E] cents that every entry wins: tied entries share their places' prizes to the cent.

    Cents that do not divide go one each to the tied entries that come first.
    """
    n = scores.shape[0]
    order = np.argsort(-scores, kind="mergesort")
    out = np.zeros(n, np.int64)
    start = 0
    while start < n:
        stop = start + 1
        while stop < n and scores[order[stop]] == scores[order[start]]:
            stop += 1
        pool = pool_to[stop] - pool_to[start]
        each = pool // (stop - start)
        rest = pool - each * (stop - start)
        for rank in range(start, stop):
            out[order[rank]] = each + (1 if rank - start < rest else 0)
        start = stop
    return out


@njit(cache=True, nogil=True)
def _pay(
    counts: Ints32, mine: Ints, pool_to: Ints, cents: Ints, place: Ints32, level: Ints32
) -> None:
    """What own entries win in one scenario.

    Args:
        counts: [W] rivals of each score.
        mine: [n] own scores, from 0 to W - 1.
        pool_to: As for `settle`.
        cents: [n] to be filled.
        place: [n] to be filled.
        level: [n] to be filled.
    """
    n_own, width = mine.shape[0], counts.shape[0]
    keys = np.empty(n_own, np.int64)
    for entry in range(n_own):
        keys[entry] = (width - mine[entry]) * n_own + entry
    keys.sort()
    above, reached, start = 0, width, 0  # rivals above the score that was reached
    while start < n_own:
        value = mine[keys[start] % n_own]
        stop = start + 1
        while stop < n_own and mine[keys[stop] % n_own] == value:
            stop += 1
        for score in range(value + 1, reached):
            above += counts[score]
        tied_rivals = counts[value]
        better = above + start
        tied = tied_rivals + stop - start
        pool = pool_to[better + tied] - pool_to[better]
        each = pool // tied
        rest = pool - each * tied
        for rank in range(start, stop):
            entry = keys[rank] % n_own
            cents[entry] = each + (1 if tied_rivals + rank - start < rest else 0)
            place[entry] = better + 1
            level[entry] = tied
        above += tied_rivals
        reached = value
        start = stop


@njit(cache=True, nogil=True, parallel=True)
def settle(
    points: Ints32, rivals: Ints32, own: Ints32, pool_to: Ints
) -> tuple[Ints, Ints32, Ints32]:
    """What own entries win in every scenario, all entries in one contest.

    Four scenarios are scored at once, in the quarters of one integer, where no score needs more
    than such a quarter; else one by one. Points are counted from each scenario's least on.

    Args:
        points: [S, N] points.
        rivals: [F, P] pair codes of the others' lineups (`prize_kernel.pair_codes`), who come
            before own entries where cents are left.
        own: [n, P] pair codes of own lineups.
        pool_to: [F + n + 1] summed prizes of the first places, in cents.

    Returns:
        [S, n] cents, [S, n] place (the best of the tied places), [S, n] entries on that place.
    """
    n_scenarios, n_drivers = points.shape
    n_own, n_rivals = own.shape[0], rivals.shape[0]
    pairs = own.shape[1]
    side = n_drivers + 1
    cents = np.zeros((n_scenarios, n_own), np.int64)
    place = np.zeros((n_scenarios, n_own), np.int32)
    level = np.zeros((n_scenarios, n_own), np.int32)
    for chunk in prange(_CHUNKS):
        # Points of any two drivers together; the last one is nobody, who completes odd rosters.
        table = np.zeros(side * side, np.int64)
        single = np.zeros(side, np.int64)
        lowest = np.zeros(4, np.int64)
        highest = np.zeros(4, np.int64)
        counts = np.zeros((4, _QUARTER), np.int32)
        mine = np.empty(n_own, np.int64)
        packed = np.empty(n_own, np.int64)
        s = chunk * n_scenarios // _CHUNKS
        last = (chunk + 1) * n_scenarios // _CHUNKS
        while s < last:
            lanes = min(4, last - s)
            for lane in range(lanes):
                lowest[lane] = points[s + lane].min()
                highest[lane] = 2 * pairs * (points[s + lane].max() - lowest[lane])
                if highest[lane] >= _QUARTER:  # seldom: then the most that a lineup can have
                    best = np.sort(points[s + lane])[-2 * pairs :]
                    highest[lane] = best.sum() - best.shape[0] * lowest[lane]
            if highest[:lanes].max() >= _QUARTER:
                lanes = 1
            for a in range(n_drivers):
                single[a] = 0
                for lane in range(lanes):
                    single[a] += (points[s + lane, a] - lowest[lane]) << (16 * lane)
            for a in range(side):
                for b in range(side):
                    table[a * side + b] = single[a] + single[b]
            for entry in range(n_own):
                packed[entry] = 0
                for k in range(pairs):
                    packed[entry] += table[own[entry, k]]
            if lanes == 1:
                one = np.zeros(highest[0] + 1, np.int32)
                for entry in range(n_rivals):
                    score = 0
                    for k in range(pairs):
                        score += table[rivals[entry, k]]
                    one[score] += 1
                _pay(one, packed, pool_to, cents[s], place[s], level[s])
                s += 1
                continue
            for lane in range(4):
                counts[lane, : highest[lane] + 1 if lane < lanes else 1] = 0
            for entry in range(n_rivals):
                score = 0
                for k in range(pairs):
                    score += table[rivals[entry, k]]
                counts[0, score & _MASK] += 1
                counts[1, (score >> 16) & _MASK] += 1
                counts[2, (score >> 32) & _MASK] += 1
                counts[3, score >> 48] += 1
            for lane in range(lanes):
                for entry in range(n_own):
                    mine[entry] = (packed[entry] >> (16 * lane)) & _MASK
                row = s + lane
                _pay(
                    counts[lane, : highest[lane] + 1],
                    mine,
                    pool_to,
                    cents[row],
                    place[row],
                    level[row],
                )
            s += lanes
    return cents, place, level
