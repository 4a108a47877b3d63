"""What is read of past races: as of a moment, whatever has landed since."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.paths import schedule_path
from nascar_assets.feed.schemas import UTC_TIME
from nascar_assets.files import SourceFile
from nascar_assets.orchestration.commands.doctor import _models
from nascar_assets.orchestration.inputs.past import (
    all_results,
    past_features,
    past_ratings,
    past_sources,
    race_ratings,
    results_before,
    without_features,
)
from nascar_assets.orchestration.inputs.schedule import landed_schedule, race_of, stored_schedule
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot
from nascar_assets_tests.feed.feed_files import race, ran

AS_OF = datetime(2026, 3, 1, 20, tzinfo=UTC)


def _store(
    root: DataRoot,
    key: str,
    driver_id: str,
    at: datetime,
    made_as: str | None = None,
    **more: object,
) -> None:
    """A race's tables; features and ratings under the id that was known when they were made."""
    row = {
        "race_id": key,
        "driver_id": driver_id,
        "driver_name": "Ada Fictional",
        "start_time": at,
        "entries_at": at,
        "results_at": at,
        **more,
    }
    frame = pl.DataFrame([row]).cast({pl.Datetime: UTC_TIME, pl.Int64: pl.Int32})
    for table in ("entries", "race_results", "practice"):
        root.write_frame(table_path(table, key), frame)
    frame = frame.with_columns(driver_id=pl.lit(made_as or driver_id))
    for table in ("race_features", "driver_ratings"):
        root.write_frame(table_path(table, key), frame)


def test_a_driver_whose_id_came_later_keeps_his_results_as_of_before(tmp_path: Path) -> None:
    """Else his features, as of a time before, would change with what landed after it."""
    root = DataRoot.open(tmp_path)
    _store(root, "1", "990001", AS_OF - timedelta(days=7))
    before = past_sources(root, AS_OF)
    _store(root, "2", "4030", AS_OF + timedelta(days=7))
    after = past_sources(root, AS_OF)
    for name, table in before.items():
        assert_frame_equal(after[name].filter(race_id="1"), table)
    assert results_before(root, AS_OF)["driver_id"].to_list() == ["990001"]
    assert all_results(root)["driver_id"].to_list() == ["4030", "4030"]
    # His stored features and ratings go with them, though no table was made again.
    for stored in (past_features, past_ratings):
        assert stored(root, AS_OF).sort("race_id")["driver_id"].to_list() == ["990001", "4030"]
        assert stored(root, AS_OF + timedelta(days=7))["driver_id"].to_list() == ["4030", "4030"]
    assert past_features(root)["driver_id"].to_list() == ["4030", "4030"]
    # Nor does it change them that the tables are made again, with the id of now.
    kept = [stored(root, AS_OF) for stored in (past_features, past_ratings)]
    _store(root, "1", "990001", AS_OF - timedelta(days=7), made_as="4030")
    for stored, before_that in zip((past_features, past_ratings), kept, strict=True):
        assert_frame_equal(stored(root, AS_OF), before_that)
        assert stored(root, AS_OF + timedelta(days=7))["driver_id"].to_list() == ["4030", "4030"]
    assert race_ratings(root, "1", AS_OF)["driver_id"].to_list() == ["990001"]
    # What became of him in a later race is found under the id that a slate of before has.
    assert all_results(root, AS_OF)["driver_id"].to_list() == ["990001", "990001"]


