"""What people changed in a compiled spec, with their reasons: for reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from nascar_assets.constraints.models import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.constraints.rows import COMPILED_NAMES, driver_of_row, track_of_row
from nascar_assets.ontology import OntologyState, Statement, in_force
from nascar_assets.ontology.apply import apply_overrides
from nascar_assets.ontology.engine import Row
from nascar_assets.ontology.nodes import DriverNode, TrackNode
from nascar_assets.ontology.vetoes import parse_veto

COLUMNS = ("subject", "field", "value", "why", "who", "at")
CHANGED_SINCE = "its entry was changed or taken back after the constraints were compiled"


def people_table(
    spec: ConstraintSpec,
    entries: Iterable[Statement],
    names: Mapping[tuple[str, str], str] | None = None,
) -> pl.DataFrame:
    """One row for each value that a person set and each veto, as the spec holds them.

    The spec is what the run computed from, so it decides what is shown; the entries say who, why
    and when. An entry made since, or about somebody who is not in the spec, is not shown.

    Args:
        spec: The compiled spec.
        entries: What people entered, in the order of their times.
        names: Names by `driver` or `track` and the id, for a driver and a track may have one id;
            an id without a name is shown itself.

    Returns:
        `COLUMNS`, all text; sorted by subject, drivers first.
    """
    overrides, vetoes = in_force(entries)
    drivers = {key: name for (subject, key), name in (names or {}).items() if subject == "driver"}
    known = {
        (entry.subject, entry.subject_id, COMPILED_NAMES.get(entry.name, entry.name)): entry
        for entry in overrides
    }
    known |= {(entry.subject, entry.subject_id, entry.name): entry for entry in vetoes}
    rows = []
    for subject, key, name, value in _changes(spec):
        entry = known.get((subject, key, name))
        same = entry is not None and (value == "veto" or json.dumps(entry.value) == value)
        rows.append(
            {
                "subject": (names or {}).get((subject, key), f"{subject} {key}"),
                "field": parse_veto(name).said(drivers) if names and value == "veto" else name,
                "value": value,
                "why": entry.reason if entry is not None and same else CHANGED_SINCE,
                "who": entry.author if entry is not None and same else "",
                "at": entry.at.isoformat(timespec="minutes") if entry is not None and same else "",
            }
        )
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))


def _changes(spec: ConstraintSpec) -> Iterator[tuple[str, str, str, str]]:
    """Subject, id, field or veto code, and the value as JSON (`veto` for a veto)."""
    things: list[tuple[str, str, DriverConstraints | TrackConstraints]] = [
        *(("driver", key, spec.drivers[key]) for key in sorted(spec.drivers)),
        *(("track", key, spec.tracks[key]) for key in sorted(spec.tracks)),
    ]
    for subject, key, thing in things:
        for name in thing.overridden:
            yield subject, key, name, json.dumps(getattr(thing, name))
        for code in thing.veto_rules:
            yield subject, key, code, "veto"


def with_entries(
    spec: ConstraintSpec, entries: Iterable[Statement], estimated: OntologyState
) -> ConstraintSpec:
    """The spec as it would be compiled with some entries.

    Args:
        spec: The compiled spec, whose drivers and tracks are taken.
        entries: Everything that people entered, in the order of their times.
        estimated: The graph's own estimates, before people's overrides.

    Raises:
        InputError: If two entries contradict each other.
    """
    drivers, tracks, _ = apply_overrides(estimated.drivers, estimated.tracks, *in_force(entries))
    return ConstraintSpec(
        spec.slate_id,
        spec.compiled_at,
        [driver_of_row(_row(node)) for node in drivers if node.driver_id in spec.drivers],
        [track_of_row(_row(node)) for node in tracks if node.track_id in spec.tracks],
    )


def _row(node: DriverNode | TrackNode) -> Row:
    """A node as the compile queries give it."""
    return {name: getattr(node, name) for name in node.__slots__} | {"veto_rules": node.vetoes}
