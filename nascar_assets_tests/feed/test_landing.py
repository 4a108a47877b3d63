"""Landing: new and changed files once, broken ones to quarantine, nothing half-done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed import client
from nascar_assets.feed.client import CachedFile, DirectoryFeed, FeedReadError
from nascar_assets.feed.landing import (
    LandingCache,
    landed_schedules,
    read_landed,
    sync_feed,
    sync_from,
)
from nascar_assets.feed.paths import (
    lap_averages_path,
    lap_times_path,
    loop_stats_path,
    pit_data_path,
    schedule_path,
    weekend_path,
)
from nascar_assets.storage import DataRoot
from nascar_assets_tests.feed.feed_files import (
    four_results,
    loop_row,
    loop_stats,
    race,
    ran,
    weekend,
    write_feed,
)

SCHEDULE = schedule_path(2026)
WEEKEND = weekend_path(2026, "cup", 7001)
LOOP = loop_stats_path(2026, "cup", 7001)
AVERAGES = lap_averages_path(2026, "cup", 7001)
LAPS = lap_times_path(2026, "cup", 7001)
PITS = pit_data_path(2026, "cup", 7001)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def files() -> dict[str, bytes]:
    """A season of two Cup races and one truck race; the first has every file."""
    listed = {
        "series_1": [ran(), race(7002, race_date="2026-03-08T15:30:00")],
        "series_3": [race(7003, series_id=3)],
    }
    return {
        SCHEDULE: json.dumps(listed).encode(),
        WEEKEND: json.dumps(weekend(four_results())).encode(),
        LOOP: json.dumps(loop_stats([loop_row(11, 1)])).encode(),
        AVERAGES: b'[{"Title": "Practice", "Items": [{"FullName": "A B"}]}]',
        LAPS: b'{"laps": [{}], "flags": []}',
        PITS: b'[{"vehicle_number": "7", "pit_in_race_time": 85.0}]',
    }


@pytest.fixture
def feed(tmp_path):
    folder = tmp_path / "feed"
    write_feed(folder, files())
    return folder


@pytest.fixture
def root(tmp_path):
    return DataRoot.open(tmp_path / "data")


def sync(feed, root, series=("cup",)):
    return sync_from(feed, root, series, [2026], now=NOW)


def test_every_file_is_landed_as_it_came(feed, root):
    report = sync(feed, root)
    assert set(report.changed) == set(files())
    assert report.touched == ("7001",)
    assert report.schedules == (2026,)
    assert report.missing == 5  # the five files of race 7002
    for path, data in files().items():
        assert root.read(f"landing/feed/{path}") == data
    assert landed_schedules(root) == ({2026: files()[SCHEDULE]}, {})
    assert read_landed(root, "weekend", 2026, "cup", "7001") == files()[WEEKEND]
    assert read_landed(root, "weekend", 2026, "cup", "7002") is None


def test_a_second_sync_finds_nothing_and_writes_nothing(feed, root):
    sync(feed, root)
    before = [(item.path, item.modified) for item in root.list()]
    report = sync(feed, root)
    assert report.changed == ()
    assert report.touched == ()
    assert report.unchanged == 6
    assert [(item.path, item.modified) for item in root.list()] == before


def test_new_content_of_the_same_size_and_time_is_noticed(feed, root):
    sync(feed, root)
    target = feed / LAPS
    stat = target.stat()
    target.write_bytes(b'{"flags": [], "laps": [{}]}')
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert target.stat().st_size == stat.st_size
    report = sync(feed, root)
    assert report.changed == (LAPS,)
    assert report.touched == ("7001",)


def test_a_correction_by_hand_stays_until_the_feed_changes_its_file(feed, root):
    sync(feed, root)
    root.write(f"landing/feed/{LOOP}", b"[]")
    assert sync(feed, root).changed == ()
    assert root.read(f"landing/feed/{LOOP}") == b"[]"
    (feed / LOOP).write_bytes(files()[LOOP] + b"\n")
    assert sync(feed, root).changed == (LOOP,)
    assert root.read(f"landing/feed/{LOOP}") == files()[LOOP] + b"\n"


def test_only_the_series_asked_for_are_landed(feed, root):
    report = sync(feed, root, ["trucks"])
    assert report.changed == (SCHEDULE,)
    with pytest.raises(InputError, match="indycar"):
        sync(feed, root, ["indycar"])


NOTHING_YET = [
    *((path, body) for path in (WEEKEND, LOOP, LAPS, PITS) for body in (b"null", b"[]", b"{}")),
    (WEEKEND, b" null\n"),
    (WEEKEND, b""),
    (WEEKEND, b'{"weekend_race": null, "weekend_runs": null}'),
    (WEEKEND, b'{"weekend_race": []}'),
    (WEEKEND, b'{"weekend_race": [{"race_id": 7001, "results": []}]}'),
    (WEEKEND, b'{"weekend_race": [{"race_id": 7001, "results": null}]}'),
    (LOOP, json.dumps(loop_stats([])).encode()),
    (AVERAGES, b'[{"Title": "Practice", "Items": []}, {"Title": "Final", "Items": null}]'),
    (LAPS, b'{"laps": null, "flags": null}'),
    (LAPS, b'{"laps": [], "flags": []}'),
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "body"), NOTHING_YET)
def test_what_holds_nothing_yet_is_a_missing_file(feed, root, path, body):
    (feed / path).write_bytes(body)
    report = sync(feed, root)
    assert set(report.changed) == set(files()) - {path}
    assert report.quarantined == ()
    assert report.missing == 6
    (feed / path).write_bytes(files()[path])
    assert sync(feed, root).changed == (path,)


def test_a_season_whose_schedule_is_not_there_yet_is_none(feed, root):
    for body in (b"null", b"{}", b'{"series_1": [], "series_2": null}'):
        (feed / schedule_path(2027)).parent.mkdir(exist_ok=True)
        (feed / schedule_path(2027)).write_bytes(body)
        report = sync_from(feed, root, ["cup"], [2026, 2027], now=NOW)
        assert report.seasons == (2026,)
        assert report.quarantined == ()
        assert report.notices == ("The feed has no schedule of 2027: nothing of it is synced.",)


def test_seasons_without_a_schedule_or_a_wanted_series_are_told(feed, root):
    report = sync_from(feed, root, ["cup", "xfinity"], range(2023, 2027), now=NOW)
    assert report.seasons == (2026,)
    assert report.notices == (
        "The feed has no schedule of 2023, 2024, 2025: nothing of it is synced.",
        "The schedule of 2026 has no race of the xfinity series.",
    )


def test_a_schedule_of_another_season_is_quarantined_and_breaks_nothing(feed, root):
    path = schedule_path(2027)
    (feed / path).parent.mkdir()
    (feed / path).write_bytes(files()[SCHEDULE])
    report = sync_from(feed, root, ["cup"], [2026, 2027], now=NOW)
    assert [item.path for item in report.quarantined] == [path]
    assert report.notices == ()  # of a schedule that was refused the refusal tells
    assert "it is of 2026 and its file of 2027" in report.quarantined[0].reason
    assert report.seasons == (2026,)
    assert set(report.changed) == set(files())
    # One that an earlier version landed, or a person, is told and stands in nobody's way.
    root.write(f"landing/feed/{path}", files()[SCHEDULE])
    again = sync_from(feed, root, ["cup"], [2026, 2027], now=NOW)
    assert {item.path for item in again.quarantined} == {path}
    assert again.unchanged == 6


def test_a_race_that_cannot_be_placed_is_set_aside_with_a_notice(feed, root):
    listed = json.loads(files()[SCHEDULE])
    listed["series_1"].append(race(7009, race_type_id=3))
    (feed / SCHEDULE).write_bytes(json.dumps(listed).encode())
    report = sync(feed, root)
    assert report.quarantined == ()
    assert set(report.changed) == set(files())
    (notice,) = report.notices
    assert "Race 7009: the race type 3 is unknown" in notice
    assert sync(feed, root).notices == (notice,)


def test_a_schedule_that_lost_a_race_with_files_says_so_once(feed, root):
    sync(feed, root)
    (feed / SCHEDULE).write_bytes(json.dumps({"series_1": [race(7002)]}).encode())
    (notice,) = sync(feed, root).notices  # the truck race had no files
    assert f"{SCHEDULE} no longer lists race 7001 (Fictional 150)" in notice
    assert sync(feed, root).notices == ()


def test_a_null_does_not_undo_what_was_landed(feed, root):
    sync(feed, root)
    (feed / LOOP).write_bytes(b"null")
    sync(feed, root)
    assert root.read(f"landing/feed/{LOOP}") == files()[LOOP]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (WEEKEND, files()[WEEKEND][:200], "no whole JSON"),
        (WEEKEND, b"\xff\xfe\x00", "no whole JSON"),
        (WEEKEND, b"[1]", "object"),
        (WEEKEND, b'{"other": null}', "missing"),
        (WEEKEND, b'{"weekend_race": [{"race_id": 1}]}', "race 1, not 7001"),
        (WEEKEND, b'{"weekend_race": [{"race_id": 7001, "series_id": 2}]}', "series 2, not 1"),
        (WEEKEND, b'{"weekend_race": [{"race_id": 7001, "race_season": 1}]}', "season 1, not 2026"),
        (WEEKEND, b'{"weekend_race": [{"race_id": 7001}]}', "results: The field is missing"),
        (WEEKEND, b'{"weekend_race": [{"race_id": 7001, "results": 5}]}', "results: A list"),
        (LOOP, b"[1, 2]", "object"),
        (LOOP, json.dumps(loop_stats([{}], 5)).encode(), "race 5, not 7001"),
        (LOOP, json.dumps(loop_stats([{}])).encode(), "[0].drivers: No driver has an id"),
        (LOOP, json.dumps(loop_stats([loop_row(0, 1)])).encode(), "No driver has an id"),
        (LOOP, json.dumps(loop_stats([{"driver_id": 11}])).encode(), "has any statistics"),
        (AVERAGES, b'[{"Title": "x"}]', "Items"),
        (LAPS, b'{"laps": [{}]}', "flags"),
        (PITS, b'{"FlagStates": [1]}', "list"),
        (PITS, b'[{"vehicle_number": "7"}]', "missing"),
    ],
)
def test_a_broken_file_is_quarantined_with_a_report_and_the_rest_goes_on(
    feed, root, path, body, reason
):
    (feed / path).write_bytes(body)
    report = sync(feed, root)
    (refused,) = report.quarantined
    assert refused.path == path
    assert reason in refused.reason
    assert "field :" not in refused.reason
    assert set(report.changed) == set(files()) - {path}
    assert root.read(f"landing/feed/{path}") is None
    assert root.read(f"quarantine/feed/{path}") == body
    notify = json.loads(root.read(f"quarantine/feed/{path}.report.json") or b"")
    assert notify["file"] == path
    assert notify["bytes"] == len(body)
    before = [(item.path, item.modified) for item in root.list()]
    again = sync(feed, root)
    assert again.quarantined == report.quarantined
    assert [(item.path, item.modified) for item in root.list()] == before


def test_a_folder_in_the_place_of_a_file_is_quarantined_and_the_rest_goes_on(feed, root):
    (feed / LOOP).unlink()
    (feed / LOOP).mkdir()
    report = sync(feed, root)
    assert [refused.path for refused in report.quarantined] == [LOOP]
    assert "no plain file" in report.quarantined[0].reason
    assert set(report.changed) == set(files()) - {LOOP}


def test_a_file_that_may_not_be_read_is_quarantined_and_the_rest_goes_on(feed, root, monkeypatch):
    closed = {WEEKEND}
    plain = client._plain

    def opened(path: str, flags: int) -> int:
        if any(str(path).endswith(name) for name in closed):
            raise PermissionError(13, "Permission denied")
        return plain(path, flags)

    monkeypatch.setattr(client, "_plain", opened)
    report = sync(feed, root)
    assert [refused.path for refused in report.quarantined] == [WEEKEND]
    assert "cannot be read: Permission denied" in report.quarantined[0].reason
    assert set(report.changed) == set(files()) - {WEEKEND}
    assert root.exists(f"quarantine/feed/{WEEKEND}.report.json")
    closed.clear()
    assert sync(feed, root).changed == (WEEKEND,)
    closed.add(SCHEDULE)
    root.delete(f"landing/feed/{SCHEDULE}")
    with pytest.raises(InputError, match=r"usable schedule of 2026\. .*Permission denied"):
        sync(feed, root)


def test_a_file_that_is_mended_is_landed(feed, root):
    (feed / WEEKEND).write_bytes(b"{")
    sync(feed, root)
    (feed / WEEKEND).write_bytes(files()[WEEKEND])
    assert sync(feed, root).changed == (WEEKEND,)


def test_a_broken_schedule_leaves_the_landed_one_in_force(feed, root):
    sync(feed, root)
    (feed / SCHEDULE).write_bytes(b'{"series_1": [{"race_id": 1}]}')
    (feed / LAPS).write_bytes(b'{"laps": [{}], "flags": [{}]}')
    report = sync(feed, root)
    assert [refused.path for refused in report.quarantined] == [SCHEDULE]
    assert report.changed == (LAPS,)


def test_a_landed_schedule_that_cannot_be_read_keeps_no_other_season_out(feed, root):
    older = schedule_path(2025)
    write_feed(feed, {older: json.dumps({"series_1": [ran(race_season=2025)]}).encode()})
    sync(feed, root)
    landed = Path(root.location) / "landing/feed" / older
    landed.unlink(missing_ok=True)
    landed.parent.mkdir(parents=True, exist_ok=True)
    landed.symlink_to(feed / older)  # which is followed nowhere in that folder
    report = sync_from(feed, root, ["cup"], [2025, 2026], now=NOW)
    assert report.seasons == (2026,)
    assert [refused.path for refused in report.quarantined] == [older]
    assert "Mend or delete it in landing/feed." in report.quarantined[0].reason


def test_a_feed_without_any_schedule_is_the_inputs_fault(tmp_path, root):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="2026") as error:
        sync(tmp_path / "empty", root)
    assert error.value.exit_code == 2


def test_a_failed_read_stops_the_sync_and_the_next_one_reports_everything(feed, root):
    class Failing(DirectoryFeed):
        def read(self, path: str) -> bytes | None:
            if path == LAPS:
                raise FeedReadError("the line is down")
            return super().read(path)

    with pytest.raises(FeedReadError):
        sync_feed(Failing(feed), root, ["cup"], [2026])
    report = sync(feed, root)
    assert set(report.changed) == set(files())
    assert report.touched == ("7001",)


@pytest.mark.slow
def test_a_killed_sync_is_made_good_by_the_next_one(feed, root, tmp_path):
    program = f"""
        import os, signal
        from nascar_assets.feed.client import DirectoryFeed
        from nascar_assets.feed.landing import sync_feed
        from nascar_assets.storage import DataRoot

        class Killed(DirectoryFeed):
            def read(self, path):
                if path == {AVERAGES!r}:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().read(path)

        sync_feed(Killed({str(feed)!r}), DataRoot.open({root.location!r}), ["cup"], [2026])
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -9
    assert root.read(f"landing/feed/{WEEKEND}") == files()[WEEKEND]
    report = sync(feed, root)
    assert set(report.changed) == set(files())
    assert {item.path.removeprefix("landing/feed/") for item in root.list("landing/feed")} == set(
        files()
    )


