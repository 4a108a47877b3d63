"""Team names: spellings and owners brought together, others left alone."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.feed.teams import team_key, team_name
from nascar_assets_tests.feed.feed_files import result, schedule_row, weekend

TEXT = files("nascar_assets.feed").joinpath("team_aliases.csv").read_text("utf-8")
ALL_SERIES = ("cup", "xfinity", "trucks")
TABLE = list(csv.DictReader(line for line in TEXT.splitlines() if not line.startswith("#")))


@pytest.mark.parametrize(
    ("name", "series", "team"),
    [
        ("Rick Hendrick", "cup", "Hendrick Motorsports"),
        ("Roger Penske", "cup", "Team Penske"),
        ("Jack Roush", "cup", "Roush Fenway Keselowski Racing"),
        ("TrackHouse Racing", "cup", "Trackhouse Racing"),
        ("Team Amerivet", "cup", "Team AmeriVet"),
        ("Duke Thorson", "trucks", "ThorSport Racing"),
        ("B.J. McLeod", "cup", "Live Fast Motorsports"),
        ("B.J. McLeod", "xfinity", "B.J. McLeod Motorsports"),
    ],
)
def test_two_names_of_one_team_agree(name, series, team):
    assert team_key(name, series) == team_key(team, series)


def entered(name, series):
    """The team of a car as a weekend's entry list has it."""
    row = {**schedule_row(), "series": series}
    return parse_entries(weekend([result(11, 1, team_name=name)]), row).frame["team"].item()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['alias']} {row['series']}")
def test_every_alias_acts_on_entry_lists(row):
    for series in [row["series"]] if row["series"] else ALL_SERIES:
        assert entered(row["alias"], series) == row["team"]
        assert entered(f"  {row['alias'].upper()} ", series) == row["team"]


def test_one_owner_can_have_another_team_in_each_series():
    assert entered("B.J. McLeod", "cup") == "Live Fast Motorsports"
    assert entered("B.J. McLeod", "xfinity") == "B.J. McLeod Motorsports"
    assert entered("B.J. McLeod", "trucks") == "B.J. McLeod"


@pytest.mark.parametrize("name", [None, "", "  ", "–", "-"])
def test_no_name_is_no_team(name):
    assert team_key(name, "cup") is None


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["alias"])
def test_every_alias_leads_to_a_team_that_is_no_alias(row):
    for series in [row["series"]] if row["series"] else ALL_SERIES:
        team = team_key(row["alias"], series)
        assert team == team_key(row["team"], series)
        assert team_key(team, series) == team


def test_no_alias_is_listed_twice():
    pairs = [(row["alias"], row["series"]) for row in TABLE]
    assert len(pairs) == len(set(pairs))


@given(st.text() | st.sampled_from([row["alias"] for row in TABLE]), st.sampled_from(ALL_SERIES))
def test_naming_twice_changes_nothing(name, series):
    """Tables hold names that went through here once; ratings look them up again."""
    once = team_name(name, series)
    assert team_name(once, series) == once
    assert team_key(once, series) == team_key(name, series)
    assert team_key(team_key(name, series), series) == team_key(name, series)
