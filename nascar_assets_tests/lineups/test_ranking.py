"""Single lineups by quantile, probability and upper tail: exact against listing them all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nascar_assets.errors import InputError
from nascar_assets.lineups import best_lineups, rank_lineups
from nascar_assets_tests.lineups.slates import made_points, made_salaries

SALARIES = np.array(made_salaries(15, 2))
POINTS = made_points(SALARIES, 333, 2)
LEGAL = [c for c in combinations(range(15), 6) if SALARIES[list(c)].sum() <= 50_000]
SCORES = np.sort(np.stack([POINTS[:, list(c)].sum(axis=1) for c in LEGAL]), axis=1)


def first(worth, k):
    order = sorted(range(len(LEGAL)), key=lambda i: (-worth[i], LEGAL[i]))[:k]
    return [LEGAL[i] for i in order], worth[order]


@pytest.mark.parametrize(
    ("by", "level", "worth"),
    [
        # ceil(0.9 * 333) = 300: the 300th smallest of 333 scores.
        ("quantile", 0.9, SCORES[:, 299]),
        ("quantile", 0.5, SCORES[:, 166]),
        # ceil(0.1 * 333) = 34 best scenarios.
        ("cvar", 0.1, SCORES[:, -34:].mean(axis=1)),
        ("probability", 5_800, (SCORES >= 5_800).mean(axis=1)),
        ("mean", 0.9, SCORES.mean(axis=1)),
    ],
)
@pytest.mark.parametrize("k", [1, 40])
def test_the_best_of_every_legal_lineup(by, level, worth, k):
    ranked = rank_lineups(POINTS, SALARIES, 50_000, 6, k, by=by, level=level)
    lineups, values = first(worth, k)
    assert [tuple(x) for x in ranked.drivers] == lineups
    assert ranked.values == pytest.approx(values)


def test_best_by_mean_agrees_with_the_search():
    ranked = rank_lineups(POINTS, SALARIES, 50_000, 6, 60, by="mean")
    searched = best_lineups(POINTS.sum(axis=0), SALARIES, 50_000, 6, 60)
    assert (ranked.drivers == searched.drivers).all()


def test_a_level_outside_its_range_is_refused():
    with pytest.raises(InputError, match="level"):
        rank_lineups(POINTS, SALARIES, 50_000, 6, 1, by="quantile", level=1.5)
