"""Settings: everything of the format is taken, everything else is refused by name."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from nascar_assets.cli.slate import read_settings
from nascar_assets.errors import InputError
from nascar_assets.lineups import (
    InfeasiblePortfolio,
    PortfolioSettings,
    SettingsError,
    build_portfolio,
)
from nascar_assets.lineups.problem import check_settings, find_driver, for_contest, resolve
from nascar_assets.lineups.projection import project
from nascar_assets.lineups.settings import DriverSettings
from nascar_assets.lineups.view_settings import ownerships_left_out, settings_with_views
from nascar_assets_tests.lineups.slates import made_points, made_slate, stated

WHOLE = """
lineups = 20
objective = "expected_max"
max_shared = 4
salary_min = 49000
quantile = 0.9
ownership_max = 1.8
[teams."Team 1"]
at_most = 3
[drivers."Driver AA"]
min_exposure = 0.30
max_exposure = 0.60
[drivers."Driver AB"]
exclude = true
[drivers."9002"]
points_multiplier = 1.05
ownership = 0.25
max_dollars = 60
[[groups]]
drivers = ["Driver AA", "Driver AC"]
at_most = 1
min_exposure = 0.1
[[rules]]
if = ["Driver AA"]
then = ["Driver AD", "Driver AE"]
at_least = 1
"""

SLATE = made_slate([9000, 8000, 7000, 6000, 6000, 6000, 6000, 5000])


def test_the_whole_format_is_understood():
    settings = PortfolioSettings.from_toml(WHOLE)
    assert settings.rules[0].when == ("Driver AA",)
    problem = resolve(SLATE, settings)
    assert problem.exposures[0].lower == 6
    assert problem.exposures[0].upper == 12
    assert problem.scale.tolist() == [1, 1, 1.05, 1, 1, 1, 1, 1]
    assert settings.drivers["9002"].max_dollars == 60
    labels = [rule.label for rule in problem.count_rules]
    assert "exclude Driver AB" in labels
    assert "at most 3 of Team 1" in labels
    assert "if Driver AA then at least 1 of Driver AD, Driver AE" in labels


def test_defaults_ask_for_twenty_lineups_of_the_highest_expected_maximum():
    settings = PortfolioSettings()
    assert (settings.lineups, settings.objective) == (20, "expected_max")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lineup = 3", ["'lineup'", "'lineups'"]),
        ("objectiv = 'mean'", ["'objectiv'", "'objective'"]),
        ('[drivers."Driver AA"]\nmin_exposur = 0.1', ["drivers.Driver AA", "'min_exposure'"]),
        ('[[rules]]\nfi = ["a"]\nthen = ["b"]', ["rules.0", "'fi'", "'if'"]),
        ("[[groups]]\ndriver = ['a']", ["groups.0", "'drivers'"]),
        ("[teams.x]\natmost = 1", ["teams.x", "'at_most'"]),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text, words):
    with pytest.raises(SettingsError) as error:
        PortfolioSettings.from_toml(text, file="portfolio.toml")
    assert str(error.value).startswith("portfolio.toml")
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[drivers."A"]\nmin_exposure = 0.6\nmax_exposure = 0.5', "min_exposure (0.6) is above"),
        ('[drivers."A"]\nlock = true\nexclude = true', "lock and exclude"),
        ("[[groups]]\ndrivers = ['a']\nat_least = 2\nat_most = 1", "at_least (2) is above"),
        ("lineups = 0", "lineups"),
        ("lineups = 501", "lineups"),
        ("lineups = true", "lineups"),
        ("lineups = '20'", "lineups"),
        ("objective = 'most'", "objective"),
        ("objective = 'probability'", "threshold"),
        ("quantile = 1.0", "quantile"),
        ("max_shared = -1", "max_shared"),
        ('[drivers."A"]\nmin_exposure = 30', "min_exposure"),
        ('[drivers."A"]\nmin_exposure = nan', "min_exposure"),
        ('[drivers."A"]\nmax_dollars = true', "max_dollars"),
        ('[drivers."A"]\nmax_dollars = "60"', "max_dollars"),
        ("[[groups]]\ndrivers = ['a']\nmax_dollars = '60'", "max_dollars"),
        ("lineups = [", "not valid TOML"),
    ],
)
def test_a_setting_that_cannot_be_right_by_itself_is_refused(text, words):
    with pytest.raises(SettingsError) as error:
        PortfolioSettings.from_toml(text)
    assert words in str(error.value)


def test_drivers_are_found_by_name_site_id_or_driver_id():
    slate = made_slate([1] * 3, names=["José Álvarez", "Mc Dowell Jr.", "Plain Name"])
    assert find_driver(slate, "jose alvarez", field="x") == 0
    assert find_driver(slate, "9001", field="x") == 1
    assert find_driver(slate, "102", field="x") == 2
    assert find_driver(slate, "mc dowell jr", field="x") == 1


def test_unknown_and_ambiguous_drivers_are_errors():
    slate = made_slate([1] * 3, names=["Sam Twin", "Sam Twin", "Other One"])
    with pytest.raises(SettingsError, match=r"more than one driver.*9000.*9001"):
        find_driver(slate, "Sam Twin", field="drivers.Sam Twin")
    with pytest.raises(SettingsError, match=r"nearest name is 'Other One'"):
        find_driver(slate, "Othr Onne", field="drivers.x")


def test_one_driver_under_two_keys_is_an_error():
    settings = PortfolioSettings.from_mapping(
        {"drivers": {"Driver AA": {"lock": True}, "9000": {"lock": True}}}
    )
    with pytest.raises(InputError, match="same driver"):
        resolve(SLATE, settings)


def test_an_unknown_team_names_the_nearest():
    settings = PortfolioSettings.from_mapping({"teams": {"Teem 3": {"at_most": 1}}})
    with pytest.raises(SettingsError, match="nearest team is 'Team 3'"):
        resolve(SLATE, settings)


def test_shares_round_as_decimals_do():
    # 0.29 * 100 is 28.999999999999996 in binary and 29 for a person.
    settings = PortfolioSettings.from_mapping(
        {
            "lineups": 100,
            "drivers": {
                "Driver AA": {"max_exposure": 0.29},
                "Driver AB": {"min_exposure": 0.07},
            },
        }
    )
    exposures = resolve(SLATE, settings).exposures
    assert (exposures[0].upper, exposures[1].lower) == (29, 7)


OUT = made_slate([6000] * 9, absent=[1, 5])


def test_a_scratched_driver_is_found_by_name_and_ids_and_his_caps_are_set_aside():
    for name in ("Driver AB", "9001", "101", "driver ab"):
        settings = PortfolioSettings.of(
            {
                "drivers": {name: {"max_exposure": 0.5, "exclude": True, "ownership": 0.3}},
                "groups": [{"drivers": [name, "Driver AA"], "at_most": 1, "min_exposure": 0.2}],
                "rules": [{"if": [name], "then": ["Driver AC"]}],
                "teams": {"Team 1": {"at_most": 1}},
            }
        )
        problem = resolve(OUT, settings)
        assert not problem.unmeetable
        assert [rule.target for rule in problem.count_rules] == [0, 0b1]  # the team raced with two
        assert [exposure.target for exposure in problem.exposures] == [0b1]
        assert problem.notices == (
            "Driver AB does not race (marked OUT in the salary file): settings that name him count "
            "without him.",
        )


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        ({"drivers": {"Driver AB": {"lock": True}}}, "lock Driver AB, who does not race (marked"),
        ({"drivers": {"9001": {"min_exposure": 0.3}}}, "minimum exposure 30.0% of Driver AB, who"),
        ({"groups": [{"drivers": ["Driver AB"], "at_least": 1}]}, "at least 1 of Driver AB (does"),
        ({"groups": [{"drivers": ["101", "105"], "min_exposure": 0.1}]}, "minimum exposure of Dri"),
        (
            {"rules": [{"if": ["Driver AA"], "then": ["Driver AB"]}]},
            "if Driver AA then at least 1 of Driver AB (does not race)",
        ),
        ({"teams": {"Team 1": {"at_least": 1}}}, "at least 1 of Team 1"),
    ],
)
def test_what_only_a_scratched_driver_could_meet_is_the_conflict_named(asked, label):
    settings = PortfolioSettings.of({"lineups": 2, **asked})
    problem = resolve(OUT, settings)
    assert [found[: len(label)] for found in problem.unmeetable] == [label]
    points = made_points([6000] * 7, 40)
    with pytest.raises(InfeasiblePortfolio) as error:
        build_portfolio(points, OUT, settings)
    assert [found[: len(label)] for found in error.value.conflict] == [label]


def test_a_name_of_one_who_races_and_one_who_does_not_is_not_guessed():
    slate = made_slate([6000] * 8, names=["Sam Hill", *"BCDEFG", "Sam Hill"], absent=[7])
    with pytest.raises(SettingsError, match=r"more than one driver.*9000.*9007"):
        find_driver(slate, "Sam Hill", field="drivers")
    second = replace(slate.absent[0], driver_id="100", reason="a second row of Sam Hill")
    assert find_driver(replace(slate, absent=(second,)), "Sam Hill", field="drivers") == 0


ROWS = """\
lineups = 20

