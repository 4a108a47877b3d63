"""What every metric asks of its arrays: shapes, finite numbers, weights that sum to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError

Numbers = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def checked(
    ensemble: npt.ArrayLike, outcome: npt.ArrayLike, *, name: str = "ensemble"
) -> tuple[Numbers, Numbers]:
    """An ensemble and its outcome as arrays that fit each other.

    Args:
        ensemble: Forecast values [m, ...], the scenarios first.
        outcome: What happened, of the ensemble's shape without its first axis.
        name: What the values are, for the message.

    Returns:
        Both as arrays; integers stay integers.

    Raises:
        InputError: If the ensemble is empty or ragged, the shapes do not fit, or a value is not
            a finite number.
    """
    values, truth = _numeric(ensemble, name), _numeric(outcome, f"outcome of {name}")
    if values.ndim < 1 or values.shape[0] == 0:
        raise InputError("The ensemble holds no scenarios.", field=name)
    if values.shape[1:] != truth.shape:
        raise InputError(
            f"The ensemble has shape {values.shape} [scenarios, ...] and the outcome "
            f"{truth.shape}; without its first axis the ensemble must have the outcome's shape.",
            field=name,
        )
    return values, truth


def _numeric(values: npt.ArrayLike, name: str) -> Numbers:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError("The rows are of unequal size.", field=name) from error
    if array.dtype == np.bool_:
        return array.astype(np.int8)
    if array.dtype.kind not in "iuf":
        raise InputError(f"Expected numbers, found {array.dtype}.", field=name)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(
            f"{count} of {array.size} values are NaN or infinite.",
            field=name,
            remedy="Leave out the driver or the race whose value is unknown.",
        )
    return array


def normalised_weights(weights: npt.ArrayLike | None, size: int) -> Floats | None:
    """Scenario weights that sum to one, or none where all scenarios weigh the same.

    Args:
        weights: Weights [m], not negative, or none.
        size: Number of scenarios, m.

    Raises:
        InputError: If there are not `size` weights, one is negative or not finite, or all are 0.
    """
    if weights is None:
        return None
    array = np.asarray(weights, np.float64)
    if array.shape != (size,):
        raise InputError(
            f"There are {size} scenarios and weights of shape {array.shape}.", field="weights"
        )
    total = float(array.sum())
    if not np.isfinite(array).all() or (array < 0).any() or total <= 0:
        raise InputError("Weights must be finite, not negative and not all zero.", field="weights")
    scaled = array / total
    if np.ptp(scaled) == 0.0:
        return None
    return scaled


def dot(values: Numbers, weights: Floats) -> Floats:
    """Weighted sums over the last axis, in an order that no number of threads changes."""
    return np.asarray(np.einsum("...i,i->...", values, weights), np.float64)


def mix(weights: Floats, values: Numbers) -> Floats:
    """Weighted sums over the first axis, likewise."""
    return np.asarray(np.einsum("i,i...->...", weights, values), np.float64)


def effective_size(weights: Floats | None, size: int) -> float:
    """Kish's effective number of scenarios, 1 / sum of squared weights; m for equal weights."""
    return float(size) if weights is None else float(1.0 / np.square(weights).sum())
