"""What a slate's stages leave for a person to read: notices, and errors with names in them."""

from __future__ import annotations

import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.slate_files import keep_notices, slate_notices
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.stored import SLATE_ID, write_slate


def test_the_notices_of_all_stages_are_in_order_and_each_is_told_once(tmp_path):
    root = DataRoot(tmp_path)
    assert slate_notices(root, SLATE_ID, ["no ids"], ["set aside"]) == ("no ids", "set aside")
    keep_notices(root, SLATE_ID, "scenarios", ["no grid", "no ids"])
    keep_notices(root, SLATE_ID, "constraint_spec", ["Überholt: unknown driver"])
    keep_notices(root, "another", "scenarios", ["of another slate"])
    assert slate_notices(root, SLATE_ID, ["no ids"], ["set aside"]) == (
        "no ids",
        "Überholt: unknown driver",
        "no grid",
        "set aside",
    )


def test_lineups_with_a_driver_whom_the_slate_lost_name_him(tmp_path):
    root = DataRoot(tmp_path)
    write_slate(root)
    slate = StoredSlates(root).get(SLATE_ID).slate
    there = slate.players[0]
    lineups = pl.DataFrame(
        {"driver_ids": [[there.driver_id, "77"]], "drivers": [[there.name, "Zane Gone"]]}
    )
    with pytest.raises(InputError, match=r"hold Zane Gone \(77\), whom the slate does not have"):
        lineup_rows(lineups, slate)
