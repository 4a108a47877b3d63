"""Values of drivers for the ontology: skill, aggression, shadow risk, equipment, all in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.levels import PRIOR_KNOWN, RATED
from nascar_assets.history.ratings_effects import DRIVER_PARTS
from nascar_assets.history.ratings_scores import finish_scores
from nascar_assets.history.ratings_state import RatingState, days_since_epoch, known_results
from nascar_assets.history.schemas import DRIVER_VALUES
from nascar_assets.history.values_rates import cell_rates, log_ratio

Floats = NDArray[np.float64]

PRIOR_STARTS = 182.0
"""Starts that the prior of a driver's accident and failure rates is worth: between-driver standard
deviation of 2 points on a mean of 8.2% accidents a start, Cup 2019 to 2025."""

AGGRESSION_SD = 0.25
"""Standard deviation of log involvement that one standard deviation of aggression stands for."""

FAILURE_SD = 0.45
SPREAD_SD = 0.10
"""The same for the log mechanical failure rate and the log race-to-race spread of shadow risk."""

SPREAD_PRIOR_RACES = 50.0
"""Races that the prior of a driver's spread is worth: 1 / (2 SPREAD_SD^2)."""

RECENT_DAYS = 365.0


def driver_values(
    results: pl.DataFrame, as_of: datetime, *, state: RatingState | None = None
) -> pl.DataFrame:
    """Ontology values of every driver seen before a time.

    - skill: Phi of the rating (driver, team and car as he raced last, averaged over the track types
      of his series), standardised over the starts of that series in the last year.
    - realpolitik_pos: the same scale, for a driver without a past in the same team and car: the
      prior mean of skill for one who is new to it.
    - psyche_aggression: Phi(log ratio / AGGRESSION_SD) of accidents to those expected of a driver
      of his skill in his series and at his track types, both with PRIOR_STARTS of the mean added.
    - shadow_risk: Phi of the mean (over sqrt 2) of two standardised log ratios: mechanical
      failures to those expected in his series and at his track types, and the spread of his
      finishes in races without a retirement to the expected one.

    Standard errors are by the delta method: density at the value's normal score times the standard
    deviation of that score.

    Args:
        results: RESULTS of any series.
        as_of: Races known later are left out.
        state: Ratings that hold all races known by `as_of`; built from `results` when left out.

    Returns:
        DRIVER_VALUES, by driver id.

    Raises:
        InputError: The state lacks races known by `as_of` or holds later ones.
    """
    from scipy.special import ndtr

    known = known_results(results, as_of)
    if not known.height:
        return pl.DataFrame(schema=DRIVER_VALUES)
    state = _checked_state(known, as_of, state)
    last = known.group_by("driver_id", maintain_order=True).last().sort("driver_id")
    skill = _standing(known, last, state, as_of)
    rows = known.join(
        last.select("driver_id").with_columns(pl.Series("skill_score", skill.score)), on="driver_id"
    ).sort("results_at", "start_time", "race_id", "driver_id")
    drivers = last["driver_id"]
    aggression = _aggression(rows, drivers)
    shadow = _shadow(rows, drivers)
    columns: dict[str, Floats] = {}
    for name, score, sd in (
        ("skill", skill.score, skill.score_sd),
        ("psyche_aggression", *aggression),
        ("shadow_risk", *shadow),
        ("realpolitik_pos", skill.equipment, skill.equipment_sd),
    ):
        columns[name] = ndtr(score)
        columns[f"{name}_se"] = np.exp(-0.5 * score**2) / np.sqrt(2.0 * np.pi) * sd
    table = last.select(
        "driver_id", pl.col("driver_name").alias("name"), "team", "manufacturer", "series"
    ).with_columns(
        *(pl.Series(name, values) for name, values in columns.items()),
        pl.Series("races", [state.races[driver] for driver in drivers], dtype=pl.Int32),
        pl.lit(known["start_time"].max()).cast(DRIVER_VALUES["data_through"]).alias("data_through"),
    )
    return table.select(list(DRIVER_VALUES)).cast(pl.Schema(DRIVER_VALUES))


def _checked_state(known: pl.DataFrame, as_of: datetime, state: RatingState | None) -> RatingState:
    if state is None:
        state = RatingState.empty()
        state.extend(known, as_of)
        return state
    missing = set(known["race_id"].unique()) - state.seen
    late = state.known_at is not None and state.known_at > as_of
    if missing or late:
        what = "holds races known later" if late else f"lacks {len(missing)} races known by then"
        raise InputError(
            f"the state of the ratings {what} ({as_of})",
            field="state",
            remedy="Extend a state to exactly this time.",
        )
    return state


@dataclass(frozen=True, slots=True)
class _Standing:
    """Standardised ratings by driver and of his equipment alone, with standard deviations: [n]."""

    score: Floats
    score_sd: Floats
    equipment: Floats
    equipment_sd: Floats


def _standing(
    known: pl.DataFrame, last: pl.DataFrame, state: RatingState, as_of: datetime
) -> _Standing:
    out = {name: np.zeros(last.height) for name in _Standing.__slots__}
    day = max(days_since_epoch(as_of), state.filter.clock)
    for series in last["series"].unique().sort():
        member = (last["series"] == series).to_numpy()
        cars = last.filter(pl.Series(member))
        races = known.filter(pl.col("series") == series)
        (whole, whole_sd), (gear, gear_sd) = (
            _over_types(cars, races, state, day, without) for without in (frozenset(), DRIVER_PARTS)
        )
        weight = _recent_starts(cars, races)
        mean = float(np.sum(weight * whole) / weight.sum())
        spread = float(np.sqrt(np.sum(weight * (whole - mean) ** 2) / weight.sum()))
        spread = spread if spread > 1e-9 else 1.0  # a single driver is neutral
        out["score"][member], out["score_sd"][member] = (whole - mean) / spread, whole_sd / spread
        out["equipment"][member] = (gear - mean) / spread
        out["equipment_sd"][member] = gear_sd / spread
    return _Standing(**out)


