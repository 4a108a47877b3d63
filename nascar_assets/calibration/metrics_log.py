"""Log scores: of a rank from counts, and of a continuous value from a kernel density."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.metrics_input import (
    Floats,
    checked,
    effective_size,
    mix,
    normalised_weights,
)
from nascar_assets.errors import InputError


def rank_log_score(
    ranks: npt.NDArray[np.integer],
    outcome: npt.NDArray[np.integer],
    weights: npt.ArrayLike | None = None,
    *,
    field: int | None = None,
) -> Floats:
    """Log score of each driver's place, -ln((c + 1/2) / (m + N/2)); lower is better.

    c is the number of the m scenarios that gave the place that was taken, N the number of
    places: the posterior mean under Jeffreys' prior, finite even for a place that no scenario
    gave. With weights, c and m are counted in effective scenarios (1 / sum of squared weights).

    Args:
        ranks: Places from 1 [m, N].
        outcome: The places that were taken [N].
        weights: Weight of each scenario [m].
        field: Number of places; the number of drivers if left out.

    Returns:
        Scores [N] in nats.

    Raises:
        InputError: If the arrays do not fit or a place lies outside the field.
    """
    values, truth = checked(ranks, outcome, name="finish")
    places = values.shape[1] if field is None else field
    for name, array in (("finish", values), ("outcome of finish", truth)):
        if array.size and (float(array.min()) < 1 or float(array.max()) > places):
            raise InputError(f"A place lies outside 1..{places}.", field=name)
    size = values.shape[0]
    scaled = normalised_weights(weights, size)
    hit = values == truth
    share = hit.mean(axis=0) if scaled is None else mix(scaled, hit)
    effective = effective_size(scaled, size)
    return np.asarray(-np.log((share * effective + 0.5) / (effective + places / 2.0)))


def kernel_log_score(
    ensemble: npt.ArrayLike, outcome: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Log score of a value under a Gaussian kernel density of the members; lower is better.

    Silverman's bandwidth 1.06 sd m^(-1/5) with the sample standard deviation, as the field's
    libraries take it. A forecast whose members are all alike has no density: NaN.

    Args:
        ensemble: Members [m, ...].
        outcome: What happened [...].
        weights: Weight of each scenario [m].

    Returns:
        Scores [...] in nats.
    """
    from scipy.special import logsumexp

    whole, happened = checked(ensemble, outcome)
    # Differences of unsigned or short integers would wrap around.
    values, truth = whole.astype(np.float64), happened.astype(np.float64)
    size = values.shape[0]
    scaled = normalised_weights(weights, size)
    w = np.full(size, 1.0 / size) if scaled is None else scaled
    effective = effective_size(scaled, size)
    centre = mix(w, values)
    variance = mix(w, np.square(values - centre))
    spread = np.sqrt(variance * effective / max(effective - 1.0, 1.0))
    width = 1.06 * spread * effective**-0.2
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (truth - values) / width
        log_weight = np.log(w).reshape((size,) + (1,) * truth.ndim)
        density = logsumexp(log_weight - 0.5 * z * z, axis=0) - np.log(width * np.sqrt(2.0 * np.pi))
    return np.asarray(np.where(width > 0, -density, np.nan), dtype=np.float64)
