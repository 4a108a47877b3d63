"""The filter against a Gaussian process that is factored whole."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from nascar_assets.history.ratings_effects import car_effects
from nascar_assets.history.ratings_filter import RatingFilter
from nascar_assets.history.ratings_parameters import DEFAULT, Hyperparameters
from nascar_assets.history.ratings_scores import target_scores
from nascar_assets.history.ratings_state import days_since_epoch
from nascar_assets_tests.history.ratings_sample import make_results

EXACT = replace(
    DEFAULT, driver_track=0.0, team_track=0.0, driver_days=900.0, car_days=40.0, team_days=300.0
)


def races_of(results):
    return results.sort("start_time", "driver_id").partition_by("race_id", maintain_order=True)


def day_of(race):
    return days_since_epoch(race["start_time"][0])


def retired(race):
    return (race["status"] != "running").to_numpy()


def filtered(races, parameters):
    rating_filter = RatingFilter(parameters)
    for race in races:
        rating_filter.observe(race, target_scores(race), retired(race), day_of(race))
    return rating_filter


def whole_process(races, new, parameters):
    """Posterior of the new race's effects from one matrix over all rows of all races."""
    p = parameters
    effects, days, ids, noise, scores = [], [], [], [], []
    for race in [*races, new]:
        effects += car_effects(race, p)
        days += [day_of(race)] * race.height
        ids += race["race_id"].to_list()
    for race in races:
        factor = np.where(retired(race), p.retired_noise, 1.0)
        noise += list(p.noise[race["track_type"][0]] * factor)
        scores.append(target_scores(race))
    total = len(effects)
    kernel = np.zeros((total, total))
    for i in range(total):
        for j in range(total):
            for a in effects[i]:
                for b in effects[j]:
                    if a.key == b.key:
                        age = np.exp(-abs(days[i] - days[j]) / a.days)
                        kernel[i, j] += a.weight * b.weight * a.variance * age
    n = total - new.height
    shared = np.array([[ids[i] == ids[j] for j in range(n)] for i in range(n)])
    observed = kernel[:n, :n] + p.race * shared + np.diag(noise)
    gain = np.linalg.solve(observed, kernel[:n, n:]).T
    means = gain @ np.vstack(scores)
    covariance = kernel[n:, n:] - gain @ kernel[:n, n:]
    center = np.eye(new.height) - 1.0 / new.height
    return center @ means, np.diag(center @ covariance @ center)


def test_filter_predicts_what_the_whole_process_does():
    *past, new = races_of(make_results(8, size=9))
    means, variances = whole_process(past, new, EXACT)
    prediction = filtered(past, EXACT).predict(new, day_of(new))
    np.testing.assert_allclose(prediction.means, means, atol=1e-9)
    np.testing.assert_allclose(prediction.variances, variances, atol=1e-9)


def test_drivers_never_seen_have_their_prior_in_the_whole_process_too():
    *past, new = races_of(make_results(6, size=8))
    new = new.with_columns(
        driver_id=pl.Series(["n1", "n2", *new["driver_id"][2:]]),
        team=pl.Series(["New", "New", *new["team"][2:]]),
    )
    means, variances = whole_process(past, new, EXACT)
    prediction = filtered(past, EXACT).predict(new, day_of(new))
    np.testing.assert_allclose(prediction.means, means, atol=1e-9)
    np.testing.assert_allclose(prediction.variances, variances, atol=1e-9)