def _over_types(
    cars: pl.DataFrame, races: pl.DataFrame, state: RatingState, day: float, without: frozenset[str]
) -> tuple[Floats, Floats]:
    """Ratings of cars averaged over the track types that their series races on."""
    counts = dict(races.group_by("track_type").agg(pl.col("race_id").n_unique()).iter_rows())
    mean, sd = np.zeros(cars.height), np.zeros(cars.height)
    for kind in TRACK_TYPES:
        share = counts.get(kind, 0) / sum(counts.values())
        if not share:
            continue
        prediction = state.filter.predict(
            cars.with_columns(track_type=pl.lit(kind), track_id=pl.lit(None, pl.String)),
            day,
            without=without,
        )
        features = state.features(prediction, cars)
        if without:  # what is known about the person does not count
            features[:, [name not in RATED for name in PRIOR_KNOWN]] = 0.0
        rating, rating_sd = state.before.predict(
            features, kind, prediction.variances, state.filter.score_covariance
        )
        mean += share * rating
        sd += share * rating_sd
    return mean, sd


def _recent_starts(cars: pl.DataFrame, races: pl.DataFrame) -> Floats:
    """Starts of each driver in the series' last year of races."""
    latest = races["start_time"].max()
    recent = races.filter(pl.col("start_time") >= latest - pl.duration(days=RECENT_DAYS))
    counts = recent.group_by("driver_id").agg(pl.len().alias("starts"))
    starts = cars.select("driver_id").join(
        counts, on="driver_id", how="left", maintain_order="left"
    )
    return starts["starts"].fill_null(0).to_numpy().astype(np.float64)


def _sums(rows: pl.DataFrame, values: Floats, drivers: pl.Series) -> Floats:
    """Sum of a row's values by driver, in the order of `drivers` (which is sorted): [n]."""
    slot = np.searchsorted(drivers.to_numpy(), rows["driver_id"].to_numpy())
    return np.bincount(slot, values, minlength=len(drivers)).astype(np.float64)


def _own_squares(rows: pl.DataFrame, drivers: pl.Series) -> tuple[Floats, Floats]:
    """Squared distance of each finish score from the driver's mean over races without a retirement.

    Returns:
        Squares and degrees of freedom per row ((m - 1) / m of m such races), 0 for other rows.
    """
    scores = np.concatenate(
        [finish_scores(race) for race in rows.partition_by("race_id", maintain_order=True)]
    )
    ran = (rows["status"] == "running").fill_null(False).to_numpy().astype(np.float64)
    slot = np.searchsorted(drivers.to_numpy(), rows["driver_id"].to_numpy())
    count = np.maximum(_sums(rows, ran, drivers), 1.0)
    mean = _sums(rows, ran * scores, drivers) / count
    return ran * (scores - mean[slot]) ** 2, ran * (1.0 - 1.0 / count)[slot]


def _aggression(rows: pl.DataFrame, drivers: pl.Series) -> tuple[Floats, Floats]:
    happened = (rows["status"] == "accident").fill_null(False).to_numpy().astype(np.float64)
    skill = np.clip(rows["skill_score"].to_numpy(), -3.0, 3.0)
    slope = 0.0
    expected = cell_rates(rows, happened, np.ones(rows.height))
    for _ in range(8):  # Newton steps of a Poisson regression on skill, cells refitted in between
        gradient = float(np.sum(skill * (happened - expected)))
        curvature = float(np.sum(skill * skill * expected)) + 10.0
        slope += gradient / curvature
        expected = cell_rates(rows, happened, np.exp(slope * skill))
    prior = PRIOR_STARTS * max(float(happened.mean()), 0.01)
    ratio, sd = log_ratio(_sums(rows, happened, drivers), _sums(rows, expected, drivers), prior)
    return ratio / AGGRESSION_SD, sd / AGGRESSION_SD


def _shadow(rows: pl.DataFrame, drivers: pl.Series) -> tuple[Floats, Floats]:
    failed = (rows["status"] == "mechanical").fill_null(False).to_numpy().astype(np.float64)
    expected = cell_rates(rows, failed, np.ones(rows.height))
    prior = PRIOR_STARTS * max(float(failed.mean()), 0.01)
    failures, failures_sd = log_ratio(
        _sums(rows, failed, drivers), _sums(rows, expected, drivers), prior
    )
    squares, freedom = _own_squares(rows, drivers)
    usual = cell_rates(rows, squares, freedom)
    counts = _sums(rows, freedom, drivers)
    base = SPREAD_PRIOR_RACES * float(usual.sum() / max(freedom.sum(), 1.0)) + 1e-9
    seen, meant = _sums(rows, squares, drivers), _sums(rows, usual, drivers)
    spread = 0.5 * np.log((seen + base) / (meant + base))
    spread_sd = 1.0 / np.sqrt(2.0 * (counts + SPREAD_PRIOR_RACES))
    score = (failures / FAILURE_SD + spread / SPREAD_SD) / np.sqrt(2.0)
    sd = np.sqrt((failures_sd / FAILURE_SD) ** 2 + (spread_sd / SPREAD_SD) ** 2) / np.sqrt(2.0)
    return score, sd
