"""Compiled kernels over the whole lineup space: listing it, and scoring every lineup of it.

A lineup is a 64-bit mask, bit i for driver i. The space is listed in lexicographic order, so that
neighbours share their first drivers and a sweep over scenarios adds one driver at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]

_LINEUPS = 2048
_SCENARIOS = 1024


class Rules(NamedTuple):
    """Rules on one lineup for compiled code: C count rules, then R sum rules."""

    conditions: npt.NDArray[np.uint64]  # [C] drivers who must all be in the lineup for it to ask
    targets: npt.NDArray[np.uint64]  # [C] drivers who are counted
    lower: npt.NDArray[np.int64]  # [C]
    upper: npt.NDArray[np.int64]  # [C]
    weights: npt.NDArray[np.int64]  # [R, N] what each driver adds
    weight_lower: npt.NDArray[np.int64]  # [R]
    weight_upper: npt.NDArray[np.int64]  # [R]


@njit(cache=True, nogil=True, inline="always")
def count_bits(mask: Any) -> Any:
    """Number of drivers in a mask.

    Pairs, nibbles and bytes are added side by side; the product sums the bytes into the highest
    one (Warren, Hacker's Delight, 5-1).
    """
    m = np.uint64(mask)
    m = m - ((m >> np.uint64(1)) & np.uint64(0x5555555555555555))
    m = (m & np.uint64(0x3333333333333333)) + ((m >> np.uint64(2)) & np.uint64(0x3333333333333333))
    m = (m + (m >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((m * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _broken(mask: Any, rules: Rules) -> Any:
    """Bit r of the answer is set where rule r is broken: first count rules, then sum rules."""
    broken = np.uint64(0)
    for r in range(rules.conditions.shape[0]):
        # A rule asks only where the lineup holds all of its condition; an empty one always asks.
        if mask & rules.conditions[r] == rules.conditions[r]:
            held = count_bits(mask & rules.targets[r])
            if held < rules.lower[r] or held > rules.upper[r]:
                broken |= np.uint64(1) << np.uint64(r)
    for r in range(rules.weights.shape[0]):
        total = np.int64(0)
        rest = mask
        i = 0
        while rest:
            if rest & np.uint64(1):
                total += rules.weights[r, i]
            rest >>= np.uint64(1)
            i += 1
        if total < rules.weight_lower[r] or total > rules.weight_upper[r]:
            broken |= np.uint64(1) << np.uint64(rules.conditions.shape[0] + r)
    return broken


@njit(cache=True, nogil=True)
def _walk(
    first: Any,
    salary: Ints,
    cheapest: Ints,
    cap: Any,
    roster_size: Any,
    rules: Rules,
    keep_broken: Any,
    masks: Masks,
    broken: Masks,
) -> Any:
    """Lists the lineups whose first driver is `first`; the number of them.

    Depth first, drivers ascending at every place, so lexicographic. A driver is taken only where
    the cheapest drivers after him fill the other places within the budget: every branch that is
    entered then ends in at least one lineup under the cap, and none that has one is left out.
    Where `masks` is empty the lineups are only counted.
    """
    fill = masks.shape[0] > 0
    n = salary.shape[0]
    count = 0
    chosen = np.empty(roster_size + 1, np.int64)
    budget_at = np.empty(roster_size + 1, np.int64)
    mask_at = np.zeros(roster_size + 1, np.uint64)
    depth = 1
    chosen[0] = first
    budget_at[1] = cap - salary[first]
    mask_at[1] = np.uint64(1) << np.uint64(first)
    if budget_at[1] < cheapest[first + 1, roster_size - 1]:
        return 0
    j = first + 1
    while True:
        rest = roster_size - depth
        down = False
        if rest == 0:
            bits = _broken(mask_at[depth], rules)
            if keep_broken or bits == 0:
                if fill:
                    masks[count] = mask_at[depth]
                    if keep_broken:
                        broken[count] = bits
                count += 1
        else:
            while j + rest <= n:
                if salary[j] + cheapest[j + 1, rest - 1] <= budget_at[depth]:
                    down = True
                    break
                j += 1
        if down:
            chosen[depth] = j
            budget_at[depth + 1] = budget_at[depth] - salary[j]
            mask_at[depth + 1] = mask_at[depth] | (np.uint64(1) << np.uint64(j))
            depth += 1
            j += 1
        else:
            depth -= 1
            if depth < 1:
                return count
            j = chosen[depth] + 1


@njit(cache=True, nogil=True, parallel=True)
def enumerate_space(
    salary: Ints, cap: Any, roster_size: Any, rules: Rules, keep_broken: Any
) -> tuple[Masks, Masks]:
    """Every lineup under the cap in lexicographic order, with the rules that it breaks.

    With `keep_broken` lineups that break rules are listed too; without, only those that break
    none, and the second array is empty.
    """
    n = salary.shape[0]
    # cheapest[i, r]: the least that r drivers from i on cost, by taking driver i or leaving him.
    cheapest = np.full((n + 1, roster_size + 1), np.int64(2**40))
    for position in range(n, -1, -1):
        cheapest[position, 0] = 0
        if position < n:
            for r in range(1, roster_size + 1):
                cheapest[position, r] = min(
                    cheapest[position + 1, r], cheapest[position + 1, r - 1] + salary[position]
                )
    # Counted first, then listed: each first driver's lineups have a place of their own in the
    # arrays, so the order does not depend on the threads, and nothing is copied.
    counts = np.zeros(n + 1, np.int64)
    nothing = np.empty(0, np.uint64)
    n_first = n - roster_size + 1
    for first in prange(n_first):
        counts[first + 1] = _walk(
            first, salary, cheapest, cap, roster_size, rules, keep_broken, nothing, nothing
        )
    offsets = np.cumsum(counts)
    masks = np.empty(offsets[n_first], np.uint64)
    broken = np.empty(offsets[n_first] if keep_broken else 0, np.uint64)
    for first in prange(n_first):
        low, high = offsets[first], offsets[first + 1]
        _walk(
            first,
            salary,
            cheapest,
            cap,
            roster_size,
            rules,
            keep_broken,
            masks[low:high],
            broken[low:high],
        )
    return masks, broken


@njit(cache=True, nogil=True)
def unpack(masks: Masks, roster_size: Any) -> Ints32:
    """[L, roster_size] driver indices, ascending, of masks; -1 in places that a mask leaves."""
    drivers = np.full((masks.shape[0], roster_size), -1, np.int32)
    for lineup in range(masks.shape[0]):
        rest = masks[lineup]
        slot = 0
        i = 0
        while rest:
            if rest & np.uint64(1):
                drivers[lineup, slot] = i
                slot += 1
            rest >>= np.uint64(1)
            i += 1
    return drivers


@njit(cache=True, nogil=True, parallel=True)
def additive(masks: Masks, values: Ints) -> Ints:
    """Sum of driver values of every lineup, a byte of the mask at a time."""
    tables = np.zeros((8, 256), np.int64)
    for i in range(values.shape[0]):
        byte = i // 8
        step = 1 << (i % 8)
        for entry in range(256):
            if entry & step:
                tables[byte, entry] += values[i]
    out = np.empty(masks.shape[0], np.int64)
    low = np.uint64(255)
    for lineup in prange(masks.shape[0]):
        rest = masks[lineup]
        total = np.int64(0)
        for byte in range(8):
            total += tables[byte, np.int64((rest >> np.uint64(8 * byte)) & low)]
        out[lineup] = total
    return out


@njit(cache=True, nogil=True, inline="always")
def _excess(base: Ints32, column: Ints32, width: Any) -> Any:
    # In 32 bits, twice as many at once: points stay below 2**16 (`check_points`), the excess of six
    # drivers over a level of their own size below 2**20, and a block's 1,024 below 2**30.
    total = np.int32(0)
    for s in range(width):
        score = np.int32(base[s] + column[s])
        total = np.int32(total + max(score, np.int32(0)))
    return np.int64(total)


@njit(cache=True, nogil=True, inline="always")
def _reached(base: Ints32, column: Ints32, weight: Ints32, width: Any) -> Any:
    total = np.int32(0)
    for s in range(width):
        score = np.int32(base[s] + column[s])
        total = np.int32(total + (weight[s] if score >= np.int32(0) else np.int32(0)))
    return np.int64(total)


@njit(cache=True, nogil=True, parallel=True)
def sweep(
    masks: Masks, columns: Ints32, level: Ints32, weight: Ints32, roster_size: Any, reach: Any
) -> Ints:
    """One sum over scenarios for every lineup.

    Args:
        masks: [L] lineups; lexicographic order makes it fast.
        columns: [N, S] points by driver.
        level: [S] points that a lineup is measured against.
        weight: [S] what reaching the level is worth (only with `reach`).
        roster_size: Drivers in a lineup.
        reach: False for sum of max(0, score - level); true for the sum of the weights of the
            scenarios where score >= level.

    Returns:
        [L] sums.
    """
    n_lineups = masks.shape[0]
    n_scenarios = columns.shape[1]
    out = np.zeros(n_lineups, np.int64)
    n_chunks = (n_lineups + _LINEUPS - 1) // _LINEUPS
    for chunk in prange(n_chunks):
        # Blocks of lineups and scenarios whose partial sums stay in the cache. Row p of `partial`
        # is the score of the first p drivers less the level; a lineup adds only the drivers that
        # it does not share with the one before it. Sums are of integers: the blocks change none.
        start = chunk * _LINEUPS
        stop = min(start + _LINEUPS, n_lineups)
        drivers = unpack(masks[start:stop], roster_size)
        partial = np.empty((roster_size, _SCENARIOS), np.int32)
        for low in range(0, n_scenarios, _SCENARIOS):
            width = min(_SCENARIOS, n_scenarios - low)
            for s in range(width):
                partial[0, s] = -level[low + s]
            for lineup in range(stop - start):
                shared = 0
                if lineup > 0:
                    while (
                        shared < roster_size - 1
                        and drivers[lineup, shared] == drivers[lineup - 1, shared]
                    ):
                        shared += 1
                for place in range(shared, roster_size - 1):
                    column = columns[drivers[lineup, place], low : low + width]
                    for s in range(width):
                        partial[place + 1, s] = partial[place, s] + column[s]
                last = columns[drivers[lineup, roster_size - 1], low : low + width]
                if reach:
                    out[start + lineup] += _reached(
                        partial[roster_size - 1], last, weight[low : low + width], width
                    )
                else:
                    out[start + lineup] += _excess(partial[roster_size - 1], last, width)
    return out


@njit(cache=True, nogil=True, parallel=True)
def scores(masks: Masks, columns: Ints32, roster_size: Any) -> Ints32:
    """[L, S] points of lineups in scenarios."""
    n_scenarios = columns.shape[1]
    out = np.zeros((masks.shape[0], n_scenarios), np.int32)
    drivers = unpack(masks, roster_size)
    for lineup in prange(masks.shape[0]):
        row = out[lineup]
        for place in range(roster_size):
            column = columns[drivers[lineup, place]]
            for s in range(n_scenarios):
                row[s] += column[s]
    return out
