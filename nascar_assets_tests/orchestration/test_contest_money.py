"""A race week with money: three contests in one file, a scratch, standings, history, the record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.errors import EnvironmentFault
from nascar_assets.lineups import PortfolioSettings, read_entries
from nascar_assets.lineups.projection import project
from nascar_assets.orchestration.automation.sensor_contests import ContestCursor, read_landed
from nascar_assets.orchestration.commands import entries as entries_command
from nascar_assets.orchestration.inputs.contest_store import (
    LANDING,
    contest_path,
    missing_standings,
    stored_contests,
)
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan, plan_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets_tests.described import check_described, stored_tables
from nascar_assets_tests.orchestration.conftest import World

SETTINGS = """
[[contests]]
name = "*double up*"
objective = "mean"
[[contests]]
id = "7000222"
"""
CONTESTS = (
    ("7000111", "NAS Double Up", "$5", 2),
    ("7000222", "NAS $10K 20-Max", "$3", 4),
    ("7000333", "NAS Single Entry", "$12", 1),
)


@pytest.fixture
def nascar(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def command(*words: object, code: int = 0) -> dict[str, Any]:
        found = run([*map(str, words), "--home", str(home), "--json"])
        said = capsys.readouterr()
        assert found == code, said.err
        return json.loads(said.out) if code == 0 else {"error": said.err}

    return command


def entries_file() -> bytes:
    rows, number = ["Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions"], 500_001
    for contest, name, fee, count in CONTESTS:
        for _ in range(count):
            rows.append(f"{number},{name},{contest},{fee},,,,,,,,as it was")
            number += 1
    return ("\r\n".join(rows) + "\r\n").encode()


def standings(slate_run: SlateRun, own: dict[str, tuple[int, ...]], left: int = 0) -> bytes:
    """A contest of drawn rivals and own entries that came out as the slate's first scenario."""
    slate, points = slate_run.slate, slate_run.points[0] / slate_run.rules.points_scale
    field = project(slate_run.points, slate, PortfolioSettings()).field
    rivals = field.sample(300, np.random.default_rng(1)).tolist()
    held = [*((str(800_000 + i), row) for i, row in enumerate(rivals)), *own.items()]
    held.sort(key=lambda pair: -points[list(pair[1])].sum())
    counts = np.bincount(np.concatenate([row for _, row in held]), minlength=len(slate.players))
    head = (
        "Rank,EntryId,EntryName,TimeRemaining,Points,Lineup,,Player,Roster Position,%Drafted,FPTS"
    )
    lines = [head]
    for at, (entry, row) in enumerate(held):
        names = " ".join(f"D {slate.players[i].name}" for i in row)
        line = f"{at + 1},{entry},some one,{left},{points[list(row)].sum():.2f},{names},"
        if at < len(slate.players):
            share = counts[at] / len(held)
            line += f",{slate.players[at].name},D,{share:.4%},{points[at]:.2f}"
        lines.append(line)
    return "\n".join(lines).encode()


def test_standings_refused_before_their_slate_was_run_or_locked_are_read_again(
    world: World, home: Path, nascar: Callable[..., dict[str, Any]], closed: set[str]
) -> None:
    root = DataRoot.open(home)
    plan = SlatePlan.load(root, world.slate)
    first, second = (f"{LANDING}/contest-standings-700044{number}.csv" for number in (4, 5))
    root.write(first, standings(SlateRun.load(root, world.slate), {}))
    root.write(second, standings(SlateRun.load(root, world.slate), {"1": (0, 1, 2, 3, 4, 5)}))
    cursor = ContestCursor()

    def scan(hours: int) -> dict[str, str]:
        nonlocal cursor
        kept = json.loads(json.dumps(asdict(cursor)))
        now = plan.lock + timedelta(hours=hours)
        cursor, notices = read_landed(root, ContestCursor.of(kept), now.replace(year=2100), now)
        return notices

    root.delete(plan_path(world.slate))
    unrun = scan(6)
    assert set(unrun) == {first, second}
    assert scan(6) == unrun  # it is said for as long as it stands
    plan.save(root)
    assert scan(-1) == unrun  # run, and not locked
    nascar("contest", "add", home / second, "--payout", "20-max")
    closed.add(first)
    assert "Permission denied" in scan(6)[first]  # and the other is read
    closed.clear()
    assert scan(6) == {}
    known = stored_contests(root).sort("contest_id")
    assert known["contest_id"].to_list() == ["7000444", "7000445"]
    # What a person added meanwhile keeps the prizes that he named.
    assert known["prizes_cents"].is_not_null().to_list() == [False, True]


