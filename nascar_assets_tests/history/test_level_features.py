"""Features in levels: weighed by evidence, never from the future, nothing where unknown."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.history.features import FEATURE_TABLE
from nascar_assets.history.level_features import (
    FROM_PAST,
    LEVEL_FEATURES,
    level_features,
)
from nascar_assets.history.levels import (
    FEATURE_SD,
    PRIOR_KNOWN,
    PRIOR_RATINGS,
    PRIOR_RESIDUAL,
    RATED,
    LevelSettings,
)
from nascar_assets.history.ratings import rate_history, rate_race
from nascar_assets.history.ratings_scores import finish_scores
from nascar_assets.history.ratings_state import RatingState
from nascar_assets_tests.history.ratings_sample import make_results

MANY = make_results(48, seed=11)
LAST = MANY.filter(pl.col("start_time") == pl.col("start_time").max())
STARTED = LAST["start_time"][0]
NUMBERS = ["rating", "rating_sd", "level", "level_sd"]


def table(results, values, late=timedelta(0)):
    """FEATURE_TABLE rows as of each race's start; `values` give a race's features by name."""
    parts = []
    for race in results.partition_by("race_id", maintain_order=True):
        columns = {
            "available_at": race["start_time"] + late,
            **{name: pl.Series(value) for name, value in values(race).items()},
        }
        rows = race.select("race_id", "driver_id").with_columns(
            columns.get(name, pl.lit(None, kind)).alias(name)
            for name, kind in FEATURE_TABLE.items()
            if name not in ("race_id", "driver_id")
        )
        parts.append(rows.select(list(FEATURE_TABLE)).cast(pl.Schema(FEATURE_TABLE)))
    return pl.concat(parts)


def telling(share, seed=5, names=LEVEL_FEATURES):
    """Features that hold a share of the finish to come, which no driver's past does, and noise."""
    rng = np.random.default_rng(seed)

    def values(race):
        score = finish_scores(race)
        return {name: share * score + rng.standard_normal(race.height) for name in names}

    return values


def bits(frame):
    return [frame[name].to_numpy().tobytes() for name in NUMBERS]


