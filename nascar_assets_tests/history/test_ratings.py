"""Ratings: nothing from the future, no dependence on order, and drivers told apart."""

import hashlib
import os
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from nascar_assets.errors import InputError
from nascar_assets.history.ratings import rate_history, rate_race
from nascar_assets.history.ratings_scores import finish_scores, normal_scores, qualifying_scores
from nascar_assets.history.ratings_state import RatingState
from nascar_assets.history.schemas import RATINGS
from nascar_assets.scenarios.past_races import ON_TRACK
from nascar_assets_tests.history.ratings_sample import NAMES, STRENGTH, make_race, make_results

RESULTS = make_results(14, seed=3)
LAST = RESULTS.filter(pl.col("start_time") == pl.col("start_time").max())
STARTED = LAST["start_time"][0]
NUMBERS = ["rating", "rating_sd", "level", "level_sd"]


def same(left, right):
    """Equal to the last bit."""
    return left.equals(right) and all(
        left[name].to_numpy().tobytes() == right[name].to_numpy().tobytes() for name in NUMBERS
    )


@pytest.mark.slow
def test_history_is_race_by_race_what_one_race_gives():
    history = rate_history(RESULTS)
    assert history.schema == pl.Schema(RATINGS)
    for race_id in RESULTS["race_id"].unique().sort():
        race = RESULTS.filter(pl.col("race_id") == race_id)
        alone = rate_race(RESULTS, race, race["start_time"][0]).sort("driver_id")
        assert same(alone, history.filter(pl.col("race_id") == race_id).sort("driver_id"))
    some = rate_history(RESULTS, [LAST["race_id"][0]])
    assert same(some, history.filter(pl.col("race_id") == LAST["race_id"][0]))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(random):
    order = list(range(RESULTS.height))
    random.shuffle(order)
    field = list(range(LAST.height))
    random.shuffle(field)
    shuffled = rate_race(RESULTS[order], LAST[field], STARTED)
    assert shuffled["driver_id"].to_list() == LAST[field]["driver_id"].to_list()
    assert same(shuffled.sort("driver_id"), rate_race(RESULTS, LAST, STARTED).sort("driver_id"))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_what_is_known_later_does_not_matter(number, seed):
    race = RESULTS.filter(pl.col("start_time") == RESULTS["start_time"].unique().sort()[number])
    as_of = race["start_time"][0]
    known = RESULTS.filter(pl.col("results_at") <= as_of)
    rng = np.random.default_rng(seed)
    future = RESULTS.filter(pl.col("results_at") > as_of).with_columns(
        finish=pl.Series(rng.integers(1, 40, RESULTS.height - known.height), dtype=pl.Int32),
        driver_rating=pl.Series(rng.random(RESULTS.height - known.height)),
    )
    assert same(rate_race(known, race, as_of), rate_race(pl.concat([future, known]), race, as_of))


@pytest.mark.slow
def test_start_and_qualifying_count_only_once_they_are_known():
    last_first = LAST.with_columns(start=pl.lit(LAST.height + 1, pl.Int32) - pl.col("start"))
    before = LAST["qualifying_at"][0] - timedelta(hours=1)
    assert same(rate_race(RESULTS, LAST, before), rate_race(RESULTS, last_first, before))
    early = rate_race(RESULTS, LAST, before)
    assert early["level"].to_list() == early["rating"].to_list()
    after, turned = (rate_race(RESULTS, field, STARTED) for field in (LAST, last_first))
    assert after["rating"].to_list() == turned["rating"].to_list()
    pole = (LAST["start"] == 1).arg_max()
    assert after["level"][pole] > turned["level"][pole]


def test_a_grid_of_which_most_is_missing_is_not_used():
    holes = LAST.with_columns(
        start=pl.when(pl.col("start") <= 5).then("start").otherwise(None),
    )
    rated = rate_race(RESULTS, holes, STARTED)
    assert rated["level"].to_list() == rated["rating"].to_list()


def test_stronger_drivers_are_rated_higher_and_more_races_make_it_surer():
    short, long = (rate_race(make_results(n, seed=1), LAST, STARTED) for n in (4, 14))
    truth = [STRENGTH[NAMES.index(driver)] for driver in long["driver_id"]]
    assert spearmanr(long["rating"], truth).statistic > 0.9
    assert long["rating_sd"].mean() < short["rating_sd"].mean()
    assert long["races"].min() >= 1
    assert not long["newcomer"].any()
    for name in ("rating", "level"):
        assert abs(long[name].mean()) < 1e-12


