"""Release gate, drift chart and verdicts, criterion by criterion."""

from dataclasses import replace

import numpy as np
import pytest

from nascar_assets.calibration.drift import drift_chart
from nascar_assets.calibration.gate import AIM, GateValues, passes, release_gate
from nascar_assets.calibration.metrics_skill import Estimate
from nascar_assets.calibration.verdicts import judge
from nascar_assets.errors import InputError


def estimate(value, half=0.01):
    return Estimate(value, half / 2, value - half, value + half, 100)


GOOD = GateValues(
    rps_skill=estimate(0.07),
    points_skill=estimate(0.075),
    log_score_difference=0.004,
    coverage={
        "finish": {50: 0.52, 80: 0.79, 95: 0.945},
        "points": {50: 0.49, 80: 0.81, 95: 0.955},
    },
    coverage_by_type={"road": {"finish": {50: 0.55, 80: 0.83, 95: 0.97}}},
    type_skill={"road": 0.01},
)


def test_a_good_version_passes_gate_and_aim():
    assert passes(release_gate(GOOD))
    assert passes(release_gate(GOOD, AIM))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rps_skill": estimate(0.039)}, "finish RPS skill against"),
        ({"rps_skill": estimate(0.05, half=0.06)}, "lower end"),
        ({"points_skill": estimate(0.049)}, "points CRPS skill against"),
        ({"points_skill": None}, "points CRPS skill against"),
        ({"log_score_difference": 0.0101}, "log score"),
        ({"log_score_difference": None}, "log score"),
        ({"coverage": {**GOOD.coverage, "finish": {50: 0.45, 80: 0.8, 95: 0.95}}}, "50%"),
        ({"coverage": {**GOOD.coverage, "points": {50: 0.5, 80: 0.84, 95: 0.95}}}, "80%"),
        ({"coverage": {**GOOD.coverage, "points": {50: 0.5, 80: 0.8, 95: 0.92}}}, "95%"),
        ({"coverage": {"finish": GOOD.coverage["finish"]}}, "points"),
    ],
)
def test_each_criterion_can_stop_a_release(changes, name):
    criteria = release_gate(replace(GOOD, **changes))
    failed = [criterion for criterion in criteria if not criterion.passed]
    assert failed
    assert not passes(criteria)
    assert any(name in criterion.name for criterion in failed)


def test_limits_include_their_ends():
    edge = replace(
        GOOD,
        rps_skill=estimate(0.04),
        log_score_difference=0.01,
        coverage={v: {50: 0.54, 80: 0.77, 95: 0.97} for v in ("finish", "points")},
    )
    assert passes(release_gate(edge))


def test_the_aim_looks_at_track_types():
    wide = replace(GOOD, coverage_by_type={"road": {"points": {50: 0.57, 80: 0.8, 95: 0.95}}})
    assert passes(release_gate(wide))
    assert not passes(release_gate(wide, AIM))
    assert not passes(release_gate(replace(GOOD, type_skill={"road": -0.001}), AIM))


def test_an_empty_gate_does_not_pass():
    assert not passes(())


def test_drift_alarms_where_skill_collapses_and_not_before():
    rng = np.random.default_rng(4)
    base = 5.7 + 0.3 * rng.normal(size=100)
    ours = base - 0.35 + 0.25 * rng.normal(size=100)
    steady = drift_chart(ours, base)
    assert steady.alarms.size == 0
    ours[70:] += 0.7
    broken = drift_chart(ours, base)
    assert broken.alarms.size > 0
    assert 70 < broken.alarms[0] < 85
    assert broken.rolling[broken.alarms[0]] < broken.lower[broken.alarms[0]]


def test_drift_chart_by_hand():
    # baseline 2 throughout: gains .5, 0, .5, 0; reference the first two: mean .25, sd .3536
    found = drift_chart([1.0, 2.0, 1.0, 2.0], [2.0, 2.0, 2.0, 2.0], smoothing=0.5)
    np.testing.assert_allclose(found.gain, [0.5, 0.0, 0.5, 0.0])
    np.testing.assert_allclose(found.rolling, [0.375, 0.1875, 0.34375, 0.171875])
    # first limit: 3 * .35355 * sqrt(.5 / 1.5 * (1 - .25)) = .5303
    assert found.upper[0] - found.centre == pytest.approx(3 * 0.35355339 * 0.5)
    with pytest.raises(InputError, match="four races"):
        drift_chart([1.0], [1.0])


def coverage(value, error=0.01):
    return Estimate(value, error, value - 2 * error, value + 2 * error, 90)


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (0.80, 0.01, "calibrated"),
        (0.74, 0.01, "over-confident"),
        (0.86, 0.01, "under-confident"),
        (0.74, 0.04, "calibrated"),  # within what chance allows
        (0.78, 0.001, "calibrated"),  # certain, and too small to matter
    ],
)
def test_verdicts_on_dispersion(value, error, verdict):
    found = judge({"coverage_80_finish": coverage(value, error)}, None)
    assert found.dispersion == verdict


def test_a_skill_beyond_what_the_past_can_give_is_suspect():
    assert judge({}, estimate(0.2)).leak_suspected
    assert not judge({}, estimate(0.075)).leak_suspected
    assert not judge({}, estimate(0.12, half=0.05)).leak_suspected
    assert "leak" in judge({}, estimate(0.2)).text
