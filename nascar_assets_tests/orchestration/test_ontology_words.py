"""Drivers and tracks by what people call them, and the values of theirs that are in force."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.cli.location import code_location
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import ENTRIES
from nascar_assets.feed.sources import PEOPLES_VIEWS
from nascar_assets.history.schemas import DRIVER_VALUES
from nascar_assets.ontology import Statement
from nascar_assets.orchestration.commands.ontology import (
    entry_effect,
    find_subject,
    keep,
    override_entry,
    show_subject,
    veto_entry,
)
from nascar_assets.orchestration.inputs.graph import entry_store
from nascar_assets.orchestration.inputs.slate_plan import registration_path
from nascar_assets.orchestration.inputs.slate_run import load_scenarios
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.scenarios import generate_scenarios
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot
from nascar_assets_tests.lineups.slates import stated
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


def test_every_name_of_a_track_finds_it_and_the_newest_is_shown(root):
    schedule = scan_table(root, "schedule").collect()
    older = [
        schedule.with_columns(
            race_id=pl.lit(f"98{years}"),
            track_name=pl.lit("The Old Ridge"),
            start_time=pl.col("start_time") - pl.duration(days=365 * years),
        )
        for years in (1, 2)
    ]
    for rows in ([schedule, *older], [*older, schedule]):
        root.write_frame(table_path("schedule"), pl.concat(rows))
        for text in ("The Old Ridge", "old ridge", "Invented Ridge Speedway", "ridge", "903"):
            found = find_subject(root, text)
            assert (found.key, found.name) == ("903", "Invented Ridge Speedway")


def test_an_id_of_a_driver_and_of_a_track_is_refused_with_both(root):
    schedule = scan_table(root, "schedule").collect()
    track = schedule.with_columns(track_id=pl.lit(car_id(1)), track_name=pl.lit("Another Oval"))
    root.write_frame(table_path("schedule"), pl.concat([schedule, track]))
    with pytest.raises(InputError, match="the id of a driver and of a track") as caught:
        find_subject(root, car_id(1))
    for kind, name in (("driver", NAMES[1]), ("track", "Another Oval")):
        assert f'"{kind} {car_id(1)}" ({name})' in str(caught.value)
        found = find_subject(root, f"{kind} {car_id(1)}")
        assert (found.kind, found.key, found.name) == (kind, car_id(1), name)


def test_an_unknown_name_is_told_the_nearest_drivers_and_tracks(root):
    with pytest.raises(InputError, match="names no driver and no track") as driver:
        find_subject(root, "Inaki Barragan")
    assert f"no track. Drivers with such a name: {NAMES[0]}" in str(driver.value)
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


def veto_of(root: DataRoot, who: str, code: str, *, lift: bool = False):
    return veto_entry(root.location, who, code, "ann", "a feud", NOW, lift=lift)


def test_a_veto_names_drivers_and_teams_as_the_feed_does(root):
    behind = veto_of(root, NAMES[2], "finishes-behind:other=jr abernant")
    assert behind.name == f"finishes-behind:other={car_id(1)}"
    few = veto_of(root, "903", "team-in-lineup-at-most:drivers=1,team=TEAM 3")
    assert few.name == "team-in-lineup-at-most:drivers=1,team=Team 3"


@pytest.mark.parametrize(
    ("who", "code", "said"),
    [
        (NAMES[2], "finishes-behind:other=903", "'903' names no driver"),
        (NAMES[2], "finishes-behind:other=Invented Ridge Speedway", "names no driver"),
        (NAMES[1], "finishes-behind:other=jr abernant", "is about him"),
        ("903", "team-in-lineup-at-most:drivers=1,team=Tame 3", "no team.*such a name: Team 3"),
        ("903", "team-accidents-at-most:cars=1,team=Zyx", "no team.*None has a like name"),
    ],
)
def test_a_veto_that_could_never_bite_is_refused(root, who, code, said):
    with pytest.raises(InputError, match=said):
        veto_of(root, who, code)


def test_only_what_is_in_force_can_be_taken_back(root):
    with pytest.raises(InputError, match=r"No override of psyche_aggression is in force.*: none"):
        entry_of(root, NAMES[2], "aggression", "clear")
    keep(root.location, entry_of(root, NAMES[2]))
    with pytest.raises(InputError, match=r"In force: skill\."):
        entry_of(root, NAMES[2], "shadow_risk", "clear")
    # Entered when any id was taken.
    old = Statement("veto", "driver", car_id(2), "finishes-behind:other=903", None, "a", "b", NOW)
    keep(root.location, old)
    with pytest.raises(InputError, match=r"No veto leads-no-laps is in force.*: finishes-behind"):
        veto_of(root, NAMES[2], "leads-no-laps", lift=True)
    assert veto_of(root, NAMES[2], old.name, lift=True).name == old.name


@pytest.mark.parametrize(("value", "sign"), [("0.05", -1), ("0.99", 1)])
def test_an_override_shows_its_effect_on_mean_points_and_win_chance(root, value, sign):
    root.write(registration_path(SLATE_ID), b"{}")
    effect = entry_effect(root.location, entry_of(root, NAMES[4], value=value), None)
    assert (effect["slate"], effect["scenarios"]) == (SLATE_ID, 200)
    (row,) = effect["drivers"]
    stored = load_scenarios(root, SLATE_ID)
    at = stored.driver_ids.index(car_id(4))
    assert row["name"] == NAMES[4]
    assert row["win"][0] == round(float((stored.finish[:, at] == 1).mean()), 4)
    assert sign * (row["mean_points"][1] - row["mean_points"][0]) > 3
    assert sign * (row["win"][1] - row["win"][0]) > 0


def test_an_entry_that_changes_nothing_shows_no_effect(root):
    # The stored races are other ones: an older model's, say. A view moves the slate besides.
    slate = StoredSlates(root).get(SLATE_ID)
    other = generate_scenarios(slate.spec, slate.setup, 200, 6)
    root.write_frame(table_path("scenarios", SLATE_ID), other.to_polars([slate.rules]))
    values = scan_table(root, "slate_driver_values", SLATE_ID).collect()
    skill = values.filter(pl.col("driver_id") == car_id(4))["skill"][0]
    entry = entry_of(root, NAMES[4], value=str(skill))
    (plain,) = entry_effect(root.location, entry, SLATE_ID)["drivers"]
    view = stated(("mean_points", "projections", car_id(4), plain["mean_points"][0] + 4))
    root.write_frame(table_path(PEOPLES_VIEWS.table, SLATE_ID), view)
    (moved,) = entry_effect(root.location, entry, SLATE_ID)["drivers"]
    for row in (plain, moved):
        assert row["mean_points"][0] == row["mean_points"][1]
        assert row["win"][0] == row["win"][1]
    assert moved["mean_points"][0] > plain["mean_points"][0] + 2


def test_what_no_race_keeps_is_taken_back_with_its_effect_shown(root):
    keep(root.location, entry_of(root, NAMES[4], "min_laps_led", "119"))
    entry = entry_of(root, NAMES[4], "min_laps_led", "clear")
    (row,) = entry_effect(root.location, entry, SLATE_ID)["drivers"]
    assert row["mean_points"][0] is None
    assert row["mean_points"][1] > 0


def test_a_track_shows_the_drivers_whom_it_moves_most(root):
    entry = entry_of(root, "Invented Ridge Speedway", "caution_rate", "1")
    effect = entry_effect(root.location, entry, SLATE_ID)
    moved = [abs(then - now) for now, then in (row["mean_points"] for row in effect["drivers"])]
    assert len(moved) == 5
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > 0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("skill", "1.5", "1.5"),
        ("skill", "fast", "'fast' is no number"),
        ("speed", "0.5", "speed"),
        ("min_laps_led", "119", "The veto rules reject"),
    ],
)
def test_a_value_that_is_refused_is_not_stored(root, capfd, field, value, said):
    words = ["ontology", "override", NAMES[1], field, value, "--why", "a guess"]
    assert run([*words, "--slate", SLATE_ID, "--home", root.location]) == 2
    assert said in capfd.readouterr().err
    assert entry_store(Platform(home=root.location)).entries() == ()
