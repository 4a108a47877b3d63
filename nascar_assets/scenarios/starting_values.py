"""Parameters of the race process to begin with: what fits start from and are drawn to."""

from __future__ import annotations

from datetime import UTC, datetime

from nascar_assets.scenarios.parameters import ProcessParameters, TypeParameters

_TYPES = ("superspeedway", "intermediate", "short", "road")

_VALUES = {
    "kappa": (1.08, 2.45, 1.06, 0.796),
    "start_scale": (1.95, 1.11, 1.06, 0.797),
    "tau": (5.39, 6.79, 17.3, 7.56),
    "omega": (0.707, 1.05, 0.338, 0.37),
    "sigma_s": (0.0788, 0.516, 0.194, 0.24),
    "delta": (0.167, 0.129, 0.157, 0.631),
    "wreck_rate": (0.0743, 0.0507, 0.046, 0.0124),
    "chaos_shape": (5.71, 2.85, 6.72, 1.28),
    "wreck_more": (0.511, 0.235, 0.311, 0.0651),
    "wreck_out": (0.982, 0.7, 0.315, 0.969),
    "debris_rate": (0.014, 0.0377, 0.03, 0.00737),
    "fast_weight": (0.0357, 0.869, 1.72, 3.25),
    "sigma_j": (0.25, 0.25, 0.2, 0.25),
    "mechanical": (1.27, 1.52, 1.47, 1.99),
    "late": (1.85, 1.24, 0.868, 3.61),
    "restart_factor": (1.5, 1.5, 1.5, 1.5),
    "overtime_factor": (3.0, 3.0, 3.0, 3.0),
    "damage": (0.3, 1.39, 1.12, 1.16),
    "trouble": (0.266, 0.13, 0.0886, 0.0615),
    "repair": (0.511, 0.422, 0.309, 0.322),
    "repair_laps": (3.0, 3.0, 3.0, 3.0),
    "lapping": (0.002, 0.00981, 0.0324, 0.00958),
    "wave_around": (0.6, 0.5, 0.4, 0.5),
    "caution_laps": (4.57, 5.15, 6.43, 2.07),
    "stage_laps": (5.48, 6.09, 8.03, 2.42),
    "fuel_miles": (95.0, 88.0, 95.0, 75.0),
    "trapped": (0.5, 0.6, 0.6, 0.6),
    "stay_out": (0.3, 0.6, 0.5, 0.6),
    "fast_leader": (1.0, 1.0, 1.0, 1.0),
    "fast_spread": (0.22, 0.199, 0.196, 0.201),
    "fast_awarded": (0.948, 0.946, 0.956, 0.94),
    "bend": (0.0, 0.0, 0.0, 0.0),
    "spread_slope": (0.3, 0.3, 0.3, 0.3),
    "team_share": (0.188, 0.226, 0.3, 0.265),
    "thinning": (1.99, 1.17, 0.853, 1.08),
    "accident_slope": (0.0, 0.0, 0.4, 0.3),
    "mechanical_slope": (0.8, 0.8, 0.8, 0.4),
    "start_correlation": (0.681, 0.584, 0.608, 0.609),
    "rating_spread": (0.296, 0.493, 0.521, 0.435),
}
"""Parameter to its value at each of `_TYPES`."""

STARTING_VALUES = ProcessParameters(
    by_type={
        kind: TypeParameters(**{name: values[at] for name, values in _VALUES.items()})
        for at, kind in enumerate(_TYPES)
    },
    source=(
        "Simulated moments of the 36 Cup races of 2022, with priors centred on a running-order "
        "process fitted to the Cup races up to 2022; fuel ranges, restarts, overtime hazard, "
        "repair times, the worth of track position and how level, spread and failures change "
        "with the rating are set, not fitted."
    ),
    as_of=datetime(2023, 1, 1, tzinfo=UTC),
)
"""Parameters to begin with, where no fit as of the race's date is at hand."""
