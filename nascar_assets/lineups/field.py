"""The field: a distribution over all legal lineups that meets expected ownerships.

Of all distributions with the given ownerships it is the one of largest entropy relative to a prior
that prefers lineups that leave little salary: P(lineup) = product of driver weights x
exp(-dollars left / salary_left) / Z, where `salary_left` is a share of the cap. The logarithms of
the weights minimise the convex dual log Z - sum_i wanted_i log w_i, whose gradient is the
difference of the shares (Csiszar, 1975, doi:10.1214/aop/1176996454).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups import field_kernel
from nascar_assets.lineups.optimal import check_salaries

Floats = npt.NDArray[np.float64]

CAP = 50_000
"""The cap that `salary_left` is said for; under another one it is the same share of it."""

SALARY_LEFT = 400.0
"""Dollars of `CAP`: scale on which lineups that leave salary become rarer; an assumption."""

# Largest logarithm of a weight: products over a lineup stay finite, and shares that the cap does
# not allow are neared instead of running away.
_MAX_LOG = 25.0
_ROUNDS = 500


@dataclass(frozen=True, slots=True)
class FieldModel:
    """A distribution over all legal lineups.

    Attributes:
        salaries: [N] dollars.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup.
        weights: [N] driver weights, 0 for drivers nobody picks.
        salary_left: Dollars of `CAP`; the prior's scale.
        ownership: [N] the shares that the distribution has.
        wanted: [N] the shares that were asked for.
        log_total: Logarithm of Z.
    """

    salaries: npt.NDArray[np.int64]
    cap: int
    roster_size: int
    weights: Floats
    salary_left: float
    ownership: Floats
    wanted: Floats
    log_total: float

    @property
    def error(self) -> float:
        """The largest difference between a driver's share and the one asked for."""
        return float(np.abs(self.ownership - self.wanted).max())

    def sample(self, entries: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
        """[entries, roster_size] independent lineups, driver indices ascending."""
        unit, units = _units(self.salaries, self.cap)
        table = field_kernel.completions(
            self.weights, units, _prior(self.cap, unit, self.salary_left), self.roster_size
        )
        uniforms = rng.random((entries, self.weights.shape[0]))
        return field_kernel.draw(self.weights, units, table, uniforms)

    def probability(self, lineups: npt.NDArray[np.integer]) -> Floats:
        """[n] probability that one entry of the field is exactly this lineup."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights)[lineups].sum(axis=1)
        unit, _ = _units(self.salaries, self.cap)
        left = self.cap // unit * unit - self.salaries[lineups].sum(axis=1)
        out = np.exp(logs - left / dollars(self.salary_left, self.cap) - self.log_total)
        return np.asarray(np.where(left < 0, 0.0, out), np.float64)

    def expected_duplicates(self, lineups: npt.NDArray[np.integer], rivals: int) -> Floats:
        """[n] rivals expected to enter exactly this lineup, of `rivals` in the field."""
        return rivals * self.probability(lineups)


def dollars(left: float, cap: int) -> float:
    """Dollars of a cap that are the share of it that so many are of `CAP`."""
    return left * (cap / CAP)


def utility_field(
    logits: Floats,
    salaries: npt.NDArray[np.integer],
    cap: int,
    roster_size: int,
    *,
    salary_left: float = SALARY_LEFT,
) -> FieldModel:
    """The field in which each driver has a given logarithm of weight, -inf for nobody's pick.

    Raises:
        InputError: If no lineup of the drivers who may be picked fits under the cap.
    """
    salary = check_salaries(np.asarray(salaries), cap, roster_size, n_drivers=logits.shape[0])
    share, log_total = _shares(logits, salary, cap, roster_size, salary_left)
    return FieldModel(
        salary, cap, roster_size, np.exp(logits), salary_left, share, share, log_total
    )


def fit_field(
    ownership: Floats,
    salaries: npt.NDArray[np.integer],
    cap: int,
    roster_size: int,
    *,
    salary_left: float = SALARY_LEFT,
    start: Floats | None = None,
    partial: bool = False,
) -> FieldModel:
    """The field whose drivers have the wanted ownerships.

    Where the cap does not allow them (dear drivers owned too much), the distribution comes near
    and `error` says how near.

    Args:
        ownership: [N] shares, from 0 to 1, adding up to the roster size.
        salaries: [N] dollars.
        cap: Dollars.
        roster_size: Drivers in a lineup.
        salary_left: Dollars of `CAP`; a lineup that leaves so much more is 2.7 times rarer.
        start: [N] logarithms of weights to begin from, -inf for nobody's pick.
        partial: Whether NaN ownerships are allowed: those drivers keep their starting weights.

    Raises:
        InputError: If the shares are none or do not add up to the roster size.
    """
    from scipy.optimize import minimize

    wanted = np.asarray(ownership, np.float64)
    salary = check_salaries(np.asarray(salaries), cap, roster_size, n_drivers=wanted.shape[0])
    known = ~np.isnan(wanted)
    total = float(wanted[known].sum())
    inside = bool(((wanted[known] >= 0) & (wanted[known] <= 1)).all())
    whole = known.all() and abs(total - roster_size) <= 1e-6
    if not inside or not (whole or (partial and total <= roster_size + 1e-6)):
        raise InputError(
            f"ownerships add up to {total:.4f}; they are shares from 0 to 1 that add up to the "
            f"roster size, {roster_size}.",
            field="ownership",
        )
    if start is None:
        logits = np.log(np.clip(wanted, 1e-9, 1.0) / np.clip(1.0 - wanted, 1e-9, 1.0))
    else:
        logits = start.copy()
    logits[known & (wanted == 0)] = -np.inf
    moved = np.flatnonzero(known & np.isfinite(logits))
    logits = np.where(np.isfinite(logits), np.clip(logits, -_MAX_LOG, _MAX_LOG), logits)

    def dual(theta: Floats) -> tuple[float, Floats]:
        trial = logits.copy()
        trial[moved] = theta
        share, log_total = _shares(trial, salary, cap, roster_size, salary_left)
        value = log_total - float(theta @ wanted[moved])
        return value, share[moved] - wanted[moved]

    result = minimize(
        dual,
        logits[moved],
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_MAX_LOG, _MAX_LOG)] * moved.size,
        options={"maxiter": _ROUNDS, "ftol": 1e-15, "gtol": 1e-8, "maxcor": 30},
    )
    logits[moved] = result.x
    share, log_total = _shares(logits, salary, cap, roster_size, salary_left)
    return FieldModel(
        salaries=salary,
        cap=cap,
        roster_size=roster_size,
        weights=np.exp(logits),
        salary_left=salary_left,
        ownership=share,
        wanted=np.where(known, wanted, share),
        log_total=log_total,
    )


def _shares(
    logits: Floats,
    salary: npt.NDArray[np.int64],
    cap: int,
    roster_size: int,
    salary_left: float,
) -> tuple[Floats, float]:
    """Ownerships at given logarithms of weights, and the logarithm of Z."""
    unit, units = _units(salary, cap)
    weights = np.exp(logits)
    table = field_kernel.completions(weights, units, _prior(cap, unit, salary_left), roster_size)
    total = float(table[0, roster_size, -1])
    if total <= 0.0:
        raise InputError("no lineup of the drivers who may be picked fits under the cap.")
    return field_kernel.marginals(weights, units, table), float(np.log(total))


def _units(salaries: npt.NDArray[np.int64], cap: int) -> tuple[int, npt.NDArray[np.int64]]:
    unit = int(np.gcd.reduce(salaries[salaries <= cap]))
    return unit, np.minimum(-(-salaries // unit), cap // unit + 1)


def _prior(cap: int, unit: int, salary_left: float) -> Floats:
    """Factor of the prior by salary units left."""
    left = unit * np.arange(cap // unit + 1, dtype=np.float64)
    return np.exp(-left / dollars(salary_left, cap))
