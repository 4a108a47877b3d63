"""Nodes for drivers and tracks that history does not know, with honest uncertainty."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from statistics import fmean, median

import polars as pl

from nascar_assets.ontology.nodes import DriverNode, TrackNode

NEUTRAL = 0.5
UNKNOWN_SE = 1 / math.sqrt(12)
"""Standard deviation of a value of which nothing is known but that it lies in [0, 1]."""

_ENOUGH = 20  # drivers that a spread is measured on; fewer give the spread of the unknown


def with_entrants(drivers: list[DriverNode], entrants: pl.DataFrame) -> list[DriverNode]:
    """The drivers with the teams of an entry list, newcomers added.

    A newcomer's skill has his team's advantage (`realpolitik_pos`) as its prior mean, and as its
    standard error the root mean square distance of known drivers' skill from their own team's
    advantage. Without a known team it is neutral, as wide as the unknown.

    Args:
        drivers: Those whom history knows.
        entrants: `driver_id`, `driver_name`, `team`, `manufacturer`; of two rows of one driver
            the first counts.
    """
    by_team: dict[str, list[DriverNode]] = defaultdict(list)
    for node in drivers:
        if node.team is not None:
            by_team[node.team].append(node)
    spread = {
        name: _rms([getattr(node, name) - middle(node) for node in drivers])
        for name, middle in (
            ("skill", lambda node: node.realpolitik_pos),
            ("psyche_aggression", lambda _: NEUTRAL),
            ("shadow_risk", lambda _: NEUTRAL),
        )
    }
    known = {node.driver_id: node for node in drivers}
    for row in entrants.unique("driver_id", keep="first", maintain_order=True).iter_rows(
        named=True
    ):
        driver_id = row["driver_id"]
        team, make = row["team"] or None, row["manufacturer"] or None
        if driver_id in known:
            node = known[driver_id]
            known[driver_id] = replace(
                node, team=team or node.team, manufacturer=make or node.manufacturer
            )
            continue
        mates = by_team.get(team, []) if team else []
        advantage = fmean(node.realpolitik_pos for node in mates) if mates else NEUTRAL
        known[driver_id] = DriverNode(
            driver_id=driver_id,
            name=row["driver_name"] or driver_id,
            team=team,
            manufacturer=make,
            series="",
            skill=advantage,
            skill_se=spread["skill"] if mates else UNKNOWN_SE,
            psyche_aggression=NEUTRAL,
            psyche_aggression_se=spread["psyche_aggression"],
            shadow_risk=NEUTRAL,
            shadow_risk_se=spread["shadow_risk"],
            realpolitik_pos=advantage,
            realpolitik_pos_se=(
                fmean(node.realpolitik_pos_se for node in mates) if mates else UNKNOWN_SE
            ),
            races=0,
            newcomer=True,
            data_through=None,
        )
    return list(known.values())


def new_tracks(tracks: list[TrackNode], schedule: pl.DataFrame) -> list[TrackNode]:
    """Neutral nodes for the tracks of a schedule that history does not know.

    A full tank lasts about as many miles anywhere, so the pit windows are the known tracks'
    median stint in miles, up to the longest race that is scheduled there.

    Args:
        tracks: Those that history knows.
        schedule: `track_id`, `track_name`, `track_type`, `track_length_miles`, `scheduled_laps`.
    """
    known = {node.track_id for node in tracks}
    stints = [n.pit_window_laps[0] * n.length_miles for n in tracks if n.pit_window_laps]
    stint_miles = median(stints) if stints else None
    missing = (
        schedule.filter(~pl.col("track_id").is_in(list(known)))
        .drop_nulls("track_id")
        .group_by("track_id", maintain_order=True)
        .agg(
            pl.col("track_name", "track_type", "track_length_miles").drop_nulls().last(),
            pl.col("scheduled_laps").max(),
        )
    )
    return [
        TrackNode(
            track_id=row["track_id"],
            name=row["track_name"] or row["track_id"],
            track_type=row["track_type"] or "",
            length_miles=float(row["track_length_miles"] or 0.0),
            difficulty=NEUTRAL,
            difficulty_se=UNKNOWN_SE,
            aggression_factor=NEUTRAL,
            aggression_factor_se=UNKNOWN_SE,
            caution_rate=NEUTRAL,
            caution_rate_se=UNKNOWN_SE,
            pit_window_laps=_windows(stint_miles, row["track_length_miles"], row["scheduled_laps"]),
            races=0,
            data_through=None,
        )
        for row in missing.iter_rows(named=True)
    ]


def _windows(
    stint_miles: float | None, length_miles: float | None, laps: int | None
) -> tuple[int, ...]:
    if not stint_miles or not length_miles:
        return ()
    stint = max(1, int(stint_miles / length_miles))
    return tuple(range(stint, max(laps or 0, stint + 1), stint))


def _rms(distances: list[float]) -> float:
    if len(distances) < _ENOUGH:
        return UNKNOWN_SE
    return math.sqrt(fmean(distance**2 for distance in distances))
