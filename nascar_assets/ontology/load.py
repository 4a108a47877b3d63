"""A state into a graph, all of it or nothing; the embedded graph as one file per state."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nascar_assets.errors import ROOM, EnvironmentFault
from nascar_assets.ontology import queries as q
from nascar_assets.ontology.engine import CypherStatement, GraphEngine, GraphFault, Query, Row
from nascar_assets.ontology.nodes import DriverNode, TrackNode
from nascar_assets.ontology.state import OntologyState
from nascar_assets.ontology.vetoes import parse_veto

BUILDING_BYTES = 32 * 1024**2
"""Free room below which no graph is built: the engine ends the whole process, or leaves a broken
file, where a write finds no room. Ten seasons of three series take five MB; others write too."""

_NO_BOUND = -1  # a column that is empty in every row has no type in an engine that wants one


def load_state(engine: GraphEngine, state: OntologyState) -> None:
    """Puts a state into a graph in the place of what was there, in one transaction.

    Loading the same state again changes nothing. Nodes and relationships of other labels and
    types are left alone.

    Raises:
        GraphFault: If the graph refused; it holds what it held before.
    """
    engine.prepare()
    engine.write_all(load_statements(state))


def ensure_state(engine: GraphEngine, state: OntologyState) -> bool:
    """Loads a state unless the graph holds it already.

    Returns:
        Whether it had to be loaded.

    Raises:
        GraphFault: As for `load_state`.
    """
    engine.prepare()
    if stored_hash(engine) == state.hash:
        return False
    engine.write_all(load_statements(state))
    return True


def read_state(
    engine: GraphEngine, state: OntologyState, queries: Sequence[CypherStatement]
) -> list[list[Row]]:
    """The rows of queries to a graph that others load too, all from one state.

    The state is loaded where the graph holds another one. The queries run in the transaction that
    has made sure of it: a server's query shows half of what is committed while it runs.

    Raises:
        GraphFault: As for `load_state`.
    """
    engine.prepare()
    _, held, *rows = engine.write_all([(q.LOCK_STATE, {}), (q.READ_STATE, {}), *queries])
    if _hash_of(held) == state.hash:
        return rows
    statements = load_statements(state)
    return engine.write_all([*statements, *queries])[len(statements) :]


def stored_hash(engine: GraphEngine) -> str | None:
    """The hash of the state that a prepared graph holds, none for an empty graph."""
    return _hash_of(engine.read(q.READ_STATE))


def _hash_of(rows: list[Row]) -> str | None:
    # A state that was locked and never loaded has none.
    return rows[0]["hash"] if len(rows) == 1 else None


def load_statements(state: OntologyState) -> list[CypherStatement]:
    """Everything that loading a state does, in order."""
    nodes: list[DriverNode | TrackNode] = [*state.drivers, *state.tracks]
    rules = sorted({code for node in nodes for code in node.vetoes})
    teams = sorted({n.team for n in state.drivers if n.team})
    makes = sorted({n.manufacturer for n in state.drivers if n.manufacturer})
    notes: dict[str, list[str]] = {}
    for entry in state.vetoes:
        notes.setdefault(entry.name, []).append(f"{entry.subject} {entry.subject_id}: {entry.note}")
    statements: list[CypherStatement] = [(query, {}) for query in (q.LOCK_STATE, *q.DROP_LINKS)]

    def put(query: Query, rows: Iterable[dict[str, Any]]) -> None:
        listed = list(rows)
        if listed:
            statements.append((query, {"rows": listed}))

    def put_nodes(query: Query, rows: Iterable[dict[str, Any]]) -> None:
        put(query, ({**row, "state": state.hash} for row in rows))

    put_nodes(q.MERGE_MANUFACTURERS, ({"name": name} for name in makes))
    put_nodes(q.MERGE_TEAMS, ({"team_id": team} for team in teams))
    put_nodes(q.MERGE_DRIVERS, map(_driver_row, state.drivers))
    put_nodes(q.MERGE_TRACKS, map(_track_row, state.tracks))
    put(
        q.SET_PIT_WINDOWS,
        (
            {"track_id": n.track_id, "pit_window_laps": list(n.pit_window_laps)}
            for n in state.tracks
            if n.pit_window_laps
        ),
    )
    put_nodes(
        q.MERGE_RACES,
        (
            {
                "race_id": n.race_id,
                "race_key": n.race_key,
                "name": n.name,
                "series": n.series,
                "season": n.season,
                "start_time": n.start_time.isoformat(),
                "scheduled_laps": n.scheduled_laps,
            }
            for n in state.races
        ),
    )
    put_nodes(
        q.MERGE_VETO_RULES,
        (
            {
                "code": code,
                "rule": parse_veto(code).name,
                "subject": parse_veto(code).kind.subject,
                "meaning": parse_veto(code).meaning,
                "notes": sorted(notes.get(code, [])),
            }
            for code in rules
        ),
    )
    statements += [(query, {"state": state.hash}) for query in q.DROP_STALE]
    put(q.LINK_DRIVES_FOR, _links((n.driver_id, n.team) for n in state.drivers))
    put(q.LINK_RUNS, _links(sorted({(n.team, n.manufacturer) for n in state.drivers}, key=str)))
    put(q.LINK_AT, _links((n.race_id, n.track_id) for n in state.races))
    put(q.LINK_DRIVER_VETOES, _links((n.driver_id, c) for n in state.drivers for c in n.vetoes))
    put(q.LINK_TRACK_VETOES, _links((n.track_id, c) for n in state.tracks for c in n.vetoes))
    through = state.data_through
    put_nodes(
        q.MERGE_STATE,
        [
            {
                "name": "current",
                "hash": state.hash,
                "as_of": state.as_of.isoformat(),
                "data_through": through.isoformat() if through else "",
                "drivers": len(state.drivers),
                "tracks": len(state.tracks),
                "races": len(state.races),
            }
        ],
    )
    return statements


def _driver_row(node: DriverNode) -> dict[str, Any]:
    row, upper = _node_row(node, {"team", "manufacturer", "vetoes"}), node.max_laps_led
    return row | {"max_laps_led": _NO_BOUND if upper is None else upper}


def _track_row(node: TrackNode) -> dict[str, Any]:
    return _node_row(node, {"pit_window_laps", "vetoes"})


def _node_row(node: DriverNode | TrackNode, linked: set[str]) -> dict[str, Any]:
    """A node's own fields; those that are `linked` are set by queries of their own."""
    row = {name: getattr(node, name) for name in node.__slots__ if name not in linked}
    return row | {
        "data_through": node.data_through.isoformat() if node.data_through else "",
        "overridden": list(node.overridden),
        "override_notes": list(node.override_notes),
    }


