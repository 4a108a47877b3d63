"""What the API tells of a slate's views: who said what, whether it counts, and what it did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.schedule import race_of
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_scores import record_words, view_scores
from nascar_assets.orchestration.inputs.view_tables import views_result
from nascar_assets.orchestration.inputs.views import view_file, view_records
from nascar_assets.service.view_contracts import (
    SlateView,
    SlateViewDetail,
    SlateViews,
    StatedValue,
    ViewEffect,
    ViewTarget,
)
from nascar_assets.storage import DataRoot
from nascar_assets.views.in_force import LATE
from nascar_assets.views.quantities import QUANTITIES
from nascar_assets.views.record import ViewRecord
from nascar_assets.views.statement import Stated

IN_RUN = "in the newest run"
WAITS = "waits for the next run"
DROPPED = "dropped"
DROPPED_SINCE = "dropped since the newest run"
AFTER_LOCK = "landed after lock: it never counts"


def stated_views(root: DataRoot, slate_id: str, run: SlateRun | None) -> SlateViews:
    """A slate's views, and what they did to its newest run.

    Args:
        run: Its newest run; none where it was never run to its scenarios.
    """
    registration = Registration.load(root, slate_id)
    lock = race_of(root, registration)["start_time"]
    table = None if run is None else run.views
    views = tuple(
        SlateView(**_facts(record, *_rows(root, record, registration.race_id), table, lock))
        for record in view_records(root, slate_id)
    )
    found: dict[str, Any] = {} if run is None else views_result(run)
    return SlateViews(
        slate=slate_id,
        run_id=None if run is None else run.plan.run_id,
        as_of=None if run is None else run.as_of,
        without_views=run is not None and run.plan.without_views,
        waits=any(view.standing in (WAITS, DROPPED_SINCE) for view in views),
        views=views,
        n_scenarios=None if run is None else run.plan.n_scenarios,
        effective_scenarios=found.get("effective_scenarios"),
        share=found.get("share"),
        targets=tuple(_target(row) for row in found.get("targets", ())),
        effects=tuple(ViewEffect(**row) for row in found.get("drivers", ())),
        record="" if run is None else record_words(view_scores(root, run.as_of)),
    )


def _target(row: dict[str, Any]) -> ViewTarget:
    quantity = QUANTITIES[row["quantity"]]
    above = row["threshold"] is not None  # of a ceiling: the chance to reach it
    return ViewTarget(
        **{
            name: row[name]
            for name in ("driver_id", "name", "quantity", "own", "wanted", "reached")
        },
        words=f"chance of {row['threshold']:g} points" if above else quantity.words,
        unit="points" if quantity.unit == "points" and not above else "share",
    )


def stated_view(
    root: DataRoot, slate_id: str, view_id: str, run: SlateRun | None
) -> SlateViewDetail | None:
    """One view with everything that it states; none where the slate has no such view.

    What the newest run knew of it is told as that run took it, else as the file has it.
    """
    registration = Registration.load(root, slate_id)
    record = next((one for one in view_records(root, slate_id) if one.view_id == view_id), None)
    if record is None:
        return None
    lock = race_of(root, registration)["start_time"]
    table = None if run is None else run.views
    rows, fault = _rows(root, record, registration.race_id)
    facts = _facts(record, rows, fault, table, lock)
    mine = None if table is None else table.filter(view_id=view_id)
    stated: list[dict[str, Any]]
    if mine is not None and not mine.is_empty():
        stated = mine.select("row", "name", "driver_id", "quantity", "value", "state").to_dicts()
    else:
        stated = [
            {
                "row": row.row,
                "name": row.name or row.site_id or row.driver_id,
                "driver_id": None,
                "quantity": row.quantity,
                "value": row.value,
                "state": facts["standing"],
            }
            for row in rows
        ]
    return SlateViewDetail(
        **facts,
        statements=tuple(
            StatedValue(
                **row,
                words=QUANTITIES[row["quantity"]].words,
                unit=QUANTITIES[row["quantity"]].unit,
            )
            for row in stated
        ),
    )


def _rows(root: DataRoot, record: ViewRecord, race_id: str) -> tuple[tuple[Stated, ...], str]:
    """What a view's file states, and in words why that is not known where it cannot be read."""
    try:
        return view_file(root, record, race_id).rows, ""
    except InputError as error:
        return (), error.message


def _facts(
    record: ViewRecord,
    rows: tuple[Stated, ...],
    fault: str,
    table: pl.DataFrame | None,
    lock: datetime,
) -> dict[str, Any]:
    """The fields of a `SlateView`.

    Args:
        rows: What its file states.
        fault: Why that is not known; empty where it is.
        table: The statements of the newest run; none before there is one.
    """
    mine = None if table is None else table.filter(view_id=record.view_id)
    counts: dict[str, int] = {}
    if mine is not None and not mine.is_empty():
        counts = dict(mine.group_by("state", maintain_order=True).len().iter_rows())
        drivers = mine["driver_id"].n_unique()
    else:
        drivers = len({(row.name.casefold(), row.site_id, row.driver_id) for row in rows})
    if record.dropped_at is not None:
        standing = DROPPED_SINCE if counts else DROPPED
    elif record.landed_at > lock:
        standing = AFTER_LOCK
    elif not counts or set(counts) == {LATE}:
        standing = WAITS
    else:
        standing = IN_RUN
    if fault:
        standing = f"{standing}; {fault}"
    stated = {row.quantity for row in rows}
    names = ("view_id", "author", "why", "landed_at", "dropped_at", "confidence")
    return {
        **{name: getattr(record, name) for name in names},
        "file": record.source.path,
        "states": tuple(item.words for name, item in QUANTITIES.items() if name in stated),
        "drivers": drivers,
        "counts": counts,
        "standing": standing,
    }