[drivers."Driver AA"]
min_exposure = 0.3
max_exposure = 0.2

[[groups]]
drivers = ["Driver AA"]
[[groups]]
drivers = [
  "Driver AB",
]
at_most = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "row", "field"),
    [
        ("lineups = 20", "lineup = 20", 1, "lineup"),
        ("lineups = 20", "lineups = 0", 1, "lineups"),
        ("max_exposure = 0.2", "max_exposure = 2.0", 5, "drivers.Driver AA.max_exposure"),
        ("max_exposure = 0.2", "max_exposure = 0.2", 3, "drivers.Driver AA"),
        ("at_most = 1", "at_mos = 1", 13, "groups.1.at_mos"),
        ("at_most = 1", "at_most = ", 13, None),
    ],
)
def test_the_row_at_fault_is_named(old, new, row, field):
    text = ROWS.replace(old, new)
    if "max_exposure" not in old:
        text = text.replace("max_exposure = 0.2", "max_exposure = 0.9")
    with pytest.raises(SettingsError) as caught:
        PortfolioSettings.from_toml(text, file="mine.toml")
    assert (caught.value.file, caught.value.row, caught.value.field) == ("mine.toml", row, field)


TEAM = '[teams."X. Racing"]\nat_most = 1\n'


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ('drivers."Driver AA"', 'drivers."J. Nobody = Jr."', 3),
        ('"Driver AB"', '"Nobody"', 10),
        ("[[groups]]\ndrivers = [\n", TEAM + "[[groups]]\ndrivers = [\n", 9),
    ],
)
def test_the_row_of_an_unknown_driver_or_team_is_named(old, new, row):
    text = ROWS.replace("max_exposure = 0.2", "max_exposure = 0.9").replace(old, new)
    with pytest.raises(SettingsError) as caught:
        check_settings(made_slate([8_000] * 8), text, file="mine.toml")
    assert (caught.value.file, caught.value.row) == ("mine.toml", row)


