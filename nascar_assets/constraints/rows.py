"""Rows of the graph's compile queries into constraints, each value checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nascar_assets.constraints.checks import ConstraintValueError
from nascar_assets.constraints.models import DriverConstraints, TrackConstraints
from nascar_assets.errors import InputError
from nascar_assets.ontology.engine import Row
from nascar_assets.ontology.vetoes import parse_veto

COMPILED_NAMES = {"psyche_aggression": "aggression"}
"""What fields of the graph are called in a spec, where the names differ."""
_NOT_COMPILED = {"realpolitik_pos"}


class CompileError(InputError):
    """The graph does not hold what a spec needs; there is no partial spec."""


def rows_by_key(rows: Sequence[Row], key: str, state: str | None = None) -> dict[str, Row]:
    """Rows by their id.

    Args:
        rows: Of a compile query.
        key: The id's column.
        state: The hash of the state that every node must carry; none for any.

    Raises:
        CompileError: If two nodes have one id, or a node carries another state.
    """
    times = Counter(row[key] for row in rows)
    doubles = sorted(id_ for id_, count in times.items() if count > 1)
    if doubles:
        raise CompileError(
            f"The graph holds more than one node with {key} {', '.join(doubles)}.",
            field=key,
            remedy="Remove the others, or rebuild the ontology.",
        )
    others = sorted({str(row.get("state")) for row in rows} - {state}) if state else []
    if others:
        raise CompileError(
            f"The graph holds state {', '.join(others)}; this slate needs {state}.",
            remedy="Rebuild the ontology as of the slate's as-of time.",
        )
    return {row[key]: row for row in rows}


def driver_of_row(row: Row) -> DriverConstraints:
    """A driver's constraints.

    Raises:
        CompileError: If a property is missing or outside its range, or a veto rule is unknown.
    """
    what = f"driver {row['driver_id']}"
    upper = row.get("max_laps_led")
    try:
        return DriverConstraints(
            driver_id=row["driver_id"],
            skill=_present(row, "skill", what),
            aggression=_present(row, "psyche_aggression", what),
            shadow_risk=_present(row, "shadow_risk", what),
            min_laps_led=row.get("min_laps_led") or 0,
            max_laps_led=None if upper == -1 else upper,
            veto_rules=_rules(row, "driver", what),
            overridden=_overridden(row),
        )
    except ConstraintValueError as error:
        raise CompileError(f"The graph's node is at fault: {error}") from error


def track_of_row(row: Row) -> TrackConstraints:
    """A track's constraints.

    Raises:
        CompileError: As for `driver_of_row`.
    """
    what = f"track {row['track_id']}"
    windows = row.get("pit_window_laps")
    try:
        return TrackConstraints(
            track_id=row["track_id"],
            difficulty=_present(row, "difficulty", what),
            aggression_factor=_present(row, "aggression_factor", what),
            caution_rate=_present(row, "caution_rate", what),
            pit_window_laps=() if windows is None else windows,
            veto_rules=_rules(row, "track", what),
            overridden=_overridden(row),
        )
    except ConstraintValueError as error:
        raise CompileError(f"The graph's node is at fault: {error}") from error


def _present(row: Row, name: str, what: str) -> Any:
    value = row.get(name)
    if value is None:
        raise CompileError(
            f"The graph's node of {what} has no property {name}.",
            field=name,
            remedy="Rebuild the ontology.",
        )
    return value


def _rules(row: Row, subject: str, what: str) -> tuple[str, ...]:
    codes = []
    for code in row["veto_rules"]:
        try:
            codes.append(parse_veto(code, subject=subject).code)
        except InputError as error:
            raise CompileError(f"A veto rule of {what} cannot be used: {error}") from error
    return tuple(codes)


def _overridden(row: Row) -> tuple[str, ...]:
    names = row.get("overridden") or ()
    return tuple(COMPILED_NAMES.get(name, name) for name in names if name not in _NOT_COMPILED)
