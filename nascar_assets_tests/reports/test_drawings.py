"""The report's small drawings and number formats say what the numbers say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.reports.drawings import PointsScale, bar, with_tails
from nascar_assets.reports.formatting import NONE, decimal, dollars, percent

LEVELS = np.round(np.arange(0.05, 1.0, 0.05), 2)


@given(
    points=st.lists(st.floats(-40, 130), min_size=19, max_size=19).map(sorted),
    pieces=st.integers(1, 5),
)
def test_masses_are_a_distribution(points, pieces):
    # Contest points are discrete: many quantiles share a value.
    values = np.round(np.array(points) / pieces) * pieces
    scale = PointsScale(float(values[0]), float(values[-1]))
    masses = scale.masses(LEVELS, values)
    assert (masses >= 0).all()
    assert masses.sum() == pytest.approx(1.0)


def test_masses_of_an_even_spread_are_even():
    # Points spread evenly over 0 to 100 on a scale of 0 to 100: every bin has 1/48.
    masses = PointsScale(0.0, 100.0).masses(LEVELS, 100.0 * LEVELS)
    assert masses == pytest.approx(np.full(48, 1 / 48))


def test_masses_lie_where_the_points_are():
    # On a scale of 0 to 100 points 40 lies in bin 40 / (100 / 48) = 19.2, so the 20th.
    masses = PointsScale(0.0, 100.0).masses(LEVELS, np.full(19, 40.0))
    assert int(masses.argmax()) == 19
    assert masses.max() == pytest.approx(1.0)


def test_tails_go_on_as_thinly_as_the_outer_quantiles():
    # 5% between levels .05 and .10 take 2 points, so the 5% below .05 take 2 more; above .95
    # the same with the 3 points between .90 and .95.
    levels, points = with_tails(np.array([0.05, 0.1, 0.9, 0.95]), np.array([10.0, 12, 50, 53]))
    assert levels == pytest.approx([0, 0.05, 0.1, 0.9, 0.95, 1])
    assert points == pytest.approx([8, 10, 12, 50, 53, 56])


def test_scale_holds_zero_and_round_ends_and_clips():
    scale = PointsScale(12.0, 87.0)
    assert (scale.lowest, scale.highest) == (0.0, 90.0)
    assert scale.at(45.0) == pytest.approx(50.0)
    assert scale.at(-5.0) == 0.0
    assert scale.at(200.0) == 100.0
    assert PointsScale(-12.0, 3.0).lowest == -20.0
    assert PointsScale(0.0, 0.0).highest == 10.0


def test_bar_is_as_long_as_its_share():
    drawn = bar(0.375, 0.6, 'a "label"')
    assert 'class="fill" width="37.50"' in drawn
    assert 'x1="60.00"' in drawn
    assert "a &quot;label&quot;" in drawn
    assert "mark" not in bar(0.5, None, "label")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1.25, 1, "1.2"), (-1.26, 1, "−1.3"), (-0.01, 1, "0.0"), (None, 1, NONE), (math.nan, 1, NONE)],
)
def test_decimal(value, digits, text):
    assert decimal(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0"), (0.0001, "<0.1"), (0.0321, "3.2"), (0.0994, "9.9"), (0.0996, "10"),
     (0.421, "42"), (1.0, "100"), (None, NONE)],
)  # fmt: skip
def test_percent(value, text):
    assert percent(value) == text


def test_dollars():
    assert dollars(11_300) == "$11,300"
    assert dollars(None) == NONE