def test_a_date_in_a_files_name_is_no_contest_and_other_entries_are_told_of(
    home: Path, world: World, tmp_path: Path, nascar: Callable[..., dict[str, Any]]
) -> None:
    root = DataRoot.open(home)
    slate_run, lock = SlateRun.load(root, world.slate), SlatePlan.load(root, world.slate).lock
    one, other, first, second = (
        standings(slate_run, {str(at): (0, 1, 2, 3, 4, 5) for at in range(count)})
        for count in (1, 2, 3, 20)
    )
    added = []
    for content, name in ((one, "cash 20260215.csv"), (other, "gpp 20260215.csv")):
        (tmp_path / name).write_bytes(content)
        added.append(nascar("contest", "add", tmp_path / name)["contest_id"])
    assert stored_contests(root)["contest_id"].sort().to_list() == sorted(added)

    # Under the digits by which a home of before knows it the same file stays the same contest.
    older = stored_contests(root).filter(contest_id=added[0])
    root.delete(contest_path(world.slate, added[0]))
    older = older.with_columns(contest_id=pl.lit("20260215"))
    root.write_frame(contest_path(world.slate, "20260215"), older)
    again = nascar("contest", "add", tmp_path / "cash 20260215.csv", "--name", "Big one")
    assert again["contest_id"] == "20260215"
    assert stored_contests(root)["contest_id"].sort().to_list() == sorted(["20260215", added[1]])

    # Of one number the newer file counts, and that its entries are others is said.
    paths = [f"{LANDING}/{name}contest-standings-7000666.csv" for name in ("a ", "b ")]
    root.write(paths[0], first)
    real, now = lock.replace(year=2100), lock + timedelta(hours=6)
    cursor, notices = read_landed(root, ContestCursor(), real, now)
    assert notices == {}
    root.write(paths[1], second)
    _, notices = read_landed(root, cursor, real, now)
    assert list(notices) == [paths[1]]
    assert "contest 7000666 with other entries (303 in a contest-st" in notices[paths[1]]
    assert stored_contests(root).filter(contest_id="7000666")["entries"].to_list() == [320]


