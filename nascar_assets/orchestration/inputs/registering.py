"""What a salary file would register: its race, its drivers, its slate's key; nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.orchestration.inputs.past import driver_directory, known_entries
from nascar_assets.orchestration.inputs.slate_files import SALARY_FOLDER
from nascar_assets.orchestration.inputs.slate_plan import Registration, registrations
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.rules import rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.storage import DataRoot

if TYPE_CHECKING:
    from nascar_assets.slates.salaries import SalaryFile


class RaceNotFound(InputError):
    """A salary file is sound, and no race of the schedule is its own, or more than one is."""


def read_slate(
    root: DataRoot, data: bytes, filename: str, race: str | None, now: datetime
) -> tuple[Registration, list[str]]:
    """What a salary file would register, with nothing written.

    Args:
        root: The data root with the schedule.
        data: The salary file.
        filename: Its name, with its folder or not; tells series and date or the race's key.
        race: The race, where a person named one.
        now: The time of the decision.

    Raises:
        RaceNotFound: If no race fits, or more than one.
        InputError: If the file is at fault.
    """
    from nascar_assets.slates.salaries import read_salaries

    return place_slate(root, read_salaries(data, filename), race, now)


def place_slate(
    root: DataRoot, read: SalaryFile, race: str | None, now: datetime
) -> tuple[Registration, list[str]]:
    """The second half of `read_slate`: the race of a salary file that was read, and its drivers.

    Raises:
        RaceNotFound: If no race fits, or more than one.
        InputError: If the drivers are at fault.
    """
    from nascar_assets.slates.build import build_slate, slate_key
    from nascar_assets.slates.race_match import find_race

    schedule = scan_table(root, "schedule").collect()
    try:
        found, notice = find_race(
            read, schedule, race=race, now=now, entered=lambda key: _entered(root, key, now)
        )
    except InputError as error:
        raise RaceNotFound(
            error.message, file=error.file, row=error.row, field=error.field, remedy=error.remedy
        ) from error
    contest = read.site.contest
    rules = rule_set(contest, race_day(found["start_time"]))
    as_of = min(now, found["start_time"])
    entries = known_entries(root, found["race_key"], as_of)
    built = build_slate(read, found, entries, driver_directory(root, as_of), rules)
    known, _ = registrations(root)
    taken = {slate_id: (there.race_id, there.contest) for slate_id, there in known.items()}
    registration = Registration(
        slate_id=slate_key(found, rules, schedule, taken),
        source=replace(read.source, path=f"{SALARY_FOLDER}/{read.source.path}"),
        race_id=found["race_id"],
        race_key=found["race_key"],
        contest=contest,
        race_notice=notice,
    )
    if not read.has_ids and registration.slate_id in known:
        _refuse_loss_of_ids(root, known[registration.slate_id], read.source.path)
    return registration, [*([notice] if notice else []), *built.notices]


def _refuse_loss_of_ids(root: DataRoot, there: Registration, file: str) -> None:
    """Keeps a slate's salaries with ids from being replaced by a file without."""
    from nascar_assets.slates.salaries import read_salaries

    try:
        before = read_salaries(there.salaries(root), there.source.path)
    except InputError:
        return  # nothing that can be read is lost
    if before.has_ids:
        raise InputError(
            f"The file has no column of ids, and {there.slate_id} has a file with them "
            f"({before.source.path}): without ids no lineups can be entered, and that file stays.",
            file=file,
            field=before.site.salary_columns["id"],
            remedy="Download the salaries again, with ids.",
        )


def _entered(root: DataRoot, race_key: str, now: datetime) -> DriverDirectory | None:
    """The drivers of a race's entry list as it is known by now; none where it is not."""
    entries = known_entries(root, race_key, now)
    return None if entries is None else DriverDirectory.from_frames(entries)
