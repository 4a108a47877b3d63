"""Parameters that a fit moves, the scale on which they move, and what is believed of the rest."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nascar_assets.scenarios.parameters import ProcessParameters, TypeParameters

Floats = npt.NDArray[np.float64]

FREE: dict[str, tuple[str, float]] = {
    "kappa": ("log", 0.5),
    "start_scale": ("log", 0.4),
    "tau": ("log", 0.5),
    "omega": ("log", 0.25),
    "sigma_s": ("log", 0.8),
    "delta": ("log", 0.5),
    "damage": ("log", 0.5),
    "wreck_rate": ("log", 0.5),
    "chaos_shape": ("log", 0.8),
    "wreck_more": ("logit", 0.8),
    "wreck_out": ("logit", 1.0),
    "debris_rate": ("log", 0.6),
    "fast_weight": ("identity", 0.5),
    "fast_spread": ("log", 0.6),
    "mechanical": ("log", 0.4),
    "late": ("log", 0.8),
    "trouble": ("logit", 0.7),
    "lapping": ("log", 0.7),
    "repair": ("logit", 0.7),
    "caution_laps": ("log", 0.3),
    "fast_awarded": ("logit", 0.5),
    "team_share": ("logit", 0.8),
    "bend": ("identity", 0.1),
    "spread_slope": ("identity", 0.1),
    "thinning": ("log", 0.5),
    "accident_slope": ("identity", 0.4),
    "mechanical_slope": ("identity", 0.6),
}
"""Fitted parameters: the scale on which they move, and the prior's standard deviation on it."""

GIVEN: dict[str, tuple[str, float]] = {
    "sigma_j": ("log", 0.5),
    "restart_factor": ("log", 0.4),
    "overtime_factor": ("log", 0.5),
    "repair_laps": ("log", 0.5),
    "wave_around": ("logit", 0.7),
    "fuel_miles": ("log", 0.15),
    "trapped": ("log", 0.5),
    "stay_out": ("log", 0.5),
    "fast_leader": ("log", 0.7),
}
"""Parameters that are given, not estimated, since results without laps do not tell them apart:
their scale, and the standard deviation on it of what is believed of them."""


def to_scale(value: float, scale: str) -> float:
    """A parameter's place on its moving scale: log, logit or identity."""
    if scale == "log":
        return math.log(max(value, 1e-6))
    if scale == "logit":
        share = min(max(value, 1e-4), 1.0 - 1e-4)
        return math.log(share / (1.0 - share))
    return value


def _from_scale(value: float, scale: str) -> float:
    if scale == "log":
        return math.exp(min(value, 20.0))
    if scale == "logit":
        return 1.0 / (1.0 + math.exp(-min(max(value, -20.0), 20.0)))
    return value


def slope(value: float, scale: str) -> float:
    """Derivative of a parameter by its place on the moving scale."""
    if scale == "log":
        return value
    return value * (1.0 - value) if scale == "logit" else 1.0


def with_place(values: TypeParameters, place: Floats) -> TypeParameters:
    """Parameters at a place on the moving scales; stage cautions keep their ratio to others."""
    moved = {
        name: _from_scale(float(at), scale)
        for (name, (scale, _)), at in zip(FREE.items(), place, strict=True)
    }
    ratio = values.stage_laps / values.caution_laps
    return replace(values, **moved, stage_laps=ratio * moved["caution_laps"])


def prior_spreads(values: TypeParameters) -> dict[str, float]:
    """Standard deviation of what is believed of each given parameter, on its own scale."""
    return {
        name: sd * abs(slope(getattr(values, name), scale)) for name, (scale, sd) in GIVEN.items()
    }


def drawn_parameters(
    parameters: ProcessParameters, track_type: str, rng: np.random.Generator
) -> ProcessParameters:
    """One track type's parameters, drawn from what is known of them.

    Each by itself on the scale on which fits move it: by its standard error where it was fitted,
    by what is believed of it without one. Fits keep no covariances, so that none are drawn.

    Args:
        parameters: The race process.
        track_type: The type that is drawn; the others stay.
        rng: Source of the draws.
    """
    values = parameters.of(track_type)
    errors = parameters.standard_errors.get(track_type, {})
    moved: dict[str, float] = {}
    for name, (scale, believed) in {**FREE, **GIVEN}.items():
        value = getattr(values, name)
        rate = abs(slope(value, scale))
        known = errors.get(name)
        spread = believed if known is None or rate == 0.0 else min(known / rate, believed)
        place = to_scale(value, scale) + spread * float(rng.standard_normal())
        moved[name] = _from_scale(place, scale)
    ratio = values.stage_laps / values.caution_laps
    return parameters.with_type(track_type, **moved, stage_laps=ratio * moved["caution_laps"])
