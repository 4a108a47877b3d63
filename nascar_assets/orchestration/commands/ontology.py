"""What a person asks of the ontology in one command: load it, show a node, enter an override."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.ontology import OverrideEntry
from nascar_assets.orchestration.commands.sync import Location
from nascar_assets.orchestration.inputs.graph import entry_store
from nascar_assets.orchestration.inputs.past import driver_directory
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import run_job
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import scan_table, table_path


def load_ontology(home: str, location: Location) -> dict[str, Any]:
    """Materialises the graph as of now; returns what its materialisation says."""
    run = run_job(location().resolve_job_def("ontology_job"), open_instance(home))
    event = next(iter(run.asset_materializations_for_node("ontology_graph")))
    return {name: value.value for name, value in event.metadata.items()}


def show_subject(home: str, subject_id: str, location: Location) -> dict[str, Any]:
    """A driver's or track's estimates and what people entered for it.

    Raises:
        InputError: If neither a driver nor a track has that id.
    """
    platform = Platform(home=home)
    for asset, key in (("driver_values", "driver_id"), ("track_values", "track_id")):
        if not platform.root.exists(table_path(asset)):
            load_ontology(home, location)
        rows = scan_table(platform.root, asset).filter(pl.col(key) == subject_id).collect()
        if rows.height:
            row = rows.row(0, named=True)
            shown = {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            notes = [
                entry.note
                for entry in entry_store(platform).entries()
                if entry.subject_id == subject_id
            ]
            return {**shown, "entries": notes}
    raise InputError(
        f"Neither a driver nor a track has the id {subject_id!r}.",
        field="ID",
        remedy="nascar slate show --json prints the ids of a slate's drivers.",
    )


def enter(
    home: str, subject_id: str, field: str, value: str, author: str, why: str, now: datetime
) -> dict[str, Any]:
    """Keeps a person's override, or clears it.

    Raises:
        InputError: If the id, the field or the value is at fault, or the reason is empty.
    """
    action = "clear" if value == "clear" else "override"
    return _keep(
        home,
        OverrideEntry(
            action=action,
            subject=_subject(home, subject_id),
            subject_id=subject_id,
            name=field,
            value=None if action == "clear" else _number(value),
            author=author,
            reason=why,
            at=now,
        ),
    )


def enter_veto(
    home: str, subject_id: str, code: str, author: str, why: str, now: datetime, *, lift: bool
) -> dict[str, Any]:
    """Keeps a person's veto rule, or lifts it.

    Raises:
        InputError: If the id or the rule is unknown, or the reason is empty.
    """
    return _keep(
        home,
        OverrideEntry(
            action="lift" if lift else "veto",
            subject=_subject(home, subject_id),
            subject_id=subject_id,
            name=code,
            value=None,
            author=author,
            reason=why,
            at=now,
        ),
    )


def _keep(home: str, entry: OverrideEntry) -> dict[str, Any]:
    path = entry_store(Platform(home=home)).add(entry)
    return {"note": entry.note, "path": path, "at": entry.at.isoformat()}


def _subject(home: str, subject_id: str) -> str:
    root = Platform(home=home).root
    tracks = scan_table(root, "schedule").select("track_id").unique().collect().to_series()
    if subject_id in tracks:
        return "track"
    if subject_id in driver_directory(root).names:
        return "driver"
    raise InputError(
        f"Neither a driver nor a track has the id {subject_id!r}.",
        field="ID",
        remedy="Give the feed's own id.",
    )


def _number(text: str) -> float | int | tuple[int, ...]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            f"{text!r} is no number.",
            field="VALUE",
            remedy="Give a number, a list such as [70,140] for pit windows, or clear.",
        )
    return value
