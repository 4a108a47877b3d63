"""A race week of real files: what lands when, and the runs that must follow, and no others.

The Texas Grand Prix of 1 March 2026 at Austin: salaries, entry list, grid, a driver replaced on
Sunday, lock, result, a correction of the race before.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nascar_assets.feed.paths import loop_stats_path, schedule_path, weekend_path
from nascar_assets.files import SourceFile
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.storage import DataRoot

RACE_ID, RACE_KEY = "5598", "2026-cup-03"
EARLIER_ID, EARLIER_KEY = "5597", "2026-cup-02"
SLATE = "2026-03-01-cup-dk-classic"
SALARIES = "2026-02-27_912f0d4a_DKCup.csv"
OUT, IN = "4045", "9990001"
"""The driver who does not start, and the id of the one who takes the car."""

LOCK = datetime(2026, 3, 1, 20, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """A moment of the week.

    Attributes:
        name: What happens.
        at: When (UTC).
        lands: What lands then.
        runs: The runs that follow: a slate's by why, a race's by its key, ratings as `as_of`.
    """

    name: str
    at: datetime
    lands: Callable[[RaceWeek], None]
    runs: Sequence[str] = ()


class RaceWeek:
    """The real feed as it was before the race, and what came in day by day.

    Args:
        real: The folder of real data.
        folder: Where to put the feed as it was.
        home: The data root on which the week is run.
        seasons: The seasons of the feed.
    """

    def __init__(self, real: Path, folder: Path, home: Path, seasons: Sequence[int]) -> None:
        self.real, self.feed, self.home, self.seasons = real, folder, home, list(seasons)
        for season in seasons:
            for source in sorted((real / "feed").glob(f"cacher/{season}/1/*/*.json")):
                self._link(source)
            for source in sorted((real / "feed").glob(f"loopstats/prod/{season}/1/*.json")):
                self._link(source)
            self._copy_schedule(season)

    def _link(self, source: Path) -> None:
        path = source.relative_to(self.real / "feed")
        later = {name for name in (path.stem, path.parent.name) if name.isdigit()}
        if any(int(number) >= int(RACE_ID) for number in later):
            return
        (self.feed / path).parent.mkdir(parents=True, exist_ok=True)
        (self.feed / path).symlink_to(source)

    def _schedule(self, season: int, to_come: str) -> dict[str, Any]:
        """The schedule without what only the races to come could tell."""
        schedule = json.loads((self.real / "feed" / schedule_path(season)).read_text())
        for row in schedule["series_1"]:
            if row["race_date"] >= to_come:
                row |= {"winner_driver_id": None, "actual_laps": 0, "number_of_leaders": 0}
        return dict(schedule)

    def _copy_schedule(self, season: int) -> None:
        path = self.feed / schedule_path(season)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self._schedule(season, to_come="2026-03-01")))

    def land(self, path: str, value: Any) -> None:
        """Puts a file into the landing folder in one step, as a sync does."""
        target = self.home / "landing" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f"{target.name}.aside")
        aside.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        aside.replace(target)

    def salaries(self) -> None:
        """The contest's salary file."""
        self.land(f"salaries/{SALARIES}", (self.real / "salaries" / SALARIES).read_bytes())

    def weekend(self, race_id: str = RACE_ID) -> dict[str, Any]:
        """The weekend feed as it is after the race."""
        path = self.real / "feed" / weekend_path(2026, "cup", race_id)
        return dict(json.loads(path.read_text()))

    def entries(self, *, grid: bool, replaced: bool = False, sponsor: str = "") -> None:
        """The weekend feed as it was before the race: no result, no grid before qualifying."""
        known = self.weekend()
        known["weekend_race"][0] |= {"actual_laps": 0, "winner_driver_id": 0}
        for row in known["weekend_race"][0]["results"]:
            row |= {
                "finishing_position": 0,
                "laps_completed": 0,
                "laps_led": 0,
                "points_earned": 0,
                "finishing_status": "",
            }
            if not grid:
                row |= {"starting_position": 0, "qualifying_position": 0, "qualifying_speed": 0}
            if replaced and str(row["driver_id"]) == OUT:
                row |= {"driver_id": int(IN), "driver_fullname": "Somebody Else"}
            if sponsor:
                row["sponsor"] = sponsor
        self.land(f"feed/{weekend_path(2026, 'cup', RACE_ID)}", known)

    def result(self) -> None:
        """The race as it was run, with its loop statistics."""
        path = loop_stats_path(2026, "cup", RACE_ID)
        self.land(f"feed/{path}", (self.real / "feed" / path).read_bytes())
        self.land(f"feed/{weekend_path(2026, 'cup', RACE_ID)}", self.weekend())
        self.land(f"feed/{schedule_path(2026)}", self._schedule(2026, to_come="2026-03-02"))

    def disqualify(self) -> None:
        """The second of the race before loses its place, days later."""
        found = self.weekend(EARLIER_ID)
        rows = sorted(
            found["weekend_race"][0]["results"], key=lambda row: int(row["finishing_position"])
        )
        for place, row in enumerate([rows[0], *rows[2:], rows[1]], start=1):
            row["finishing_position"] = place
        rows[1] |= {"disqualified": True, "finishing_status": "Disqualified"}
        self.land(f"feed/{weekend_path(2026, 'cup', EARLIER_ID)}", found)

    def run_small(self, scenarios: int, settings: str) -> None:
        """Leaves the slate's plan of an earlier run, whose settings its next runs keep."""
        SlatePlan(
            slate_id=SLATE,
            race_id=RACE_ID,
            race_key=RACE_KEY,
            contest="dk-classic",
            as_of=STEPS[0].at,
            lock=LOCK,
            n_scenarios=scenarios,
            seed=1,
            settings=settings,
            source=SourceFile("", ""),
            run_id="",
        ).save(DataRoot.open(self.home))

    def settle(self) -> None:
        """Dates all that landed a minute back, so that no look has to wait for it."""
        minute_ago = time.time() - 60
        for path in (self.home / "landing").rglob("*"):
            if path.is_file() and path.stat().st_mtime > minute_ago:
                os.utime(path, (minute_ago, minute_ago))


