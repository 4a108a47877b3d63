"""What forecasts and outcomes may look like, brought to named arrays that fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from nascar_assets.calibration.metrics_input import Numbers
from nascar_assets.errors import InputError
from nascar_assets.feed.status import status_codes
from nascar_assets.rules import DEFAULT_CONTEST, RuleSet, rule_set, score

ARRAYS = ("start", "finish", "laps_led", "fastest_laps", "laps_completed", "status")
"""Arrays of a race that a `Scenarios` value, a forecast file and a results table share."""

Missing = Literal["refuse", "exclude"]
"""What to do about drivers on one side alone: refuse the race, or leave them out and say so."""

_ALIASES = {"dk_points": "points"}


@dataclass(frozen=True, slots=True)
class Pairing:
    """A forecast and its outcome, driver by driver.

    Attributes:
        variables: Name to (scenarios [m, N], outcome [N]).
        driver_ids: The drivers on both sides, in the forecast's order.
        field_size: Number of places, drivers left out included.
        weights: Weight of each scenario, where the forecast has any.
        excluded: Drivers left out, with the reason.
    """

    variables: Mapping[str, tuple[Numbers, Numbers]]
    driver_ids: tuple[str, ...]
    field_size: int | None
    weights: Numbers | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)


def pair(
    scenarios: Any,
    outcomes: Any,
    *,
    rules: RuleSet | None = None,
    missing: Missing = "refuse",
) -> Pairing:
    """Pair a forecast with its outcome.

    Args:
        scenarios: A `Scenarios` value or anything with its attributes, a mapping of arrays
            [m, N], a table with one row per scenario and driver, or one plain array [m, N].
        outcomes: Rows of a results table, a mapping of arrays [N], a value with such
            attributes, or one plain array [N].
        rules: The contest whose points are scored; DraftKings Classic as of today if left out.
        missing: Whether a driver on one side alone refuses the race or is left out.

    Raises:
        InputError: If the two do not fit each other.
    """
    rules = rules or rule_set(DEFAULT_CONTEST, date.max)
    forecast, ids, weights = _forecast_arrays(scenarios, rules)
    truth, truth_ids = _outcome_arrays(outcomes, rules, tuple(forecast))
    if set(forecast) == {"value"} and len(truth) == 1:
        forecast = {next(iter(truth)): forecast["value"]}
    elif set(truth) == {"value"} and len(forecast) == 1:
        truth = {next(iter(forecast)): truth["value"]}
    return _aligned(forecast, ids, weights, truth, truth_ids, missing)


def _aligned(
    forecast: dict[str, Numbers],
    ids: tuple[str, ...] | None,
    weights: Numbers | None,
    truth: dict[str, Numbers],
    truth_ids: tuple[str, ...] | None,
    missing: Missing,
) -> Pairing:
    shared = [name for name in forecast if name in truth and name != "start"]
    if not shared:
        raise InputError(
            f"The forecast holds {sorted(forecast)} and the outcome {sorted(truth)}: "
            "nothing in common to score.",
            field="outcomes",
        )
    columns: dict[str, tuple[Numbers, Numbers]] = {
        name: (np.asarray(forecast[name]), np.asarray(truth[name])) for name in shared
    }
    excluded: dict[str, str] = {}
    width = _width(columns)
    if ids is not None and truth_ids is not None:
        excluded = _one_sided(ids, truth_ids, missing)
        places = {driver: index for index, driver in enumerate(truth_ids)}
        kept = [index for index, driver in enumerate(ids) if driver in places]
        rows = [places[ids[index]] for index in kept]
        columns = {name: (v[:, kept], t[rows]) for name, (v, t) in columns.items()}
        ids = tuple(ids[index] for index in kept)
    columns, unknown = _known(columns, ids, missing)
    excluded |= unknown
    keep_ids = [driver for driver in ids or () if driver not in unknown]
    field_size = None
    if "finish" in columns:
        columns["finish"] = (_places(columns["finish"][0]), _places(columns["finish"][1]))
        tops = [int(end.max()) for end in (forecast["finish"], columns["finish"][1]) if end.size]
        field_size = max([width, *tops])
    return Pairing(
        variables=columns,
        driver_ids=tuple(keep_ids),
        field_size=field_size,
        weights=weights,
        excluded=excluded,
    )


def _places(values: Numbers) -> Numbers:
    """Places as integers, whatever number type they came in."""
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind != "f" or not np.isfinite(values).all() or (values % 1 != 0).any():
        raise InputError("A finishing place is NaN, infinite or no whole number.", field="finish")
    return values.astype(np.int32)


def _width(columns: Mapping[str, tuple[Numbers, Numbers]]) -> int:
    for name, (values, _) in columns.items():
        if values.ndim != 2:
            raise InputError(
                f"Scenarios must be [scenarios, drivers], found {values.shape}.", field=name
            )
    return max(values.shape[1] for values, _ in columns.values())


def _one_sided(ids: Sequence[str], truth_ids: Sequence[str], missing: Missing) -> dict[str, str]:
    for side, drivers in (("forecast", ids), ("outcome", truth_ids)):
        if len(set(drivers)) != len(drivers):
            twice = sorted({driver for driver in drivers if list(drivers).count(driver) > 1})
            raise InputError(f"The {side} holds driver {twice[0]} twice.", field="driver_ids")
    alone = dict.fromkeys(ids, "in the forecast, not in the results")
    for driver in truth_ids:
        if driver in alone:
            del alone[driver]
        else:
            alone[driver] = "in the results, not in the forecast"
    if alone and missing == "refuse":
        text = "; ".join(f"{driver} is {reason}" for driver, reason in list(alone.items())[:5])
        raise InputError(
            f"Forecast and outcome hold different drivers: {text}.",
            field="driver_ids",
            remedy="Pass missing='exclude' to score the drivers on both sides.",
        )
    if set(ids) <= set(alone):
        raise InputError("Forecast and outcome have no driver in common.", field="driver_ids")
    return alone


def _known(
    columns: dict[str, tuple[Numbers, Numbers]], ids: Sequence[str] | None, missing: Missing
) -> tuple[dict[str, tuple[Numbers, Numbers]], dict[str, str]]:
    """Without variables that are unknown for all, and drivers with an unknown value."""
    columns = {
        name: (values, truth)
        for name, (values, truth) in columns.items()
        if not (truth.dtype.kind == "f" and truth.size and np.isnan(truth).all())
    }
    if not columns:
        raise InputError("The race has no results.", field="outcomes")
    if ids is None:
        return columns, {}
    unknown: dict[str, str] = {}
    for name, (_, truth) in columns.items():
        if truth.dtype.kind == "f" and truth.shape == (len(ids),):
            for index in np.flatnonzero(np.isnan(truth)).tolist():
                unknown.setdefault(ids[index], f"no {name} in the results")
    if unknown and missing == "refuse":
        driver, reason = next(iter(unknown.items()))
        raise InputError(
            f"Driver {driver} has {reason}.",
            field="outcomes",
            remedy="Pass missing='exclude' to score the other drivers.",
        )
    kept = [index for index, driver in enumerate(ids) if driver not in unknown]
    if not kept:
        raise InputError("No driver has a complete result.", field="outcomes")
    if unknown:
        columns = {name: (v[:, kept], t[kept]) for name, (v, t) in columns.items()}
    return columns, unknown


def _forecast_arrays(
    scenarios: Any, rules: RuleSet
) -> tuple[dict[str, Numbers], tuple[str, ...] | None, Numbers | None]:
    if isinstance(scenarios, pl.DataFrame):
        scenarios = _from_rows(scenarios)
    raw, ids, weights = _raw(scenarios)
    if raw is None:
        values = np.asarray(_rectangular(scenarios))
        if values.ndim == 1:
            values = values[:, None]
        name = "finish" if is_ranking(values) else "value"
        return {name: values}, None, None
    _refuse_unequal(raw, ids)
    if "points" not in raw:
        points = getattr(scenarios, "points", None)
        if callable(points):
            raw["points"] = np.asarray(points(rules))
        else:
            _add_points(raw, rules)
        if "points" in raw:
            raw["points"] = raw["points"] / rules.points_scale
    elif hasattr(scenarios, "points_scale"):  # a `RaceForecast` has its points in units
        raw["points"] = raw["points"] / scenarios.points_scale
    return _finished(raw), ids, weights


def _outcome_arrays(
    outcomes: Any, rules: RuleSet, names: tuple[str, ...]
) -> tuple[dict[str, Numbers], tuple[str, ...] | None]:
    if isinstance(outcomes, pl.DataFrame):
        columns: dict[str, Any] = {
            name: outcomes[name].to_numpy() if name != "status" else outcomes[name].to_list()
            for name in (*ARRAYS, "points", "dk_points")
            if name in outcomes.columns
        }
        if "driver_id" in outcomes.columns:
            columns["driver_ids"] = outcomes["driver_id"].to_list()
        outcomes = columns
    raw, ids, _ = _raw(outcomes)
    if raw is None:
        return {names[0] if len(names) == 1 else "value": np.atleast_1d(np.asarray(outcomes))}, None
    if "points" not in raw:
        _add_points(raw, rules)
        if "points" in raw:
            raw["points"] = raw["points"] / rules.points_scale
    return _finished(raw), ids


def _raw(
    value: Any,
) -> tuple[dict[str, Numbers] | None, tuple[str, ...] | None, Numbers | None]:
    """Named arrays, driver ids and weights; no arrays for a plain array."""
    if isinstance(value, Mapping):
        items = dict(value)
        ids = items.pop("driver_ids", items.pop("driver_id", None))
        weights = items.pop("weights", None)
    elif hasattr(value, "finish") and hasattr(value, "driver_ids"):
        items = {name: getattr(value, name) for name in ARRAYS if hasattr(value, name)}
        if not callable(getattr(value, "points", None)) and hasattr(value, "points"):
            items["points"] = value.points
        ids, weights = value.driver_ids, getattr(value, "weights", None)
    else:
        return None, None, None
    arrays: dict[str, Numbers] = {}
    for name, array in items.items():
        if array is None:
            continue
        arrays[_ALIASES.get(name, name)] = np.asarray(_rectangular(array))
    return (
        arrays,
        None if ids is None else tuple(str(driver) for driver in ids),
        None if weights is None else np.asarray(weights),
    )


def _refuse_unequal(raw: Mapping[str, Numbers], ids: Sequence[str] | None) -> None:
    shapes = {name: array.shape for name, array in raw.items() if array.ndim == 2}
    widths = {shape[1] for shape in shapes.values()}
    widths |= {array.shape[0] for array in raw.values() if array.ndim == 1}
    if ids is not None:
        widths.add(len(ids))
    if len(set(shapes.values())) > 1 or len(widths) > 1:
        text = ", ".join(f"{name} {array.shape}" for name, array in sorted(raw.items()))
        drivers = "" if ids is None else f" for {len(ids)} driver ids"
        raise InputError(f"The arrays are of unequal size: {text}{drivers}.", field="scenarios")


def _rectangular(array: Any) -> Numbers:
    try:
        return np.asarray(array)
    except ValueError as error:
        raise InputError("The rows are of unequal size.", field="scenarios") from error


def _finished(raw: dict[str, Numbers]) -> dict[str, Numbers]:
    if "status" in raw:
        status = raw.pop("status")
        if "retired" not in raw:
            raw["retired"] = retired(status)
    return raw


def _add_points(raw: dict[str, Numbers], rules: RuleSet) -> None:
    """Contest points, where everything that they are made of is known."""
    needed = ["start", "finish", "laps_led", "fastest_laps"]
    if rules.lap_completed:
        needed.append("laps_completed")
    if any(name not in raw for name in needed):
        return
    columns = {name: np.asarray(raw[name], np.float64) for name in needed}
    known = np.logical_and.reduce(
        np.broadcast_arrays(*[np.isfinite(array) for array in columns.values()])
    )
    fill = {name: np.where(known, array, 1).astype(np.int32) for name, array in columns.items()}
    fill.setdefault("laps_completed", np.zeros(known.shape, np.int32))
    units = score(rules, **fill)
    raw["points"] = units if known.all() else np.where(known, units.astype(np.float64), np.nan)


def retired(status: Numbers) -> Numbers:
    """Whether each car retired, 1 or 0, from status codes or names.

    Raises:
        InputError: If a status is unknown.
    """
    if status.dtype.kind in "biu":
        return np.asarray(status != 0, np.int8)
    codes = status_codes(pl.Series(status.astype(str).ravel()))
    return np.asarray(codes != 0, np.int8).reshape(status.shape)


def is_ranking(values: Numbers) -> bool:
    """Whether every row is a permutation of 1..N."""
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "iuf":
        return False
    expected = np.arange(1, values.shape[1] + 1)
    return bool(values.shape[1] > 1 and (np.sort(values, axis=1) == expected).all())


def _from_rows(table: pl.DataFrame) -> dict[str, Any]:
    """Arrays [m, N] from one row per scenario and driver."""
    missing = [name for name in ("scenario", "driver_id") if name not in table.columns]
    if missing:
        raise InputError(f"The forecast has no column {missing[0]!r}.", field=missing[0])
    drivers = table["driver_id"].unique(maintain_order=True)
    scenarios = table["scenario"].n_unique()
    if len(drivers) * scenarios != table.height:
        raise InputError(
            f"{table.height} rows are not {scenarios} scenarios of {len(drivers)} drivers.",
            field="scenario",
        )
    order = pl.DataFrame({"driver_id": drivers}).with_row_index("driver_number")
    rows = table.join(order, on="driver_id").sort("scenario", "driver_number")
    shape = (scenarios, len(drivers))
    arrays: dict[str, Any] = {"driver_ids": drivers.to_list()}
    for name in (*ARRAYS, "points", "dk_points"):
        if name in rows.columns:
            column = rows[name]
            if column.dtype in (pl.Categorical, pl.Enum):
                column = column.cast(pl.String)
            arrays[name] = column.to_numpy().reshape(shape)
    return arrays
