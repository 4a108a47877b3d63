"""Goodness of fit of every sampler.

Seeds are fixed, so a test passes or fails for good; each threshold is such that a correct sampler
with other seeds would fail once in a million (p < 1e-6).
"""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from nascar_assets.scenarios import STARTING_VALUES, PitStrategy, generate_scenarios
from nascar_assets.scenarios import random_numbers as rn
from nascar_assets.scenarios.inputs import chaos_quantiles
from nascar_assets.scenarios.kernel import LANES, _green_lap
from nascar_assets.scenarios.kernel_arrays import Scratch
from nascar_assets.scenarios.race_events import geometric_laps
from nascar_assets_tests.scenarios.fields import setup_of

FALSE_FAILURE = 1e-6


@njit
def words(stream, n):
    out = np.empty(n, np.uint64)
    for i in range(n):
        out[i] = rn.next_word(stream)
    return out


@njit
def normals(stream, table, n):
    out = np.empty(n)
    for i in range(n):
        out[i] = rn.normal(stream, table)
    return out


@njit
def from_table(stream, table, n):
    out = np.empty(n)
    for i in range(n):
        out[i] = rn.from_quantiles(stream, table)
    return out


@njit
def geometrics(stream, mean, n):
    out = np.empty(n, np.int64)
    for i in range(n):
        out[i] = geometric_laps(stream, mean)
    return out


@njit
def uniforms(stream, n):
    out = np.empty(n)
    for i in range(n):
        out[i] = rn.uniform(stream)
    return out


@njit
def exponentials(values):
    return np.array([rn.exponential_of(value) for value in values])


