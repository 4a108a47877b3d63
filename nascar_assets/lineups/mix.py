"""Whether any mix of legal lineups meets the bounds over a set: a linear programme by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from nascar_assets.lineups.bounds import feature_cost
from nascar_assets.lineups.candidates import Features, top

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_ROUNDS = 80
_COLUMNS = 40
_PRICE_SCALE = 1_000_000


@dataclass(frozen=True, slots=True)
class Mix:
    """The answer of the linear programme.

    Attributes:
        columns: Lineups that were needed to find it.
        certificate: Prices of features that prove that no set meets the bounds; none where a mix
            does (a set of whole lineups may still not).
    """

    columns: Masks
    certificate: Ints | None


def certified(features: Features, prices: Ints, space: Masks, lineups: int) -> bool:
    """Whether prices prove that no set of distinct lineups of the space meets the bounds.

    A set that meets them is worth at least sum_f min(price least, price most) at these prices; if
    the n dearest lineups together are worth less, there is none. All in exact integers.
    """
    if space.shape[0] < lineups:
        return True
    worth = feature_cost(features, prices, space)
    dearest = np.partition(worth, worth.shape[0] - lineups)[worth.shape[0] - lineups :]
    needed = np.minimum(prices * features.least, prices * features.most)
    return int(needed.sum()) > int(dearest.sum())


def feasible_mix(features: Features, space: Masks, lineups: int, start: Masks | None = None) -> Mix:
    """A mix of lineups that meets the bounds over the set, or the proof that there is none.

    Args:
        features: Bounds.
        space: Every legal lineup.
        lineups: Lineups of the set.
        start: Columns to begin with.
    """
    bound = np.flatnonzero((features.least > 0) | (features.most < lineups))
    columns = space[:1] if start is None or start.shape[0] == 0 else start
    for _ in range(_ROUNDS):
        words = features.words(columns)
        rows = np.stack(
            [(words[:, f // 64] >> np.uint64(f % 64)) & np.uint64(1) for f in bound]
        ).astype(np.float64)
        short, prices = _master(rows, features.least[bound], features.most[bound], lineups)
        if short <= 1e-7:
            return Mix(columns, None)
        price = np.zeros(features.least.shape[0], np.int64)
        price[bound] = np.rint(prices * _PRICE_SCALE)
        if certified(features, price, space, lineups):
            return Mix(columns, price)
        worth = feature_cost(features, price, space)
        better = np.setdiff1d(space[top(worth, _COLUMNS)], columns)
        if better.shape[0] == 0:
            return Mix(columns, None)
        columns = np.concatenate([columns, better])
    return Mix(columns, None)


def _master(rows: Floats, least: Ints, most: Ints, lineups: int) -> tuple[float, Floats]:
    """Least summed miss of the bounds by a mix of the columns, and the prices of the features."""
    n_features, n_columns = rows.shape
    eye = np.eye(n_features)
    cost = np.concatenate([np.zeros(n_columns), np.ones(2 * n_features)])
    nothing = np.zeros((n_features, n_features))
    upper = np.block([[-rows, -eye, nothing], [rows, nothing, -eye]])
    result = linprog(
        cost,
        A_ub=upper,
        b_ub=np.concatenate([-least, most]).astype(np.float64),
        A_eq=np.concatenate([np.ones(n_columns), np.zeros(2 * n_features)])[None, :],
        b_eq=[float(lineups)],
        method="highs-ds",
    )
    marginals = result.ineqlin.marginals
    return float(result.fun), marginals[n_features:] - marginals[:n_features]