def test_settled_and_distant_races_are_not_asked_for(feed, root):
    asked: list[str] = []

    class Noting(DirectoryFeed):
        def read(self, path: str) -> bytes | None:
            asked.append(path)
            return super().read(path)

    start = datetime(2026, 3, 1, 20, 30, tzinfo=UTC)
    limits = {"settled_before": start.replace(day=2), "known_until": start.replace(day=3)}
    sync_feed(Noting(feed), root, ["cup"], [2026], **limits)
    assert not [path for path in asked if "7002" in path]
    asked.clear()
    report = sync_feed(Noting(feed), root, ["cup"], [2026], **limits)
    assert asked == [SCHEDULE]
    assert report.unchanged == 6


def test_progress_counts_to_the_end(feed, root):
    seen: list[tuple[int, int, str]] = []
    sync_feed(DirectoryFeed(feed), root, ["cup"], [2026], lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(1, 11))
    assert {total for _, total, _ in seen} == {10}


def test_the_cache_holds_only_what_is_landed_unaltered(feed, root):
    sync(feed, root)
    cache = LandingCache(root)
    cache.put(LAPS, CachedFile(files()[LAPS], '"v1"', None))
    cache.put(LOOP, CachedFile(b"another body", '"v1"', None))
    cache.save()
    again = LandingCache(root)
    assert again.get(LAPS) == CachedFile(files()[LAPS], '"v1"', None)
    assert again.get(LOOP) is None
    assert again.get(WEEKEND) is None
    root.write(f"landing/feed/{LAPS}", b"changed by hand")
    assert LandingCache(root).get(LAPS) is None
