"""The race of a salary file: found by name, date and series, never guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed.client import DirectoryFeed
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.paths import schedule_path
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.files import SourceFile
from nascar_assets.rules import SITES
from nascar_assets.slates.race_match import find_race, name_similarity
from nascar_assets.slates.salaries import SalaryFile, SalaryRow, read_salaries
from nascar_assets_tests.feed.feed_files import race
from nascar_assets_tests.feed.real_feed import real_data
from nascar_assets_tests.slates.salary_files import dk_file

NOW = datetime(2026, 3, 10, tzinfo=UTC)

FILE = SalaryFile(
    SITES["dk"], SourceFile("DKSalaries.csv", "0" * 64), (), "Silver 400", None, None, None
)


def listed(race_id: int, day: str, name: str, series: int = 1, kind: int = 1):
    when = f"{day}T15:30:00"
    return race(
        race_id,
        race_name=name,
        series_id=series,
        race_type_id=kind,
        race_season=int(day[:4]),
        date_scheduled=when,
        race_date=when,
        tunein_date=when,
    )


SCHEDULES = parse_schedule(
    {
        2025: [
            listed(1, "2025-03-09", "Silver 400"),
            listed(2, "2025-10-12", "Autumn Leaves 300"),
        ],
        2026: [
            listed(3, "2026-03-15", "Silver 400 presented by Brand"),
            listed(4, "2026-03-22", "Copper Classic"),
            listed(5, "2026-03-14", "The LiUNA! 250", series=2),
            listed(6, "2026-04-05", "Florida Duel 1 at Someplace", kind=2),
            listed(7, "2026-04-05", "Florida Duel 2 at Someplace", kind=2),
            listed(8, "2026-05-03", "Würth 300 presented by LIQUI MOLY"),
        ],
    }
)


def found(race_name: str = "Silver 400", *, race: str | None = None, now=NOW, **hints) -> str:
    file = replace(FILE, race_name=race_name, **hints)
    return find_race(file, SCHEDULES, race=race, now=now)[0]["race_id"]


def test_the_date_of_the_export_decides_between_seasons():
    assert found(date=date(2026, 3, 13), season=2026) == "3"
    assert found(date=date(2025, 3, 7), season=2025) == "1"
    assert found(date=date(2026, 3, 15), season=2026) == "3"


def test_the_year_in_the_files_name_decides_between_seasons():
    assert found(season=2025) == "1"
    assert found(season=2026) == "3"


def test_without_any_date_the_next_race_of_that_name_is_taken():
    assert found(now=datetime(2025, 1, 1, tzinfo=UTC)) == "1"
    assert found(now=datetime(2025, 5, 1, tzinfo=UTC)) == "3"


def test_two_races_of_one_name_in_a_season_need_a_date():
    twice = parse_schedule(
        {
            2026: [
                listed(1, "2026-03-29", "Copper Classic"),
                listed(2, "2026-08-15", "Copper Classic"),
            ]
        }
    )
    file = replace(FILE, race_name="Copper Classic")
    with pytest.raises(InputError, match="More than one"):
        find_race(file, twice, now=NOW)
    dated = replace(file, date=date(2026, 8, 13), season=2026)
    assert find_race(dated, twice, now=NOW)[0]["race_id"] == "2"
    between = datetime(2026, 6, 1, tzinfo=UTC)
    assert find_race(file, twice, now=between)[0]["race_id"] == "2"


def test_without_any_date_and_after_all_of_them_none_is_guessed():
    with pytest.raises(InputError, match="More than one") as error:
        found(now=datetime(2027, 1, 1, tzinfo=UTC))
    assert "2026-cup-01 Silver 400 presented by Brand" in str(error.value)
    assert "--race" in str(error.value)


@pytest.mark.parametrize(
    ("name", "race_id"),
    [
        ("Autumn Leaves 300", "2"),
        ("AUTUMN LEAVES 300 Presented by Somebody Else", "2"),
        ("Autumn Lea", "2"),
        ("The LiUNA", "5"),
        ("Copper Classic", "4"),
        ("The Copper Classic at Someplace", "4"),
        ("Wurth 300", "8"),
    ],
)
def test_names_that_differ_a_little_are_matched(name, race_id):
    assert found(name) == race_id


def test_the_series_in_the_files_name_is_heeded():
    with pytest.raises(InputError, match="xfinity"):
        found("Copper Classic", series="xfinity")


def test_a_name_that_fits_no_race_lists_the_nearest():
    with pytest.raises(InputError, match="No race") as error:
        found("Coper Clasic 500")
    assert "2026-cup-02 Copper Classic" in str(error.value)
    assert error.value.field == "Game Info"


def test_a_race_outside_the_files_dates_is_not_taken():
    with pytest.raises(InputError, match="2026-04-01 to 2026-04-09"):
        found("Copper Classic", date=date(2026, 4, 1), season=2026)


def test_two_races_that_fit_alike_are_listed():
    with pytest.raises(InputError, match="More than one") as error:
        found("Florida Duel at Someplace")
    assert "2025-cup" not in str(error.value)
    assert "Duel 1" in str(error.value)
    assert "Duel 2" in str(error.value)


def test_a_file_without_a_race_asks_for_it():
    with pytest.raises(InputError, match="does not name its race"):
        found("")


@pytest.mark.parametrize(
    ("asked", "race_id"),
    [
        ("3", "3"),
        ("2026-cup-02", "4"),
        ("2026-CUP-02", "4"),
        ("copper", "4"),
        ("duel 2", "7"),
        (" leaves ", "2"),
    ],
)
def test_a_person_may_name_the_race(asked, race_id):
    assert found("Whatever", race=asked) == race_id


def test_a_part_of_a_name_is_narrowed_by_the_file():
    assert found("Whatever", race="silver", season=2025) == "1"
    with pytest.raises(InputError, match="several races") as error:
        found("Whatever", race="silver")
    assert error.value.field == "--race"
    assert "2025-cup-01" in str(error.value)


def test_a_race_that_no_one_knows_lists_the_nearest():
    with pytest.raises(InputError, match="'coper'") as error:
        found("Whatever", race="coper")
    assert "Copper Classic" in str(error.value)


def test_an_empty_schedule_asks_for_a_sync():
    with pytest.raises(InputError, match="nascar sync"):
        find_race(FILE, pl.DataFrame(schema=SCHEDULE), now=NOW)


def test_similarity_of_names():
    assert name_similarity("Silver 400", "SILVER 400!") == 1
    assert name_similarity("Silver 400 presented by A", "Silver 400 powered by B") == 0.95
    assert name_similarity("Silver 400 at Som", "Silver 400 at Someplace") == 0.9
    # Words in common: silver; all words: silver, 400, 300.
    assert name_similarity("Silver 400", "Silver 300") == pytest.approx(0.85 / 3)
    assert name_similarity("", "Silver 400") == 0


@pytest.mark.real_data
def test_every_real_file_finds_its_race():
    feed = DirectoryFeed(real_data() / "feed")
    schedule = parse_schedule(
        {season: feed.read(schedule_path(season)) or b"" for season in range(2022, 2027)}
    )
    expected = {
        "2026-02-27_912f0d4a_DKCup.csv": "2026-cup-03",
        "2026-02-27_912f0d4a_DKOReilly.csv": "2026-xfinity-03",
        "2026-02-27_912f0d4a_DKTrucks.csv": "2026-trucks-03",
        "2026-03-14_6fcded83_DKCup.csv": "2026-cup-05",
        "2026-03-14_6fcded83_DKOReilly.csv": "2026-xfinity-05",
        "2026-03-20_214098c3_DKCup.csv": "2026-cup-06",
        "2026-03-20_214098c3_DKOReilly.csv": "2026-xfinity-06",
        "2026-03-20_214098c3_DKTrucks.csv": "2026-trucks-04",
        "undated_brickyard_2026_DKCup.csv": "2026-cup-22",
        "undated_las_vegas_2026_DKCup.csv": "2026-cup-31",
    }
    for path in sorted((real_data() / "salaries").glob("*.csv")):
        file = read_salaries(path.read_bytes(), path.name)
        for now in (NOW, datetime(2027, 6, 1, tzinfo=UTC)):
            row, _ = find_race(file, schedule, now=now)
            assert row["race_key"] == expected[path.name]
        anonymous = read_salaries(path.read_bytes(), "DKSalaries.csv")
        assert find_race(anonymous, schedule, now=NOW)[0]["race_name"] == row["race_name"]


CREW = [f"Driver Number{n}" for n in range(20)]


def crewed(names=CREW, **hints) -> SalaryFile:
    rows = tuple(SalaryRow(n + 2, str(n), name, 8000) for n, name in enumerate(names))
    return replace(FILE, rows=rows, **hints)


def by_entries(lists, file=None, now=NOW):
    known = {
        key: DriverDirectory.from_frames(
            pl.DataFrame({"driver_id": [str(n) for n in range(len(names))], "driver_name": names})
        )
        for key, names in lists.items()
    }
    return find_race(file or crewed(race_name=""), SCHEDULES, now=now, entered=known.get)


def others(count):
    return [f"Somebody Else{n}" for n in range(count)]


def test_a_file_without_a_races_name_is_placed_by_entry_list_and_date():
    lists = {"2026-cup-01": CREW[:17] + others(20), "2026-xfinity-01": CREW[:3] + others(30)}
    race, notice = by_entries(lists)
    assert race["race_key"] == "2026-cup-01"
    assert "17 of its 20 drivers are entered in 2026-cup-01" in notice
    assert "--race" in notice


def test_another_sponsors_name_is_no_hindrance():
    race, notice = by_entries({"2026-cup-01": CREW}, crewed(race_name="Sponsor Of Today 400k"))
    assert race["race_key"] == "2026-cup-01"
    assert "'Sponsor Of Today 400k'" in notice


def test_of_races_that_fit_alike_the_first_from_the_files_date_on_is_taken():
    lists = {"2026-cup-01": CREW[1:], "2026-cup-02": CREW}
    for day, key in ((date(2026, 3, 15), "2026-cup-01"), (date(2026, 3, 16), "2026-cup-02")):
        file = crewed(race_name="", date=day, season=2026)
        for now in (NOW, datetime(2028, 1, 1, tzinfo=UTC)):
            assert by_entries(lists, file, now)[0]["race_key"] == key
    undated = crewed(race_name="")
    assert by_entries(lists, undated)[0]["race_key"] == "2026-cup-01"
    assert by_entries(lists, undated, datetime(2026, 3, 17, tzinfo=UTC))[0]["race_key"] == (
        "2026-cup-02"
    )


def test_an_entry_list_that_fits_clearly_better_outweighs_the_earlier_date():
    lists = {"2026-cup-01": CREW[3:], "2026-cup-02": CREW}
    file = crewed(race_name="", date=date(2026, 3, 14), season=2026)
    assert by_entries(lists, file)[0]["race_key"] == "2026-cup-02"


@pytest.mark.parametrize(
    ("lists", "now", "words"),
    [
        ({"2026-cup-01": CREW[:15] + others(9)}, NOW, "15 of its 20 drivers"),
        ({}, NOW, "entry list of 2026-cup-01 is not known yet"),
        ({"2026-cup-01": CREW}, datetime(2026, 6, 1, tzinfo=UTC), "does not name its race"),
        (
            {"2026-cup-x01": CREW, "2026-cup-x02": CREW},
            datetime(2026, 4, 4, tzinfo=UTC),
            "20 of its 20 drivers are entered in 2026-cup-x02",
        ),
    ],
)
def test_where_entry_lists_do_not_decide_a_person_is_told_what_to_do(lists, now, words):
    with pytest.raises(InputError, match=words) as error:
        by_entries(lists, now=now)
    assert "put the race's key into the file's name or its folder's" in str(error.value)


def test_the_duels_are_told_apart_by_their_entry_lists():
    lists = {"2026-cup-x01": CREW, "2026-cup-x02": others(20)}
    now = datetime(2026, 4, 4, tzinfo=UTC)
    assert by_entries(lists, crewed(others(20)), now)[0]["race_key"] == "2026-cup-x02"


@pytest.mark.parametrize(
    "path", ["2026-cup-02-DKSalaries.csv", "2026-cup-02/DKSalaries.csv", "x/fd 2026-CUP-02.csv"]
)
def test_a_races_key_in_the_files_name_or_folder_decides(path):
    file = read_salaries(dk_file([("A B", 1, 8000)], "Silver 400"), path)
    race, notice = find_race(file, SCHEDULES, now=NOW)
    assert (race["race_key"], notice) == ("2026-cup-02", None)
    wrong = read_salaries(dk_file([("A B", 1, 8000)], "Silver 400"), path.replace("-02", "-77"))
    with pytest.raises(InputError, match="2026-cup-77"):
        find_race(wrong, SCHEDULES, now=NOW)


@pytest.mark.real_data
def test_every_real_fanduel_list_finds_its_race():
    """The lists name no race and lie a week apart; four of five drivers race on both days."""
    feed = DirectoryFeed(real_data() / "feed")
    schedule = parse_schedule({2026: feed.read(schedule_path(2026)) or b""})
    lists = {}
    for row in schedule.filter(series="cup").iter_rows(named=True):
        data = feed.read(f"cacher/2026/1/{row['race_id']}/weekend-feed.json")
        if data is not None:
            cars = json.loads(data)["weekend_race"][0]["results"]
            names = [(str(car["driver_id"]), car["driver_fullname"]) for car in cars]
            frame = pl.DataFrame(names, schema=["driver_id", "driver_name"], orient="row")
            lists[row["race_key"]] = DriverDirectory.from_frames(frame)
    paths = sorted((real_data() / "fanduel").glob("*.csv"))
    assert len(paths) == 5
    for path in paths:
        race_id = path.name.split("_")[1]
        file = read_salaries(path.read_bytes(), path.name)
        race, notice = find_race(file, schedule, now=NOW, entered=lists.get)
        assert race["race_id"] == race_id
        assert race["race_key"] in notice
        undated = read_salaries(path.read_bytes(), "players-list.csv")
        before = race["start_time"] - timedelta(days=3)
        assert find_race(undated, schedule, now=before, entered=lists.get)[0] == race
