"""Compiled linear algebra of the rating filter; the same bits on any number of threads.

Every element of a result is summed in one fixed order on the calling thread, without BLAS (whose
blocking may depend on the number of threads) and without fused or reordered arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True)
def joint_covariance(
    covariance: Floats,
    shrink: Floats,
    variance: Floats,
    slots: Ints,
    weights: Floats,
    size: int,
) -> tuple[Floats, Floats]:
    """Covariance of n weighted sums of effects with every effect, and with one another.

    Args:
        covariance: Lower triangle of the effects' covariance, [capacity, capacity], size d used.
        shrink: Factor per effect by which decay has moved it since that was stored, [d].
        variance: Stationary variance per effect, of which decay restores the share 1 - shrink^2.
        slots: Effects in each sum, [n, m]; -1 for one that has no slot (it is skipped).
        weights: Their weights, [n, m].
        size: Number d of effects in use.

    Returns:
        Covariance with the effects [n, d] and of the sums [n, n].
    """
    n, m = slots.shape
    gathered = np.zeros((n, size))
    column = np.empty(size)
    done = np.zeros(size, np.bool_)
    for r in range(n):
        for q in range(m):
            j = slots[r, q]
            if j < 0 or done[j]:
                continue
            done[j] = True
            # Each effect's column is read once, for all the sums that hold it.
            a = shrink[j]
            for i in range(j + 1):
                column[i] = covariance[j, i] * (a * shrink[i])
            for i in range(j + 1, size):
                column[i] = covariance[i, j] * (a * shrink[i])
            column[j] += (1.0 - a * a) * variance[j]
            for r2 in range(r, n):
                for q2 in range(m):
                    if slots[r2, q2] == j:
                        w = weights[r2, q2]
                        for i in range(size):
                            gathered[r2, i] += w * column[i]
    joint = np.zeros((n, n))
    for r in range(n):
        for r2 in range(n):
            for q in range(m):
                j = slots[r2, q]
                if j >= 0:
                    joint[r, r2] += weights[r2, q] * gathered[r, j]
    return gathered, joint


@njit(cache=True)
def cholesky(matrix: Floats) -> Floats:
    """Lower Cholesky factor of a small positive definite matrix [n, n].

    A pivot that is not positive comes back as NaN; callers check the diagonal.
    """
    n = matrix.shape[0]
    factor = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                factor[i, i] = math.sqrt(total) if total > 0.0 else math.nan
            else:
                factor[i, j] = total / factor[j, j]
    return factor


@njit(cache=True)
def solve_lower(factor: Floats, right: Floats) -> Floats:
    """Solve L X = B for a lower triangular L [n, n] and B [n, k]."""
    n = factor.shape[0]
    out = right.copy()
    for i in range(n):
        for j in range(i):
            f = factor[i, j]
            for k in range(out.shape[1]):
                out[i, k] -= f * out[j, k]
        pivot = factor[i, i]
        for k in range(out.shape[1]):
            out[i, k] /= pivot
    return out


@njit(cache=True)
def solve_lower_transposed(factor: Floats, right: Floats) -> Floats:
    """Solve L' X = B for a lower triangular L [n, n] and B [n, k]."""
    n = factor.shape[0]
    out = right.copy()
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            f = factor[j, i]
            for k in range(out.shape[1]):
                out[i, k] -= f * out[j, k]
        pivot = factor[i, i]
        for k in range(out.shape[1]):
            out[i, k] /= pivot
    return out


@njit(cache=True)
def downdate(covariance: Floats, rows: Floats, size: int) -> None:
    """Subtract rows' rows from the lower triangle of a covariance in place.

    Args:
        covariance: [capacity, capacity], size d used.
        rows: [n, d].
        size: d.
    """
    n = rows.shape[0]
    whole = n - n % 4
    for i in range(size):
        target = covariance[i]
        for k in range(0, whole, 4):
            a, b, c, d = rows[k, i], rows[k + 1, i], rows[k + 2, i], rows[k + 3, i]
            r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
            for j in range(i + 1):
                target[j] -= a * r0[j] + b * r1[j] + c * r2[j] + d * r3[j]
        for k in range(whole, n):
            a = rows[k, i]
            r0 = rows[k]
            for j in range(i + 1):
                target[j] -= a * r0[j]


@njit(cache=True)
def decay_covariance(
    covariance: Floats, shrink: Floats, variance: Floats, decaying: NDArray[np.bool_], size: int
) -> None:
    """Move decaying effects forward in time: shrink their covariances, restore their variance.

    An Ornstein-Uhlenbeck effect of stationary variance v keeps it: a*a*P + (1 - a*a)*v.
    """
    for i in range(size):
        a = shrink[i]
        if decaying[i]:
            for j in range(i):
                covariance[i, j] *= a * shrink[j]
            covariance[i, i] = a * a * covariance[i, i] + (1.0 - a * a) * variance[i]
        else:
            for j in range(i):
                if decaying[j]:
                    covariance[i, j] *= shrink[j]
