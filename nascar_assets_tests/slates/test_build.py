"""Slates: who may be picked, who is left out or carried, and what a person is reported."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.rules import rule_set
from nascar_assets.slates.build import build_slate, slate_key
from nascar_assets.slates.salaries import read_salaries
from nascar_assets.slates.stored import (
    SLATE,
    racing,
    slate_from_polars,
    slate_to_polars,
    starters,
)
from nascar_assets_tests.feed.feed_files import race, ran, result, schedule_row, weekend
from nascar_assets_tests.slates.salary_files import dk_file, eight

DK = rule_set("dk-classic", date(2026, 3, 1))
RACE = schedule_row(ran(number_of_cars_in_field=40))


def entry_list(names: dict[int, str] | None = None) -> pl.DataFrame:
    named = names or {number: f"Driver Number{number}" for number in range(11, 19)}
    rows = [
        result(number, place, driver_fullname=name)
        for place, (number, name) in enumerate(named.items(), start=1)
    ]
    return parse_entries(weekend(rows), RACE).frame


def directory(names: dict[str, str] | None = None) -> DriverDirectory:
    named = {str(number): f"Driver Number{number}" for number in range(11, 19)} | (names or {})
    return DriverDirectory.from_frames(
        pl.DataFrame({"driver_id": list(named), "driver_name": list(named.values())})
    )


def built(drivers, entries=None, known=None, rules=DK, late=False):
    file = read_salaries(dk_file(drivers, late=late), "DKSalaries.csv")
    return build_slate(file, RACE, entries, known or directory(), rules)


def test_a_plain_slate_has_everyone_and_no_notice():
    slate = built(eight(), entry_list())
    assert [player.driver_id for player in slate.players] == [str(n) for n in range(11, 19)]
    assert slate.notices == ()
    assert slate.slate_id == "2026-03-01-cup-dk-classic"
    assert (slate.race_id, slate.race_key) == ("7001", "2026-cup-01")
    assert slate.lock == RACE["start_time"]
    assert slate.players[0].team == "Fictional Racing"
    assert slate.players[0].average_points == 30.5
    assert len(slate.source.sha256) == 64


def test_the_key_has_the_eastern_date():
    # 22:00 Eastern is the next day in UTC.
    night = schedule_row(
        ran(
            race_date="2026-03-07T22:00:00",
            date_scheduled="2026-03-07T22:00:00",
            tunein_date="2026-03-07T22:00:00",
        )
    )
    assert slate_key(night, DK) == "2026-03-07-cup-dk-classic"


def test_a_driver_who_is_not_entered_is_left_out_with_a_notice():
    slate = built(
        [*eight(), ("With Drawn", 900, 5000)], entry_list(), directory({"77": "With Drawn"})
    )
    assert len(slate.players) == 8
    assert slate.notices == (
        "With Drawn (DKSalaries.csv, row 10, Name) is not in the entry list and is left out. If he "
        "races, sync the feed again, or write the name as the entry list does.",
    )


def test_a_driver_whom_nobody_knows_is_left_out_where_there_is_an_entry_list():
    slate = built([*eight(), ("Driver Nomber18", 900, 5000)], entry_list())
    assert len(slate.players) == 8
    assert "Nearest in the entry list: Driver Number18 (18)" in slate.notices[0]


def test_a_newcomer_is_carried_where_there_is_no_entry_list_yet():
    for entries in (None, entry_list().clear()):
        slate = built([*eight(), ("Brand Newcomer", 900, 5000)], entries)
        assert slate.players[-1].driver_id == "new:900"
        assert slate.players[-1].team is None
        assert slate.notices == (
            "Brand Newcomer (DKSalaries.csv, row 10, Name) is not known to the feed and is carried "
            "as a newcomer with a wide prior. If he is one of the feed's drivers, write the name "
            "as the feed does.",
        )


def test_a_name_of_two_drivers_is_never_guessed():
    known = directory({"70": "Jason White", "71": "Jason White"})
    slate = built([*eight(), ("Jason White", 900, 5000)], None, known)
    assert slate.players[-1].driver_id == "new:900"
    assert "fits several drivers" in slate.notices[0]
    assert "Jason White (70), Jason White (71)" in slate.notices[0]


def test_the_entry_list_decides_between_drivers_of_one_name():
    known = directory({"70": "Jason White", "71": "Jason White"})
    names = {number: f"Driver Number{number}" for number in range(11, 19)} | {71: "Jason White"}
    slate = built([*eight(), ("Jason White", 900, 5000)], entry_list(names), known)
    assert slate.players[-1].driver_id == "71"


def test_another_spelling_is_resolved_and_told():
    names = {number: f"Driver Number{number}" for number in range(11, 19)} | {5: "Daniel Suárez Jr"}
    slate = built([*eight(), ("Danny Suarez", 900, 5000)], entry_list(names))
    assert slate.players[-1].driver_id == "5"
    assert slate.notices == (
        "Danny Suarez (DKSalaries.csv, row 10, Name) is taken for Daniel Suárez Jr (5) by suffix.",
    )


def test_a_spelling_that_is_another_drivers_own_name_is_not_taken_for_an_entrant():
    names = {number: f"Driver Number{number}" for number in range(11, 19)} | {5: "Tyler Hill"}
    known = directory({"5": "Tyler Hill", "6": "Ty Hill"})
    slate = built([*eight(), ("Ty Hill", 900, 5000)], entry_list(names), known)
    assert len(slate.players) == 8
    assert "Ty Hill (DKSalaries.csv, row 10, Name) is not in the entry list" in slate.notices[0]


def test_a_placeholder_in_the_entry_list_is_found_by_the_known_name_and_keeps_its_id():
    names = {number: f"Driver Number{number}" for number in range(11, 19)}
    names[990002] = "Andres Perez"
    known = directory({"4490": "Andres Perez De Lara", "990002": "Andres Perez"})
    slate = built([*eight(), ("Andres Perez De Lara", 900, 5000)], entry_list(names), known)
    assert slate.players[-1].driver_id == "990002"


def test_who_is_out_is_left_out_with_a_notice():
    data = dk_file(eight(), late=True).replace(b"30.5,,", b"30.5,OUT,", 1)
    file = read_salaries(data, "DKSalaries.csv")
    slate = build_slate(file, RACE, entry_list(), directory(), DK)
    assert "11" not in [player.driver_id for player in slate.players]
    assert slate.notices == ("Driver Number11 (DKSalaries.csv, row 2, Name) is OUT and left out.",)
    assert [(p.driver_id, p.site_id, p.status, p.team, p.reason) for p in slate.absent] == [
        ("11", "111", "OUT", "Fictional Racing", "marked OUT in the salary file")
    ]
    table = slate_to_polars(slate)
    assert slate_from_polars(table) == slate
    assert (table.height, racing(table).height) == (8, 7)
    assert starters(entry_list(), table)["driver_id"].to_list() == [*map(str, range(12, 19))]
    # A table from before rows were kept holds those who race.
    assert slate_from_polars(racing(table).drop("reason")).players == slate.players


def test_every_row_is_kept_with_its_reason_and_its_drivers_own_id():
    drivers = [
        *eight(),
        ("With Drawn", 901, 5000),
        ("Jason White", 902, 5000),
        ("Nobody Known", 903, 5000),
        ("Driver  Number12", 904, 5000),
    ]
    names = {n: f"Driver Number{n}" for n in range(11, 19)} | {70: "Jason White", 71: "Jason White"}
    slate = built(drivers, entry_list(names), directory({"77": "With Drawn"}))
    assert [(p.driver_id, p.reason) for p in slate.absent] == [
        ("77", "not in the entry list"),
        ("new:902", "a name of several drivers"),
        ("new:903", "not in the entry list"),
        ("12", "a second row of Driver Number12"),
    ]
    assert slate.everyone[:8] == slate.players


def test_who_did_not_qualify_is_left_out_once_the_grid_is_set():
    listed = entry_list()
    last = pl.col("driver_id") == "18"
    grid = listed.with_columns(start=pl.when(~last).then("start"))
    slate = built(eight(), grid)
    assert [(p.name, p.reason) for p in slate.absent] == [("Driver Number18", "did not qualify")]
    assert slate.notices == (
        "Driver Number18 (DKSalaries.csv, row 9, Name) did not qualify (the grid has no place for "
        "him) and is left out.",
    )
    early = listed.with_columns(start=pl.when(pl.col("start") < 4).then("start"))
    assert built(eight(), early).absent == ()


def test_a_row_that_a_newer_file_lacks_is_kept_once_and_told():
    file = read_salaries(dk_file(eight()), "DKSalaries.csv")
    old = build_slate(file, RACE, entry_list(), directory(), DK).everyone
    fewer = read_salaries(dk_file(eight()[1:]), "DKSalaries.csv")
    for _ in range(2):
        slate = build_slate(fewer, RACE, entry_list(), directory(), DK, earlier=old)
        old = slate.everyone
        assert [(p.site_id, p.reason) for p in slate.absent] == [
            ("111", "no longer in the salary file")
        ]
        assert "Driver Number11 is no longer in the salary file and left out." in slate.notices
    # A file with other ids for the same drivers is another draft group, not a removal.
    other = read_salaries(dk_file([(n, i + 500, s) for n, i, s in eight()]), "DKSalaries.csv")
    again = build_slate(other, RACE, entry_list(), directory(), DK, earlier=old[:7])
    assert again.absent == ()


def duels(*more):
    listed = [
        race(8000 + i, race_name="Duel", race_type_id=2, **moved(day, hour))
        for i, (day, hour) in enumerate([("2026-02-12", 19), ("2026-02-12", 21), *more])
    ]
    return parse_schedule({2026: {"series_1": listed}})


def moved(day, hour):
    when = f"{day}T{hour}:00:00"
    return {"race_date": when, "date_scheduled": when, "tunein_date": when}


def test_two_races_of_a_series_on_one_day_have_keys_that_tell_them_apart():
    schedule = duels()
    first, second = schedule.rows(named=True)
    one, other = (slate_key(row, DK, schedule, {}) for row in (first, second))
    assert (one, other) == (
        "2026-02-12-cup-dk-classic-x01",
        "2026-02-12-cup-dk-classic-x02",
    )
    # A slate keeps its key when the schedule moves either race, or has another race by then.
    taken = {one: ("8000", "dk-classic"), "2026-02-12-cup-dk-classic": ("8001", "dk-classic")}
    later = duels(("2026-02-13", 19)).filter(pl.col("race_id") != "8000")
    assert slate_key(first, DK, later, taken) == one
    assert slate_key(second, DK, schedule, taken) == "2026-02-12-cup-dk-classic"
    third = duels(("2026-02-12", 23)).row(2, named=True)
    assert slate_key(third, DK, later.clear(), taken) == "2026-02-12-cup-dk-classic-x03"
    alone = later.row(1, named=True)
    assert slate_key(alone, DK, later, taken) == "2026-02-13-cup-dk-classic"


def test_two_rows_for_one_driver_keep_the_one_with_his_own_name():
    drivers = [("A. J. Fictional Jr", 901, 5000), *eight(), ("AJ Fictional", 900, 6000)]
    slate = built(drivers, None, directory({"7": "AJ Fictional"}))
    chosen = [player for player in slate.players if player.driver_id == "7"]
    assert [player.site_id for player in chosen] == ["900"]
    assert any("is the same driver as AJ Fictional (row 11)" in notice for notice in slate.notices)


def test_of_a_driver_entered_twice_the_first_rows_team_is_taken():
    entries = entry_list()
    more = entries.with_columns(pl.lit("Another Team").alias("team"))
    for listed, team in ((entries, "Fictional Racing"), (more, "Another Team")):
        slate = built(eight(), pl.concat([listed, entries, more]))
        assert {player.team for player in slate.players} == {team}


def test_an_entrant_without_a_salary_is_told():
    names = {number: f"Driver Number{number}" for number in range(11, 20)}
    assert built(eight(), entry_list(names)).notices == (
        "Driver Number19 (19) is in the entry list and has no salary.",
    )


def test_salaries_that_allow_no_lineup_are_refused():
    with pytest.raises(InputError, match=r"\$50,400") as error:
        built(eight(8400))
    assert error.value.field == "Salary"
    # Six at 8,333 cost 49,998.
    assert len(built(eight(8333)).players) == 8


def test_too_few_drivers_are_refused():
    with pytest.raises(InputError, match="5 drivers can be picked"):
        built(eight()[:5])
    assert len(built(eight()[:6]).players) == 6


def test_a_file_of_another_site_is_refused():
    with pytest.raises(InputError, match="fd-classic"):
        built(eight(), rules=rule_set("fd-classic", date(2026, 3, 1)))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(3000, 9000), min_size=6, max_size=12),
    st.booleans(),
)
def test_a_stored_slate_is_read_back_equal(salaries, entered):
    drivers = [(f"Driver Number{10 + i}", 200 + i, pay) for i, pay in enumerate(salaries)]
    if sum(sorted(salaries)[:6]) > 50_000:
        return
    names = {10 + i: f"Driver Number{10 + i}" for i in range(len(salaries))}
    slate = built(drivers, entry_list(names) if entered else None)
    frame = slate_to_polars(slate)
    assert frame.schema == pl.Schema(SLATE)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    buffer.seek(0)
    assert slate_from_polars(pl.read_parquet(buffer)) == slate


def test_two_slates_in_one_table_are_refused():
    frame = slate_to_polars(built(eight()))
    other = frame.with_columns(slate_id=pl.lit("another"))
    with pytest.raises(InputError, match="not 2"):
        slate_from_polars(pl.concat([frame, other]))
