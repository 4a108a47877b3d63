"""Which statements of all views count in a run, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.feed.schemas import VIEWS
from nascar_assets.views.people import Resolved
from nascar_assets.views.quantities import QUANTITIES
from nascar_assets.views.record import ViewRecord

IN_FORCE = "in force"
LATE = "landed after the as-of time"
REPLACED = "replaced by the author's newer view"
NOT_IN_FIELD = "not in the race"
NO_GRID = "waits for the starting order"
NO_WEIGHT = "without weight"
APART = "people's least exposure of him is above their greatest"
LEFT_OUT = "the run was asked to go without views"
KNOWN_TO_FEED = "the feed has the practice"


@dataclass(frozen=True)
class Landed:
    """A view with what it states."""

    record: ViewRecord
    found: Resolved


def statements(
    views: Iterable[Landed], as_of: datetime, field: Sequence[str], names: dict[str, str]
) -> pl.DataFrame:
    """Every statement of the views that were not dropped by the as-of time, and whether it counts.

    Of one author the newest statement of a quantity of a driver counts; of odds with times the
    newest that was quoted by the as-of time, also where an older one landed after it.

    Args:
        views: The views of a slate.
        as_of: The as-of time.
        field: Ids of the cars of the race.
        names: Names of drivers by id.

    Returns:
        A table `VIEWS`.
    """
    racing = set(field)
    rows: list[dict[str, Any]] = []
    newest: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    ordered = sorted(views, key=lambda view: (view.record.landed_at, view.record.view_id))
    for view in ordered:
        record = view.record
        if record.dropped_by(as_of):
            continue
        late = record.landed_at > as_of
        # Of quotes of one file the latest comes last and stands for the others.
        quotes = sorted(
            enumerate(view.found.rows),
            key=lambda item: (item[1][1].quoted_at or record.landed_at, item[0]),
        )
        for _, (driver, stated) in quotes:
            quantity = QUANTITIES[stated.quantity]
            confidence = quantity.confidence if record.confidence is None else record.confidence
            state = IN_FORCE
            if late or (stated.quoted_at is not None and stated.quoted_at > as_of):
                state = LATE
            elif driver not in racing:
                state = NOT_IN_FIELD
            if state == IN_FORCE:
                key = (record.author, stated.quantity, driver)
                said_at, before = stated.quoted_at or record.landed_at, newest.get(key)
                if before is not None and said_at < before[1]:
                    state = REPLACED
                else:
                    newest[key] = (len(rows), said_at)
                    if before is not None:
                        rows[before[0]]["state"] = REPLACED
            rows.append(
                {
                    "view_id": record.view_id,
                    "file": record.source.path,
                    "row": stated.row,
                    "author": record.author,
                    "why": record.why,
                    "landed_at": record.landed_at,
                    "quantity": quantity.name,
                    "family": quantity.family,
                    "driver_id": driver,
                    "name": names.get(driver, stated.name),
                    "value": stated.value,
                    "confidence": confidence,
                    "state": state,
                }
            )
    table = pl.DataFrame(rows, schema=VIEWS)
    return with_state(table, pl.col("confidence") == 0.0, NO_WEIGHT)


def with_state(table: pl.DataFrame, where: pl.Expr, state: str) -> pl.DataFrame:
    """The table with some of the statements in force put out of force, and why."""
    changed = where & (pl.col("state") == IN_FORCE)
    return table.with_columns(
        pl.when(changed).then(pl.lit(state)).otherwise("state").alias("state")
    )


def in_force(table: pl.DataFrame, *families: str) -> pl.DataFrame:
    """The statements that count, of some families or of all."""
    found = table.filter(pl.col("state") == IN_FORCE)
    return found.filter(pl.col("family").is_in(list(families))) if families else found


def exposures_that_agree(table: pl.DataFrame) -> pl.DataFrame:
    """The statements, exposures of a driver out of force whose least is above their greatest.

    Of several people's views the mean counts; between such people nobody is right.
    """
    stated = in_force(table, "exposures")
    lower, upper = (weighted_means(stated, name) for name in ("min_exposure", "max_exposure"))
    apart = [
        driver for driver in lower.keys() & upper.keys() if lower[driver] > upper[driver] + 1e-9
    ]
    where = (pl.col("family") == "exposures") & pl.col("driver_id").is_in(apart)
    return with_state(table, where, APART)


def weighted_means(stated: pl.DataFrame, *quantities: str) -> dict[str, float]:
    """Mean of what is stated of each driver, by the first of some quantities that is.

    Each statement counts by its confidence; one that stands alone counts whole.
    """
    found: dict[str, float] = {}
    weighed = stated.filter(pl.col("confidence") > 0.0)  # a run of before may have others in force
    weight = pl.col("confidence") / pl.col("confidence").max()  # equal ones are 1: a plain mean
    for quantity in reversed(quantities):
        rows = weighed.filter(quantity=quantity).group_by("driver_id", maintain_order=True)
        mean = (weight * pl.col("value")).sum() / weight.sum()
        found |= dict(rows.agg(mean).iter_rows())
    return found


def sources_of(stated: pl.DataFrame) -> str:
    """The files of statements and who sent them, in words."""
    files = stated.select("file", "author").unique(maintain_order=True)
    return ", ".join(f"{file} ({author})" for file, author in files.iter_rows())
