"""The embedded graph engine: Ladybug, in this process, one file."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ladybug

from nascar_assets.ontology.engine import CypherStatement, GraphFault, GraphSlow, Row, query_name
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS

_TABLES = (
    "CREATE NODE TABLE IF NOT EXISTS Driver(driver_id STRING PRIMARY KEY, name STRING, "
    "series STRING, skill DOUBLE, skill_se DOUBLE, psyche_aggression DOUBLE, "
    "psyche_aggression_se DOUBLE, shadow_risk DOUBLE, shadow_risk_se DOUBLE, "
    "realpolitik_pos DOUBLE, realpolitik_pos_se DOUBLE, min_laps_led INT64, "
    "max_laps_led INT64, races INT64, newcomer BOOLEAN, data_through STRING, "
    "overridden STRING[], override_notes STRING[], state STRING)",
    "CREATE NODE TABLE IF NOT EXISTS Track(track_id STRING PRIMARY KEY, name STRING, "
    "track_type STRING, length_miles DOUBLE, difficulty DOUBLE, difficulty_se DOUBLE, "
    "aggression_factor DOUBLE, aggression_factor_se DOUBLE, caution_rate DOUBLE, "
    "caution_rate_se DOUBLE, pit_window_laps INT64[], races INT64, data_through STRING, "
    "overridden STRING[], override_notes STRING[], state STRING)",
    "CREATE NODE TABLE IF NOT EXISTS Team(team_id STRING PRIMARY KEY, state STRING)",
    "CREATE NODE TABLE IF NOT EXISTS Manufacturer(name STRING PRIMARY KEY, state STRING)",
    "CREATE NODE TABLE IF NOT EXISTS Race(race_id STRING PRIMARY KEY, race_key STRING, "
    "name STRING, series STRING, season INT64, start_time STRING, scheduled_laps INT64, "
    "state STRING)",
    "CREATE NODE TABLE IF NOT EXISTS VetoRule(code STRING PRIMARY KEY, rule STRING, "
    "subject STRING, meaning STRING, notes STRING[], state STRING)",
    "CREATE NODE TABLE IF NOT EXISTS OntologyState(name STRING PRIMARY KEY, hash STRING, "
    "as_of STRING, data_through STRING, drivers INT64, tracks INT64, races INT64, state STRING)",
    "CREATE REL TABLE IF NOT EXISTS DRIVES_FOR(FROM Driver TO Team)",
    "CREATE REL TABLE IF NOT EXISTS RUNS(FROM Team TO Manufacturer)",
    "CREATE REL TABLE IF NOT EXISTS AT(FROM Race TO Track)",
    "CREATE REL TABLE IF NOT EXISTS VETO_RULE(FROM Driver TO VetoRule, FROM Track TO VetoRule)",
)

_BUFFER_BYTES = 256 * 1024**2
_MAX_BYTES = 4 * 1024**3  # of address space; the engine's own default is 8 TB


class LadybugEngine:
    """A Ladybug graph in one file, or in memory.

    Queries of one engine run one after another; each process may open the same file to read.

    Args:
        path: The graph's file; none for a graph in memory.
        read_only: Refuse changes, so that any number of processes may open the file at once.
        time_limit: Seconds that a query may take.

    Raises:
        GraphFault: If the file cannot be opened (missing, damaged, held by a writer).
    """

    def __init__(
        self, path: Path | None = None, *, read_only: bool = False, time_limit: float = 10.0
    ) -> None:
        self.path = path
        self.time_limit = time_limit
        self.description = f"Ladybug graph {path.name}" if path else "Ladybug graph in memory"
        self._lock = threading.Lock()
        self._prepared: dict[str, Any] = {}
        try:
            self._database = ladybug.Database(
                str(path) if path else ":memory:",
                read_only=read_only,
                buffer_pool_size=_BUFFER_BYTES,
                max_db_size=_MAX_BYTES,
            )
            self._connection: ladybug.Connection | None = ladybug.Connection(self._database)
            self._connection.set_query_timeout(max(1, int(1000 * time_limit)))
        except RuntimeError as error:
            raise GraphFault(self.description, "open", (), _answer(error)) from error

    def prepare(self) -> None:
        """Declares the tables that are not there yet."""
        for table in _TABLES:
            self.write(table)

    def read(self, query: str, **parameters: Any) -> list[Row]:
        """The rows of a query. See `GraphEngine.read`."""
        with self._lock:
            return self._run(query, parameters)

    def write(self, query: str, **parameters: Any) -> list[Row]:
        """Changes the graph. See `GraphEngine.write`."""
        return self.read(query, **parameters)

    def write_all(self, statements: Sequence[CypherStatement]) -> list[list[Row]]:
        """Changes the graph in one transaction. See `GraphEngine.write_all`."""
        with self._lock:
            self._run("BEGIN TRANSACTION", {})
            try:
                rows = [self._run(query, parameters) for query, parameters in statements]
            except BaseException:
                self._rollback()
                raise
            self._run("COMMIT", {})
            return rows

    def ping(self) -> None:
        """Checks that the graph answers and plans the compiler's queries."""
        self.read(COMPILE_DRIVERS, driver_ids=[""])
        self.read(COMPILE_TRACKS, track_ids=[""])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._connection is not None:
                self._prepared.clear()
                self._connection.close()
                self._database.close()
                self._connection = None

    def __repr__(self) -> str:
        return f"LadybugEngine({self.description})"

    def _rollback(self) -> None:
        # A statement that failed may already have ended the transaction.
        try:
            self._run("ROLLBACK", {})
        except GraphFault:
            return

    def _run(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        if self._connection is None:
            raise GraphFault(self.description, query_name(query), (*parameters,), "It is closed.")
        try:
            result = self._connection.execute(str(query), dict(parameters))
            names = result.get_column_names()
            rows = [dict(zip(names, row, strict=True)) for row in result.get_all()]
            result.close()
        except RuntimeError as error:
            answer = _answer(error)
            if "nterrupted" in answer:
                raise GraphSlow(
                    self.description,
                    query_name(query),
                    (*parameters,),
                    f"no answer within {self.time_limit:g} s.",
                ) from error
            raise GraphFault(self.description, query_name(query), (*parameters,), answer) from error
        return rows


def _answer(error: Exception) -> str:
    """The engine's own words, without the query's text that it repeats below them."""
    return str(error).split("\n", 1)[0].strip()
