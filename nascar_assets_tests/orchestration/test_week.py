"""A slate's week: what is due when, and never after lock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.orchestration.automation.clock import clock_now, rehearsed
from nascar_assets.orchestration.automation.week import (
    BEFORE_LOCK,
    LAST_START,
    Refresh,
    SlateWeek,
    due_refreshes,
)

SUNDAY = datetime(2026, 3, 15, 20, tzinfo=UTC)  # 16:00 in New York
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def week(slate: str = "a", lock: datetime = SUNDAY, qualifying: timedelta = DAY) -> SlateWeek:
    return SlateWeek(slate, lock, lock - 5 * DAY, lock - qualifying)


def names(refreshes: list[Refresh]) -> list[str]:
    return [item.milestone.name for item in refreshes]


def test_a_week_has_three_refreshes_and_no_more() -> None:
    """Looked at every five minutes from Monday to Monday, each run at once."""
    slate = week()
    refreshed: dict[str, datetime] = {"a": SUNDAY - 6 * DAY}  # run when its salaries came
    seen = []
    now = SUNDAY - 6 * DAY
    while now < SUNDAY + DAY:
        for item in due_refreshes(now, [slate], refreshed):
            seen.append((item.milestone.name, now))
            refreshed[item.slate_id] = now
        now += 5 * MINUTE
    assert seen == [
        ("entries", SUNDAY - 5 * DAY),
        ("qualifying", SUNDAY - DAY),
        ("lock", SUNDAY - BEFORE_LOCK),
    ]


def test_one_run_makes_up_for_a_night_with_the_machine_off() -> None:
    due = due_refreshes(SUNDAY - 30 * MINUTE, [week()], {"a": SUNDAY - 6 * DAY})
    assert names(due) == ["lock"]


def test_a_slate_that_was_never_run_is_due_once_something_is_known() -> None:
    assert names(due_refreshes(SUNDAY - 4 * DAY, [week()], {})) == ["entries"]
    assert due_refreshes(SUNDAY - 6 * DAY, [week()], {}) == []


def test_cancelled_qualifying_leaves_the_refresh_before_lock() -> None:
    """Then the contract lets practice and qualifying be known at the start, which is too late."""
    slate = week(qualifying=timedelta(0))
    assert [item.name for item in slate.milestones()] == ["entries", "lock"]
    assert names(due_refreshes(SUNDAY - 10 * MINUTE, [slate], {"a": SUNDAY - 2 * HOUR})) == ["lock"]


def test_a_postponed_race_is_due_again_at_its_new_times() -> None:
    last = SUNDAY - BEFORE_LOCK
    monday = week(lock=SUNDAY + DAY)
    assert due_refreshes(SUNDAY, [week()], {"a": last}) == []
    assert names(due_refreshes(SUNDAY + 23 * HOUR, [monday], {"a": last})) == ["lock"]
    old, new = (Refresh("a", item.milestones()[-1]).run_key for item in (week(), monday))
    assert old != new


@given(
    st.lists(st.tuples(st.integers(-200, 200), st.integers(0, 90)), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(-300, 300)),
    st.integers(-300, 300),
)
def test_never_after_lock_never_twice(
    slates: list[tuple[int, int]], runs: dict[str, int], hour: int
) -> None:
    now = SUNDAY + hour * HOUR
    weeks = [
        week(name, SUNDAY + lock * HOUR, qualifying * HOUR)
        for name, (lock, qualifying) in zip("abcdef", slates, strict=False)
    ]
    refreshed = {name: SUNDAY + at * HOUR for name, at in runs.items()}
    due = due_refreshes(now, weeks, refreshed)
    by_name = {item.slate_id: item for item in weeks}
    for item in due:
        assert now < by_name[item.slate_id].lock - LAST_START
        assert item.milestone.at <= now
        assert refreshed.get(item.slate_id, item.milestone.at - MINUTE) < item.milestone.at
    locks = [by_name[item.slate_id].lock for item in due]
    assert locks == sorted(locks)
    again = due_refreshes(now, weeks, {**refreshed, **{item.slate_id: now for item in due}})
    assert again == []


def test_a_rehearsal_runs_faster_from_its_start() -> None:
    setting = "2026-03-10T12:00:00+00:00 from 1000 x 600"
    assert rehearsed(setting, 1000) == datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert rehearsed(setting, 1006) == datetime(2026, 3, 10, 13, tzinfo=UTC)  # 6 s are an hour


def test_a_rehearsal_in_a_file_is_set_ahead_while_it_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "clock.txt"
    for day in (10, 12):
        file.write_text(f"2026-03-{day}T12:00:00+00:00 from {time.time():.0f} x 1\n")
        assert abs(clock_now(f"@{file}") - datetime(2026, 3, day, 12, tzinfo=UTC)) < MINUTE
    file.unlink()
    with pytest.raises(InputError, match=r"clock\.txt"):
        clock_now(f"@{file}")


def test_without_a_rehearsal_the_clock_is_the_machines() -> None:
    assert abs(clock_now("") - datetime.now(UTC)) < MINUTE


@pytest.mark.parametrize("bad", ["noon", "2026-03-10 from 1 x 2", "2026-03-10T12:00:00 from 1 x 2"])
def test_another_clock_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="NASCAR_CLOCK"):
        rehearsed(bad, 0)
