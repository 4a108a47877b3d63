"""CRPS of an ensemble, standard and fair, and the ranked probability score of a finish.

For members x_1..x_m with weights w that sum to one, and the outcome y, the CRPS of the weighted
empirical distribution is

    sum_i w_i |x_i - y|  -  1/2 sum_ij w_i w_j |x_i - x_j|

(Gneiting and Raftery 2007, doi:10.1198/016214506000001437, eq. 21). With the members sorted, the
double sum is sum_i w_i x_i (2 W_i - w_i - 1), W_i being the weights up to and with i, so that the
whole costs one sort. The fair score divides the double sum by 1 - sum w_i^2 instead of 1, which
for equal weights is the factor m / (m - 1) (Ferro 2014, doi:10.1002/qj.2270): its expectation
does not depend on the number of members.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.metrics_input import Floats, Numbers, checked, normalised_weights
from nascar_assets.errors import InputError


def crps_ensemble(
    ensemble: npt.ArrayLike,
    outcome: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    fair: bool = False,
) -> Floats:
    """Continuous ranked probability score of each forecast; lower is better.

    Args:
        ensemble: Members [m, ...], the scenarios first.
        outcome: What happened, [...].
        weights: Weight of each scenario [m]; none for equal weights.
        fair: Whether to score the distribution that the members were drawn from rather than
            the members' own; needs two members or more.

    Returns:
        Scores [...], in the outcome's unit.

    Raises:
        InputError: If the arrays do not fit or hold NaN, or a fair score has one member alone.
    """
    values, truth = checked(ensemble, outcome)
    size = values.shape[0]
    scaled = normalised_weights(weights, size)
    if fair and (size < 2 or (scaled is not None and float(scaled.max()) == 1.0)):
        raise InputError("A fair score needs two scenarios or more.", field="ensemble")
    columns = np.ascontiguousarray(_centred(values, truth).reshape(size, -1).T)
    if scaled is None:
        score = _equal_weights(columns, fair)
    else:
        score = _with_weights(columns, scaled, fair)
    return score.reshape(truth.shape)


def _centred(values: Numbers, truth: Numbers) -> Numbers:
    """Members minus the outcome: the score does not change, and cancellation is avoided."""
    if values.dtype.kind in "iu" and truth.dtype.kind in "iu" and values.size:
        largest = max(abs(int(end(array))) for array in (values, truth) for end in (np.min, np.max))
        # 32-bit integers sort several times faster than 64-bit floats.
        kind = np.int32 if largest < 2**30 else np.int64
        return np.subtract(values, truth, dtype=kind, casting="unsafe")
    return np.subtract(values, truth, dtype=np.float64)


def _equal_weights(columns: Numbers, fair: bool) -> Floats:
    """Scores of the rows of `columns` [k, m], already centred on the outcome."""
    size = columns.shape[1]
    columns.sort(axis=1)
    rank = 2.0 * np.arange(1, size + 1) - size - 1.0
    spread = np.einsum("km,m->k", columns, rank) / (size * (size - 1 if fair else size))
    return np.asarray(np.abs(columns).sum(axis=1, dtype=np.float64) / size - spread)


def _with_weights(columns: Numbers, weights: Floats, fair: bool) -> Floats:
    share = 1.0 - float(np.square(weights).sum()) if fair else 1.0
    scores = np.empty(columns.shape[0])
    for row, members in enumerate(columns):
        order = np.argsort(members, kind="stable")
        x, w = members[order].astype(np.float64), weights[order]
        spread = float((w * x * (2.0 * np.cumsum(w) - w - 1.0)).sum()) / share
        scores[row] = float((w * np.abs(x)).sum()) - spread
    return scores


def rank_probabilities(
    ranks: npt.NDArray[np.integer], field: int, weights: npt.ArrayLike | None = None
) -> Floats:
    """Forecast probability of every place for every driver.

    Args:
        ranks: Places from 1 in every scenario [m, N].
        field: Number of places, K.
        weights: Weight of each scenario [m].

    Returns:
        Probabilities [N, K]; each row sums to one.

    Raises:
        InputError: If a place lies outside 1..K.
    """
    places = np.asarray(ranks)
    if places.dtype.kind not in "iu":
        raise InputError(f"Places must be integers, found {places.dtype}.", field="finish")
    size, drivers = places.shape
    if places.size and (int(places.min()) < 1 or int(places.max()) > field):
        raise InputError(f"A place lies outside 1..{field}.", field="finish")
    scaled = normalised_weights(weights, size)
    cell = (places.astype(np.int64) - 1) + np.arange(drivers) * field
    if scaled is None:
        counts = np.bincount(cell.ravel(), minlength=drivers * field) / size
    else:
        counts = np.bincount(
            cell.ravel(), weights=np.repeat(scaled, drivers), minlength=drivers * field
        )
    return counts.reshape(drivers, field)


def rps_of_probabilities(probabilities: Floats, outcome: npt.NDArray[np.integer]) -> Floats:
    """Ranked probability score, sum over places k of (F(k) - [y <= k])^2; lower is better.

    Epstein 1969, in the unnormalised form: it equals the CRPS of the finish in places.

    Args:
        probabilities: Probability of each place [N, K].
        outcome: The places that were taken, from 1 [N].
    """
    cumulative = np.cumsum(probabilities, axis=1)[:, :-1]
    places = np.arange(1, probabilities.shape[1])
    happened = np.asarray(outcome)[:, None] <= places[None, :]
    return np.asarray(np.square(cumulative - happened).sum(axis=1), dtype=np.float64)
