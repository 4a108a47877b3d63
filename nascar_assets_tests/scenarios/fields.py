"""Invented races for the tests: fields, specs, parameters."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import strategies as st

from nascar_assets.constraints import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.scenarios import Entry, RaceSetup

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def setup_of(
    size: int = 36,
    laps: int = 120,
    kind: str = "intermediate",
    *,
    seed: int = 1,
    starts: bool = True,
    ratings: bool = True,
    stage_ends: tuple[int, ...] | None = None,
    length: float | None = 1.5,
) -> RaceSetup:
    """A race of invented drivers, two to a team, the first of the list rated best."""
    rng = np.random.default_rng(seed)
    level = np.sort(rng.normal(0.0, 0.55, size))[::-1] if ratings else np.zeros(size)
    grid = 1 + np.argsort(np.argsort(-level + rng.normal(0.0, 0.5, size)))
    entries = tuple(
        Entry(
            driver_id=f"d{place}",
            name=f"Driver {place}",
            team=f"Team {place // 2}",
            start=int(grid[place]) if starts else None,
            level=float(level[place]),
            level_sd=0.1 if ratings else 0.0,
        )
        for place in range(size)
    )
    ends = (laps // 4, laps // 2) if stage_ends is None else stage_ends
    return RaceSetup("race", "track", kind, laps, ends, entries, track_length=length)


def spec_of(setup: RaceSetup, drivers: dict[str, dict] | None = None, **track) -> ConstraintSpec:
    """Neutral constraints with some fields of some drivers and of the track set."""
    given = drivers or {}
    values = {"difficulty": 0.5, "aggression_factor": 0.5, "caution_rate": 0.5, **track}
    return ConstraintSpec(
        slate_id="slate",
        compiled_at=NOW,
        drivers=[
            DriverConstraints(
                **{
                    "driver_id": one,
                    "skill": 0.5,
                    "aggression": 0.5,
                    "shadow_risk": 0.5,
                    **given.get(one, {}),
                }
            )
            for one in setup.driver_ids
        ],
        tracks=[TrackConstraints(track_id=setup.track_id, **values)],
    )


@st.composite
def setups(draw: st.DrawFn) -> RaceSetup:
    """Any race that can be simulated."""
    size = draw(st.integers(6, 50))
    laps = draw(st.integers(40, 600) if draw(st.booleans()) else st.integers(40, 80))
    ends = sorted(draw(st.sets(st.integers(1, laps - 1), max_size=3)))
    grid = draw(st.permutations(range(1, size + 1)))
    open_starts = draw(st.sets(st.integers(0, size - 1)))
    entries = tuple(
        Entry(
            driver_id=str(place),
            team=draw(st.sampled_from(["", "A", "B", "C"])),
            start=None if place in open_starts else grid[place],
            level=draw(st.floats(-3.0, 3.0)),
            level_sd=draw(st.floats(0.0, 1.5)),
        )
        for place in range(size)
    )
    return RaceSetup(
        "race",
        "track",
        draw(st.sampled_from(TRACK_TYPES)),
        laps,
        tuple(ends),
        entries,
        track_length=draw(st.sampled_from([None, 0.5, 1.5, 2.66])),
    )
