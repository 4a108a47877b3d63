"""Levels: a ridge regression of the finish on ratings, start and qualifying, learnt as races pass.

Weighted sums are kept instead of rows: they decay with a half-life and grow by one race at a time,
so the fit at any moment has seen past races only. Coefficients are a pooled part plus an offset for
each track type, both drawn towards a prior; a race adds to the fit with weights that say how likely
each car had no trouble, given the level that was expected of it before the race. Columns of the
feature table (laps of past races, practice) have a tight prior about nought: they count for as much
as past races say they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history import kernel
from nascar_assets.history.level_features import FROM_PAST, FROM_WEEKEND, LEVEL_FEATURES
from nascar_assets.history.levels_ranks import MIXTURES
from nascar_assets.history.ratings_parameters import TARGETS

Floats = NDArray[np.float64]

Prior = Mapping[str, float]
"""Coefficients before any race, by the name of what they weigh, in the order of the columns."""

RATED: tuple[str, ...] = tuple(f"rating_{target}" for target in TARGETS)
"""The four ratings, which come first."""

PRIOR_RATINGS: Prior = {
    **dict(zip(RATED, (0.25, 0.50, 0.15, 0.0), strict=True)),
    "rating_sd": -0.5,  # whom the ratings know little is slower than their prior mean
    "log_starts": 0.0,  # in the series
    "share_above": 0.0,  # of the starts, in higher series
    **dict.fromkeys(FROM_PAST, 0.0),
}
"""Where the start is not known."""

PRIOR_KNOWN: Prior = {
    **PRIOR_RATINGS,
    **dict(zip(RATED, (0.20, 0.42, 0.15, -0.05), strict=True)),
    "start_score": 0.20,
    "qualifying_speed": 0.0,
    "qualifying_known": 0.0,
    **dict.fromkeys(FROM_WEEKEND, 0.0),
}
"""The same, then start, qualifying and practice."""

FEATURE_SD, FEATURE_OFFSET_SD = 0.02, 0.01
"""Prior standard deviations of the coefficients of `LEVEL_FEATURES`, pooled and what a track type
adds: how far a feature one standard deviation off is believed to move a level before any race has
shown it, six of them together by 0.05. The four ratings move it by 0.9."""

PRIOR_RESIDUAL, PRIOR_ROWS = 0.65, 200.0
"""Variance of a finish score about its level before any race, and the rows that this is worth."""


@dataclass(frozen=True, slots=True)
class LevelSettings:
    """How strongly the ridge is drawn to its prior, and how fast it forgets.

    Attributes:
        pooled_penalty: Ridge penalty of the pooled coefficients, in rows of unit variance.
        offset_penalty: The same for a track type's offsets.
        feature_penalty: That of the feature table's pooled coefficients.
        feature_offset_penalty: That of their offsets.
        half_life_days: Age at which a race counts half.
    """

    pooled_penalty: float = 5.0
    offset_penalty: float = 200.0
    feature_penalty: float = PRIOR_RESIDUAL / FEATURE_SD**2
    feature_offset_penalty: float = PRIOR_RESIDUAL / FEATURE_OFFSET_SD**2
    half_life_days: float = 900.0

    def penalties(self, names: Iterable[str]) -> Floats:
        """Penalties of a regression on columns by name: pooled, then by track type: [5 p]."""
        own = np.array([name in LEVEL_FEATURES for name in names])
        pooled = np.where(own, self.feature_penalty, self.pooled_penalty)
        offset = np.where(own, self.feature_offset_penalty, self.offset_penalty)
        return np.r_[pooled, np.tile(offset, len(TRACK_TYPES))]


@dataclass
class LevelRidge:
    """Weighted sums of one regression.

    Attributes:
        prior: Pooled coefficients before any race, [p] by name.
        settings: Penalties and half-life.
        products: [5p, 5p] sum of products of features.
        response: [5p] sum of products with the finish score.
        residual: Weighted sum of squared errors of the levels expected before each race.
        rows: Weighted number of rows.
        clock: Day of the last race.
    """

    prior: Prior
    settings: LevelSettings = LevelSettings()
    products: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    response: Floats = field(default_factory=lambda: np.zeros(0))
    residual: float = PRIOR_RESIDUAL * PRIOR_ROWS
    rows: float = PRIOR_ROWS
    clock: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.response):
            width = len(self.prior) * (1 + len(TRACK_TYPES))
            self.products, self.response = np.zeros((width, width)), np.zeros(width)

    def _expanded(self, features: Floats, track_type: str) -> Floats:
        n, p = features.shape
        out = np.zeros((n, p * (1 + len(TRACK_TYPES))))
        out[:, :p] = features
        first = p * (1 + TRACK_TYPES.index(track_type))
        out[:, first : first + p] = features
        return out

    def _solved(self) -> tuple[Floats, Floats]:
        """Coefficients [5p] and the factor of the penalised products [5p, 5p]."""
        p = len(self.prior)
        penalty = self.settings.penalties(self.prior)
        pull = self.response.copy()
        pull[:p] += penalty[:p] * np.array([*self.prior.values()])
        factor = kernel.cholesky(self.products + np.diag(penalty))
        half = kernel.solve_lower(factor, pull[:, None])
        return kernel.solve_lower_transposed(factor, half)[:, 0], factor

    def predict(
        self, features: Floats, track_type: str, rating_variance: Floats, scores: Floats
    ) -> tuple[Floats, Floats]:
        """Levels of a race's cars and the standard deviation of each.

        Args:
            features: [n, p], the field's mean taken out; the four ratings come first.
            track_type: The race's.
            rating_variance: [n] posterior variance of the ratings for a score of unit scale.
            scores: [4, 4] covariance between the four scores.

        Returns:
            Levels [n], mean zero, and their standard deviations [n]: what the ratings leave open,
            carried through the coefficients, and what the coefficients themselves do.
        """
        coefficients, factor = self._solved()
        p = len(self.prior)
        features = features[:, :p]
        first = p * (1 + TRACK_TYPES.index(track_type))
        total = coefficients[:p] + coefficients[first : first + p]
        levels = np.einsum("np,p->n", features, total)
        expanded = self._expanded(features, track_type)
        half = kernel.solve_lower(factor, np.ascontiguousarray(expanded.T))
        fit = self.residual / self.rows * np.sum(half * half, axis=0)
        carried = float(np.einsum("i,ij,j->", total[:4], scores, total[:4])) * rating_variance
        return levels - levels.mean(), np.sqrt(carried + fit)

    def observe(
        self, features: Floats, track_type: str, finish: Floats, levels: Floats, day: float
    ) -> None:
        """Take in one race.

        Args:
            features: [n, p] as they were before the race.
            track_type: The race's.
            finish: [n] normal scores of the finish.
            levels: [n] what was expected before it.
            day: When it started.
        """
        age = max(day - self.clock, 0.0) if self.clock else 0.0
        keep = 0.5 ** (age / self.settings.half_life_days)
        weight = MIXTURES[track_type].clean_probability(finish, levels)
        expanded = self._expanded(features[:, : len(self.prior)], track_type)
        weighted = expanded * weight[:, None]
        self.products = keep * self.products + np.einsum("ni,nj->ij", weighted, expanded)
        self.response = keep * self.response + np.einsum("ni,n->i", weighted, finish)
        self.residual = keep * self.residual + float(np.sum(weight * (finish - levels) ** 2))
        self.rows = keep * self.rows + float(weight.sum())
        self.clock = max(day, self.clock)