def test_a_contest_is_of_one_slate(
    home: Path, world: World, tmp_path: Path, nascar: Callable[..., dict[str, Any]]
) -> None:
    root = DataRoot.open(home)
    plan = SlatePlan.load(root, world.slate)
    other = f"{world.slate}-b"
    table = pl.read_parquet(home / f"store/slate/{world.slate}.parquet")
    root.write_frame(f"store/slate/{other}.parquet", table.with_columns(slate_id=pl.lit(other)))
    replace(plan, slate_id=other).save(root)
    name = "contest-standings-7000888.csv"
    file, path = tmp_path / name, f"{LANDING}/{name}"
    file.write_bytes(standings(SlateRun.load(root, world.slate), {}))

    def add(*words: object, source: Path = file) -> tuple[str, bool, int]:
        added = nascar("contest", "add", source, *words)
        assert stored_contests(root)["slate_id"].to_list() == [added["slate_id"]]
        assert added["name"] == "Big one"
        told = [text for text in added["notices"] if "counts once" in text]
        return added["slate_id"], added["new"], len(told)

    assert add("--slate", world.slate, "--name", "Big one") == (world.slate, True, 0)
    # What was said before the race stays as it is, whatever was run since.
    kept = stored_contests(root).with_columns(
        pl.col("drivers").list.eval(
            pl.struct(pl.element().struct.with_fields(mean_points=77.0).struct.unnest())
        )
    )
    root.write_frame(contest_path(world.slate, "7000888"), kept)
    assert add("--slate", other) == (other, True, 1)
    # Both fit as well: it stays where it is kept, also where it is dropped.
    assert add("--slate", world.slate) == (world.slate, True, 1)
    assert add() == (world.slate, False, 0)
    assert {row["mean_points"] for row in stored_contests(root)["drivers"][0]} == {77.0}
    newer = standings(SlateRun.load(root, world.slate), {"1": (0, 1, 2, 3, 4, 5)})
    root.write(path, newer)
    now = plan.lock + timedelta(hours=6)
    _, notices = read_landed(root, ContestCursor(), now.replace(year=2100), now)
    assert "with other entries" in notices[path]
    assert stored_contests(root)["slate_id"].to_list() == [world.slate]
    # What a home of before kept twice is put right, under whatever name its file comes.
    twice = stored_contests(root).with_columns(slate_id=pl.lit(other))
    root.write_frame(contest_path(other, "7000888"), twice)
    (tmp_path / "my own.csv").write_bytes(newer)
    assert add("--slate", world.slate, source=tmp_path / "my own.csv") == (world.slate, False, 1)