def test_a_race_that_was_run_stays_in_the_schedule_when_its_file_loses_it(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    next_race = race(7002, race_date="2026-03-08T15:30:00")
    struck = race(7003, race_date="2026-03-15T15:30:00")
    stored = parse_schedule({2026: {"series_1": [ran(), next_race, struck]}})
    root.write_frame(table_path("schedule"), stored)
    root.write(
        f"landing/feed/{schedule_path(2026)}", json.dumps({"series_1": [next_race]}).encode()
    )
    kept = landed_schedule(root)
    assert_frame_equal(kept.frame, stored.filter(pl.col("race_id") != "7003"))
    assert "no longer lists 2026-cup-01 (Fictional 150), which was run" in kept.notices[0]


def test_the_key_of_a_struck_race_with_a_slate_goes_to_no_other(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)

    def listed(*races: dict[str, Any]) -> dict[str, str]:
        schedule = json.dumps({"series_1": races}).encode()
        root.write(f"landing/feed/{schedule_path(2026)}", schedule)
        frame = landed_schedule(root).frame
        root.write_frame(table_path("schedule"), frame)
        return dict(frame.select("race_id", "race_key").iter_rows())

    first, second, struck = race(7001), race(7002), race(7003)
    keys = listed(first, second, struck)
    assert keys["7003"] == "2026-cup-03"
    salaries = b"Name,Salary"
    source = SourceFile.of("landing/salaries/a.csv", salaries)
    slate = Registration("a-slate", source, "7003", keys["7003"], "dk-classic")
    slate.save(root, salaries)
    # Of the second, which has no slate, there is a table.
    entries = pl.DataFrame({"race_id": ["7002"], "driver_id": ["1"]})
    root.write_frame(table_path("entries", keys["7002"]), entries)
    assert listed(first) == {"7001": keys["7001"]}
    new = race(9999, race_name="Replacement 300")
    assert listed(first, new) == {"7001": keys["7001"], "9999": "2026-cup-04"}
    with pytest.raises(InputError, match=r"is of race 7003 \(2026-cup-03\), which the sch"):
        race_of(root, slate)
    assert listed(first, new, struck, second) == keys | {"9999": "2026-cup-04"}
    assert race_of(root, slate)["race_id"] == "7003"
    # A home whose key was given on before: the slate does not go over to that race.
    taken = stored_schedule(root).filter(pl.col("race_id") != "7003")
    given_on = pl.col("race_key").replace("2026-cup-04", "2026-cup-03")
    root.write_frame(table_path("schedule"), taken.with_columns(given_on))
    with pytest.raises(InputError, match=r"that key is race 9999 \(Replacement 300\) now"):
        race_of(root, slate)
    assert listed(first, new, struck, second)["7003"] == "2026-cup-04"
    with pytest.raises(InputError, match=r"which the schedule has as 2026-cup-04; that key is"):
        race_of(root, slate)


def test_a_season_whose_file_cannot_be_read_stays_as_it_is_stored(
    tmp_path: Path, closed: set[str]
) -> None:
    root = DataRoot.open(tmp_path)
    lists = {
        2025: {"series_1": [race(7001, race_season=2025, race_date="2025-03-02T15:30:00")]},
        2026: {"series_1": [race(7002)]},
    }
    root.write_frame(table_path("schedule"), parse_schedule(lists))
    lists[2026]["series_1"].append(race(7003, race_date="2026-03-08T15:30:00"))
    for season, listed in lists.items():
        root.write(f"landing/feed/{schedule_path(season)}", json.dumps(listed).encode())
    closed.add(f"landing/feed/{schedule_path(2025)}")
    found = landed_schedule(root)
    assert_frame_equal(found.frame, parse_schedule(lists))
    (notice,) = found.notices
    assert "Permission denied" in notice
    assert notice.endswith(" The races of 2025 stay as they were.")


def test_points_races_without_a_feature_table_are_told(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    for key, kind in (("1", "points"), ("2", "points"), ("3", "exhibition")):
        _store(root, key, "4030", AS_OF, race_type=kind, finish=1)
    assert without_features(root, AS_OF) == ()
    for key in ("1", "3"):
        root.delete(table_path("race_features", key))
    assert without_features(root, AS_OF - timedelta(days=1)) == ()
    [notice] = without_features(root, AS_OF)
    assert notice.startswith("1 of the races known")
    with pytest.raises(EnvironmentFault, match="1 of the races known"):
        _models(str(tmp_path))
