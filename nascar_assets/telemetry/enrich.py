"""Telemetry with the driver constraints of a compiled spec beside it.

The constraints come as a plain mapping: telemetry knows nothing of how they are compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.telemetry.laps import LAP_COLUMNS, Frame, columns_of, on_lazy, require_columns

PREFIX = "constraint_"
"""Columns that come from constraints begin with this, so that none is taken for telemetry."""


def enrich_with_constraints(laps: Frame, constraints: Mapping[str, Mapping[str, Any]]) -> Frame:
    """Add each driver's constraint values to the driver's rows.

    Args:
        laps: Rows with `driver_id`.
        constraints: Values by name, by driver id; names may differ between drivers.

    Returns:
        The rows in their order with a column `constraint_<name>` per value, null where a driver
        has none; lazy where the rows are.

    Raises:
        InputError: If the rows have no `driver_id`, a column would be written over, or a name's
            values are of types that do not go together.
    """
    require_columns(laps, ("driver_id",))
    names = sorted({name for values in constraints.values() for name in values})
    taken = [name for name in names if f"{PREFIX}{name}" in {*columns_of(laps), *LAP_COLUMNS}]
    if taken:
        raise InputError(f"The rows have a column {PREFIX}{taken[0]} already.", field=taken[0])
    if not names:
        return laps
    drivers = sorted(constraints)
    columns: dict[str, pl.Series] = {
        "driver_id": pl.Series(drivers, dtype=laps.collect_schema()["driver_id"])
    }
    for name in names:
        try:
            columns[f"{PREFIX}{name}"] = pl.Series(
                [constraints[driver].get(name) for driver in drivers], strict=True
            )
        except (TypeError, pl.exceptions.PolarsError) as error:
            raise InputError(
                f"The constraint {name} has values that do not go together: {error}", field=name
            ) from error
    table = pl.LazyFrame(columns)
    return on_lazy(
        laps, lambda frame: frame.join(table, on="driver_id", how="left", maintain_order="left")
    )
