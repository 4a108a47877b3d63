"""What people changed in a compiled spec, with their reasons: for reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import polars as pl

from nascar_assets.constraints.models import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.constraints.rows import COMPILED_NAMES
from nascar_assets.ontology import OverrideEntry, in_force

COLUMNS = ("subject", "field", "value", "why", "who", "at")
CHANGED_SINCE = "its entry was changed or taken back after the constraints were compiled"


def people_table(spec: ConstraintSpec, entries: Iterable[OverrideEntry]) -> pl.DataFrame:
    """One row for each value that a person set and each veto, as the spec holds them.

    The spec is what the run computed from, so it decides what is shown; the entries say who, why
    and when. An entry made since, or about somebody who is not in the spec, is not shown.

    Args:
        spec: The compiled spec.
        entries: What people entered, in the order of their times.

    Returns:
        `COLUMNS`, all text; sorted by subject, drivers first.
    """
    overrides, vetoes = in_force(entries)
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
                "subject": f"{subject} {key}",
                "field": name,
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