def gain(features, column):
    """Rating and level of the last car less the first, where a feature rises and where it falls."""
    state = RatingState.empty()
    state.extend(MANY, STARTED, features)
    found = []
    for sign in (1.0, -1.0):
        rows = table(LAST, lambda race, s=sign: {column: s * np.arange(race.height)})
        rated = state.rate(LAST, STARTED, rows).sort("driver_id")
        found.append(
            rated.select(pl.col("rating", "level").last() - pl.col("rating", "level").first()).row(
                0
            )
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("column", ["track_type_long_run_speed", "practice_speed"])
def test_levels_follow_a_feature_that_told_of_finishes(column):
    up, down = gain(table(MANY, telling(1.0, names=(column,))), column)
    assert up[1] > down[1] + 0.2
    assert (up[0] > down[0] + 0.2) == (column in FROM_PAST)  # practice is not known before
    up, down = gain(table(MANY, telling(-1.0, names=(column,))), column)
    assert up[1] < down[1] - 0.2


@pytest.mark.slow
def test_levels_hardly_follow_a_feature_that_told_nothing_or_that_few_races_have():
    noise = table(MANY, telling(0.0, names=("track_type_falloff",)))
    up, down = gain(noise, "track_type_falloff")
    assert abs(up[0] - down[0]) < 0.15
    # Two races say: a car of the front has it. The prior holds against so few.
    first = MANY["race_id"].unique().sort().to_list()[-3:]
    few = table(MANY.filter(pl.col("race_id").is_in(first)), telling(3.0, names=FROM_PAST[:1]))
    many = table(MANY, telling(3.0, names=FROM_PAST[:1]))
    moved = [np.diff(np.array(gain(t, "track_type_falloff"))[::-1, 0])[0] for t in (few, many)]
    assert 0.0 < moved[0] < 0.35 * moved[1]


def test_the_prior_is_one_of_a_standard_deviation_stated():
    penalties = LevelSettings().penalties(PRIOR_KNOWN)
    assert penalties.shape == (5 * len(PRIOR_KNOWN),)
    names = list(PRIOR_KNOWN)
    own = [names.index(name) for name in LEVEL_FEATURES]
    # A ridge penalty is noise variance over prior variance.
    assert penalties[own] == pytest.approx(np.full(len(own), PRIOR_RESIDUAL / FEATURE_SD**2))
    assert {PRIOR_KNOWN[name] for name in LEVEL_FEATURES} == {0.0}
    others = [i for i in range(len(PRIOR_KNOWN)) if i not in own]
    assert set(penalties[others]) == {LevelSettings().pooled_penalty}
    assert names[: len(PRIOR_RATINGS)] == list(PRIOR_RATINGS)  # read as the first columns
    assert list(PRIOR_RATINGS)[: len(RATED)] == list(RATED)


SOME = MANY.filter(pl.col("start_time") > STARTED - timedelta(days=70))


@pytest.mark.slow
def test_a_feature_known_after_the_start_moves_nothing():
    now, late = (
        table(SOME, telling(2.0), late=wait) for wait in (timedelta(0), timedelta(microseconds=1))
    )
    without = RatingState.empty()
    without.extend(SOME, STARTED)
    for features, same in ((now, False), (late, True)):
        state = RatingState.empty()
        state.extend(SOME, STARTED, features)
        assert (state.to_bytes() == without.to_bytes()) is same
        rated = without.rate(LAST, STARTED, features)
        assert (bits(rated) == bits(without.rate(LAST, STARTED))) is same
    # As of an hour before the start the same rows were not known yet.
    before = STARTED - timedelta(hours=1)
    assert bits(without.rate(LAST, before, now)) == bits(without.rate(LAST, before))


def test_no_table_no_rows_and_rows_of_nulls_are_the_same_to_the_byte():
    nulls = table(SOME, lambda race: {})
    states, rated = [], []
    for features in (None, nulls, nulls.head(0), nulls.gather_every(3)):
        state = RatingState.empty()
        state.extend(SOME, STARTED, features)
        states.append(state.to_bytes())
        rated.append(bits(state.rate(LAST, STARTED, features)))
    assert all(data == states[0] for data in states)
    assert all(found == rated[0] for found in rated)


@pytest.mark.slow
def test_history_is_race_by_race_what_one_race_gives_and_a_state_keeps_it():
    features = table(SOME, telling(1.0))
    history = rate_history(SOME, features=features)
    alone = rate_race(SOME, LAST, STARTED, features=features).sort("driver_id")
    own = history.filter(pl.col("race_id") == LAST["race_id"][0]).sort("driver_id")
    assert bits(alone) == bits(own)
    assert bits(alone) != bits(rate_race(SOME, LAST, STARTED).sort("driver_id"))
    half = RatingState.empty()
    half.extend(SOME, STARTED - timedelta(days=30), features)
    loaded = RatingState.from_bytes(half.to_bytes())
    loaded.extend(SOME, STARTED, features)
    assert bits(loaded.rate(LAST, STARTED, features).sort("driver_id")) == bits(alone)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_feature_rows_does_not_matter(random):
    features = table(SOME, telling(1.0))
    order = list(range(features.height))
    random.shuffle(order)
    first, second = RatingState.empty(), RatingState.empty()
    first.extend(SOME, STARTED, features)
    second.extend(SOME, STARTED, features[order])
    assert first.to_bytes() == second.to_bytes()
    assert bits(first.rate(LAST, STARTED, features)) == bits(
        first.rate(LAST, STARTED, features[order])
    )


def test_features_are_robust_scores_within_the_field():
    features = table(LAST, lambda race: {"practice_speed": 150.0 + np.arange(race.height) % 7})
    found = level_features(features, LAST, STARTED)
    assert tuple(found) == LEVEL_FEATURES
    values = 150.0 + np.arange(LAST.height) % 7
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    np.testing.assert_allclose(found.pop("practice_speed"), (values - middle) / spread)
    assert not np.any(list(found.values()))
    # Four cars of a field are too few to say what is usual.
    few = level_features(features.head(4), LAST, STARTED)
    assert not np.any(list(few.values()))


def test_a_table_that_cannot_be_read_is_refused():
    features = table(SOME, telling(1.0))
    state = RatingState.empty()
    with pytest.raises(InputError, match="practice_speed"):
        state.extend(SOME, STARTED, features.drop("practice_speed"))
    with pytest.raises(InputError, match="two rows of features"):
        state.rate(LAST, STARTED, pl.concat([features, features]))