def test_a_newcomer_is_rated_by_his_team_with_a_wide_spread():
    rookies = LAST.with_columns(
        driver_id=pl.Series(["weak", *LAST["driver_id"][1:-1], "strong"]),
        car_number=pl.Series(["98", *LAST["car_number"][1:-1], "99"]),
    )
    rated = rate_race(RESULTS, rookies, STARTED)
    by_driver = {row["driver_id"]: row for row in rated.iter_rows(named=True)}
    weak, strong = by_driver["weak"], by_driver["strong"]
    assert weak["newcomer"]
    assert strong["newcomer"]
    assert strong["races"] == 0
    assert strong["rating"] > weak["rating"] + 0.3  # Team 5 holds the best four, team 0 the worst
    others = rated.filter(~pl.col("newcomer"))
    assert strong["rating_sd"] > 1.3 * others["rating_sd"].max()


def test_everything_unknown_is_rated_at_the_prior():
    race = make_race(2, range(6), range(1, 7)).with_columns(
        team=pl.lit(None, pl.String),
        manufacturer=pl.lit(None, pl.String),
        track_id=pl.lit(None, pl.String),
    )
    rated = rate_race(RESULTS.head(0), race, STARTED)
    assert rated["newcomer"].all()
    assert rated["rating"].to_list() == pytest.approx([0.0] * 6)
    assert rated["rating_sd"].min() > 0.2


def test_exhibitions_do_not_count():
    show = LAST.with_columns(
        race_id=pl.lit("show"),
        race_type=pl.lit("exhibition"),
        start_time=pl.col("start_time") - timedelta(days=3),
        results_at=pl.col("results_at") - timedelta(days=3),
    )
    assert same(
        rate_race(pl.concat([RESULTS, show]), LAST, STARTED), rate_race(RESULTS, LAST, STARTED)
    )


def test_a_state_is_saved_loaded_and_extended_without_a_trace():
    middle = RESULTS["start_time"].unique().sort()[7]
    state = RatingState.empty()
    assert state.extend(RESULTS, middle) == 7
    data = state.to_bytes()
    loaded = RatingState.from_bytes(data)
    assert loaded.to_bytes() == data
    assert loaded.extend(RESULTS, STARTED) == 6
    assert loaded.extend(RESULTS, STARTED) == 0
    assert same(loaded.rate(LAST, STARTED), rate_race(RESULTS, LAST, STARTED))
    whole = RatingState.empty()
    whole.extend(RESULTS, STARTED)
    assert whole.to_bytes() == loaded.to_bytes()


def test_bytes_that_are_no_state_are_refused():
    data = RatingState.empty().to_bytes()
    for damaged in (b"", b"nonsense", data[: len(data) // 2]):
        with pytest.raises(InputError, match="no saved state"):
            RatingState.from_bytes(damaged)


def test_a_state_from_the_future_is_refused():
    state = RatingState.empty()
    state.extend(RESULTS, STARTED + timedelta(days=1))
    with pytest.raises(InputError, match="as_of"):
        state.rate(LAST, STARTED)


def test_a_race_that_was_known_before_the_last_one_is_refused():
    state = RatingState.empty()
    first = RESULTS["start_time"].min()
    state.extend(RESULTS.filter(pl.col("start_time") > first), STARTED)
    with pytest.raises(InputError, match="anew"):
        state.extend(RESULTS, STARTED)


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        (LAST.head(0), "no entries"),
        (pl.concat([LAST, LAST.head(1)]), "twice"),
        (RESULTS, "several races"),
        (LAST.with_columns(track_type=pl.lit("dirt")), "track type"),
    ],
)
def test_bad_entries_are_refused(entries, what):
    with pytest.raises(InputError, match=what):
        rate_race(RESULTS, entries, STARTED)


def test_a_driver_twice_in_a_result_is_refused():
    with pytest.raises(InputError, match="two rows"):
        rate_race(pl.concat([RESULTS, RESULTS.head(1)]), LAST, STARTED)


def test_a_as_of_without_a_time_zone_is_refused():
    with pytest.raises(InputError, match="time zone"):
        rate_race(RESULTS, LAST, datetime(2024, 5, 1))  # noqa: DTZ001


