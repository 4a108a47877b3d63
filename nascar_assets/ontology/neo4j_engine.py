"""The server graph engine: Neo4j over Bolt with the official driver."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import neo4j
from neo4j.exceptions import (
    AuthError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from nascar_assets.ontology.engine import CypherStatement, GraphFault, GraphSlow, Row, query_name
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS
from nascar_assets.ontology.watchdog import Watchdog

T = TypeVar("T")

_KEYS = (
    ("Driver", "driver_id"),
    ("Track", "track_id"),
    ("Team", "team_id"),
    ("Manufacturer", "name"),
    ("Race", "race_id"),
    ("VetoRule", "code"),
    ("OntologyState", "name"),
)

_LOAD_TIME_LIMIT = 120.0


class Neo4jEngine:
    """A Neo4j server.

    Nothing is connected to before the first query. A query that the server does not answer within
    the time limit is given up on the client's side too, so that a server that hangs cannot hang
    its caller.

    Args:
        address: `bolt://host:port`, `neo4j://...`, or one of them with `+s` or `+ssc` for TLS.
        user: The user; none where the server asks for nobody.
        password: The password; kept by the driver alone.
        database: The database; none for the server's default.
        time_limit: Seconds that a query may take, connecting included.
    """

    def __init__(
        self,
        address: str,
        *,
        user: str | None = None,
        password: str | None = None,
        database: str | None = None,
        time_limit: float = 10.0,
    ) -> None:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        self.description = f"Neo4j at {parts.scheme}://{parts.hostname}{port}"
        self.time_limit = time_limit
        self._database = database
        self._lock = threading.Lock()
        self._closed = False
        self._watchdog = Watchdog()

        def connect() -> neo4j.Driver:
            return neo4j.GraphDatabase.driver(
                address,
                auth=None if user is None else (user, password or ""),
                connection_timeout=min(5.0, time_limit / 2),
                connection_acquisition_timeout=time_limit / 2,
                max_transaction_retry_time=0.0,
                keep_alive=True,
                telemetry_disabled=True,
                # A collect over nulls would otherwise fill the log with notifications.
                warn_notification_severity=neo4j.NotificationMinimumSeverity.OFF,
                notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
                user_agent="nascar-assets",
            )

        def redact(text: str) -> str:
            return text.replace(password, "***") if password else text

        # The password lives in these two closures alone, never in an attribute.
        self._connect = connect
        self._redact = redact
        self._driver: neo4j.Driver | None = None

    def prepare(self) -> None:
        """Declares a unique key for each label."""
        for label, key in _KEYS:
            self.write(
                f"CREATE CONSTRAINT nascar_{label.lower()} IF NOT EXISTS "
                f"FOR (n:{label}) REQUIRE n.{key} IS UNIQUE"
            )

    def read(self, query: str, **parameters: Any) -> list[Row]:
        """The rows of a query. See `GraphEngine.read`."""
        return self._execute(query, parameters, neo4j.RoutingControl.READ)

    def write(self, query: str, **parameters: Any) -> list[Row]:
        """Changes the graph. See `GraphEngine.write`."""
        return self._execute(query, parameters, neo4j.RoutingControl.WRITE)

    def write_all(self, statements: Sequence[CypherStatement]) -> list[list[Row]]:
        """Changes the graph in one transaction. See `GraphEngine.write_all`."""
        limit = max(self.time_limit, _LOAD_TIME_LIMIT)
        at: list[CypherStatement] = [("begin", {})]

        @neo4j.unit_of_work(timeout=limit)
        def work(transaction: neo4j.ManagedTransaction) -> list[list[Row]]:
            rows = []
            for query, parameters in statements:
                at[0] = (query, parameters)
                rows.append(transaction.run(_literal(query), dict(parameters)).data())
            return rows

        def run(driver: neo4j.Driver) -> list[list[Row]]:
            with driver.session(
                database=self._database, bookmark_manager=driver.execute_query_bookmark_manager
            ) as session:
                return session.execute_write(work)

        return self._limited(run, lambda: at[0], limit)

    def ping(self) -> None:
        """Checks that the server answers and has it plan the compiler's queries."""
        self.read(COMPILE_DRIVERS, driver_ids=[""])
        self.read(COMPILE_TRACKS, track_ids=[""])

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            driver, self._driver, self._closed = self._driver, None, True
        if driver is not None:
            driver.close()

    def __repr__(self) -> str:
        return f"Neo4jEngine({self.description})"

    def _execute(
        self, query: str, parameters: Mapping[str, Any], routing: neo4j.RoutingControl
    ) -> list[Row]:
        timed = neo4j.Query(_literal(query), timeout=self.time_limit)

        def run(driver: neo4j.Driver) -> list[Row]:
            records, _, _ = driver.execute_query(
                timed, dict(parameters), routing_=routing, database_=self._database
            )
            return [record.data() for record in records]

        return self._limited(run, lambda: (query, parameters), self.time_limit)

    def _limited(
        self, run: Callable[[neo4j.Driver], T], at: Callable[[], CypherStatement], limit: float
    ) -> T:
        """Runs something against the driver, for a limited time, with errors in plain words.

        What fails because its connection was lost is tried once more on a new one: a server that
        was restarted leaves stale connections. What the server gave up for another transaction's
        sake (a deadlock) is tried again until the time is up. Everything that is run here may run
        twice.
        """
        end = time.monotonic() + limit
        late = threading.Event()
        for attempt in itertools.count():
            driver = self._connected(at)

            def expire(driver: neo4j.Driver = driver) -> None:
                # Closing the driver's connections is what ends a read that waits for ever.
                late.set()
                self._drop(driver)

            try:
                # The server ends a transaction at the limit by itself; what is later hangs.
                with self._watchdog.limit(max(0.1, end - time.monotonic()) + 0.5, expire):
                    return run(driver)
            except (Neo4jError, DriverError, OSError, ValueError) as error:
                lost = isinstance(error, (ServiceUnavailable, SessionExpired, OSError))
                lost = lost or self._driver is not driver
                yielded = isinstance(error, TransientError) and time.monotonic() < end
                if late.is_set() or not (yielded or (lost and attempt == 0)):
                    raise self._fault(error, at(), limit if late.is_set() else None) from None
            time.sleep(min(0.02 * attempt, 0.5))
        raise AssertionError("unreachable")

    def _connected(self, at: Callable[[], CypherStatement]) -> neo4j.Driver:
        with self._lock:
            if self._closed:
                query, parameters = at()
                raise GraphFault(
                    self.description, query_name(query), (*parameters,), "It is closed."
                )
            if self._driver is None:
                self._driver = self._connect()
            return self._driver

    def _drop(self, driver: neo4j.Driver) -> None:
        with self._lock:
            if self._driver is driver:
                self._driver = None
        driver.close()

    def _fault(self, error: Exception, at: CypherStatement, late: float | None) -> GraphFault:
        query, parameters = at
        answer = self._redact(" ".join(str(error).split()) or type(error).__name__)
        remedy = None
        kind = GraphFault
        if late is not None or "TransactionTimedOut" in (getattr(error, "code", None) or ""):
            kind, remedy = GraphSlow, "Look whether the server is up and not overloaded."
            answer = f"no answer within {late or self.time_limit:g} s."
        elif isinstance(error, AuthError):
            remedy = "Check NASCAR_GRAPH_USER and NASCAR_GRAPH_PASSWORD."
        elif isinstance(error, (ServiceUnavailable, SessionExpired, OSError)):
            remedy = "Look whether the server is up and the address is right."
        return kind(self.description, query_name(query), (*parameters,), answer, remedy)


def _literal(query: str) -> Any:
    # The driver asks for literal strings, so that nobody builds queries from input; ours are
    # constants of this package.
    return str(query)