def _links(pairs: Iterable[tuple[str | None, str | None]]) -> list[dict[str, str]]:
    return [
        {"source": source, "target": target}
        for source, target in pairs
        if source is not None and target is not None
    ]


def embedded_path(folder: Path, state: OntologyState) -> Path:
    """The file of a state's embedded graph."""
    return folder / f"ontology-{state.hash[:16]}.lbug"


def open_embedded(folder: Path, state: OntologyState, *, keep: int = 20) -> GraphEngine:
    """The embedded graph of a state, read-only; built first where there is none.

    It is built under a temporary name and renamed, so that no process ever sees half
    a graph, and processes that build the same state at once each put the same content in place.

    Args:
        folder: A local folder for graphs.
        state: The state.
        keep: Graphs of other states to leave in the folder; the oldest beyond that are removed,
            and more of them where there is too little room for one more.

    Raises:
        GraphFault: If a graph cannot be built or opened.
        EnvironmentFault: If the folder cannot be written or has too little room.
    """
    from nascar_assets.ontology.ladybug_engine import LadybugEngine

    path = embedded_path(folder, state)
    try:
        if path.exists():
            try:
                return _opened(path, state)
            except GraphFault:
                # Damaged, or removed by another process since: what it held can be built again.
                path.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        if (free := _room(folder, path, keep)) < BUILDING_BYTES:
            raise EnvironmentFault(
                f"The disk is full: a graph needs {BUILDING_BYTES // 1024**2} MB of free space, "
                f"and the folder of graphs has {free // 1024**2}. {ROOM}"
            )
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as draft_folder:
            draft = Path(draft_folder) / path.name
            engine = LadybugEngine(draft, time_limit=120.0)
            try:
                load_state(engine, state)
            finally:
                engine.close()
            _check(draft, state)
            os.replace(draft, path)
        _prune(folder, path, keep)
    except OSError as error:
        raise EnvironmentFault(f"The folder of graphs cannot be used: {error}.") from error
    return _opened(path, state)


def _opened(path: Path, state: OntologyState) -> GraphEngine:
    from nascar_assets.ontology.ladybug_engine import LadybugEngine

    engine = LadybugEngine(path, read_only=True)
    try:
        held = stored_hash(engine)
        if held != state.hash:
            raise GraphFault(engine.description, "open", (), f"It holds state {held}.")
    except GraphFault:
        engine.close()
        raise
    return engine


def _check(draft: Path, state: OntologyState) -> None:
    """Refuses a graph that was not written whole: the engine does not say each time."""
    try:
        _opened(draft, state).close()
    except GraphFault as error:
        raise EnvironmentFault(
            f"The graph was not written whole; the disk may be full. {ROOM}"
        ) from error


def _room(folder: Path, current: Path, keep: int) -> int:
    """Free bytes; of too few, the oldest graphs but one make room: they can be built again."""
    free = shutil.disk_usage(folder).free
    for left in range(keep - 1, 0, -1):
        if free >= BUILDING_BYTES:
            break
        _prune(folder, current, left)
        free = shutil.disk_usage(folder).free
    return free


def _prune(folder: Path, current: Path, keep: int) -> None:
    others = [(_modified(path), path) for path in folder.glob("ontology-*.lbug")]
    newest_first = sorted((item for item in others if item[1] != current), reverse=True)
    for _, path in newest_first[keep:]:
        path.unlink(missing_ok=True)
    # What a process that was killed while it built left behind.
    for path in folder.glob(".building-*"):
        if _modified(path) < _modified(current) - 3600:
            shutil.rmtree(path, ignore_errors=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another process removed it
