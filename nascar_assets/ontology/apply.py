"""Laying people's overrides and vetoes over the estimated nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from nascar_assets.ontology.nodes import DriverNode, TrackNode
from nascar_assets.ontology.overrides import Statement


def apply_overrides(
    drivers: Iterable[DriverNode],
    tracks: Iterable[TrackNode],
    overrides: Iterable[Statement],
    vetoes: Iterable[Statement],
) -> tuple[list[DriverNode], list[TrackNode], list[str]]:
    """The nodes with everything that people set.

    An overridden value has standard error 0: it is a decision, not an estimate. Where a person
    sets the team advantage of a newcomer, his skill follows it, as its prior mean.

    Args:
        drivers: Estimated nodes.
        tracks: Estimated nodes.
        overrides: Overrides in force.
        vetoes: Vetoes in force.

    Returns:
        Drivers, tracks, and a notice for each entry whose driver or track is unknown.

    Raises:
        InputError: If two overrides contradict each other (least laps led above the most).
    """
    changes: dict[tuple[str, str], dict[str, Statement]] = {}
    for entry in overrides:
        changes.setdefault((entry.subject, entry.subject_id), {})[entry.name] = entry
    rules: dict[tuple[str, str], list[Statement]] = {}
    for entry in vetoes:
        rules.setdefault((entry.subject, entry.subject_id), []).append(entry)
    new_drivers = []
    for driver in drivers:
        key = ("driver", driver.driver_id)
        new_drivers.append(_changed(driver, changes.pop(key, {}), rules.pop(key, [])))
    new_tracks = []
    for track in tracks:
        key = ("track", track.track_id)
        new_tracks.append(_changed(track, changes.pop(key, {}), rules.pop(key, [])))
    left = [e for set_ in changes.values() for e in set_.values()]
    left += [e for listed in rules.values() for e in listed]
    notices = [
        f"{entry.subject} {entry.subject_id} is unknown as of this date, so this has no effect: "
        f"{entry.note}"
        for entry in left
    ]
    return new_drivers, new_tracks, notices


def _changed(node: Any, entries: dict[str, Statement], vetoes: list[Statement]) -> Any:
    if not entries and not vetoes:
        return node
    values: dict[str, Any] = {}
    notes = []
    for name, entry in sorted(entries.items()):
        values[name] = entry.value
        estimate = getattr(node, name)
        if hasattr(node, f"{name}_se"):
            values[f"{name}_se"] = 0.0
            said = f"{estimate:.4f}, standard error {getattr(node, f'{name}_se'):.4f}"
        else:
            said = str(estimate)
        notes.append(f"{entry.note} (estimate: {said})")
    if getattr(node, "newcomer", False) and "realpolitik_pos" in values and "skill" not in values:
        values["skill"] = values["realpolitik_pos"]
    return replace(
        node,
        **values,
        overridden=tuple(sorted(entries)),
        override_notes=(*notes, *(entry.note for entry in vetoes)),
        vetoes=tuple(sorted(entry.name for entry in vetoes)),
    )