@njit
def running_order(laps, cars, keep, noise_sd, table):
    """Latent order of independent cars without any event, [laps, cars]."""
    stream = np.array([11, 0], np.uint64)
    size = (cars + LANES - 1) // LANES * LANES
    y, zero = np.zeros(size, np.float32), np.zeros(size, np.float32)
    noise = np.full(size, noise_sd, np.float32)
    drawn = np.empty((size + 4) // 5, np.uint64)
    etas = np.empty(5 * drawn.size, np.float32)
    scores = np.empty(size, np.float32)
    unused = np.empty(0)
    scratch = Scratch(
        drawn, etas, scores, scores.view(np.int32), unused, unused, np.empty(0, np.int64)
    )
    out = np.empty((laps, cars), np.float32)
    for lap in range(laps):
        rn.step_normals(stream, drawn, table, etas)
        k = np.float32(keep)
        leader = _green_lap(y, zero, zero, noise, scratch, k, np.float32(1.0) - k)
        if y[leader] != y.max():
            raise ValueError("the leader is not in front")
        out[lap] = y[:cars]
    return out


def stream_of(seed: int, scenario: int = 0) -> np.ndarray:
    stream = np.empty(2, np.uint64)
    rn.open_stream(stream, np.uint64(seed), np.uint64(scenario))
    return stream


@pytest.mark.slow
def test_words_are_those_of_splitmix64():
    # The reference output of splitmix64.c (Vigna) for the state 1234567.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert words(np.array([1234567, 0], np.uint64), 5).tolist() == expected


@pytest.mark.slow
def test_uniforms_fill_the_unit_interval_evenly():
    drawn = uniforms(stream_of(1), 400_000)
    counts = np.bincount((drawn * 256).astype(int), minlength=256)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    assert stats.chisquare(counts).pvalue > FALSE_FAILURE


def test_streams_of_neighbouring_scenarios_and_seeds_are_unrelated():
    first = np.array([uniforms(stream_of(s), 1)[0] for s in range(3000)])
    second = np.array([uniforms(stream_of(5, k), 1)[0] for k in range(3000)])
    for drawn in (first, second):
        assert stats.kstest(drawn, "uniform").pvalue > FALSE_FAILURE
        assert stats.pearsonr(drawn[:-1], drawn[1:]).pvalue > FALSE_FAILURE


def test_normals_are_standard_normal_into_the_tails():
    drawn = normals(stream_of(2), rn.NORMALS.quantiles, 400_000)
    edges = np.array([-np.inf, -3.7, -3.0, *np.linspace(-2.5, 2.5, 41), 3.0, 3.7, np.inf])
    counts = np.histogram(drawn, edges)[0]
    expected = np.diff(stats.norm.cdf(edges)) * len(drawn)
    assert stats.chisquare(counts, expected).pvalue > FALSE_FAILURE
    assert stats.kstest(drawn, "norm").pvalue > FALSE_FAILURE


def test_step_normals_use_every_cell_alike_and_have_variance_one():
    stream, drawn = stream_of(3), np.empty(40, np.float32)
    taken = np.concatenate(
        [
            (
                rn.step_normals(stream, np.empty(8, np.uint64), rn.NORMALS.steps, drawn),
                drawn.copy(),
            )[1]
            for _ in range(5000)
        ]
    )
    counts = np.bincount(np.searchsorted(rn.NORMALS.steps, taken), minlength=rn.CELLS)
    assert stats.chisquare(counts).pvalue > FALSE_FAILURE
    assert float(np.mean(rn.NORMALS.steps.astype(np.float64) ** 2)) == pytest.approx(1.0, abs=1e-6)
    assert float(np.mean(rn.NORMALS.steps.astype(np.float64))) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("shape", [0.8, 3.3, 8.0])
def test_chaos_factor_is_gamma_with_mean_one(shape):
    table = np.array(chaos_quantiles(shape))
    drawn = from_table(stream_of(4), table, 20_000)
    # The table is linear between 513 quantiles: 2e4 draws cannot tell it from the gamma.
    assert stats.kstest(drawn, stats.gamma(shape, scale=1.0 / shape).cdf).pvalue > FALSE_FAILURE
    assert drawn.mean() == pytest.approx(1.0, abs=5.0 * np.sqrt(1.0 / shape / 20_000))


@pytest.mark.slow
def test_laps_lost_to_repairs_are_geometric():
    drawn = geometrics(stream_of(5), 4.0, 50_000)
    counts = np.bincount(np.minimum(drawn, 20), minlength=21)[1:]
    shares = stats.geom.pmf(np.arange(1, 21), 0.25)
    shares[-1] = 1.0 - shares[:-1].sum()
    assert stats.chisquare(counts, shares * len(drawn)).pvalue > FALSE_FAILURE


def test_exponential_agrees_with_the_library_to_twelve_digits():
    values = np.linspace(-40.0, 40.0, 2001)
    assert np.allclose(exponentials(values), np.exp(values), rtol=1e-12, atol=0.0)


@pytest.mark.slow
def test_running_order_is_ornstein_uhlenbeck():
    # omega 0.8, tau 5 laps: variance .64, correlation over h laps exp(-h / 5).
    omega, tau, cars, laps = 0.8, 5.0, 40, 4000
    keep = np.exp(-1.0 / tau)
    path = running_order(laps, cars, keep, omega * np.sqrt(1 - keep**2), rn.NORMALS.steps)[100:]
    path = path.astype(np.float64)
    # Variance of the estimate of a variance from correlated laps: 2 s^4 / n_eff, with
    # n_eff = n (1 - k^2) / (1 + k^2); five standard errors fail once in 1.7 million.
    n_eff = path.size * (1 - keep**2) / (1 + keep**2)
    assert path.var() == pytest.approx(omega**2, abs=5.0 * omega**2 * np.sqrt(2.0 / n_eff))
    for lag in (1, 5, 15):
        correlation = (path[lag:] * path[:-lag]).mean() / path.var()
        assert correlation == pytest.approx(np.exp(-lag / tau), abs=5.0 / np.sqrt(n_eff))


def quiet(**changes: float):
    """Parameters without any event but those that a test asks for."""
    base = {
        "wreck_rate": 0.0,
        "debris_rate": 0.0,
        "mechanical": 0.0,
        "trouble": 0.0,
        "late": 0.0,
        "restart_factor": 1.0,
        "overtime_factor": 1.0,
        "thinning": 0.0,
        "chaos_shape": 1e6,
        "accident_slope": 0.0,
        "mechanical_slope": 0.0,
    }
    return STARTING_VALUES.with_type("intermediate", **{**base, **changes})


def test_fastest_laps_are_drawn_by_weight():
    setup = setup_of(20, 200, stage_ends=())
    parameters = quiet(sigma_s=0.0, fast_spread=0.0, fast_leader=0.0, kappa=1.0, bend=0.0)
    plain = tuple(
        type(entry)(**{**{f: getattr(entry, f) for f in entry.__slots__}, "level_sd": 0.0})
        for entry in setup.entries
    )
    setup = type(setup)("r", "t", "intermediate", 200, (), plain, track_length=1.5)
    made = generate_scenarios(None, setup, 400, 1, parameters=parameters)
    ratings = np.array([entry.level for entry in plain])
    weights = np.exp(parameters.of("intermediate").fast_weight * (ratings - ratings.mean()))
    counts = made.fastest_laps.sum(axis=0)
    assert stats.chisquare(counts, counts.sum() * weights / weights.sum()).pvalue > FALSE_FAILURE
    awarded = parameters.of("intermediate").fast_awarded
    assert stats.binomtest(int(counts.sum()), 400 * 200, awarded).pvalue > FALSE_FAILURE


def test_mechanical_failures_are_binomial():
    made = generate_scenarios(
        None, setup_of(40, 100, stage_ends=()), 2000, 2, parameters=quiet(mechanical=2.0)
    )
    failed = int((made.status == 2).sum())
    assert (made.status != 1).all()
    # Two of forty cars a race, and every one at a lap of its own.
    assert stats.binomtest(failed, 2000 * 40, 2.0 / 40).pvalue > FALSE_FAILURE
    laps = made.dnf_lap[made.status == 2]
    assert stats.kstest((laps - 0.5) / 100.0, "uniform").statistic < 0.03


def test_wrecks_come_at_their_rate_and_with_their_size():
    parameters = quiet(wreck_rate=0.04, wreck_more=0.5, wreck_out=1.0)
    made = generate_scenarios(
        None, setup_of(50, 200, stage_ends=()), 2000, 3, parameters=parameters
    )
    # 0.04 per 1% of 200 laps is 0.02 a lap; a wreck's own lap counts as one on which it was due.
    trials = int(made.green_laps.sum() + made.cautions.sum())
    assert stats.binomtest(int(made.cautions.sum()), trials, 0.02).pvalue > FALSE_FAILURE
    # A geometric cluster of mean two, all out; the first wreck of a race has the whole field.
    first = np.where(made.status == 1, made.dnf_lap, 9999).min(axis=1)
    size = ((made.dnf_lap == first[:, None]) & (made.status == 1)).sum(axis=1)[first < 9999]
    counts = np.bincount(np.minimum(size, 8), minlength=9)[1:]
    shares = stats.geom.pmf(np.arange(1, 9), 0.5)
    shares[-1] = 1.0 - shares[:-1].sum()
    assert stats.chisquare(counts, shares * counts.sum()).pvalue > FALSE_FAILURE


def test_pit_strategies_follow_the_mix():
    mix = {PitStrategy.AGGRESSIVE: 1.0, PitStrategy.STANDARD: 2.0, PitStrategy.CONSERVATIVE: 5.0}
    made = generate_scenarios(None, setup_of(10, 40), 4000, 4, pit_strategy_mix=mix)
    counts = np.bincount(made.strategy, minlength=3)
    assert stats.chisquare(counts, 4000 * np.array([1, 2, 5]) / 8).pvalue > FALSE_FAILURE


@pytest.mark.slow
def test_open_starts_are_drawn_with_the_correlation_asked_for():
    setup = setup_of(50, 40, starts=False)
    parameters = STARTING_VALUES.with_type("intermediate", start_correlation=0.6)
    made = generate_scenarios(None, setup, 3000, 5, parameters=parameters)
    rank = np.arange(50)  # rated best first
    mean = np.mean([stats.spearmanr(rank, row).statistic for row in made.start[:500]])
    # Pearson .6 between normals is Spearman 6 / pi asin(.3) = .582; the field of 50 has its own
    # spread, and 500 races a standard error of .004.
    assert mean == pytest.approx(6.0 / np.pi * np.arcsin(0.3), abs=0.03)
