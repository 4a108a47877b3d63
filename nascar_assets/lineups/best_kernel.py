"""Compiled kernel: the k best lineups by a sum of values, by branch and bound over a heap."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.lineups.optimal_kernel import dollar_price

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]


@njit(cache=True, nogil=True, inline="always")
def _worse(value_a: int, mask_a: int, value_b: int, mask_b: int) -> bool:
    """Whether lineup a ranks below b: fewer points, or as many and the later indices."""
    return value_a < value_b or (value_a == value_b and mask_a < mask_b)


@njit(cache=True, nogil=True)
def _offer(values: Ints, masks: Masks, size: int, k: int, value: Ints, mask: int) -> Any:
    """Puts a lineup into the heap of the k best, whose root is the worst; the new size."""
    if size < k:
        slot = size
        size += 1
        while slot > 0:
            parent = (slot - 1) // 2
            if not _worse(value, mask, values[parent], masks[parent]):
                break
            values[slot] = values[parent]
            masks[slot] = masks[parent]
            slot = parent
        values[slot] = value
        masks[slot] = mask
        return size
    if not _worse(values[0], masks[0], value, mask):
        return size
    slot = 0
    while True:
        child = 2 * slot + 1
        if child >= size:
            break
        if child + 1 < size and _worse(
            values[child + 1], masks[child + 1], values[child], masks[child]
        ):
            child += 1
        if not _worse(values[child], masks[child], value, mask):
            break
        values[slot] = values[child]
        masks[slot] = masks[child]
        slot = child
    values[slot] = value
    masks[slot] = mask
    return size


@njit(cache=True, nogil=True)
def k_best(
    value: Ints, salary: Ints, cap: int, roster_size: int, k: int, shift: int, coarse: int
) -> tuple[Ints, Masks]:
    """The k best lineups of one vector of values.

    Args:
        value: [N] integers, any sign.
        salary: [N] dollars.
        cap: Dollars.
        roster_size: Drivers in a lineup.
        k: Lineups wanted.
        shift: Bits of fraction for the bound; sums over all drivers must stay below 2**54.
        coarse: Low bits of the values that the price of a dollar ignores.

    Returns:
        [m] sums and [m] masks (bit 63 - i is driver i) in heap order, m <= k.
    """
    n = value.shape[0]
    everyone = np.arange(n)
    lowest = value.min()
    price = dollar_price(
        (value - lowest) >> coarse,
        salary,
        cap,
        everyone,
        n,
        roster_size,
        np.int64(shift + coarse),
        np.empty(n, np.int64),
    )
    order = np.argsort(-((value << shift) - price * salary), kind="mergesort")
    v = value[order]
    c = salary[order]
    bit = np.empty(n, np.uint64)
    prefix = np.zeros(n + 1, np.int64)
    for position in range(n):
        bit[position] = np.uint64(1) << np.uint64(63 - order[position])
        prefix[position + 1] = prefix[position] + (v[position] << shift) - price * c[position]
    cheapest = np.full((n + 1, roster_size + 1), np.int64(2**40))
    for position in range(n, -1, -1):
        cheapest[position, 0] = 0
        if position < n:
            for r in range(1, roster_size + 1):
                cheapest[position, r] = min(
                    cheapest[position + 1, r], cheapest[position + 1, r - 1] + c[position]
                )
    values = np.empty(k, np.int64)
    masks = np.empty(k, np.uint64)
    size = 0
    chosen = np.empty(roster_size + 1, np.int64)
    value_at = np.zeros(roster_size + 1, np.int64)
    budget_at = np.empty(roster_size + 1, np.int64)
    mask_at = np.zeros(roster_size + 1, np.uint64)
    budget_at[0] = cap
    depth = 0
    j = 0
    while True:
        rest = roster_size - depth
        used = value_at[depth]
        budget = budget_at[depth]
        down = False
        while j + rest <= n:
            bound = (used << shift) + price * budget + prefix[j + rest] - prefix[j]
            if size == k and bound < (values[0] << shift):
                break
            if c[j] + cheapest[j + 1, rest - 1] <= budget:
                if rest > 1:
                    down = True
                    break
                size = _offer(values, masks, size, k, used + v[j], mask_at[depth] | bit[j])
            j += 1
        if down:
            chosen[depth] = j
            value_at[depth + 1] = used + v[j]
            budget_at[depth + 1] = budget - c[j]
            mask_at[depth + 1] = mask_at[depth] | bit[j]
            depth += 1
            j += 1
        else:
            depth -= 1
            if depth < 0:
                return values[:size], masks[:size]
            j = chosen[depth] + 1
