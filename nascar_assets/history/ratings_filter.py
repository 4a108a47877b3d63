"""The rating filter: a Gaussian process over all races, held as effects and moved race by race.

Each car's four scores in a race are sums of a few Gaussian effects (driver, driver in the series,
driver at the track type, team, team in the series, car, manufacturer), of what the race's cars
share, and of noise. Since most effects are constant in time and the others decay exponentially, the
exact posterior moves forward one race at a time (a Kalman filter: Saerkkae, Bayesian Filtering and
Smoothing, 2013, section 4.3), with the same predictions as one factorisation over all cars of all
races at a cost that does not grow with their number.

The four scores share one covariance K over cars and differ by a 4 x 4 covariance C between scores,
estimated from the filter's own errors (a matrix normal model, C times K).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nascar_assets.history import kernel
from nascar_assets.history.ratings_effects import Effect, car_effects
from nascar_assets.history.ratings_parameters import DEFAULT, TARGETS, Hyperparameters
from nascar_assets.history.ratings_records import Local, TrackRecords, local_prior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_ERRORS = 200.0
"""Rows that the prior of C is worth."""

PRIOR_ERROR_COVARIANCE: Floats = np.array(
    [
        [0.90, 0.54, 0.20, 0.14],
        [0.54, 0.64, 0.29, 0.29],
        [0.20, 0.29, 0.78, 0.18],
        [0.14, 0.29, 0.18, 0.84],
    ]
)
"""C before any race: whitened errors of three series, 2022 to 2026."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Scores expected of a race's cars from what the filter has seen.

    Attributes:
        means: [n, 4] expected scores, the field's mean taken out.
        variances: [n] posterior variance of a car's effects about the field's mean, for a score
            of unit scale (times C for the four scores).
    """

    means: Floats
    variances: Floats


@dataclass
class RatingFilter:
    """Posterior of all effects: moved forward by `observe`, read by `predict`.

    Attributes:
        parameters: The prior.
        index: Slot of each effect by its key, in order of first appearance.
        covariance: [capacity, capacity] lower triangle.
        means: [capacity, 4].
        variance: [capacity] prior (and, of decaying effects, stationary) variance.
        days: [capacity] time constants.
        last_seen: [capacity] day of the last race of each effect.
        clock: Day of the last race.
        error_products: [4, 4] sum of products of whitened errors.
        errors: Rows in it.
        log_score: Sum of log predictive densities of the races seen (for choosing parameters).
        tracks: Each driver's and team's own deviations by track.
    """

    parameters: Hyperparameters = DEFAULT
    index: dict[str, int] = field(default_factory=dict)
    covariance: Floats = field(default_factory=lambda: np.zeros((64, 64)))
    means: Floats = field(default_factory=lambda: np.zeros((64, len(TARGETS))))
    variance: Floats = field(default_factory=lambda: np.zeros(64))
    days: Floats = field(default_factory=lambda: np.full(64, np.inf))
    last_seen: Floats = field(default_factory=lambda: np.zeros(64))
    clock: float = 0.0
    error_products: Floats = field(default_factory=lambda: PRIOR_ERRORS * PRIOR_ERROR_COVARIANCE)
    errors: float = PRIOR_ERRORS
    log_score: float = 0.0
    tracks: TrackRecords = field(default_factory=TrackRecords)

    @property
    def size(self) -> int:
        """Number of effects."""
        return len(self.index)

    @property
    def score_covariance(self) -> Floats:
        """C, [4, 4]."""
        return self.error_products / self.errors

    def predict(
        self, cars: pl.DataFrame, day: float, *, without: frozenset[str] = frozenset()
    ) -> Prediction:
        """Scores that the cars of one race are expected to reach.

        Args:
            cars: ENTRIES or RESULTS rows of one race.
            day: When it starts, in days since 1970; not before the last race seen.
            without: Parts to leave at nought (the drivers' own, for the worth of the equipment).

        Returns:
            Means and variances about the field's mean.
        """
        effects = car_effects(cars, self.parameters)
        local = self.tracks.at(cars, self.parameters, day)
        if without:
            effects = [[e for e in row if e.part not in without] for row in effects]
            local = [item for item in local if item.part not in without]
        _, covariance, means = self._joint(effects, local, day)
        return _about_the_mean(covariance, means)

    def observe(
        self, cars: pl.DataFrame, scores: Floats, retired: NDArray[np.bool_], day: float
    ) -> Prediction:
        """Take in one race.

        Args:
            cars: RESULTS rows of one race.
            scores: [n, 4] normal scores (`target_scores`).
            retired: [n] whether the car did not run to the end: its scores are noisier.
            day: When the race started, in days since 1970.

        Returns:
            What was expected of the race before it.
        """
        p = self.parameters
        effects = car_effects(cars, p)
        self._move_to(max(day, self.clock))
        self._admit(effects)
        local = self.tracks.at(cars, p, self.clock)
        gathered, covariance, means = self._joint(effects, local, self.clock)
        noise = np.array([p.noise[kind] for kind in cars["track_type"]])
        noise = noise * np.where(retired, p.retired_noise, 1.0)
        factor = kernel.cholesky(covariance + p.race + np.diag(noise))
        white = kernel.solve_lower(factor, scores - means)
        rows = kernel.solve_lower(factor, gathered)
        self._score(white, factor)
        self.error_products = self.error_products + np.einsum("ni,nj->ij", white, white)
        self.errors += float(len(scores))
        self.means[: self.size] += np.einsum("nd,nk->dk", rows, white)
        kernel.downdate(self.covariance, rows, self.size)
        self.tracks.learn(local, factor, white, self.clock)
        return _about_the_mean(covariance, means)

    def _score(self, white: Floats, factor: Floats) -> None:
        """Log density of a race's scores under the matrix normal model, C as it was before it."""
        lower = kernel.cholesky(self.score_covariance)
        standard = kernel.solve_lower(lower, np.ascontiguousarray(white.T))
        self.log_score -= float(
            0.5 * np.sum(standard * standard)
            + len(white) * np.log(np.diag(lower)).sum()
            + len(TARGETS) * np.log(np.diag(factor)).sum()
            + 0.5 * white.size * np.log(2.0 * np.pi)
        )

    def _move_to(self, day: float) -> None:
        """Let decaying effects decay up to a day, and forget those not seen for long."""
        size = self.size
        shrink = np.exp(-(day - self.clock) / self.days[:size])
        decaying = np.isfinite(self.days[:size])
        kernel.decay_covariance(self.covariance, shrink, self.variance, decaying, size)
        self.means[:size] *= shrink[:, None]
        self.clock = day
        stale = day - self.last_seen[:size] > self.parameters.forget_days
        if stale.sum() >= 64:  # in batches: dropping means copying the covariance
            self._keep(np.flatnonzero(~stale))
            self.tracks.forget(day - self.parameters.forget_days)

    def _keep(self, kept: Ints) -> None:
        """Drop all effects but some; what the others know does not change (marginalisation)."""
        keys = list(self.index)
        self.index = {keys[old]: new for new, old in enumerate(kept.tolist())}
        count = len(kept)
        self.covariance[:count, :count] = self.covariance[np.ix_(kept, kept)]
        for name in ("means", "variance", "days", "last_seen"):
            array = getattr(self, name)
            array[:count] = array[kept]

    def _admit(self, effects: list[list[Effect]]) -> None:
        """Give new effects a slot with their prior, and mark all as seen today."""
        for effect in (effect for row in effects for effect in row):
            slot = self.index.get(effect.key)
            if slot is None:
                slot = self.size
                if slot == len(self.variance):
                    self._grow()
                self.index[effect.key] = slot
                self.covariance[slot, : slot + 1] = 0.0
                self.covariance[slot, slot] = effect.variance
                self.means[slot] = 0.0
                self.variance[slot] = effect.variance
                self.days[slot] = effect.days
            self.last_seen[slot] = self.clock

    def _grow(self) -> None:
        """Make room for a quarter more effects (doubling would waste memory squared)."""
        more = max(64, len(self.variance) // 4)
        self.covariance = np.pad(self.covariance, (0, more))
        self.means = np.pad(self.means, ((0, more), (0, 0)))
        for name in ("variance", "days", "last_seen"):
            setattr(self, name, np.pad(getattr(self, name), (0, more)))

    def _joint(
        self, effects: list[list[Effect]], local: list[Local], day: float
    ) -> tuple[Floats, Floats, Floats]:
        """Joint prior of the cars' effects on a day.

        Returns:
            Covariance of each car with each effect [n, d], of the cars [n, n], means [n, 4].
        """
        size, n = self.size, len(effects)
        width = max((len(row) for row in effects), default=0)
        slots = np.full((n, max(width, 1)), -1, np.int64)
        weights = np.zeros(slots.shape)
        fresh: dict[str, list[tuple[int, float, float]]] = {}
        for i, row in enumerate(effects):
            for q, effect in enumerate(row):
                slot = self.index.get(effect.key, -1)
                slots[i, q], weights[i, q] = slot, effect.weight
                if slot < 0:
                    fresh.setdefault(effect.key, []).append((i, effect.weight, effect.variance))
        shrink = np.exp(-max(day - self.clock, 0.0) / self.days[:size])
        gathered, covariance = kernel.joint_covariance(
            self.covariance, shrink, self.variance, slots, weights, size
        )
        for members in fresh.values():  # effects never seen: their prior
            for i, weight_i, variance in members:
                for j, weight_j, _ in members:
                    covariance[i, j] += weight_i * weight_j * variance
        known = np.where(slots >= 0, weights, 0.0)
        safe = np.maximum(slots, 0)
        moved = self.means[:size] * shrink[:, None] if size else np.zeros((1, len(TARGETS)))
        local_covariance, local_means = local_prior(local, n)
        means = np.einsum("nq,nqk->nk", known, moved[safe]) + local_means
        return gathered, covariance + local_covariance, means


def _about_the_mean(covariance: Floats, means: Floats) -> Prediction:
    """A prediction with what the whole field shares taken out."""
    spread = np.diag(covariance) - 2.0 * covariance.mean(axis=1) + covariance.mean()
    return Prediction(means - means.mean(axis=0), np.maximum(spread, 0.0))
