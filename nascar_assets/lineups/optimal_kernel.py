"""Compiled kernel: the best lineup of each scenario, by branch and bound with a DP to fall back on.

Every driver's value carries its own tie-break: `(points << bits) + 2 ** (N - 1 - driver)`. Sums of
such values compare first by points and then, among lineups of equal points, by driver indices: the
larger sum is the lineup whose ascending indices are lexicographically smaller. So ties have one
answer whatever the order of the search, and the low bits of an optimal sum name its drivers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Ints = npt.NDArray[np.int64]

_NONE = np.int64(-(2**61))
_CHUNK = 64


class Search(NamedTuple):
    """Scratch of one search, reused by every scenario of a thread; positions are by reduced value.

    `v`, `c`: a position's value and salary. `prefix`: sums of the reduced values before it.
    `cheapest` [i, r]: the least that r drivers from position i on cost. `chosen`, `value_at`,
    `budget_at`: by depth, the position taken, the value so far, the dollars left.
    """

    v: Ints
    c: Ints
    prefix: Ints
    cheapest: Ints
    chosen: Ints
    value_at: Ints
    budget_at: Ints


@njit(cache=True, nogil=True, inline="always")
def _undominated(
    value: Ints, salary: Ints, by_salary: Ints, roster_size: int, kept: Ints, top: Ints
) -> Any:
    """Drivers with fewer than `roster_size` others at least as cheap and better.

    Swapping such a driver for a better one outside the lineup never costs more, so the rest cannot
    be in the canonical best lineup.
    """
    count = 0
    filled = 0
    for position in range(by_salary.shape[0]):
        driver = by_salary[position]
        v = value[driver]
        if filled == roster_size and v < top[roster_size - 1]:
            continue
        kept[count] = driver
        count += 1
        slot = filled if filled < roster_size else roster_size - 1
        filled = min(filled + 1, roster_size)
        while slot > 0 and top[slot - 1] < v:
            top[slot] = top[slot - 1]
            slot -= 1
        top[slot] = v
    return count


@njit(cache=True, nogil=True, inline="always")
def _pick_at(
    price: int,
    weight: int,
    points: Ints,
    salary: Ints,
    kept: Ints,
    count: int,
    roster_size: int,
    best: Ints,
) -> tuple[Any, Any]:
    """Points and salary of the lineup that is best when a dollar costs price / weight points."""
    filled = 0
    for position in range(count):
        driver = kept[position]
        reduced = points[driver] * weight - price * salary[driver]
        if filled == roster_size:
            last = best[filled - 1]
            if reduced <= points[last] * weight - price * salary[last]:
                continue
            slot = filled - 1
        else:
            slot = filled
            filled += 1
        while slot > 0:
            other = best[slot - 1]
            if points[other] * weight - price * salary[other] >= reduced:
                break
            best[slot] = other
            slot -= 1
        best[slot] = driver
    total_points = np.int64(0)
    total_salary = np.int64(0)
    for position in range(roster_size):
        total_points += points[best[position]]
        total_salary += salary[best[position]]
    return total_points, total_salary


@njit(cache=True, nogil=True, inline="always")
def dollar_price(
    points: Ints,
    salary: Ints,
    cap: int,
    kept: Ints,
    count: int,
    roster_size: int,
    bits: int,
    best: Ints,
) -> Any:
    """The dual price of a dollar in value units: where the bound is least, by cutting planes.

    Any price from 0 up gives a valid bound; this one gives the tightest at the root. The bound as a
    function of the price is the upper envelope of one line a lineup, so convex: between a lineup
    over the cap and one under it, the price at which both are worth the same is tried, and the
    lineup that is best there takes the place of one of them, until no better one is found
    (Kelley, 1960, doi:10.1137/0108053, in one dimension). Prices are fractions of integers.
    """
    points_high, salary_high = _pick_at(0, 1, points, salary, kept, count, roster_size, best)
    if salary_high <= cap:
        return np.int64(0)
    # The cheapest drivers: what an infinite price picks.
    points_low, salary_low = _pick_at(1, 0, points, salary, kept, count, roster_size, best)
    price = np.int64(0)
    weight = np.int64(1)
    for _ in range(24):
        price = points_high - points_low
        weight = salary_high - salary_low
        if price <= 0 or weight <= 0:
            break
        p, c = _pick_at(price, weight, points, salary, kept, count, roster_size, best)
        if p * weight - price * c <= points_high * weight - price * salary_high:
            break
        if c > cap:
            points_high = p
            salary_high = c
        else:
            points_low = p
            salary_low = c
    if price <= 0 or weight <= 0:
        return np.int64(0)
    # Any price is valid, so it is held where no sum over the whole field can overflow.
    ceiling = np.int64(2**56) // max(cap, 1)
    if price >= (ceiling >> bits) * weight:
        return ceiling
    return (price << bits) // weight


@njit(cache=True, nogil=True)
def _branch_and_bound(
    value: Ints,
    salary: Ints,
    cap: int,
    roster_size: int,
    price: int,
    kept: Ints,
    count: int,
    node_cap: int,
    search: Search,
) -> Any:
    """The best sum of values, or `_NONE` when the node cap was reached first.

    With a price p >= 0 of a dollar, a lineup that fits the budget is worth at most
    `p * budget + sum of (value - p * salary)`: what it spends is no more than the budget
    (Lagrangian relaxation of the cap; Fisher, 1981, doi:10.1287/mnsc.27.1.1). The places that are
    still free are therefore worth at most p times what is left plus the largest reduced values
    from here on, and a branch whose bound is not above the best lineup found is left.
    """
    v, c, prefix, cheapest, chosen, value_at, budget_at = search
    # Order by reduced value, so that the best completion from any position is the next drivers:
    # prefix[j + r] - prefix[j] is the sum of the r largest reduced values from position j on.
    for position in range(count):
        driver = kept[position]
        reduced = value[driver] - price * salary[driver]
        slot = position
        while slot > 0 and prefix[slot] < reduced:
            prefix[slot + 1] = prefix[slot]
            v[slot] = v[slot - 1]
            c[slot] = c[slot - 1]
            slot -= 1
        prefix[slot + 1] = reduced
        v[slot] = value[driver]
        c[slot] = salary[driver]
    prefix[0] = 0
    for position in range(count):
        prefix[position + 1] += prefix[position]
    # cheapest[i, r]: the least that r drivers from position i on cost.
    big = np.int64(2**40)
    for r in range(roster_size + 1):
        cheapest[count, r] = 0 if r == 0 else big
    for position in range(count - 1, -1, -1):
        cheapest[position, 0] = 0
        for r in range(1, roster_size + 1):
            cheapest[position, r] = min(
                cheapest[position + 1, r], cheapest[position + 1, r - 1] + c[position]
            )
    best = _NONE
    nodes = 0
    depth = 0
    value_at[0] = 0
    budget_at[0] = cap
    j = 0
    while True:
        rest = roster_size - depth
        used = value_at[depth]
        budget = budget_at[depth]
        down = False
        if j + rest <= count:
            bound = used + price * budget
            # The bound only falls along j, so the first position that fails ends the row.
            if rest == 1:
                while j < count and bound + prefix[j + 1] - prefix[j] > best:
                    if c[j] <= budget and used + v[j] > best:
                        best = used + v[j]
                    j += 1
                    nodes += 1
            else:
                while j + rest <= count:
                    nodes += 1
                    if bound + prefix[j + rest] - prefix[j] <= best:
                        break
                    if c[j] + cheapest[j + 1, rest - 1] <= budget:
                        down = True
                        break
                    j += 1
        if nodes > node_cap:
            return _NONE
        if down:
            chosen[depth] = j
            depth += 1
            value_at[depth] = used + v[j]
            budget_at[depth] = budget - c[j]
            j += 1
        else:
            depth -= 1
            if depth < 0:
                return best
            j = chosen[depth] + 1


@njit(cache=True, nogil=True)
def _dynamic_programme(
    value: Ints, units: Ints, cap_units: int, roster_size: int, kept: Ints, count: int, table: Ints
) -> Any:
    """The best sum of values by a knapsack over salary units and places; exact for any input."""
    for r in range(1, roster_size + 1):
        for b in range(cap_units + 1):
            table[r, b] = _NONE
    for b in range(cap_units + 1):
        table[0, b] = 0
    # table[r, b]: the best value of r of the drivers seen so far within b units. Places run
    # downwards, so that a driver fills one place only (the 0/1 knapsack's usual order).
    for position in range(count):
        driver = kept[position]
        cost = units[driver]
        v = value[driver]
        width = cap_units + 1 - cost
        if width <= 0:
            continue
        for r in range(min(roster_size, position + 1), 0, -1):
            source = table[r - 1, :width]
            target = table[r, cost : cost + width]
            for b in range(width):
                target[b] = max(target[b], source[b] + v)
    return table[roster_size, cap_units]


@njit(cache=True, nogil=True, parallel=True)
def solve(
    points: Ints,
    offset: int,
    salary: Ints,
    units: Ints,
    cap: int,
    cap_units: int,
    roster_size: int,
    node_cap: int,
) -> tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.bool_]]:
    """The best lineup of every scenario.

    Args:
        points: [S, N] integers.
        offset: What to take from every value so that none is negative.
        salary: [N] dollars.
        units: [N] salaries in units of their greatest common divisor.
        cap: Dollars.
        cap_units: The cap in the same units, rounded down.
        roster_size: Drivers in a lineup.
        node_cap: Nodes of the search after which the dynamic programme takes over.

    Returns:
        [S, roster_size] drivers in ascending order, [S] points, and [S] flags of the scenarios
        that the dynamic programme solved.
    """
    n_scenarios, n_drivers = points.shape
    bits = np.int64(n_drivers)
    drivers = np.empty((n_scenarios, roster_size), np.int32)
    total = np.empty(n_scenarios, np.int64)
    fell_back = np.zeros(n_scenarios, np.bool_)
    by_salary = np.argsort(salary, kind="mergesort")
    n_chunks = (n_scenarios + _CHUNK - 1) // _CHUNK
    for chunk in prange(n_chunks):
        value = np.empty(n_drivers, np.int64)
        row = np.empty(n_drivers, np.int64)
        kept = np.empty(n_drivers, np.int64)
        top = np.empty(roster_size, np.int64)
        pick = np.empty(roster_size, np.int64)
        search = Search(
            np.empty(n_drivers + 1, np.int64),
            np.empty(n_drivers + 1, np.int64),
            np.empty(n_drivers + 2, np.int64),
            np.empty((n_drivers + 1, roster_size + 1), np.int64),
            np.empty(roster_size + 1, np.int64),
            np.empty(roster_size + 1, np.int64),
            np.empty(roster_size + 1, np.int64),
        )
        table = np.empty((1, 1), np.int64)
        for s in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n_scenarios)):
            for driver in range(n_drivers):
                row[driver] = points[s, driver] - offset
                value[driver] = (row[driver] << bits) + (
                    np.int64(1) << np.int64(n_drivers - 1 - driver)
                )
            count = _undominated(value, salary, by_salary, roster_size, kept, top)
            price = dollar_price(row, salary, cap, kept, count, roster_size, bits, pick)
            best = _branch_and_bound(
                value, salary, cap, roster_size, price, kept, count, node_cap, search
            )
            if best == _NONE:
                if table.shape[0] == 1:
                    table = np.empty((roster_size + 1, cap_units + 1), np.int64)
                best = _dynamic_programme(value, units, cap_units, roster_size, kept, count, table)
                fell_back[s] = True
            total[s] = (best >> bits) + offset * roster_size
            slot = 0
            for driver in range(n_drivers):
                if (best >> np.int64(n_drivers - 1 - driver)) & 1:
                    drivers[s, slot] = driver
                    slot += 1
    return drivers, total, fell_back
