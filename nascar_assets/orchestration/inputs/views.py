"""A slate's views in the data root: kept with their files, read back, added and dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.files import SourceFile
from nascar_assets.orchestration.inputs.past import driver_directory, known_entries
from nascar_assets.orchestration.inputs.schedule import race_of
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.rules import rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import lease
from nascar_assets.views.in_force import APART, IN_FORCE, Landed, exposures_that_agree, statements
from nascar_assets.views.people import People, resolve_rows, resolved_whole
from nascar_assets.views.reading import read_view
from nascar_assets.views.record import ViewRecord, next_id
from nascar_assets.views.statement import ReadOptions, ViewFile
from nascar_assets.views.targets import Bounds, refuse_contradictions

FOLDER = "views"
"""Views that were taken: for each slate a folder of records, each beside its file."""

LANDED = "landing/views"
"""The folder for people's files: one folder a slate, named by its key."""


@dataclass(frozen=True)
class Added:
    """What came of adding a view.

    Attributes:
        record: The view as it is kept.
        fresh: Whether it is new; the same file said before with the same words changes nothing.
        file: What it states.
        table: All statements of the slate's views as of now, a table `VIEWS`.
        notices: What was left out, and what does not count.
        late: Whether it landed after lock, and so never counts.
    """

    record: ViewRecord
    fresh: bool
    file: ViewFile
    table: pl.DataFrame
    notices: tuple[str, ...]
    late: bool


def view_records(root: DataRoot, slate_id: str) -> list[ViewRecord]:
    """Every view of a slate, dropped ones among them, in the order in which they landed."""
    found = [
        ViewRecord.from_json(root.read(item.path) or b"")
        for item in root.list(f"{FOLDER}/{slate_id}")
        if item.path.endswith(".json")
    ]
    # The first that takes a view's place drops it, also where a clock was set back.
    last = sorted(found, key=lambda record: record.landed_at, reverse=True)
    gone = {view_id: one.landed_at for one in last for view_id in one.replaces}
    found = [one.dropped(gone[one.view_id]) if one.view_id in gone else one for one in found]
    return sorted(found, key=lambda record: (record.landed_at, record.view_id))


def changed_at(root: DataRoot, slate_id: str, by: datetime | None = None) -> datetime | None:
    """When a slate's views were last added to or dropped from (machine's clock).

    Views that had no weight do not count: nothing changes by them.

    Args:
        by: Only of what was said by this moment (sensors' clock).
    """
    records = view_records(root, slate_id)
    silent = {one.view_id for one in records if one.silent}
    files = {
        _path(one, "json")
        for one in records
        if not silent.issuperset({one.view_id, *one.replaces})
        and (by is None or (one.dropped_at or one.landed_at) <= by)
    }
    times = [item.modified for item in root.list(f"{FOLDER}/{slate_id}") if item.path in files]
    return max(times, default=None)


def views_tag(root: DataRoot, slate_id: str) -> str:
    """Another text whenever a view of a slate was added or dropped."""
    return root.folder_tag(f"{FOLDER}/{slate_id}")


def landed_views(
    root: DataRoot, records: Iterable[ViewRecord], race_id: str, people: People
) -> list[Landed]:
    """Some views with what they state; rows of drivers who are gone from the slate are left out."""
    return [
        Landed(record, resolve_rows(view_file(root, record, race_id), people)) for record in records
    ]


def view_file(root: DataRoot, record: ViewRecord, race_id: str) -> ViewFile:
    """What a view that was taken states.

    Raises:
        InputError: If its file is gone or was changed.
    """
    path = _path(record, "data")
    data = root.read(path)
    if data is None or SourceFile.of("", data).sha256 != record.source.sha256:
        raise InputError(
            "The view's file is gone or was changed.",
            file=path,
            remedy=f"Drop it (nascar views drop {record.slate_id} {record.view_id}), add it again.",
        )
    return read_view(data, record.source.path, race_id, record.options)


def slate_people(root: DataRoot, registration: Registration, as_of: datetime) -> People:
    """The drivers whom a view of a slate may speak of, as known by a moment."""
    from nascar_assets.slates.build import build_slate
    from nascar_assets.slates.salaries import read_salaries

    race = race_of(root, registration)
    moment = min(as_of, race["start_time"])
    directory = driver_directory(root, moment)
    listed = known_entries(root, registration.race_key, moment)
    built = build_slate(
        read_salaries(registration.salaries(root), registration.source.path.rsplit("/", 1)[-1]),
        race,
        listed,
        directory,
        rule_set(registration.contest, race_day(race["start_time"])),
        slate_id=registration.slate_id,
    )
    entered = (
        [(player.driver_id, player.name) for player in built.players]
        if listed is None
        else list(listed.select("driver_id", "driver_name").iter_rows())
    )
    return People.of(built.everyone, entered, directory)


