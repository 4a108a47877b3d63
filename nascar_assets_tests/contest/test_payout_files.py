"""Payout tables that settings name: landed files and presets."""

from __future__ import annotations

import pytest

from nascar_assets.contest import preset
from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.payout_files import (
    land_payouts,
    landed_payouts,
    named_contest,
)
from nascar_assets.orchestration.resources import Platform

TABLE = b"places,prize\n1,$50\n2-3,$10\nentries,10\nentry_fee,$8\nmax_entries,2\n"


@pytest.fixture
def root(tmp_path):
    return Platform(home=str(tmp_path)).root


def test_a_landed_table_is_the_contest_of_the_settings(root):
    land_payouts(root, "lap/contest.csv", TABLE)
    contest = named_contest(root, 'payout = "contest.csv"')
    assert contest is not None
    assert (contest.name, contest.entries, contest.max_entries) == ("contest", 10, 2)
    assert contest.payouts.prizes_cents.tolist() == [5_000, 1_000, 1_000]


def test_a_preset_needs_no_file_and_is_not_listed_twice(root):
    table = landed_payouts(root, "20-max")
    assert table.pool_cents == preset("20-max").payouts.pool_cents
    assert (table.entries, table.max_entries) == (5_000, 20)
    # The outlook has a row for every preset already.
    assert named_contest(root, 'payout = "20-max"') is None


def test_a_table_that_is_not_there_names_the_presets(root):
    with pytest.raises(InputError, match=r"not there.*cash, single-entry, 20-max, 150-max"):
        landed_payouts(root, "other.csv")


def test_a_table_at_fault_is_not_landed(root):
    with pytest.raises(InputError, match=r"contest\.csv, row 3"):
        land_payouts(root, "contest.csv", b"places,prize\n1,$50\n3,$10\n")
    with pytest.raises(InputError, match="not there"):
        landed_payouts(root, "contest.csv")