def _nothing(week: RaceWeek) -> None:
    """Time passes."""


def _day(day: int, hour: int, minute: int = 0) -> datetime:
    month = 2 if day > 20 else 3
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


STEPS: tuple[Step, ...] = (
    Step("Tuesday: salaries", _day(24, 12), RaceWeek.salaries, ["salaries"]),
    Step(
        "Tuesday: the entry list lands before its time",
        _day(24, 16),
        lambda week: week.entries(grid=False),
        [RACE_KEY, "as_of"],
    ),
    Step("Tuesday night: the entry list is known", _day(24, 20, 35), _nothing, ["entries"]),
    Step(
        "Saturday: the grid",
        _day(28, 23),
        lambda week: week.entries(grid=True),
        [RACE_KEY, "inputs"],
    ),
    Step("Sunday: qualifying is known", _day(1, 8, 5), _nothing, ["qualifying"]),
    Step(
        "Sunday: a driver is replaced",
        _day(1, 14),
        lambda week: week.entries(grid=True, replaced=True),
        [RACE_KEY, "inputs"],
    ),
    Step("Sunday: an hour before lock", _day(1, 19, 32), _nothing, ["lock"]),
    Step(
        "Sunday: a change after lock",
        _day(1, 20, 40),
        lambda week: week.entries(grid=True, replaced=True, sponsor="New"),
        [RACE_KEY],
    ),
    Step("Monday: the result", _day(2, 12), RaceWeek.result, ["schedule_job", RACE_KEY, "as_of"]),
    Step(
        "Wednesday: a disqualification in the race before",
        _day(4, 12),
        RaceWeek.disqualify,
        [EARLIER_KEY, "as_of"],
    ),
)
"""The week in order."""
