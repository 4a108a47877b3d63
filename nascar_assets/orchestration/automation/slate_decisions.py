"""Which salary files make slates, and which slates to run for them: pure decisions.

A file is read when its content is new. One whose race is not known waits, and one that is at fault
is refused; both are read again when the schedule or an entry list says more, for a list of which a
part has landed makes a sound file look like another race's. Of two files for one slate the one
written last counts, and one with ids before one without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from nascar_assets.files import SourceFile
from nascar_assets.orchestration.automation.week import SlateWeek

State = Literal["slate", "waiting", "refused"]


@dataclass(frozen=True, slots=True)
class SalaryLanded:
    """A salary file in the landing folder.

    Attributes:
        path: Path under the data root.
        sha256: Hash of its content.
        modified: When it was written last (UTC).
    """

    path: str
    sha256: str
    modified: datetime

    @property
    def source(self) -> SourceFile:
        """Path and hash."""
        return SourceFile(self.path, self.sha256)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of reading a file.

    Attributes:
        state: `slate`, `waiting` (no race, or several) or `refused` (the file is at fault).
        text: The slate's key, or why not.
        has_ids: Whether a slate's file holds the site's ids; not looked at of a person's choice.
    """

    state: State
    text: str
    has_ids: bool = True


@dataclass(frozen=True, slots=True)
class SalaryCursor:
    """What earlier scans made of each file.

    Attributes:
        outcomes: By path: hash, stamp of the schedule at that scan, state and text.
    """

    outcomes: Mapping[str, tuple[str, str, Outcome]] = field(default_factory=dict)

    def to_text(self) -> str:
        """The cursor as JSON."""
        rows = {
            path: [digest, stamp, asdict(outcome)]
            for path, (digest, stamp, outcome) in sorted(self.outcomes.items())
        }
        return json.dumps({"version": 1, "files": rows}, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str | None) -> SalaryCursor:
        """The cursor from JSON; empty for none or for text of another version.

        An empty cursor has every file read again, which finds the slates that are there.
        """
        try:
            value: Any = json.loads(text) if text else {}
            rows = value.get("files", {}) if value.get("version") == 1 else {}
            return cls({path: (row[0], row[1], Outcome(**row[2])) for path, row in rows.items()})
        except (ValueError, TypeError, AttributeError, IndexError):
            return cls()


@dataclass(frozen=True, slots=True)
class SalaryDecision:
    """What to do after a scan of the salary files.

    Attributes:
        register: Paths to register, by slate.
        news: Files whose state is new: notified once.
        superseded: Files that another one stands in for, by path.
        cursor: The next cursor.
    """

    register: Mapping[str, str]
    news: Mapping[str, Outcome]
    superseded: Mapping[str, str]
    cursor: SalaryCursor


def decide_salaries(
    files: Iterable[SalaryLanded],
    registered: Mapping[str, SourceFile],
    cursor: SalaryCursor,
    schedule: str,
    read: Callable[[SalaryLanded], Outcome | None],
    unsettled: Iterable[str] = (),
) -> SalaryDecision:
    """Decide which files to register.

    Args:
        files: The salary files that are settled.
        registered: The file that each registered slate rests on.
        cursor: The cursor of the last scan.
        schedule: A stamp that changes when the schedule or an entry list does; files that make no
            slate are then read again.
        read: Reads a file and says what it is; none where it is no longer the file that was
            looked at, which leaves it to the next scan.
        unsettled: Paths of files that are being written. While the file of a slate is, no other
            one is put in its place.

    Returns:
        The decision with the next cursor.
    """
    slate_of = {source: slate for slate, source in registered.items()}
    outcomes = dict(cursor.outcomes)
    news: dict[str, Outcome] = {}
    newest: dict[str, SalaryLanded] = {}
    being_replaced = set(unsettled)
    landed = sorted(files, key=lambda item: (item.modified, item.path))
    for file in landed:
        before = outcomes.get(file.path)
        mine = slate_of.get(file.source)
        if mine is not None:  # a person may have named its race: what is registered counts
            same = before is not None and before[0] == file.sha256
            outcome = Outcome("slate", mine, before[2].has_ids if before and same else True)
        elif (
            before is not None
            and before[0] == file.sha256
            and not _again(before, schedule, registered)
        ):
            outcome = before[2]
        else:
            found = read(file)
            if found is None:
                being_replaced.add(file.path)
                continue
            outcome = found
        if before is None or before[0] != file.sha256 or before[2] != outcome:
            news[file.path] = outcome
        outcomes[file.path] = (file.sha256, schedule, outcome)
        if outcome.state == "slate":
            other = newest.get(outcome.text)
            if outcome.has_ids or other is None or not outcomes[other.path][2].has_ids:
                newest[outcome.text] = file
    held = {slate for slate, source in registered.items() if source.path in being_replaced}
    register = {
        slate: file.path
        for slate, file in newest.items()
        if slate not in held and registered.get(slate) != file.source
    }
    superseded = {
        file.path: newest[outcome.text].path
        for file in landed
        if file.path not in being_replaced
        and (outcome := outcomes[file.path][2]).state == "slate"
        and newest[outcome.text].path != file.path
    }
    return SalaryDecision(register, news, superseded, SalaryCursor(outcomes))


def _again(
    before: tuple[str, str, Outcome], schedule: str, registered: Mapping[str, object]
) -> bool:
    """Whether a file is read again: it may make a slate now, or its slate was never kept."""
    _, stamp, outcome = before
    if outcome.state == "slate":
        return outcome.text not in registered
    return stamp != schedule


@dataclass(frozen=True, slots=True)
class SlateInputs:
    """A registered slate beside what its newest run saw.

    Attributes:
        week: The slate and its times.
        salary_sha256: Hash of its salary file.
        inputs_since: Since when the newest of its other inputs is what it is (machine's clock);
            none where it has none.
        run_salary: Hash of the salary file that the newest run read; none before the first run.
        run_at: When the newest run began (machine's clock); none before the first run.
        refresh_due: Whether the week's schedule is about to run it anyway.
    """

    week: SlateWeek
    salary_sha256: str
    inputs_since: datetime | None
    run_salary: str | None
    run_at: datetime | None
    refresh_due: bool = False


@dataclass(frozen=True, slots=True)
class SlateRequest:
    """A slate to run, and why."""

    slate_id: str
    why: Literal["salaries", "inputs"]
    run_key: str


def slates_to_run(now: datetime, slates: Iterable[SlateInputs]) -> list[SlateRequest]:
    """The open slates whose salaries or other inputs are newer than their newest run.

    Args:
        now: The time of the decision.

    Returns:
        The requests, those that lock first at the front. Never one of a slate that is locked.
    """
    found = []
    for slate in sorted(slates, key=lambda item: (item.week.lock, item.week.slate_id)):
        if not slate.week.is_open(now):
            continue
        key = f"slate:{slate.week.slate_id}"
        if slate.run_salary != slate.salary_sha256:
            run_key = f"{key}:salaries:{slate.salary_sha256[:24]}"
            if slate.run_at is not None:  # an older file that comes back is run again
                run_key += f":{slate.run_at.isoformat()}"
            found.append(SlateRequest(slate.week.slate_id, "salaries", run_key))
        elif (
            slate.inputs_since is not None
            and slate.run_at is not None
            and not slate.refresh_due  # one run for both: the schedule's
            and slate.run_at < slate.inputs_since
        ):
            run_key = f"{key}:inputs:{slate.inputs_since.isoformat()}"
            found.append(SlateRequest(slate.week.slate_id, "inputs", run_key))
    return found