def test_normal_scores_by_hand():
    # n = 3, ranks 3, 2, 1: Phi^-1(2.625 / 3.25) = Phi^-1(.807692) = .86942, 0, -.86942.
    scores = normal_scores(np.array([30.0, np.nan, 20.0, 10.0]))
    np.testing.assert_allclose(scores, [0.86942, np.nan, 0.0, -0.86942], atol=1e-5)
    # A tie for the last two takes the mean rank 1.5: Phi^-1(1.125 / 3.25) = -.39573 each, and
    # .86942 for the first; their mean .02599 is taken out.
    np.testing.assert_allclose(
        normal_scores(np.array([5.0, 1.0, 1.0])), [0.84343, -0.42172, -0.42172], atol=1e-4
    )


def test_a_disqualified_car_counts_where_it_ran():
    race = make_race(0, range(4), [4, 1, 2, 3]).with_columns(
        finish_on_track=pl.Series([1, 2, 3, 4], dtype=pl.Int32),
        status=pl.Series(["disqualified", "running", "running", "running"]),
    )
    scores = finish_scores(race)
    assert list(np.argsort(-scores)) == [0, 1, 2, 3]
    unknown = race.with_columns(finish_on_track=pl.lit(None, pl.Int32))
    assert list(np.argsort(-finish_scores(unknown))) == [1, 2, 3, 0]
    # Two: the second and fourth car are officially first and second, and stay where they ran.
    both = make_race(0, range(5), [4, 1, 5, 2, 3]).with_columns(
        finish_on_track=pl.Series([1, 2, 3, 4, 5], dtype=pl.Int32),
        status=pl.Series(["disqualified", "running", "disqualified", "running", "running"]),
    )
    assert list(np.argsort(-finish_scores(both))) == [0, 1, 2, 3, 4]
    assert both.sort(ON_TRACK)["driver_id"].equals(both["driver_id"])


def test_qualifying_speeds_by_hand():
    # Median 180, absolute deviations 0 to 4 with median 2 (of 2, 1, 0, 2, 4): spread 2.9652.
    z, covered = qualifying_scores(np.array([178.0, 179.0, 180.0, 182.0, 184.0, np.nan]))
    np.testing.assert_allclose(z, np.array([-2, -1, 0, 2, 4, 0]) / 2.9652, atol=1e-9)
    np.testing.assert_allclose(covered, [1 / 6] * 5 + [-5 / 6])


SCRIPT = """
import sys
from nascar_assets.history.ratings import rate_history
from nascar_assets_tests.history.ratings_sample import make_results
import hashlib
table = rate_history(make_results(14, seed=3))
numbers = table.select("rating", "rating_sd", "level", "level_sd").to_numpy()
print(hashlib.sha256(numbers.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_bits_do_not_depend_on_the_number_of_threads():
    digests = set()
    for threads in ("1", "2"):
        names = ("OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    here = rate_history(RESULTS).select(NUMBERS).to_numpy()
    assert digests == {hashlib.sha256(here.tobytes()).hexdigest()}


def coming_down(places):
    """Level of a regular of Cup in his first Trucks race, where others of Cup had such places."""
    rng, races = np.random.default_rng(0), []
    for number in range(36):
        if number % 3:
            races.append(make_race(number, range(10), rng.permutation(10) + 1))
        else:  # two of Cup, two others with as few starts there, eight of Trucks
            two, others = rng.permutation(9)[:2], [22, 23]
            left = rng.permutation([place for place in range(1, 13) if place not in places])
            field = [*two, *others, *range(12, 20)]
            races.append(make_race(number, field, [*places, *left], series="trucks"))
    first = make_race(36, [9, 21, *range(12, 20)], range(1, 11), series="trucks")
    rated = rate_race(pl.concat(races), first, first["start_time"][0])
    return dict(zip(rated["driver_id"], rated["level"], strict=True))


@pytest.mark.slow
def test_what_regulars_of_a_higher_series_did_when_they_came_down_counts_for_the_next_one():
    better, worse = coming_down([1, 2]), coming_down([11, 12])
    assert better["d09"] - better["d21"] > 0.3  # a newcomer to both
    assert worse["d09"] - worse["d21"] < -0.3