def test_an_entries_file_whose_entries_cannot_be_kept_is_not_written(
    world: World,
    tmp_path: Path,
    nascar: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise EnvironmentFault("The home cannot be written.")

    monkeypatch.setattr(entries_command, "keep_entered", fail)
    blank, filled = tmp_path / "DKEntries.csv", tmp_path / "filled.csv"
    blank.write_bytes(entries_file())
    said = nascar("entries", "fill", world.slate, blank, "--out", filled, code=1)
    assert "cannot be written" in said["error"]
    assert not filled.exists()


def test_what_an_older_cursor_has_read_is_looked_at_for_what_it_waits_for() -> None:
    assert ContestCursor.of({"read": {"a.csv": "h"}, "refused": {}}).waiting == {"a.csv": ""}


def test_what_a_person_said_of_a_contest_is_kept_where_it_is_left_out_later(
    home: Path, world: World, tmp_path: Path, nascar: Callable[..., dict[str, Any]]
) -> None:
    slate_run = SlateRun.load(DataRoot.open(home), world.slate)
    file = tmp_path / "contest-standings-7000555.csv"

    def add(*words: object) -> dict[str, Any]:
        added = nascar("contest", "add", file, *words)
        typed = ("name", "kind", "entry_fee_cents", "paid", "cash_line_points", "new")
        return {name: added[name] for name in typed} | {"notices": len(added["notices"])}

    file.write_bytes(standings(slate_run, {}, left=20))
    first = add("--payout", "20-max", "--name", "Big One", "--kind", "cash")
    assert (first["name"], first["kind"], first["notices"]) == ("Big One", "cash", 1)
    assert add() == {**first, "new": False}
    file.write_bytes(standings(slate_run, {}))  # the final ones take the place of the live ones
    final = {**first, "notices": 0}
    assert add() == final
    # Each alone takes the place of what was said, and leaves the rest.
    assert add("--name", "Other") == {**final, "name": "Other"}
    again = add("--payout", "single-entry")
    assert (again["name"], again["kind"]) == ("Other", "cash")
    assert again["entry_fee_cents"] != final["entry_fee_cents"]
    assert add("--kind", "tournament") == {**again, "kind": "tournament"}
    assert add() == {**again, "kind": "tournament", "new": False}


def come_to_an_end(root: DataRoot, home: Path, plan: SlatePlan) -> None:
    """The race has results: those of another one, under its name."""
    stored = [item.path for item in root.list("store/race_results")]
    source = next(path for path in reversed(stored) if plan.race_key not in path)
    results = pl.read_parquet(home / source).with_columns(race_id=pl.lit(plan.race_id))
    root.write_frame(f"store/race_results/{plan.race_key}.parquet", results)


def test_what_is_known_later_is_learnt_later_and_was_not_known_before(
    home: Path, world: World, nascar: Callable[..., dict[str, Any]]
) -> None:
    root = DataRoot.open(home)
    slate_run, plan = SlateRun.load(root, world.slate), SlatePlan.load(root, world.slate)
    path, lineups = (
        f"{LANDING}/contest-standings-7000777.csv",
        f"store/lineups/{world.slate}.parquet",
    )
    # The form without players: drivers' points are those of the results.
    text = standings(slate_run, {}).decode().splitlines()
    root.write(path, "\n".join(",".join(line.split(",")[:6]) for line in text).encode())
    kept, cursor = root.read(lineups), ContestCursor()
    assert kept is not None
    root.delete(lineups)

    def scan(hours: int) -> tuple[list[bool], list[bool]]:
        """Whether drivers' points and projections are known, now and as of 7 hours after lock."""
        nonlocal cursor
        now = plan.lock + timedelta(hours=hours)
        read = ContestCursor.of(json.loads(json.dumps(asdict(cursor))))
        cursor, notices = read_landed(root, read, now.replace(year=2100), now)
        assert notices == {}
        known = []
        for as_of in (now, plan.lock + timedelta(hours=7)):
            rows = stored_contests(root, as_of)["drivers"].explode().struct.unnest()
            known.append([rows[name].is_not_null().any() for name in ("points", "mean_points")])
        return known[0], known[1]

    nothing = [False, False]
    assert scan(6) == (nothing, nothing)
    assert scan(7) == (nothing, nothing)
    root.write(lineups, kept)
    assert scan(8) == ([False, True], nothing)
    come_to_an_end(root, home, plan)
    assert scan(9) == ([True, True], nothing)
    before = stored_contests(root)
    assert scan(10) == ([True, True], nothing)
    assert nascar("contest", "add", home / path)["new"] is False
    assert stored_contests(root).equals(before)
    # Projections stay as they were said, whatever the slate's lineups say since.
    other = pl.read_parquet(home / lineups).with_columns(
        pl.col("players").list.eval(pl.element().struct.with_fields(mean_points=pl.lit(1.0)))
    )
    root.write_frame(lineups, other)
    assert nascar("contest", "add", home / path)["new"] is False


def test_a_race_week_with_money(
    world: World, home: Path, tmp_path: Path, nascar: Callable[..., dict[str, Any]]
) -> None:
    root, slate_id = DataRoot.open(home), world.slate
    plan = SlatePlan.load(root, slate_id)
    replace(plan, settings=SETTINGS).save(root)
    blank, filled = tmp_path / "DKEntries.csv", tmp_path / "filled.csv"
    blank.write_bytes(entries_file())

    # One file, three contests, each filled by its own portfolio; fees add up.
    done = nascar("entries", "fill", slate_id, blank, "--out", filled)
    assert done["entries"] == 7
    assert sum(row["dollars"] for row in done["at_risk"]) == 6 * (2 * 5 + 4 * 3 + 12)
    slate_run = SlateRun.load(root, slate_id)
    slate = slate_run.slate
    entries = read_entries(filled.read_bytes(), slate)
    lineups = [tuple(sorted(entry.lineup or ())) for entry in entries]
    assert len(set(lineups)) == 7

    # A driver is scratched late: the file is mended and everything else in it stays.
    gone = slate.players[lineups[0][0]].name
    mended = tmp_path / "mended.csv"
    swapped = nascar("entries", "swap", slate_id, filled, "--out-driver", gone, "--out", mended)
    assert any(gone in change for change in swapped["changes"])
    assert gone not in mended.read_text()
    assert mended.read_bytes().count(b"as it was") == 7
    entries = read_entries(mended.read_bytes(), slate)

    # Standings are missed within the week, refused where they are not of the slate, live or final.
    after = plan.lock + pl.Series([6 * 3_600_000_000]).cast(pl.Duration("us"))[0]
    assert missing_standings(root, after) == [slate_id]
    own = {e.entry_id: tuple(e.lineup or ()) for e in entries if e.contest_id == "7000222"}
    file = tmp_path / "contest-standings-7000222.csv"
    file.write_bytes(standings(slate_run, own).replace(slate.players[0].name.encode(), b"No Body"))
    for player in slate.players[1:5]:
        file.write_bytes(
            file.read_bytes().replace(player.name.encode(), player.name[::-1].encode())
        )
    assert "no driver of slate" in nascar("contest", "add", file, code=2)["error"]
    file.write_bytes(standings(slate_run, own, left=20))
    assert nascar("contest", "add", file)["state"] == "live"
    file.write_bytes(standings(slate_run, own))
    added = nascar("contest", "add", file, "--payout", "20-max")
    assert (added["state"], added["kind"], added["new"]) == ("final", "tournament", True)
    assert (added["name"], added["entry_fee_cents"]) == ("NAS $10K 20-Max", 300)
    assert {one["entry_id"] for one in added["own"]} == set(own)
    assert nascar("contest", "add", file, "--payout", "20-max")["new"] is False
    assert missing_standings(root, after) == []
    listed = nascar("contest", "list")
    assert [row["contest_id"] for row in listed["contests"]] == ["7000222"]
    fit = listed["fits"]["tournament"]
    assert (fit["contests"], fit["used"]) == (1, False)
    # Dropped into the landing folder the same file is read once and says the same.
    root.write(f"{LANDING}/contest-standings-7000333.csv", standings(slate_run, {}))
    root.write(f"{LANDING}/broken.csv", b"Rank,EntryId\n1,2\n")
    later = after + (after - plan.lock)
    cursor, notices = read_landed(root, ContestCursor(), later.replace(year=2100), after)
    assert len(cursor.read) == 2
    assert list(notices) == [f"{LANDING}/broken.csv"]
    assert len(nascar("contest", "list")["contests"]) == 2

    # The race is run: what was said stands beside what came, and the report can quote it.
    come_to_an_end(root, home, plan)
    record = nascar("track-record")
    assert "Over 1 earlier slate" in record["sentence"]
    (row,) = record["slates"]
    assert row["slate"] == slate_id
    assert record["afterwards"][0]["measure"] == "points"
    assert record["contests"][0]["own_entries"] == 4

    # The history of the season: the same file twice changes nothing, totals are the file's.
    history = tmp_path / "history.csv"
    head = (
        "Sport,Game_Type,Entry_Key,Entry,Contest_Key,Contest_Date_EST,Place,Points,"
        "Winnings_Non_Ticket,Winnings_Ticket,Contest_Entries,Entry_Fee,Prize_Pool,Places_Paid"
    )
    day = f"{plan.lock:%Y-%m-%d}"
    rows = [
        f"NAS,Classic,{e.entry_id},{e.contest_name},{e.contest_id},{day} 12:00:00,9,200.5,"
        f"$1.0{at},$0.00,300,{e.entry_fee},$900.00,60"
        for at, e in enumerate(entries)
    ]
    back = rows[0].replace("500001", "2").replace(",9,200.5,$1.00", f",,,{entries[0].entry_fee}")
    history.write_text(
        "\n".join([head, *rows, back, rows[0].replace("NAS", "NFL").replace("500001", "1")])
    )
    first = nascar("ledger", "add", history)
    assert (first["new"], first["others"], first["fees_dollars"]) == (8, {"NFL": 1}, 39.0)
    again = nascar("ledger", "add", history)
    assert (again["new"], again["changed"]) == (0, 0)
    shown = nascar("ledger", "show")
    assert shown["states"] == {"refunded": 1, "settled": 7}
    assert (shown["fees_dollars"], shown["won_dollars"]) == (34.0, pytest.approx(7 + 0.21))
    assert shown["returns"][0]["roi"] == pytest.approx((7.21 - 34) / 34)
    check_described(stored_tables(home), "contests", "ledger")
