"""A driver of entered lineups leaves the entry list or the salary file shortly before lock."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.errors import InputError
from nascar_assets.feed.paths import weekend_path
from nascar_assets.lineups import read_entries
from nascar_assets.lineups.upload import read_upload
from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks
from nascar_assets.orchestration.commands import entries
from nascar_assets.orchestration.commands.slate import run_portfolio
from nascar_assets.orchestration.inputs.late_news import _sources, load_news, take_in_news
from nascar_assets.orchestration.inputs.slate_files import withdrawn_path
from nascar_assets.orchestration.inputs.slate_lineups import (
    LineupsNotReady,
    entries_files,
    keep_entered,
    swapped_out,
)
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets_tests.lineups.slates import fill_entries, made_slate
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.test_notify import Hook, hook
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

__all__ = ["hook"]

HEADER = "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions"


def blank(first: int, rows: int, contest: str) -> bytes:
    lines = [f"{first + i},Lap,{contest},$1,,,,,,,,as it was" for i in range(rows)]
    return "\r\n".join([HEADER, *lines, ""]).encode()


def leaves_the_entry_list(home: Path, world: World, name: str) -> None:
    """The race's weekend feed lands without him, another in his car."""
    path = home / "landing/feed" / weekend_path(2026, "cup", world.sample.race_id)
    feed = json.loads(path.read_text())
    (his,) = [r for r in feed["weekend_race"][0]["results"] if r["driver_fullname"] == name]
    his |= {"driver_id": 9_990_001, "driver_fullname": "Somebody Else"}
    path.write_text(json.dumps(feed))
    settle_files(home)


def changed(before: bytes, after: bytes) -> int:
    """How many cells differ between two files of one shape."""
    old, new = (list(csv.reader(io.StringIO(data.decode()))) for data in (before, after))
    assert [len(row) for row in old] == [len(row) for row in new]
    return sum(
        a != b for one, two in zip(old, new, strict=True) for a, b in zip(one, two, strict=True)
    )


