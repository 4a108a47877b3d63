"""A forecast in the headers that other optimisers and spreadsheets read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.visible import no_formula

Cell = Callable[[Mapping[str, Any]], str]


def _name(row: Mapping[str, Any]) -> str:
    return no_formula(str(row["driver_name"]))


def _points(column: str) -> Cell:
    return lambda row: f"{row[column]:.2f}"


def _percent(column: str) -> Cell:
    """A share in percent; empty where it is not known."""
    return lambda row: "" if row[column] is None else f"{100.0 * row[column]:.2f}"


HEADERS: Mapping[str, Mapping[str, Cell]] = MappingProxyType(
    {
        "fpts": {"Name": _name, "Fpts": _points("mean_points")},
        "projection": {"Player": _name, "Projection": _points("mean_points")},
        "ceiling": {
            "Name": _name,
            "stddev": _points("sd_points"),
            "ceiling": _points("points_p90"),
        },
        "name-id": {
            "Name + ID": lambda row: f"{_name(row)} ({row['site_id']})",
            "Fpts": _points("mean_points"),
        },
        "ownership": {"Name": _name, "Own%": _percent("expected_ownership")},
        "chances": {
            "Name": _name,
            "W": _percent("win"),
            "T3": _percent("top3"),
            "T5": _percent("top5"),
            "T10": _percent("top10"),
        },
    }
)
"""Kinds of file by name: their columns, and what stands in them. Names are the salary file's;
points are contest points, the ceiling is the 90% quantile, shares and chances are in percent."""


def export(forecast: pl.DataFrame, header: str) -> str:
    """The forecast as the CSV of a kind, best means first.

    Args:
        forecast: A row per player with `driver_name`, `site_id`, `mean_points`, `sd_points`,
            `points_p90`, `expected_ownership`, `win`, `top3`, `top5`, `top10`.
        header: The kind, a key of `HEADERS`.

    Raises:
        InputError: If there is no such kind.
    """
    columns = HEADERS.get(header)
    if columns is None:
        raise InputError(
            f"No kind of file is called {header!r}.",
            field="--as",
            remedy=f"Known: {', '.join(HEADERS)}.",
        )
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    ordered = forecast.sort("mean_points", descending=True, maintain_order=True)
    for row in ordered.iter_rows(named=True):
        writer.writerow([cell(row) for cell in columns.values()])
    return buffer.getvalue()
