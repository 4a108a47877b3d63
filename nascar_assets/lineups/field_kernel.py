"""Compiled kernels of the field: sums over every lineup under the cap by dynamic programming.

A lineup's probability is proportional to the product of its drivers' weights and of a factor for
the salary that it leaves. Summing over the whole space is a knapsack over drivers, places and
salary units, so neither fitting nor sampling lists the lineups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def completions(weight: Floats, units: Ints, leftover: Floats, roster_size: Any) -> Floats:
    """[N + 1, K + 1, B + 1] weight of all ways to fill k places from driver i on with budget b."""
    n = weight.shape[0]
    n_budget = leftover.shape[0]
    table = np.zeros((n + 1, roster_size + 1, n_budget))
    table[n, 0] = leftover
    for i in range(n - 1, -1, -1):
        table[i] = table[i + 1]
        for k in range(1, roster_size + 1):
            for b in range(units[i], n_budget):
                table[i, k, b] += weight[i] * table[i + 1, k - 1, b - units[i]]
    return table


@njit(cache=True, nogil=True)
def marginals(weight: Floats, units: Ints, table: Floats) -> Floats:
    """[N] probability that a lineup holds each driver."""
    n = weight.shape[0]
    roster_size = table.shape[1] - 1
    n_budget = table.shape[2]
    reach = np.zeros((roster_size + 1, n_budget))
    reach[roster_size, n_budget - 1] = 1.0
    out = np.zeros(n)
    for i in range(n):
        # Places are taken from few to many, so that a driver is not taken twice.
        for k in range(1, roster_size + 1):
            for b in range(units[i], n_budget):
                if reach[k, b] > 0.0:
                    flow = reach[k, b] * weight[i]
                    out[i] += flow * table[i + 1, k - 1, b - units[i]]
                    reach[k - 1, b - units[i]] += flow
    return out / table[0, roster_size, n_budget - 1]


@njit(cache=True, nogil=True)
def draw(weight: Floats, units: Ints, table: Floats, uniforms: Floats) -> npt.NDArray[np.int32]:
    """[F, K] lineups drawn one by one from uniforms [F, N]."""
    n = weight.shape[0]
    roster_size = table.shape[1] - 1
    out = np.empty((uniforms.shape[0], roster_size), np.int32)
    for entry in range(uniforms.shape[0]):
        k = roster_size
        b = table.shape[2] - 1
        for i in range(n):
            if k == 0:
                break
            take = 0.0
            if b >= units[i]:
                take = weight[i] * table[i + 1, k - 1, b - units[i]]
            # The comparison by product keeps a forced choice forced.
            if uniforms[entry, i] * table[i, k, b] < take:
                out[entry, roster_size - k] = i
                k -= 1
                b -= units[i]
    return out
