"""How often past races took each course, by the classifier of the simulated ones."""

import polars as pl

from nascar_assets.ontology.vetoes import parse_veto
from nascar_assets.scenarios.past_races import past_regimes
from nascar_assets.scenarios.regimes import REGIMES


def race(key, led, *, caution=20, laps=100, wrecked=0):
    n = len(led)
    return pl.DataFrame(
        {
            "race_id": [key] * n,
            "finish": range(1, n + 1),
            "finish_on_track": range(1, n + 1),
            "laps_led": led,
            "caution_laps": [caution] * n,
            "actual_laps": [laps] * n,
            "status": ["running"] * (n - wrecked) + ["accident"] * wrecked,
        },
        schema_overrides={"caution_laps": pl.Int64},
    )


def test_every_course_has_its_share_of_the_past():
    led = [60, 40, *[0] * 8]
    even = [30, 30, 20, 20, *[0] * 6]
    shares, races = past_regimes(
        pl.concat(
            [
                race("1", led),
                race("2", led, wrecked=3),
                race("3", even, caution=5),
                race("4", even),
                race("5", led, caution=None),  # not counted: its cautions are not known
                race("6", [0] * 10),  # nor are the laps led of this one
            ]
        )
    )
    assert races == 4
    assert set(shares) == set(REGIMES)
    assert shares == {
        "dominator": 0.25, "chaos": 0.25, "long_green": 0.25, "standard": 0.25, "fuel_mileage": 0.0,
    }  # fmt: skip
    assert past_regimes(race("5", led, caution=None)) == ({}, 0)


def test_a_disqualified_winner_counts_as_the_winner_he_was_on_track():
    # Officially the last, with the most laps led: without him the winner led none.
    one = race("1", [0, 40, *[0] * 7, 60]).with_columns(
        finish_on_track=pl.Series([2, 3, 4, 5, 6, 7, 8, 9, 10, 1]),
        status=pl.Series(["running"] * 9 + ["disqualified"]),
    )
    shares, _ = past_regimes(one)
    assert shares["dominator"] == 1.0


def test_a_rule_says_names_for_ids():
    rule = parse_veto("not-both-in-top:places=5,other=4153")
    assert "driver Kyle Larson do not" in rule.said({"4153": "Kyle Larson"})
    assert "driver 4153 do not" in rule.meaning
