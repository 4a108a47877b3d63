"""Starts at the rear: the order in which the cars run off, and the places they are scored from.

Two arrays, because they differ: a car that goes to the back for a backup car or an adjustment after
qualifying keeps its qualified place in the score; one whose qualifying was disallowed is scored
from the back, and everybody behind its place moves up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nascar_assets.scenarios.setup import RaceSetup
from nascar_assets.views.quantities import REAR_SCORED


def with_rear_starts(setup: RaceSetup, rear: Mapping[str, int]) -> RaceSetup:
    """The race with some cars behind the field, in the order in which they qualified.

    Args:
        setup: The race; one without a starting order is given back as it is.
        rear: By driver id, where he is scored from: a place in `REAR_SCORED`.
    """
    grid = {entry.driver_id: entry.start for entry in setup.entries}
    moved = {driver: scored for driver, scored in rear.items() if grid.get(driver) is not None}
    if not moved or None in grid.values():
        return setup
    disallowed = {d for d, scored in moved.items() if REAR_SCORED[scored] == "rear"}
    running = _behind(grid, set(moved))
    scored = _behind(grid, disallowed)
    return replace(
        setup,
        entries=tuple(
            replace(entry, start=running[entry.driver_id], scored_start=scored[entry.driver_id])
            for entry in setup.entries
        ),
    )


def _behind(grid: Mapping[str, int | None], last: set[str]) -> dict[str, int]:
    """Places once some cars stand behind all others, everybody else closing up."""
    ordered = sorted(grid, key=lambda driver: (driver in last, grid[driver]))
    return {driver: place for place, driver in enumerate(ordered, 1)}
