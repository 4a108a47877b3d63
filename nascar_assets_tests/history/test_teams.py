"""Team names: spellings and owners brought together, others left alone."""

import csv
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.history.teams import canonical_team

TEXT = files("nascar_assets.history").joinpath("team_aliases.csv").read_text("utf-8")
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
    assert canonical_team(name, series) == canonical_team(team, series)


def test_one_owner_can_have_another_team_in_each_series():
    assert canonical_team("B.J. McLeod", "cup") != canonical_team("B.J. McLeod", "xfinity")


@pytest.mark.parametrize("name", [None, "", "  ", "–", "-"])
def test_no_name_is_no_team(name):
    assert canonical_team(name, "cup") is None


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["alias"])
def test_every_alias_leads_to_a_team_that_is_no_alias(row):
    for series in [row["series"]] if row["series"] else ["cup", "xfinity", "trucks"]:
        team = canonical_team(row["alias"], series)
        assert team == canonical_team(row["team"], series)
        assert canonical_team(team, series) == team


def test_no_alias_is_listed_twice():
    pairs = [(row["alias"], row["series"]) for row in TABLE]
    assert len(pairs) == len(set(pairs))


@given(st.text(), st.sampled_from(["cup", "xfinity", "trucks"]))
def test_folding_twice_changes_nothing(name, series):
    once = canonical_team(name, series)
    assert canonical_team(once, series) == once