def test_drivers_of_sections_are_found_by_any_word_before_a_file_is_filled():
    slate = made_slate([8_000] * 8)
    head = 'lineups = 2\n[drivers."Driver AA"]\nmax_exposure = 0.5\n[[contests]]\nid = "1"\n'
    text = head + '[[contests]]\nid = "2"\n[contests.drivers."9000"]\nmax_exposure = 0.25\n'
    asked = check_settings(slate, text)
    for section, most in zip(asked.contests, (0.5, 0.25), strict=True):
        merged = for_contest(slate, asked, section, 4).drivers
        assert {key: row.max_exposure for key, row in merged.items()} == {"Driver AA": most}
    for wrong, row, message in (
        (text.replace('"9000"', '"J. Nobody = Jr."'), 8, "no driver of slate"),
        (text + '[contests.drivers."Driver AA"]\nlock = true\n', 10, "are the same driver"),
    ):
        with pytest.raises(SettingsError, match=message) as caught:
            check_settings(slate, wrong, file="mine.toml")
        assert (caught.value.file, caught.value.row) == ("mine.toml", row)


def test_what_is_set_by_hand_stands_above_the_exposures_of_views():
    slate = made_slate([8_000] * 8)
    views = stated(
        *(("min_exposure", "exposures", driver, 0.5) for driver in ("100", "101", "102")),
        ("max_exposure", "exposures", "100", 0.6),
    )
    by_hand = {"Driver AA": {"exclude": True}, "9001": {"lock": True}}
    asked = PortfolioSettings.of({"lineups": 2, "max_shared": 5, "drivers": by_hand})
    found = settings_with_views(asked, views, slate)
    assert found.drivers == {**asked.drivers, "102": DriverSettings(min_exposure=0.5)}
    made = build_portfolio(made_points([8_000] * 8, 40), slate, found)
    assert (made.exposures["100"], made.exposures["101"]) == (0, 1)


def test_of_several_peoples_views_the_mean_by_their_confidence_counts():
    slate = made_slate([8_000] * 8)
    names = (("ownership", "ownership"), ("max_exposure", "exposures"))

    def by(value: float, confidence: float) -> pl.DataFrame:
        rows = ((quantity, family, "100", value) for quantity, family in names)
        return stated(*rows, confidence=confidence)

    def found(*views: pl.DataFrame) -> DriverSettings:
        return settings_with_views(PortfolioSettings(), pl.concat(views), slate).drivers["100"]

    for one in (found(by(0.35, 0.3)), found(by(0.35, 1.0))):
        assert (one.ownership, one.max_exposure) == (0.35, 0.35)
    equal = found(by(0.2, 0.3), by(0.6, 0.3))
    assert equal.ownership == equal.max_exposure == pytest.approx(0.4, abs=1e-15)
    # Weights 1 and 3: (0.2 + 3 * 0.6) / 4 = 0.5.
    unequal = found(by(0.2, 0.3), by(0.6, 0.9), by(0.9, 0.0))
    assert unequal.ownership == unequal.max_exposure == pytest.approx(0.5)


