"""What a person asks of a slate's views in one command: add, list, drop, a start at the rear."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.orchestration.commands.files import read_file
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.orchestration.inputs.view_scores import record_result, view_scores
from nascar_assets.orchestration.inputs.views import (
    Added,
    add_view,
    drop_view,
    slate_people,
    view_file,
    view_records,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.views.in_force import IN_FORCE
from nascar_assets.views.quantities import QUANTITIES, REAR_SCORED
from nascar_assets.views.reading import rear_file
from nascar_assets.views.record import ViewRecord
from nascar_assets.views.statement import ReadOptions, RowFault, Stated


def add_view_file(
    home: str,
    slate_id: str,
    file: Path,
    *,
    author: str,
    now: datetime,
    confidence: float | None = None,
    why: str = "",
    options: ReadOptions | None = None,
) -> dict[str, Any]:
    """Takes a person's file as a view of a slate; see `inputs.views.add_view`."""
    added = add_view(
        Platform(home=home).root,
        slate_id,
        read_file(file),
        file.name,
        author=author,
        now=now,
        confidence=confidence,
        why=why,
        options=options,
    )
    return added_result(added)


def rear_start(
    home: str, slate_id: str, driver: str, scored: str, *, author: str, why: str, now: datetime
) -> dict[str, Any]:
    """Takes a view that a driver starts behind the field.

    Args:
        driver: His name, the contest site's id or the feed's.
        scored: Where he is scored from, one of `REAR_SCORED`.
        author: Who says so.
        why: The reason.
        now: The time by the sensors' clock.

    Raises:
        InputError: If the slate has no such driver, or the scoring is none of the two.
    """
    if scored not in REAR_SCORED:
        raise InputError(
            f"{scored!r} is no way to score a start at the rear.",
            field="--scored",
            remedy="grid: from the qualified place (a backup car, an adjustment after "
            "qualifying); rear: from the back (qualifying disallowed).",
        )
    root = Platform(home=home).root
    people = slate_people(root, Registration.load(root, slate_id), now)
    found = people.resolve(Stated(1, driver, "", 0.0, site_id=driver, driver_id=driver))
    if isinstance(found, RowFault):
        near = f" Nearest: {', '.join(found.nearest)}." if found.nearest else ""
        raise InputError(f"{driver!r}: {found.reason}{near}", field="DRIVER")
    name = people.names[found]
    data = rear_file([(name, scored)])
    title = f"rear start of {name}"
    return added_result(add_view(root, slate_id, data, title, author=author, now=now, why=why))


def added_result(added: Added) -> dict[str, Any]:
    """What was added, for programs."""
    record = added.record
    mine = added.table.filter(view_id=record.view_id)
    return {
        **record_row(record),
        "fresh": added.fresh,
        "families": list(added.file.families),
        "states": [QUANTITIES[name].words for name in added.file.quantities],
        "drivers": mine["driver_id"].n_unique(),
        "statements": mine.height,
        "in_force": 0 if added.late else mine.filter(pl.col("state") == IN_FORCE).height,
        "late": added.late,
        "notices": list(added.notices),
    }


def record_row(record: ViewRecord) -> dict[str, Any]:
    """A view's record, for programs."""
    return {
        "view_id": record.view_id,
        "slate": record.slate_id,
        "file": record.source.path,
        "sha256": record.source.sha256,
        "author": record.author,
        "why": record.why,
        "confidence": record.confidence,
        "landed_at": record.landed_at.isoformat(),
        "dropped_at": None if record.dropped_at is None else record.dropped_at.isoformat(),
    }


def list_views(home: str, slate_id: str) -> list[dict[str, Any]]:
    """Every view of a slate with what it states, in the order in which they landed.

    Dropped ones are among them; of one whose file is gone nobody knows what it stated.

    Raises:
        InputError: If there is no such slate.
    """
    root = Platform(home=home).root
    race_id = Registration.load(root, slate_id).race_id
    rows = []
    for record in view_records(root, slate_id):
        states: list[str] = []
        with suppress(InputError):
            file = view_file(root, record, race_id)
            states = [QUANTITIES[name].words for name in file.quantities]
        rows.append({**record_row(record), "states": states})
    return rows


def views_record(home: str, now: datetime) -> dict[str, Any]:
    """How the views of all slates did, forecasts without and with them against the outcomes."""
    return record_result(view_scores(Platform(home=home).root, now))


def drop(home: str, slate_id: str, view_id: str, now: datetime) -> dict[str, Any]:
    """Takes a view back; see `inputs.views.drop_view`."""
    return record_row(drop_view(Platform(home=home).root, slate_id, view_id, now))
