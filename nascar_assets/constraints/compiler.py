"""The ontology compiled: two queries, every row checked, one immutable spec or one error."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from nascar_assets.constraints.checks import ConstraintValueError
from nascar_assets.constraints.models import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.errors import InputError
from nascar_assets.ontology.engine import GraphEngine, Query, Row
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS
from nascar_assets.ontology.state import OntologyState
from nascar_assets.ontology.vetoes import parse_veto

_log = logging.getLogger(__name__)

_COMPILED_NAMES = {"psyche_aggression": "aggression"}
_NOT_COMPILED = {"realpolitik_pos"}


class CompileError(InputError):
    """The graph does not hold what a spec needs; there is no partial spec."""


class ConstraintCompiler:
    """Compiles the graph's nodes into immutable constraints.

    Args:
        graph: The graph.
        state: The state that the graph must hold, or its hash. Every node that is read must
            carry it, so that a graph that was rebuilt for another date since is refused; none:
            whatever the graph holds.
    """

    def __init__(self, graph: GraphEngine, state: OntologyState | str | None = None) -> None:
        self._graph = graph
        self._state = state.hash if isinstance(state, OntologyState) else state

    def compile_spec(
        self,
        slate_id: str,
        driver_ids: Iterable[str],
        track_ids: Iterable[str],
        *,
        now: datetime | None = None,
    ) -> ConstraintSpec:
        """The spec of a slate.

        Args:
            slate_id: The slate.
            driver_ids: Drivers that race; an id that is given twice counts once.
            track_ids: Tracks; usually one.
            now: When the spec is compiled; the clock's time where none is given. Not part of the
                spec's hash.

        Raises:
            CompileError: If an id is missing from the graph (all are named, drivers and tracks),
                is there twice, a property is missing or outside its range, a veto rule is
                unknown, or the graph holds another state.
            GraphFault: If a query failed.
        """
        started = time.perf_counter()
        drivers, tracks = _distinct("driver", driver_ids), _distinct("track", track_ids)
        _log.info("Compiling %s: %d drivers, %d tracks.", slate_id, len(drivers), len(tracks))
        driver_rows = self._rows(COMPILE_DRIVERS, "driver_id", "driver_ids", drivers)
        track_rows = self._rows(COMPILE_TRACKS, "track_id", "track_ids", tracks)
        _refuse_missing(
            f" of slate {slate_id}",
            (("driver", drivers, driver_rows), ("track", tracks, track_rows)),
        )
        spec = ConstraintSpec(
            slate_id=slate_id,
            compiled_at=datetime.now(UTC) if now is None else now,
            drivers=[_driver(row) for row in driver_rows.values()],
            tracks=[_track(row) for row in track_rows.values()],
        )
        _log.info(
            "Compiled %s: %d drivers, %d tracks, hash %s, %.1f ms.",
            slate_id,
            len(spec.drivers),
            len(spec.tracks),
            spec.hash,
            1000 * (time.perf_counter() - started),
        )
        return spec

    def compile_driver_constraints(self, driver_ids: Iterable[str]) -> dict[str, DriverConstraints]:
        """Constraints of drivers by id, in one query.

        Raises:
            CompileError: As for `compile_spec`.
            GraphFault: If the query failed.
        """
        wanted = _distinct("driver", driver_ids)
        rows = self._rows(COMPILE_DRIVERS, "driver_id", "driver_ids", wanted)
        _refuse_missing("", (("driver", wanted, rows),))
        return {id_: _driver(rows[id_]) for id_ in wanted}

    def compile_track_constraints(self, track_ids: Iterable[str]) -> dict[str, TrackConstraints]:
        """Constraints of tracks by id, in one query.

        Raises:
            CompileError: As for `compile_spec`.
            GraphFault: If the query failed.
        """
        wanted = _distinct("track", track_ids)
        rows = self._rows(COMPILE_TRACKS, "track_id", "track_ids", wanted)
        _refuse_missing("", (("track", wanted, rows),))
        return {id_: _track(rows[id_]) for id_ in wanted}

    def _rows(self, query: Query, key: str, parameter: str, ids: Sequence[str]) -> dict[str, Row]:
        rows = self._graph.read(query, **{parameter: list(ids)})
        times = Counter(row[key] for row in rows)
        doubles = sorted(id_ for id_, count in times.items() if count > 1)
        if doubles:
            raise CompileError(
                f"The graph holds more than one node with {key} {', '.join(doubles)}.",
                field=key,
                remedy="Remove the others, or rebuild the ontology.",
            )
        if self._state is not None:
            others = sorted({str(row.get("state")) for row in rows} - {self._state})
            if others:
                raise CompileError(
                    f"The graph holds state {', '.join(others)}; this slate needs {self._state}.",
                    remedy="Rebuild the ontology as of the slate's cut-off.",
                )
        return {row[key]: row for row in rows}


def compile_constraints_from_neo4j(
    graph: GraphEngine | str,
    slate_id: str,
    driver_ids: Iterable[str],
    track_ids: Iterable[str],
    *,
    now: datetime | None = None,
    user: str | None = None,
    password: str | None = None,
    state: OntologyState | str | None = None,
) -> ConstraintSpec:
    """The spec of a slate in one call.

    Args:
        graph: An open engine, or the address of a Neo4j server (`bolt://...`), which is connected
            to for this call.
        slate_id: The slate.
        driver_ids: Drivers that race.
        track_ids: Tracks.
        now: When the spec is compiled.
        user: For an address: the user.
        password: For an address: the password.
        state: The state that the graph must hold, or its hash.

    Raises:
        CompileError: As for `ConstraintCompiler.compile_spec`.
        GraphFault: If the graph does not answer.
    """
    if not isinstance(graph, str):
        return ConstraintCompiler(graph, state).compile_spec(
            slate_id, driver_ids, track_ids, now=now
        )
    from nascar_assets.ontology.neo4j_engine import Neo4jEngine

    engine = Neo4jEngine(graph, user=user, password=password)
    try:
        return ConstraintCompiler(engine, state).compile_spec(
            slate_id, driver_ids, track_ids, now=now
        )
    finally:
        engine.close()


def _distinct(what: str, ids: Iterable[str]) -> list[str]:
    if isinstance(ids, str):
        raise CompileError(f"A list of {what} ids is needed, got the text {ids!r}.")
    listed = sorted(set(ids))
    if any(not isinstance(id_, str) or not id_ for id_ in listed):
        raise CompileError(f"Every {what} id must be a non-empty text.", field=f"{what}_ids")
    return listed


def _refuse_missing(where: str, asked: Iterable[tuple[str, Sequence[str], dict[str, Row]]]) -> None:
    parts = []
    for what, wanted, found in asked:
        missing = [id_ for id_ in wanted if id_ not in found]
        if missing:
            parts.append(f"{what}{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    if parts:
        raise CompileError(
            f"The ontology does not know {' and '.join(parts)}{where}.",
            remedy="Check the ids, or rebuild the ontology with the slate's entry list.",
        )


def _driver(row: Row) -> DriverConstraints:
    what = f"driver {row['driver_id']}"
    most = row.get("max_laps_led")
    try:
        return DriverConstraints(
            driver_id=row["driver_id"],
            skill=_present(row, "skill", what),
            aggression=_present(row, "psyche_aggression", what),
            shadow_risk=_present(row, "shadow_risk", what),
            min_laps_led=row.get("min_laps_led") or 0,
            max_laps_led=None if most is None or most < 0 else most,
            veto_rules=_rules(row, "driver", what),
            overridden=_overridden(row),
        )
    except ConstraintValueError as error:
        raise CompileError(f"The graph's node is at fault: {error}") from error


def _track(row: Row) -> TrackConstraints:
    what = f"track {row['track_id']}"
    try:
        return TrackConstraints(
            track_id=row["track_id"],
            difficulty=_present(row, "difficulty", what),
            aggression_factor=_present(row, "aggression_factor", what),
            caution_rate=_present(row, "caution_rate", what),
            pit_window_laps=tuple(row.get("pit_window_laps") or ()),
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
    return tuple(_COMPILED_NAMES.get(name, name) for name in names if name not in _NOT_COMPILED)
