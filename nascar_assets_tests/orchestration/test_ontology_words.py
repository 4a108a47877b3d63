"""Drivers and tracks by what people call them, and the values of theirs that are in force."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import ENTRIES
from nascar_assets.history.schemas import DRIVER_VALUES
from nascar_assets.orchestration.commands.ontology import (
    find_subject,
    keep,
    override_entry,
    show_subject,
)
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.scenarios import generate_scenarios
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.stored import NAMES, RACE, SLATE_ID, car_id, write_slate

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path):
    """A slate that ran up to its scenarios, and its race's entry list."""
    root = DataRoot(tmp_path)
    write_slate(root)
    field = scan_table(root, "slate_field", SLATE_ID).collect()
    root.write_frame(table_path("entries", str(RACE["race_key"])), field.select(list(ENTRIES)))
    values = scan_table(root, "slate_driver_values", SLATE_ID).collect()
    root.write_frame(table_path("driver_values"), values.select(list(DRIVER_VALUES)))
    slate = StoredSlates(root).get(SLATE_ID)
    made = generate_scenarios(slate.spec, slate.setup, 200, 5)
    root.write_frame(table_path("scenarios", SLATE_ID), made.to_polars([slate.rules]))
    root.write_frame(table_path("scenario_races", SLATE_ID), made.races_to_polars())
    return root


def entry_of(root: DataRoot, who: str, field: str = "skill", value: str = "0.05"):
    return override_entry(root.location, who, field, value, "ann", "a new crew", NOW)


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        (NAMES[1], "driver", car_id(1)),
        ("jr abernant", "driver", car_id(1)),
        ("inaki barragon", "driver", car_id(0)),
        (car_id(3), "driver", car_id(3)),
        ("903", "track", "903"),
        ("Invented Ridge Speedway", "track", "903"),
        ("invented ridge", "track", "903"),
    ],
)
def test_names_and_ids_find_drivers_and_tracks(root, text, kind, key):
    found = find_subject(root, text)
    assert (found.kind, found.key) == (kind, key)
    assert found.name == (RACE["track_name"] if kind == "track" else NAMES[int(key) % 10_000])


def test_an_unknown_name_is_told_the_nearest_drivers_and_tracks(root):
    with pytest.raises(InputError, match="names no driver and no track") as driver:
        find_subject(root, "Inaki Barragan")
    assert NAMES[0] in str(driver.value)
    with pytest.raises(InputError, match="names no driver and no track") as track:
        find_subject(root, "Invented Rigde Speedwey")
    assert "Invented Ridge Speedway (903)" in str(track.value)


def test_show_has_the_value_in_force_beside_the_estimate(root):
    keep(root.location, entry_of(root, NAMES[2], value="0.25"))
    location = code_location(root.location)
    shown = show_subject(root.location, NAMES[2].upper(), location)
    estimate = scan_table(root, "driver_values").filter(pl.col("driver_id") == car_id(2)).collect()
    assert shown["skill"] == estimate["skill"][0] != 0.25
    assert shown["in_force"]["skill"]["value"] == 0.25
    assert shown["in_force"]["skill"]["author"] == "ann"
    assert shown["entries"][0].startswith("override skill = 0.25 by ann")
    keep(root.location, override_entry(root.location, NAMES[2], "skill", "clear", "ann", "no", NOW))
    assert show_subject(root.location, NAMES[2], location)["in_force"] == {}
