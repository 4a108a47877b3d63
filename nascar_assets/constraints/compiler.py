"""The ontology compiled: two queries, every row checked, one immutable spec or one error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from nascar_assets.constraints.models import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.constraints.rows import (
    CompileError,
    driver_of_row,
    rows_by_key,
    track_of_row,
)
from nascar_assets.ontology.engine import CypherStatement, GraphEngine, Query, Row
from nascar_assets.ontology.load import read_state
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS
from nascar_assets.ontology.state import OntologyState

_log = logging.getLogger(__name__)


class ConstraintCompiler:
    """Compiles the graph's nodes into immutable constraints.

    Args:
        graph: The graph.
        state: The state that the graph must hold, or its hash. Every node that is read must
            carry it, so that a graph that was rebuilt for another date since is refused; none:
            whatever the graph holds. While others load a server, `compile_for_state` alone
            reads nothing that is half loaded.
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
        now: datetime,
    ) -> ConstraintSpec:
        """The spec of a slate.

        Args:
            slate_id: The slate.
            driver_ids: Drivers that race; an id that is given twice counts once.
            track_ids: Tracks; usually one.
            now: When the spec is compiled. Not part of the spec's hash.

        Raises:
            CompileError: If an id is missing from the graph (all are named, drivers and tracks),
                is there twice, a property is missing or outside its range, a veto rule is
                unknown, or the graph holds another state.
            GraphFault: If a query failed.
        """
        return self._compiled(
            slate_id,
            driver_ids,
            track_ids,
            now,
            lambda queries: [self._graph.read(query, **ids) for query, ids in queries],
        )

    def _compiled(
        self,
        slate_id: str,
        driver_ids: Iterable[str],
        track_ids: Iterable[str],
        now: datetime,
        read: Callable[[Sequence[CypherStatement]], list[list[Row]]],
    ) -> ConstraintSpec:
        started = time.perf_counter()
        drivers, tracks = _distinct("driver", driver_ids), _distinct("track", track_ids)
        _log.info("Compiling %s: %d drivers, %d tracks.", slate_id, len(drivers), len(tracks))
        found = read(
            [(COMPILE_DRIVERS, {"driver_ids": drivers}), (COMPILE_TRACKS, {"track_ids": tracks})]
        )
        driver_rows, track_rows = (
            rows_by_key(rows, key, self._state)
            for rows, key in zip(found, ("driver_id", "track_id"), strict=True)
        )
        _refuse_missing(
            f" of slate {slate_id}",
            (("driver", drivers, driver_rows), ("track", tracks, track_rows)),
        )
        spec = ConstraintSpec(
            slate_id=slate_id,
            compiled_at=now,
            drivers=[driver_of_row(row) for row in driver_rows.values()],
            tracks=[track_of_row(row) for row in track_rows.values()],
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
        """Constraints of drivers by id, in one query; public, for those who need drivers alone.

        Raises:
            CompileError: As for `compile_spec`.
            GraphFault: If the query failed.
        """
        wanted = _distinct("driver", driver_ids)
        rows = self._rows(COMPILE_DRIVERS, "driver_id", "driver_ids", wanted)
        _refuse_missing("", (("driver", wanted, rows),))
        return {id_: driver_of_row(rows[id_]) for id_ in wanted}

    def compile_track_constraints(self, track_ids: Iterable[str]) -> dict[str, TrackConstraints]:
        """Constraints of tracks by id, in one query; public, for those who need tracks alone.

        Raises:
            CompileError: As for `compile_spec`.
            GraphFault: If the query failed.
        """
        wanted = _distinct("track", track_ids)
        rows = self._rows(COMPILE_TRACKS, "track_id", "track_ids", wanted)
        _refuse_missing("", (("track", wanted, rows),))
        return {id_: track_of_row(rows[id_]) for id_ in wanted}

    def _rows(self, query: Query, key: str, parameter: str, ids: Sequence[str]) -> dict[str, Row]:
        rows = self._graph.read(query, **{parameter: list(ids)})
        return rows_by_key(rows, key, self._state)


def compile_for_state(
    graph: GraphEngine,
    state: OntologyState,
    slate_id: str,
    driver_ids: Iterable[str],
    track_ids: Iterable[str],
    *,
    now: datetime,
) -> ConstraintSpec:
    """The spec of a slate from a server that several slates share.

    A server holds one state at a time. The state is loaded if it is not there, and no other
    slate's run can load its own before the queries are answered.

    Args:
        graph: A graph that may be written.
        state: The slate's state.
        slate_id: The slate.
        driver_ids: Drivers that race.
        track_ids: Tracks.
        now: When the spec is compiled.

    Raises:
        CompileError: As for `ConstraintCompiler.compile_spec`.
        GraphFault: If the graph does not answer.
    """
    return ConstraintCompiler(graph, state)._compiled(
        slate_id, driver_ids, track_ids, now, lambda queries: read_state(graph, state, queries)
    )


def compile_constraints_from_neo4j(
    graph: GraphEngine | str,
    slate_id: str,
    driver_ids: Iterable[str],
    track_ids: Iterable[str],
    *,
    now: datetime,
    user: str | None = None,
    password: str | None = None,
    state: OntologyState | str | None = None,
) -> ConstraintSpec:
    """The spec of a slate in one call: public interface, for programs without an open graph.

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