def test_a_driver_who_leaves_the_entry_list_in_the_last_hour(
    world: World, home: Path, tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, slate_id = DataRoot.open(home), world.slate
    lock = slate_weeks(root, [slate_id])[slate_id].lock
    now = lock - timedelta(minutes=40)
    monkeypatch.setenv("NASCAR_CLOCK", f"{now.isoformat()} from {time.time():.3f} x 1")
    monkeypatch.setenv("NASCAR_NOTIFY_WEBHOOK", f"http://127.0.0.1:{hook.server_port}")
    ticker = Ticker(home)
    (run,) = ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
    hour_ago = (lock - timedelta(minutes=59)).isoformat()
    ticker.instance.add_run_tags(run.run_id, {"nascar/at": hour_ago})  # the last that is scheduled
    source, filled = tmp_path / "DKEntries.csv", tmp_path / "mine.csv"
    source.write_bytes(blank(500, 3, "77"))
    entries.fill(str(home), slate_id, source, filled)
    upload = (home / "slates" / slate_id / "upload.csv").read_bytes()
    before = SlateRun.load(root, slate_id).slate
    first = read_upload(before, upload)
    gone = before.players[int(first[0, 0])]
    settle_files(home)
    assert ticker.tick("landing_salaries") == []
    assert ticker.tick("late_scratches") == []
    assert hook.bodies == []

    # The entry list changes: the race's tables are made, and the slate is run inside the hour.
    leaves_the_entry_list(home, world, gone.name)
    assert any("race_job" in done for done in ticker.settle())
    (request,) = ticker.tick("landing_salaries")
    assert request.tags["nascar/why"] == "inputs"
    assert datetime.fromisoformat(request.tags["nascar/at"]) < lock
    assert ticker.carry_out(request, "slate_job")

    # He is told of once, with the cause, and in how many lineups and entries he is.
    for _ in range(2):
        ticker.tick("late_scratches")
    (notice,) = [body for body in hook.bodies if "late_scratches" in str(body["subject"])]
    text, held = str(notice["text"]), int((first == first[0, 0]).any(axis=1).sum())
    mine = int((first[:3] == first[0, 0]).any(axis=1).sum())
    assert f"{gone.name} does not race (" in text
    assert f"he is in {held} of {len(first)} lineups and {mine} of 3 entries" in text

    # Old and mended files lie side by side; nothing but his cells changed.
    slate = SlateRun.load(root, slate_id).slate
    done = {item.of: item for item in load_news(root, slate_id).mended}
    assert set(done) == {"upload.csv", "mine.csv"}
    for name, old, his in (("upload.csv", upload, held), ("mine.csv", filled.read_bytes(), mine)):
        item = done[name]
        assert item.after is not None
        assert f"{item.after}" in text
        mended = (home / item.after).read_bytes()
        assert (home / item.before).read_bytes() == old
        assert gone.site_id.encode() not in mended
        assert changed(old, mended) == his
        assert len(item.changes) == his
    read_upload(slate, (home / str(done["upload.csv"].after)).read_bytes())
    mended_entries = (home / str(done["mine.csv"].after)).read_bytes()
    assert mended_entries.count(b"as it was") == 3
    assert any(gone.name in str(note) for note in world_notices(home, slate_id))

    # Seen again nothing is new; a second driver is mended from there on.
    run_now = SlateRun.load(root, slate_id)
    known = load_news(root, slate_id)
    assert take_in_news(run_now) == known
    entry = read_entries(mended_entries, slate)[0]
    assert entry.lineup is not None
    second = slate.players[entry.lineup[1]]
    racing = tuple(player for player in slate.players if player != second)
    out = (*slate.absent, replace(second, reason="marked OUT in the salary file"))
    run_now = SlateRun.load(root, slate_id)
    run_now.plan = replace(run_now.plan, as_of=lock - timedelta(minutes=20))
    run_now.as_of = run_now.plan.as_of
    run_now.slate = replace(slate, players=racing, absent=out)
    news = take_in_news(run_now)
    (again,) = (item for item in news.mended[len(known.mended) :] if item.of == "mine.csv")
    assert (home / again.before).read_bytes() == mended_entries
    further = (home / str(again.after)).read_bytes()
    assert second.site_id.encode() not in further
    assert news.drivers[gone.driver_id] == known.drivers[gone.driver_id]
    assert f"{second.name} does not race (marked OUT" in news.drivers[second.driver_id]
    assert take_in_news(run_now) == news

    # Settings that ask for him are refused, and what lies ready for those who entered is named.
    settings = f'lineups = 3\n[drivers."{gone.name}"]\nlock = true\n'
    with pytest.raises(InputError) as refused:
        run_portfolio(str(home), slate_id, settings, code_location(str(home)))
    newest = {item.of: str(item.after) for item in news.mended}
    assert all(path in str(refused.value) for path in newest.values())
    (home / f"store/lineups/{slate_id}.parquet").unlink()
    with pytest.raises(LineupsNotReady, match="loosen them first") as unready:
        entries.swap(str(home), slate_id, filled, [], filled)
    assert all(path in str(unready.value) for path in newest.values())

    # So is what was entered after the first, where the new portfolio holds the second, too.
    new_portfolio = (home / "slates" / slate_id / "upload.csv").read_bytes()
    third = slate.players[int(read_upload(slate, new_portfolio)[0, 0])]
    lost = (*out, replace(third, reason="marked OUT in the salary file"))
    racing = tuple(player for player in racing if player != third)
    root.write(withdrawn_path(slate_id), new_portfolio)
    run_now = SlateRun.load(root, slate_id)
    run_now.plan = replace(run_now.plan, as_of=lock - timedelta(minutes=10))
    run_now.as_of = run_now.plan.as_of
    run_now.slate = replace(slate, players=racing, absent=lost)
    (entered,) = [item for item in news.mended if item.of == "upload.csv"][-1:]
    news, before_it = take_in_news(run_now), news
    done = {item.of: item for item in news.mended[len(before_it.mended) :]}
    assert {*done} >= {"upload.csv", "upload-entered.csv"}
    assert (home / done["upload.csv"].before).read_bytes() == new_portfolio
    text = news.drivers.get(third.driver_id, "")
    for name, content in (
        ("upload.csv", new_portfolio),
        ("upload-entered.csv", (home / str(entered.after)).read_bytes()),
    ):
        found = read_upload(run_now.slate, content, entered=True, file=name)
        at = run_now.slate.everyone.index(lost[-1])
        assert f"{int((found == at).any(axis=1).sum())} of {len(found)} lineups of {name}" in text
        assert third.site_id.encode() not in (home / str(done[name].after)).read_bytes()
    assert take_in_news(run_now) == news
    # The next ones are mended on from both, also once no file is withdrawn.
    root.delete(withdrawn_path(slate_id))
    assert take_in_news(run_now) == news
    found = {item.name: item.content for item in _sources(run_now, news)}
    assert found == {name: (home / str(done[name].after)).read_bytes() for name in found}
    assert sorted(news.ready) == sorted(str(done[name].after) for name in found)

    # As of lock it is too late; what is entered anew takes the old file's place.
    run_now.as_of = lock
    run_now.slate = replace(slate, players=slate.players[:-1], absent=(slate.players[-1],))
    assert take_in_news(run_now) == news
    keep_entered(root, slate, read_entries(mended_entries, slate), ("again.csv", mended_entries))
    assert list(entries_files(root, slate_id)) == ["again.csv"]


def test_who_was_swapped_out_by_hand_comes_back_by_no_later_mend(
    world: World, home: Path, tmp_path: Path
) -> None:
    root, slate_id = DataRoot.open(home), world.slate
    source, mine = tmp_path / "DKEntries.csv", tmp_path / "mine.csv"
    source.write_bytes(blank(500, 5, "77"))
    entries.fill(str(home), slate_id, source, mine)
    run = SlateRun.load(root, slate_id)

    def drivers() -> list[int]:
        """Who is in the entries, whoever is in most of them first."""
        held = [e.lineup or () for e in read_entries(mine.read_bytes(), run.slate)]
        return [i for i, _ in Counter(i for row in held for i in row).most_common()]

    # Everybody else's points are taken away: whatever a mend is free to do brings him in again.
    gone = run.slate.players[drivers()[0]]
    points = run.points.copy()
    points[:, [player != gone for player in run.slate.players]] = 0
    vars(run)["points"] = points
    entries.swap(str(home), slate_id, mine, [gone.name], mine)
    once = [run.slate.players[i] for i in drivers()]
    assert gone not in once
    again, _ = entries.swapped(run, mine.read_bytes(), [once[0].name], "mine.csv")
    assert gone.site_id.encode() not in again

    run.plan = replace(run.plan, as_of=run.plan.lock - timedelta(minutes=20))
    run.as_of = run.plan.as_of
    racing = tuple(player for player in run.slate.players if player != once[1])
    keep = [player in racing for player in run.slate.players]
    vars(run)["points"] = points[:, keep]
    run.slate = replace(run.slate, players=racing, absent=(replace(once[1], reason="x"),))
    news = take_in_news(run)
    (item,) = (item for item in news.mended if item.of == "mine.csv")
    mended = (home / str(item.after)).read_bytes()
    assert once[1].site_id.encode() not in mended
    assert gone.site_id.encode() not in mended
    assert item.notices
    text = news.drivers[once[1].driver_id]
    assert all((notice in text) is ("set aside" in notice) for notice in item.notices)

    # A file that is filled with him anew says that he races.
    assert swapped_out(root, slate_id) == [gone.driver_id]
    entries.fill(str(home), slate_id, source, mine)
    assert swapped_out(root, slate_id) == []


def test_an_entries_file_keeps_to_itself_whatever_it_is_called(tmp_path: Path) -> None:
    root, slate = DataRoot.open(tmp_path), made_slate([8_000] * 8)
    names = ("upload.csv", "mine.csv", "mine_mended.csv", "index.json")
    for first, name in enumerate(names):
        content = fill_entries(blank(500 + first, 1, "77"), slate, [[0, 1, 2, 3, 4, 5]])
        keep_entered(root, slate, read_entries(content, slate), (name, content))
    kept = entries_files(root, slate.slate_id)
    assert [*kept] == ["upload-2.csv", "mine.csv", "mine-mended.csv", "index-2.json"]
    assert [read_entries(data, slate)[0].entry_id for data in kept.values()] == [
        "500", "501", "502", "503",
    ]  # fmt: skip


def world_notices(home: Path, slate_id: str) -> list[str]:
    from nascar_assets.orchestration.commands.slate import slate_result

    root = DataRoot.open(home)
    return list(slate_result(root, SlatePlan.load(root, slate_id))["notices"])
