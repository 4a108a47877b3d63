"""The small read model that a slate's run materialises: a slate summary and a driver summary."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from nascar_assets.columns import slates
from nascar_assets.columns.column import types_of
from nascar_assets.constraints.facts import SlateFact
from nascar_assets.constraints.models import ConstraintSpec
from nascar_assets.slates.slate import Slate

SLATE_SUMMARY = types_of(slates.SLATE_SUMMARY)
"""One row: the slate, its race and its track."""

DRIVER_SUMMARY = types_of(slates.DRIVER_SUMMARY)
"""One row per driver of the slate or of the spec, ascending by id."""


_NUMBERS = ("skill", "aggression", "shadow_risk", "min_laps_led", "max_laps_led")
"""What is numeric of a driver's constraints."""


def slate_summary(
    slate: Slate,
    spec: ConstraintSpec,
    *,
    track_id: str,
    scheduled_laps: int | None,
    features: Iterable[str] = (),
) -> pl.DataFrame:
    """The summary of a slate.

    Args:
        slate: The resolved slate.
        spec: Its compiled constraints.
        track_id: Where it races.
        scheduled_laps: The race's length; none where unknown.
        features: Names of the features that its feature table holds, known by the as-of time.

    Returns:
        One row of `SLATE_SUMMARY`.

    Raises:
        MissingConstraintError: If the spec does not hold the track.
    """
    fact = SlateFact.of(slate)
    track = spec.get_track_constraints(track_id)
    row = {
        "slate_id": slate.slate_id,
        "race_id": slate.race_id,
        "race_key": slate.race_key,
        "track_id": track_id,
        "lock": fact.lock,
        "roster_size": fact.roster_size,
        "salary_cap": fact.salary_cap,
        "scheduled_laps": scheduled_laps,
        "features": sorted(set(features)),
        "difficulty": track.difficulty,
        "aggression_factor": track.aggression_factor,
        "caution_rate": track.caution_rate,
        "pit_window_laps": list(track.pit_window_laps),
        "track_veto_rules": list(track.veto_rules),
        "track_overridden": list(track.overridden),
        "spec_hash": spec.hash,
    }
    return pl.DataFrame([row], schema=SLATE_SUMMARY)


def driver_summary(slate: Slate, spec: ConstraintSpec) -> pl.DataFrame:
    """The summary of a slate's drivers.

    Args:
        slate: The resolved slate.
        spec: Its compiled constraints.

    Returns:
        Rows of `DRIVER_SUMMARY`.
    """
    players = {player.driver_id: player for player in reversed(slate.everyone)}
    rows = []
    for driver_id in sorted({*players, *spec.drivers}):
        player, driver = players.get(driver_id), spec.drivers.get(driver_id)
        rows.append(
            {
                "slate_id": slate.slate_id,
                "driver_id": driver_id,
                "in_slate": player is not None,
                "status": player.mark if player else None,
                **{name: player and getattr(player, name) for name in ("name", "salary", "team")},
                **{name: driver and getattr(driver, name) for name in _NUMBERS},
                "veto_rules": list(driver.veto_rules) if driver else [],
                "overridden": list(driver.overridden) if driver else [],
                "compiled": driver is not None,
            }
        )
    return pl.DataFrame(rows, schema=DRIVER_SUMMARY)