def add_view(
    root: DataRoot,
    slate_id: str,
    data: bytes,
    filename: str,
    *,
    author: str,
    now: datetime,
    confidence: float | None = None,
    why: str = "",
    options: ReadOptions | None = None,
    replaces: str | None = None,
) -> Added:
    """Takes a view, all of it or nothing.

    The same file of the same author with the same words changes nothing; with another weight or
    reason it takes the place of what it was. Another author's view of it stays beside it.

    Args:
        data: The file.
        author: Who says so.
        now: The time by the sensors' clock, from which it is known.
        confidence: How far it moves the forecast; none for each quantity's default.
        why: The reason.
        options: What the person says of the file.
        replaces: The view whose place it takes, where it is an older state of the same file.

    Raises:
        InputError: If there is no such slate, a row cannot be used, or it contradicts itself.
    """
    registration = Registration.load(root, slate_id)
    said = options or ReadOptions()
    file = read_view(data, filename, registration.race_id, said)
    people = slate_people(root, registration, now)
    found = resolved_whole(file, people)
    record = ViewRecord("new", slate_id, file.source, author, now, confidence, why, said)
    with lease(root, f"{slate_id}.views", "a view is being added"):
        records = view_records(root, slate_id)
        held = [one for one in records if not one.dropped_by(now)]
        same = next((one for one in held if one.says_the_same(record)), None)
        alike = [one for one in held if one.source.sha256 == file.source.sha256]
        gone = [
            one
            for one in held
            if one.view_id == replaces or (one in alike and one.author == author)
        ]
        others = [one for one in held if one not in gone]
        landed = landed_views(root, others, registration.race_id, people)
        kept = record if same is None else same
        if same is None:
            taken = {one.view_id for one in records}
            kept = replace(record, view_id=next_id(file.source, taken))
        table = _checked(root, registration, [*landed, Landed(kept, found)], people, now)
        if same is None:
            counted = table.filter(view_id=kept.view_id)["state"].is_in([IN_FORCE, APART])
            replaced = tuple(one.view_id for one in gone)
            kept = replace(kept, silent=not counted.any(), replaces=replaced)
            root.write(_path(kept, "data"), data)
            root.write(_path(kept, "json"), kept.to_json())  # from here on it counts, they do not
        else:
            for one in gone:
                if one is not same:
                    root.write(_path(one, "json"), one.dropped(now).to_json())
    notices = [*file.notices, *found.notices, *_uncounted(table, kept)]
    notices += [
        f"The same file is a view of {one.author} too ({one.view_id}): each counts by itself. "
        f"Where it is one view only, drop one: nascar views drop {slate_id} {one.view_id}."
        for one in alike
        if one not in gone and one is not same
    ]
    start = race_of(root, registration)["start_time"]
    late = kept.landed_at > start
    if late:
        notices.append(
            f"The slate locked at {start:%Y-%m-%d %H:%M} UTC: a view that lands after it does not "
            "count in its forecasts."
        )
    return Added(kept, same is None, file, table, tuple(notices), late)


def _checked(
    root: DataRoot,
    registration: Registration,
    landed: list[Landed],
    people: People,
    now: datetime,
) -> pl.DataFrame:
    """All statements as of now, once those in force do not contradict each other.

    The last one of `landed` is the one that is added.
    """
    race = race_of(root, registration)
    field = [driver for driver in people.names if driver not in people.absent]
    table = statements(landed, now, field, people.names)
    listed = known_entries(root, registration.race_key, min(now, race["start_time"]))
    starts: dict[str, int | None] = dict.fromkeys(field)
    if listed is not None:
        starts |= {
            driver: start
            for driver, start in listed.select("driver_id", "start").iter_rows()
            if driver in starts
        }
    rules = rule_set(registration.contest, race_day(race["start_time"]))
    bounds = Bounds.of(rules, starts, race["scheduled_laps"])
    new = landed[-1].record.view_id
    refuse_contradictions(table.filter(pl.col("state") == IN_FORCE), bounds, new)
    return exposures_that_agree(table)


def _uncounted(table: pl.DataFrame, record: ViewRecord) -> list[str]:
    """How much of a view does not count, and why."""
    mine = table.filter(view_id=record.view_id).filter(pl.col("state") != IN_FORCE)
    return [
        f"{count} of its statements {'does' if count == 1 else 'do'} not count: {state}."
        + (" Give it a weight with --confidence." if state == "without weight" else "")
        for state, count in mine.group_by("state", maintain_order=True).len().iter_rows()
    ]


def drop_view(root: DataRoot, slate_id: str, view_id: str, now: datetime) -> ViewRecord:
    """Takes a view back from now on; forecasts as of before still have it.

    Raises:
        InputError: If the slate has no such view, or it was dropped before.
    """
    Registration.load(root, slate_id)
    with lease(root, f"{slate_id}.views", "a view is being dropped"):
        records = {record.view_id: record for record in view_records(root, slate_id)}
        held = [name for name, record in records.items() if record.dropped_at is None]
        if view_id not in held:
            was = "was dropped before" if view_id in records else "is none of this slate's"
            raise InputError(
                f"The view {view_id!r} {was}.",
                field="ID",
                remedy=f"Views that hold: {', '.join(held) or 'none'}.",
            )
        dropped = records[view_id].dropped(now)
        root.write(_path(dropped, "json"), dropped.to_json())
    return dropped


def _path(record: ViewRecord, ending: str) -> str:
    return f"{FOLDER}/{record.slate_id}/{record.view_id}.{ending}"
