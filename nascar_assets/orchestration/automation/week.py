"""A slate's race week: when it is refreshed, and when it is too late.

Pure: times come in, decisions go out. A slate is refreshed once what is new has become known: the
entry list, practice and qualifying (the platform's contract lets both be known at one moment, two
hours after the last session), and once more shortly before lock. After lock nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from nascar_assets.feed.sources import Source

BEFORE_LOCK = timedelta(minutes=60)
"""The last refresh begins so long before lock."""

LAST_START = timedelta(minutes=3)
"""No run begins later than this before lock, so that it ends before it."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A moment of the week from which on a forecast can know more than before.

    Attributes:
        name: `entries`, `qualifying` or `lock`.
        at: The moment (UTC).
    """

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SlateWeek:
    """A slate and the times of its race (UTC).

    Attributes:
        slate_id: The slate's key.
        lock: When lineups lock: the race's start.
        entries_at: When the entry list is known.
        qualifying_at: When practice and qualifying are known; at lock where neither was held.
    """

    slate_id: str
    lock: datetime
    entries_at: datetime
    qualifying_at: datetime

    def known_at(self, source: Source) -> datetime:
        """When the race's own records of a source are known."""
        known: datetime = getattr(self, source.known_at)
        return known

    def is_open(self, now: datetime) -> bool:
        """Whether a run that begins now ends before lock."""
        return now < self.lock - LAST_START

    def milestones(self) -> tuple[Milestone, ...]:
        """The moments of the week in order; one that is not before lock does not count."""
        found = (
            Milestone("entries", self.entries_at),
            Milestone("qualifying", self.qualifying_at),
            Milestone("lock", self.lock - BEFORE_LOCK),
        )
        last = self.lock - LAST_START
        return tuple(sorted((item for item in found if item.at < last), key=lambda item: item.at))

    def newest(self, now: datetime) -> Milestone | None:
        """The latest milestone that has passed; none before the first."""
        passed = [item for item in self.milestones() if item.at <= now]
        return passed[-1] if passed else None


@dataclass(frozen=True, slots=True)
class Refresh:
    """A slate that is to be run again, and why.

    Attributes:
        slate_id: The slate's key.
        milestone: What has become known since its last run.
    """

    slate_id: str
    milestone: Milestone

    @property
    def run_key(self) -> str:
        """Names this refresh, so that asking twice starts one run."""
        return f"refresh:{self.slate_id}:{self.milestone.name}:{self.milestone.at.isoformat()}"


def due_refreshes(
    now: datetime, slates: Iterable[SlateWeek], refreshed: Mapping[str, datetime]
) -> list[Refresh]:
    """The slates to run again now.

    A slate is due when a milestone has passed since its last run. Where several have, as after a
    night with the machine off, one run makes up for all. A race that was put off moves its
    milestones and its lock, and is due again at the new ones.

    Args:
        now: The time of the decision.
        slates: The slates and their weeks.
        refreshed: When each slate was last run, by the same clock; absent where it never was.

    Returns:
        The refreshes, those that lock first at the front. Never one of a slate that is locked.
    """
    found = []
    for slate in slates:
        milestone = slate.newest(now) if slate.is_open(now) else None
        last = refreshed.get(slate.slate_id)
        if milestone is not None and (last is None or last < milestone.at):
            found.append((slate.lock, Refresh(slate.slate_id, milestone)))
    return [refresh for _, refresh in sorted(found, key=lambda item: (item[0], item[1].slate_id))]
