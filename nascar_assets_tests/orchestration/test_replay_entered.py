"""After the race: what was entered is scored, whatever portfolio the newest run left."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.feed.schemas import RESULTS
from nascar_assets.lineups.entries_file import ContestEntry
from nascar_assets.orchestration.commands.entries import fill, swap
from nascar_assets.orchestration.commands.replay import replay_slate
from nascar_assets.orchestration.inputs.slate_lineups import keep_entered, load_entered
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.scenarios import generate_scenarios
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot
from nascar_assets_tests.lineups.slates import made_slate
from nascar_assets_tests.service.stored import (
    CARS,
    LOCK,
    NAMES,
    RACE,
    SLATE_ID,
    car_id,
    write_slate,
)

FIRST = [[0, 3, 9, 10, 11, 12], [1, 4, 8, 9, 10, 11]]
NEWEST = [[2, 5, 6, 8, 10, 13]]
GONE = 9
HEADER = "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions\r\n"


def points_of(place: int) -> int:
    """Contest points of a car that finished where it started and led no lap."""
    finish = place + 1 - (place > GONE)
    return 45 if finish == 1 else 44 - finish - (finish > 10)


def leave_lineups(
    root: DataRoot, lineups: list[list[int]], players: list[dict[str, Any]] | None = None
) -> None:
    table = pl.DataFrame(
        {
            "lineup": range(1, len(lineups) + 1),
            "driver_ids": [[car_id(i) for i in row] for row in lineups],
            "drivers": [[NAMES[i] for i in row] for row in lineups],
            "run_id": SlatePlan.load(root, SLATE_ID).run_id,
        }
    )
    if players is not None:
        table = table.with_columns(players=pl.Series([players] * len(lineups)))
    root.write_frame(table_path("lineups", SLATE_ID), table)


@pytest.fixture
def root(tmp_path):
    """A slate that ran, was entered, lost a driver, ran again with other lineups, and was raced."""
    root = DataRoot(tmp_path / "home")
    write_slate(root)
    slate = StoredSlates(root).get(SLATE_ID)
    made = generate_scenarios(slate.spec, slate.setup, 200, 5)
    root.write_frame(table_path("scenarios", SLATE_ID), made.to_polars([slate.rules]))
    root.write_frame(table_path("scenario_races", SLATE_ID), made.races_to_polars())
    leave_lineups(root, FIRST)
    results = [
        {name: RACE.get(name) for name in RESULTS}
        | {
            "driver_id": car_id(i),
            "driver_name": NAMES[i],
            "start": i + 1 - (i > GONE),
            "finish": i + 1 - (i > GONE),
            "laps_led": 0,
            "fastest_laps": 0,
            "laps_completed": 120,
            "status": "running",
            "results_at": LOCK,
        }
        for i in range(CARS)
        if i != GONE
    ]
    root.write_frame(
        table_path("race_results", str(RACE["race_key"])), pl.DataFrame(results, schema=RESULTS)
    )
    return root


def entered(root: DataRoot, tmp_path, *, swapped: bool) -> None:
    entries, filled = tmp_path / "DKEntries.csv", tmp_path / "filled.csv"
    entries.write_text(
        HEADER + "".join(f"{5000 + i},Lap,1,$1,,,,,,,,Do it\r\n" for i in range(len(FIRST)))
    )
    fill(root.location, SLATE_ID, entries, filled)
    if swapped:
        done = swap(root.location, SLATE_ID, filled, [NAMES[GONE]], tmp_path / "swapped.csv")
        assert len(done.changes) == 2
    leave_lineups(root, NEWEST)


def test_without_an_entries_file_the_portfolio_is_scored(root):
    found = replay_slate(root.location, SLATE_ID)
    assert [row["points"] for row in found["lineups"]] == [None, None]
    assert {row["entries"] for row in found["lineups"]} == {None}
    assert found["best"] is None
    assert found["not_compared"][NAMES[GONE]] == "in the forecast, not in the results"
    assert found["notices"] == []
    assert {row["name"] for row in found["drivers"]} == {*NAMES} - {NAMES[GONE]}


def test_lineups_are_forecast_under_the_factors_that_they_were_chosen_under(root, capfd):
    without = replay_slate(root.location, SLATE_ID)
    held = NEWEST[0][0]
    leave_lineups(root, NEWEST, [{"driver_id": car_id(held), "points_multiplier": 1.5}])
    found = replay_slate(root.location, SLATE_ID)
    assert (without["points_multipliers"], found["points_multipliers"]) == ({}, {NAMES[held]: 1.5})
    assert found["drivers"] == without["drivers"]  # the forecast's own
    leave_lineups(root, NEWEST)
    plain = replay_slate(root.location, SLATE_ID)["lineups"][0]
    mean = next(row["expected_points"] for row in found["drivers"] if row["name"] == NAMES[held])
    moved = found["lineups"][0]
    assert moved["expected_points"] == pytest.approx(plain["expected_points"] + 0.5 * mean)
    assert moved["points"] == plain["points"]
    leave_lineups(root, NEWEST, [{"driver_id": car_id(held), "points_multiplier": 1.5}])
    assert run(["replay", SLATE_ID, "--home", root.location]) == 0
    assert f"under your factors on the points of {NAMES[held]} (×1.5)" in capfd.readouterr().out


def test_swapped_lineups_are_scored_beside_a_newer_portfolio(root, tmp_path):
    entered(root, tmp_path, swapped=True)
    found = replay_slate(root.location, SLATE_ID)
    newest, *own = found["lineups"]
    assert (newest["lineup"], newest["entries"]) == (1, 0)
    assert [row["entries"] for row in own] == [1, 1]
    for row, before in zip(own, FIRST, strict=True):
        assert car_id(GONE) not in row["drivers"]
        kept = {car_id(i) for i in before} - {car_id(GONE)}
        assert kept <= set(row["drivers"])
        places = [int(driver) - int(car_id(0)) for driver in row["drivers"]]
        assert row["points"] == sum(map(points_of, places))
    assert found["best"]["points"] == max(row["points"] for row in own)
    assert found["best"]["lineup"] > 1
    assert "from 2 on" in found["notices"][0]


@pytest.mark.slow
def test_who_was_left_in_is_named(root, tmp_path, capfd):
    entered(root, tmp_path, swapped=False)
    assert run(["replay", SLATE_ID, "--home", root.location]) == 0
    said = capfd.readouterr()
    assert f"{NAMES[GONE]} is not compared: in the forecast, not in the results" in said.err
    assert "coverage of this race, drivers' points inside their intervals: " in said.out
    assert "% in the middle 80%" in said.out


@pytest.mark.slow
def test_a_contest_finds_swapped_entries_and_names_the_drafted_who_did_not_race(root, tmp_path):
    entered(root, tmp_path, swapped=True)
    found = replay_slate(root.location, SLATE_ID)
    rows = [[int(i) - int(car_id(0)) for i in row["drivers"]] for row in found["lineups"][1:]]
    rows.append(FIRST[0])
    scored = [sum(points_of(i) for i in row if i != GONE) for row in rows]
    lines = [
        "Rank,EntryId,EntryName,TimeRemaining,Points,Lineup,,Player,Roster Position,%Drafted,FPTS"
    ]
    lines += [
        f"{1 + sum(other > score for other in scored)},{7000 + at},who{at},0,{score},"
        + " ".join(f"D {NAMES[i]}" for i in row)
        for at, (row, score) in enumerate(zip(rows, scored, strict=True))
    ]
    path = tmp_path / "standings.csv"
    path.write_text("\n".join(lines))
    contest = replay_slate(root.location, SLATE_ID, path)["contest"]
    assert [row["lineup"] for row in contest["lineups"]] == [2, 3]
    assert [row["points"] for row in contest["lineups"]] == scored[:2]
    assert f"{NAMES[GONE]} did not race, and was in 33.3% of the entries." in contest["notices"]


class SlowRoot(DataRoot):
    """A disk on which others come between reading and writing."""

    def write(self, path: str, data: bytes) -> None:
        time.sleep(0.05)
        super().write(path, data)


def test_entries_that_two_commands_keep_at_once_are_all_kept(tmp_path):
    slate, root = made_slate([8_000] * 6), SlowRoot.open(tmp_path)

    def keep(number: int) -> None:
        entry = ContestEntry(2, str(number), "1", "Contest", "$1", tuple(range(6)), False)
        keep_entered(root, slate, [entry])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep, range(4)))
    assert sorted(load_entered(root, slate.slate_id)) == ["0", "1", "2", "3"]
