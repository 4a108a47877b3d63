"""The three views: over values in memory, over the graph, over a slate's materialised summaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import polars as pl

from nascar_assets.constraints.contract import RequirementKey
from nascar_assets.constraints.facts import PlayerFact, RaceFact, SlateFact, TeamFact
from nascar_assets.constraints.frozen import FrozenMap
from nascar_assets.constraints.models import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.constraints.rows import driver_of_row, rows_by_key, track_of_row
from nascar_assets.constraints.summaries import DRIVER_SUMMARY, SLATE_SUMMARY
from nascar_assets.errors import InputError
from nascar_assets.ontology.engine import GraphEngine
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS, FIND_RACES, FIND_TEAMS
from nascar_assets.slates.slate import Slate


class _Facts:
    """Facts by requirement; what every view answers from."""

    def __init__(self) -> None:
        self._facts: dict[RequirementKey, Any] = {}

    def load(self, requirements: Iterable[RequirementKey]) -> None:
        """Everything is at hand already."""

    def has(self, requirement: RequirementKey) -> bool:
        """Whether it is at hand."""
        return requirement in self._facts

    def get(self, requirement: RequirementKey) -> Any:
        """What is at hand.

        Raises:
            KeyError: If it is not.
        """
        return self._facts[requirement]

    def _put(self, kind: str, id_: str, fact: Any) -> None:
        self._facts[RequirementKey(kind, id_)] = fact

    def _put_slate(self, slate: SlateFact) -> None:
        self._put("slate", slate.slate_id, slate)
        teams: dict[str, set[str]] = {}
        for player in slate.players.values():
            if player.team is not None:
                teams.setdefault(player.team, set()).add(player.driver_id)
        for team_id, driver_ids in teams.items():
            self._put("team", team_id, TeamFact(team_id, tuple(sorted(driver_ids))))


class InMemoryStateView(_Facts):
    """Over a compiled spec and a slate: everything is at hand. The optimiser's view.

    Args:
        spec: The compiled spec.
        slate: The slate, resolved or as a fact.
        race: The race, where its length is known.
        features: Features known by the slate's as-of time, for a resolved slate.
        lineups: Lineups by their id, drivers in order.
    """

    def __init__(
        self,
        spec: ConstraintSpec | None = None,
        slate: Slate | SlateFact | None = None,
        *,
        race: RaceFact | None = None,
        features: Iterable[str] = (),
        lineups: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        super().__init__()
        if spec is not None:
            for driver_id, driver in spec.drivers.items():
                self._put("driver", driver_id, driver)
            for track_id, track in spec.tracks.items():
                self._put("track", track_id, track)
        if slate is not None:
            if not isinstance(slate, SlateFact):
                slate = SlateFact.of(slate, tuple(features))
            self._put_slate(slate)
        if race is not None:
            self._put("race", race.race_id, race)
        for lineup_id, driver_ids in (lineups or {}).items():
            self._put("lineup", lineup_id, tuple(driver_ids))


class GraphStateView(_Facts):
    """Over the graph: fetches what was asked for and nothing else, one query for each kind.

    The graph knows drivers, tracks, teams and races; a slate must be handed in.

    Args:
        graph: The graph.
        slate: The slate, where it is at hand.
        state: Hash of the state that the graph must hold; none for any.
    """

    def __init__(
        self,
        graph: GraphEngine,
        slate: Slate | SlateFact | None = None,
        *,
        state: str | None = None,
    ) -> None:
        super().__init__()
        self._graph = graph
        self._state = state
        self._asked: set[RequirementKey] = set()
        if slate is not None:
            self._put_slate(slate if isinstance(slate, SlateFact) else SlateFact.of(slate))

    def load(self, requirements: Iterable[RequirementKey]) -> None:
        """Fetches what is not at hand; an id that the graph does not know stays missing.

        Raises:
            CompileError: If a node is at fault.
            GraphFault: If a query failed.
        """
        wanted: dict[str, list[str]] = {}
        for key in sorted(set(requirements)):
            if key not in self._facts and key not in self._asked:
                wanted.setdefault(key.kind, []).append(key.id)
                self._asked.add(key)
        if ids := wanted.get("driver"):
            rows = self._graph.read(COMPILE_DRIVERS, driver_ids=ids)
            for id_, row in rows_by_key(rows, "driver_id", self._state).items():
                self._put("driver", id_, driver_of_row(row))
        if ids := wanted.get("track"):
            rows = self._graph.read(COMPILE_TRACKS, track_ids=ids)
            for id_, row in rows_by_key(rows, "track_id", self._state).items():
                self._put("track", id_, track_of_row(row))
        if ids := wanted.get("team"):
            for id_, row in rows_by_key(
                self._graph.read(FIND_TEAMS, team_ids=ids), "team_id"
            ).items():
                self._put("team", id_, TeamFact(id_, tuple(sorted(row["driver_ids"]))))
        if ids := wanted.get("race"):
            for id_, row in rows_by_key(
                self._graph.read(FIND_RACES, race_ids=ids), "race_id"
            ).items():
                if row["track_id"] and row["scheduled_laps"]:
                    self._put("race", id_, RaceFact(id_, row["track_id"], row["scheduled_laps"]))


class ProjectedStateView(_Facts):
    """Over the summaries that a slate's run materialised: what the API prechecks with.

    Args:
        slate_summary: One row of `SLATE_SUMMARY`.
        driver_summary: Rows of `DRIVER_SUMMARY` of the same slate.

    Raises:
        InputError: If a column is missing, or the two are not of one slate.
    """

    def __init__(self, slate_summary: pl.DataFrame, driver_summary: pl.DataFrame) -> None:
        super().__init__()
        for name, table, schema in (
            ("slate summary", slate_summary, SLATE_SUMMARY),
            ("driver summary", driver_summary, DRIVER_SUMMARY),
        ):
            missing = [column for column in schema if column not in table.columns]
            if missing:
                raise InputError(f"The {name} lacks the columns {', '.join(missing)}.")
        if slate_summary.height != 1:
            raise InputError(f"A slate summary has one row; this one has {slate_summary.height}.")
        slate = slate_summary.row(0, named=True)
        drivers = driver_summary.rows(named=True)
        others = sorted({row["slate_id"] for row in drivers} - {slate["slate_id"]})
        if others:
            raise InputError(
                f"The driver summary is of {', '.join(others)}, the slate summary of "
                f"{slate['slate_id']}."
            )
        for row in drivers:
            if row["compiled"]:
                self._put(
                    "driver",
                    row["driver_id"],
                    DriverConstraints(**{name: row[name] for name in _OF_DRIVER}),
                )
        self._put(
            "track",
            slate["track_id"],
            TrackConstraints(
                track_id=slate["track_id"],
                difficulty=slate["difficulty"],
                aggression_factor=slate["aggression_factor"],
                caution_rate=slate["caution_rate"],
                pit_window_laps=slate["pit_window_laps"],
                veto_rules=slate["track_veto_rules"],
                overridden=slate["track_overridden"],
            ),
        )
        if slate["scheduled_laps"] is not None:
            race = RaceFact(slate["race_id"], slate["track_id"], slate["scheduled_laps"])
            self._put("race", race.race_id, race)
        self._put_slate(
            SlateFact(
                slate_id=slate["slate_id"],
                race_id=slate["race_id"],
                lock=slate["lock"],
                roster_size=slate["roster_size"],
                salary_cap=slate["salary_cap"],
                players=FrozenMap(
                    {
                        row["driver_id"]: PlayerFact(
                            row["driver_id"], row["salary"], row["team"], row["status"]
                        )
                        for row in drivers
                        if row["in_slate"]
                    }
                ),
                features=tuple(slate["features"]),
            )
        )


_OF_DRIVER = tuple(item.name for item in fields(DriverConstraints))
"""Columns of `DRIVER_SUMMARY` that a driver's constraints are made of."""
