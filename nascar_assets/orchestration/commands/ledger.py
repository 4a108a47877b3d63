"""The ledger of a person's entries: histories taken in, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from nascar_assets.columns.column import types_of
from nascar_assets.columns.contests import LEDGER
from nascar_assets.contest.ledger import merged, read_history, returns
from nascar_assets.contest.track_record import Said
from nascar_assets.orchestration.commands.files import read_file
from nascar_assets.orchestration.inputs.said import stored_said
from nascar_assets.orchestration.inputs.schedule import stored_schedule
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.rules.race_day import race_day
from nascar_assets.rules.sites import DRAFTKINGS, site_of
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import lease

GROUPS: tuple[tuple[str, ...], ...] = ((), ("series",), ("kind",), ("season",))
"""How entries are grouped where returns are shown: together, by series, kind and season."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a history: entries in it, new and changed ones, other sports, notices."""

    entries: int
    fresh: int
    changed: int
    others: Mapping[str, int]
    fees_cents: int
    won_cents: int
    notices: tuple[str, ...]


def load_ledger(root: DataRoot) -> pl.DataFrame:
    """Every entry that was taken in, `LEDGER`."""
    path = table_path("ledger")
    if not root.exists(path):
        return pl.DataFrame(schema=types_of(LEDGER))
    return root.scan_frame(path, schema=types_of(LEDGER)).collect()


def add(home: str, history: Path) -> Taken:
    """Takes an entry history into the ledger; the same one twice changes nothing.

    Raises:
        InputError: If the file is at fault: then nothing is taken.
        EnvironmentFault: If it cannot be read or the ledger not written.
    """
    root = Platform(home=home).root
    read = read_history(read_file(history), _raced(root), file=history.name)
    with lease(root, "ledger", "an entry history is taken in"):
        before = load_ledger(root)
        table, fresh, changed = merged(before, read.rows)
        if fresh or changed:
            root.write_frame(table_path("ledger"), table)
    return Taken(
        read.rows.height,
        fresh,
        changed,
        read.others,
        int(read.rows["fee_cents"].sum()),
        int((read.rows["won_cents"] + read.rows["ticket_cents"]).sum()),
        read.notices,
    )


def _raced(root: DataRoot) -> dict[date, Sequence[str]]:
    """The series that raced on each day, US Eastern."""
    if not root.exists(table_path("schedule")):
        return {}
    raced: dict[date, list[str]] = {}
    for start, series in stored_schedule(root).select("start_time", "series").iter_rows():
        days = raced.setdefault(race_day(start), [])
        if series not in days:
            days.append(series)
    return dict(raced)


def shown(home: str) -> dict[str, Any]:
    """Returns of all entries, by series, kind and season, beside those forecast before lock."""
    root = Platform(home=home).root
    ledger = load_ledger(root)
    said, notices = stored_said(root)
    forecast = _forecast(said, ledger)
    counted = ledger.filter(pl.col("state") == "settled")
    return {
        "entries": ledger.height,
        "notices": notices,
        "states": dict(ledger.group_by("state").len().sort("state").iter_rows()),
        "fees_dollars": int(counted["fee_cents"].sum()) / 100,
        "won_dollars": int(counted["won_cents"].sum()) / 100,
        "tickets_dollars": int(counted["ticket_cents"].sum()) / 100,
        "returns": [
            {"by": ", ".join(by) or "all", **row, **_of(forecast, by, row)}
            for by in GROUPS
            for row in (returns(ledger, by) if ledger.height else [])
        ],
    }


def _forecast(stored: Sequence[Said], ledger: pl.DataFrame) -> pl.DataFrame:
    """What was said before lock of each settled entry's return: by its day, series and kind.

    Histories are DraftKings' own: what was said of other sites' slates is of none of their entries.
    """
    said = [
        {
            "day": race_day(one.lock),
            "series": one.series,
            "kind": row["kind"],
            "said_roi": row["roi"],
        }
        for one in stored
        if one.sealed and site_of(one.rules) is DRAFTKINGS
        for row in one.contests
        if row["contest"] in ("cash", "150-max")
    ]
    schema = {"day": pl.Date, "series": pl.String, "kind": pl.String, "said_roi": pl.Float64}
    table = (
        pl.DataFrame(said, schema=schema)
        .group_by("day", "series", "kind")
        .agg(pl.col("said_roi").mean())
    )
    settled = ledger.filter(pl.col("state") == "settled")
    return settled.join(table, on=["day", "series", "kind"], how="inner")


def _of(
    forecast: pl.DataFrame, by: tuple[str, ...], row: Mapping[str, Any]
) -> dict[str, float | None]:
    """The mean return that was said of a group's entries, weighed by fees; none where of none.

    And the share of the group's fees that are those entries': the return is of all of them.
    """
    part = forecast.filter(*(pl.col(name) == row[name] for name in by))
    fees = int(part["fee_cents"].sum()) if part.height else 0
    if not fees:
        return {"forecast_roi": None, "forecast_share_of_fees": None}
    return {
        "forecast_roi": float((part["said_roi"] * part["fee_cents"]).sum()) / fees,
        "forecast_share_of_fees": fees / 100 / row["fees_dollars"],
    }