def test_ownerships_of_nothing_that_leave_the_field_no_lineup_are_the_models():
    # The six of every lineup cost 58,000; with the cheap ones there are lineups for 50,000.
    slate = made_slate([11_000] * 4 + [7_000] * 2 + [5_000] * 6)
    points = made_points([8_000] * 12, 40)

    def field(shares: list[float], by_hand: dict[str, float]):
        rows = [("ownership", "ownership", str(100 + i), x) for i, x in enumerate(shares)]
        hand = {"drivers": {name: {"ownership": x} for name, x in by_hand.items()}}
        asked, views = PortfolioSettings.of(hand), stated(*rows)
        said = ownerships_left_out(asked, views, slate)
        projection = project(points, slate, settings_with_views(asked, views, slate))
        return projection.field.ownership, said

    nothing = "Ownerships of 0% leave the field no lineup to play ({} drivers, by v.csv (me))"
    found, (said,) = field([0.0] * 7 + [0.4] * 5, {})
    assert found[7:] == pytest.approx(0.4, abs=1e-4)  # as they were stated
    assert found.sum() == pytest.approx(6)
    assert nothing.format(7) in said
    for shares, by_hand, none in (
        ([0.4] * 6 + [0.0] * 6, {}, 6),  # none under the cap
        ([0.0] * 12, {}, 12),
        ([0.0] * 12, {"Driver AL": 0.1}, 11),
    ):
        found, (said,) = field(shares, by_hand)
        assert found.sum() == pytest.approx(6)
        assert nothing.format(none) in said
    found, said = field([0.0] * 6 + [0.4] * 6, {})
    assert (found[6:], said) == (pytest.approx(1.0, abs=1e-3), ())


@pytest.mark.parametrize(
    "shares",
    [[1.0] * 7, [1.0] * 7 + [0.5] * 3, np.random.default_rng(1).random(8).tolist()],
)
def test_stated_ownerships_of_more_than_the_roster_are_scaled_to_it(shares):
    slate = made_slate([8_000] * 12)
    rows = [("ownership", "ownership", str(100 + i), x + 0.5) for i, x in enumerate(shares)]
    rows = [(*row[:3], min(row[3], 1.0)) for row in rows]
    settings = settings_with_views(PortfolioSettings(), stated(*rows), slate)
    found = project(made_points([8_000] * 12, 40), slate, settings).field.ownership
    wanted = np.array([row[3] for row in rows])
    assert found[: len(rows)] == pytest.approx(6 * wanted / wanted.sum(), abs=1e-4)


def test_more_rules_than_are_taken_are_refused_before_anything_is_searched():
    slate = made_slate([8_000] * 12)
    names = [player.name for player in slate.players]
    groups = [{"drivers": pair, "at_most": 1} for pair in combinations(names, 2)]
    assert len(groups) == 66
    resolve(slate, PortfolioSettings.of({"groups": groups[:64]}))
    for more in ({"groups": groups[:65]}, {"groups": groups[:64], "ownership_max": 2.0}):
        with pytest.raises(SettingsError, match="65 rules on a lineup; at most 64"):
            resolve(slate, PortfolioSettings.of(more))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_settings_file_is_read_as_editors_save_it(tmp_path, encoding):
    path = tmp_path / "portfolio.toml"
    path.write_bytes('lineups = 7\r\n[drivers."Daniel Suárez"]\r\nlock = true\r\n'.encode(encoding))
    text = read_settings(path, str(tmp_path))
    assert PortfolioSettings.from_toml(text).drivers["Daniel Suárez"].lock
    assert PortfolioSettings.from_toml("\ufefflineups = 7\rsalary_min = 9").salary_min == 9


@pytest.mark.parametrize(
    "text",
    [
        "lineups = " + "9" * 5_000,
        "x = " + "[" * 5_000,
        ".".join("a" * 30_000) + " = 1",
        "#" * 300_000,
    ],
)
def test_settings_that_would_take_all_memory_are_refused(text):
    with pytest.raises(SettingsError):
        PortfolioSettings.from_toml(text)
