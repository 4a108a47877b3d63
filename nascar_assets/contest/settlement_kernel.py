"""Compiled kernels of settlement: whole cents, ties shared, own entries among the rivals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

_CHUNKS = 32


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


@njit(cache=True, nogil=True, parallel=True)
def settle(
    points: Ints32, rivals: Ints32, own: Ints32, pool_to: Ints
) -> tuple[Ints, Ints32, Ints32]:
    """What own entries win in every scenario, all entries in one contest.

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
    n_own = own.shape[0]
    n_rivals = rivals.shape[0]
    pairs = own.shape[1]
    side = n_drivers + 1
    cents = np.zeros((n_scenarios, n_own), np.int64)
    place = np.zeros((n_scenarios, n_own), np.int32)
    level = np.zeros((n_scenarios, n_own), np.int32)
    for chunk in prange(_CHUNKS):
        # Points of any two drivers together; the last one is nobody, who completes odd rosters.
        table = np.zeros(side * side, np.int32)
        theirs = np.empty(n_rivals, np.int32)
        mine = np.empty(n_own, np.int32)
        for s in range(chunk * n_scenarios // _CHUNKS, (chunk + 1) * n_scenarios // _CHUNKS):
            for a in range(n_drivers):
                for b in range(n_drivers):
                    table[a * side + b] = points[s, a] + points[s, b]
                table[a * side + n_drivers] = points[s, a]
                table[n_drivers * side + a] = points[s, a]
            lowest = np.int32(2**30)
            highest = np.int32(-(2**30))
            for entry in range(n_rivals):
                v = np.int32(0)
                for k in range(pairs):
                    v += table[rivals[entry, k]]
                theirs[entry] = v
                lowest = min(lowest, v)
                highest = max(highest, v)
            for entry in range(n_own):
                v = np.int32(0)
                for k in range(pairs):
                    v += table[own[entry, k]]
                mine[entry] = v
                lowest = min(lowest, v)
                highest = max(highest, v)
            width = int(highest - lowest) + 2
            above = np.zeros(width, np.int32)
            for entry in range(n_rivals):
                above[theirs[entry] - lowest] += 1
            for bin_ in range(width - 2, -1, -1):
                above[bin_] += above[bin_ + 1]
            order = np.argsort(-mine, kind="mergesort")
            start = 0
            while start < n_own:
                v = mine[order[start]] - lowest
                stop = start + 1
                while stop < n_own and mine[order[stop]] - lowest == v:
                    stop += 1
                better = above[v + 1] + start
                tied_rivals = above[v] - above[v + 1]
                tied = tied_rivals + stop - start
                pool = pool_to[better + tied] - pool_to[better]
                each = pool // tied
                rest = pool - each * tied
                for rank in range(start, stop):
                    entry = order[rank]
                    more = 1 if tied_rivals + rank - start < rest else 0
                    cents[s, entry] = each + more
                    place[s, entry] = better + 1
                    level[s, entry] = tied
                start = stop
    return cents, place, level


def reach(pool_cents: Any) -> Any:
    """Sums of prizes by place, from 0 places on."""
    return np.concatenate([[0], np.cumsum(pool_cents)]).astype(np.int64)