def test_log_score_is_the_density_of_the_whole_history():
    # With C fixed by a very strong prior, the sum of one-step densities is the joint density.
    races = races_of(make_results(4, size=7))
    rating_filter = RatingFilter(EXACT, error_products=1e12 * np.eye(4), errors=1e12)
    for race in races:
        rating_filter.observe(race, target_scores(race), retired(race), day_of(race))
    effects = [e for race in races for e in car_effects(race, EXACT)]
    days = np.repeat([day_of(race) for race in races], [race.height for race in races])
    ids = np.concatenate([race["race_id"].to_numpy() for race in races])
    noise = np.concatenate(
        [
            EXACT.noise[r["track_type"][0]] * np.where(retired(r), EXACT.retired_noise, 1.0)
            for r in races
        ]
    )
    n = len(effects)
    covariance = np.diag(noise) + EXACT.race * (ids[:, None] == ids[None, :])
    for i in range(n):
        for j in range(n):
            for a in effects[i]:
                for b in effects[j]:
                    if a.key == b.key:
                        age = np.exp(-abs(days[i] - days[j]) / a.days)
                        covariance[i, j] += a.weight * b.weight * a.variance * age
    scores = np.vstack([target_scores(race) for race in races])
    _, log_determinant = np.linalg.slogdet(covariance)
    expected = -0.5 * (
        np.sum(scores * np.linalg.solve(covariance, scores))
        + 4 * log_determinant
        + scores.size * np.log(2 * np.pi)
    )
    assert rating_filter.log_score == pytest.approx(expected, rel=1e-8)


def test_records_at_a_track_are_exact_where_nothing_else_varies():
    # Alone, each driver's record is a one-dimensional process: two races 100 days apart, prior
    # variance v, noise s, decay a = exp(-100 / tau), seen third a further 50 days later.
    only = Hyperparameters(
        driver=0.0,
        driver_type=0.0,
        team=0.0,
        team_track=0.0,
        car=0.0,
        make_type=0.0,
        race=0.0,
        driver_track=0.5,
        driver_track_days=200.0,
    )
    race = races_of(make_results(1, size=6, noise=0.1))[0].with_columns(
        status=pl.lit("running"), laps_completed=pl.lit(200, pl.Int32)
    )
    scores, kept = target_scores(race), np.zeros(6, bool)
    rating_filter = RatingFilter(only)
    rating_filter.observe(race, scores, kept, 100.0)
    rating_filter.observe(race, -0.5 * scores, kept, 200.0)
    v, s = 0.5, only.noise[race["track_type"][0]]
    a, b = np.exp(-100 / 200), np.exp(-50 / 200)
    observed = np.array([[v + s, v * a], [v * a, v + s]])
    crossed = np.array([v * a * b, v * b])
    gain = np.linalg.solve(observed, crossed)
    prediction = rating_filter.predict(race, 250.0)
    expected = gain[0] * scores + gain[1] * (-0.5 * scores)
    np.testing.assert_allclose(prediction.means, expected - expected.mean(axis=0), atol=1e-12)
    # Variance about the mean of six independent cars: (1 - 1/6) of each.
    np.testing.assert_allclose(prediction.variances, (v - gain @ crossed) * 5 / 6, atol=1e-12)


def test_effects_not_seen_for_long_are_dropped_and_return_as_new():
    parameters = replace(DEFAULT, forget_days=60.0)
    old, *later = races_of(make_results(40, size=16))
    gone = old.with_columns(
        driver_id=pl.format("gone {}", "driver_id"),
        car_number=pl.format("gone {}", "car_number"),
        team=pl.format("gone {}", "driver_id"),
    )
    rating_filter = filtered([gone, *later], parameters)
    assert not any("gone" in key for key in rating_filter.index)
    assert not any("gone" in key for key in rating_filter.tracks.records)
    prediction = rating_filter.predict(pl.concat([gone.head(2), later[-1]]), day_of(later[-1]))
    assert prediction.variances[:2].min() > 2 * prediction.variances[2:].max()


def test_covariance_stays_positive_over_a_long_history():
    rating_filter = filtered(races_of(make_results(60, size=20)), DEFAULT)
    size = rating_filter.size
    lower = np.tril(rating_filter.covariance[:size, :size])
    whole = lower + np.tril(lower, -1).T
    assert np.linalg.eigvalsh(whole).min() > -1e-10


@pytest.mark.parametrize(
    "changes",
    [{"driver": -0.1}, {"series_share": 1.5}, {"team": float("nan")}, {"noise": {"road": 1.0}}],
)
def test_impossible_hyperparameters_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        replace(DEFAULT, **changes)
