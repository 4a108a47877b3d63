"""The server graph engine: Neo4j over Bolt with the official driver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import neo4j
from neo4j.exceptions import AuthError, DriverError, Neo4jError, ServiceUnavailable

from nascar_assets.ontology.engine import GraphFault, GraphSlow, Row, Statement, query_name
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS

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

        def connect() -> neo4j.Driver:
            return neo4j.GraphDatabase.driver(
                address,
                auth=None if user is None else (user, password or ""),
                connection_timeout=min(5.0, time_limit),
                connection_acquisition_timeout=time_limit,
                max_transaction_retry_time=min(2.0, time_limit / 2),
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

    def write_all(self, statements: Sequence[Statement]) -> None:
        """Changes the graph in one transaction. See `GraphEngine.write_all`."""
        limit = max(self.time_limit, _LOAD_TIME_LIMIT)
        at: list[Statement] = [("begin", {})]

        @neo4j.unit_of_work(timeout=limit)
        def work(transaction: neo4j.ManagedTransaction) -> None:
            for query, parameters in statements:
                at[0] = (query, parameters)
                transaction.run(_literal(query), dict(parameters)).consume()

        def run(driver: neo4j.Driver) -> None:
            with driver.session(
                database=self._database, bookmark_manager=driver.execute_query_bookmark_manager
            ) as session:
                session.execute_write(work)

        self._limited(run, lambda: at[0], limit)

    def ping(self) -> None:
        """Checks that the server answers and has it plan the compiler's queries."""
        self.read(COMPILE_DRIVERS, driver_ids=[""])
        self.read(COMPILE_TRACKS, track_ids=[""])

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            driver, self._driver, self._closed = self._driver, None, True
        if driver is not None:
            _close_aside(driver)

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
        self, run: Callable[[neo4j.Driver], T], at: Callable[[], Statement], limit: float
    ) -> T:
        """Runs something against the driver, for a limited time, with errors in plain words."""
        with self._lock:
            if self._closed:
                query, parameters = at()
                raise GraphFault(
                    self.description, query_name(query), (*parameters,), "It is closed."
                )
            if self._driver is None:
                self._driver = self._connect()
            driver = self._driver
        answers: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(run(driver))
            except BaseException as error:
                errors.append(error)

        worker = threading.Thread(target=work, name="neo4j query", daemon=True)
        worker.start()
        # The server ends a transaction at the limit by itself; what hangs longer is a hang.
        worker.join(limit + 1.0)
        query, parameters = at()
        if worker.is_alive():
            with self._lock:
                if self._driver is driver:
                    self._driver = None
            _close_aside(driver)
            raise GraphSlow(
                self.description,
                query_name(query),
                (*parameters,),
                f"no answer within {limit:g} s.",
                "Look whether the server is up and not overloaded.",
            )
        if errors:
            raise self._fault(errors[0], query, parameters) from None
        return answers[0]

    def _fault(
        self, error: BaseException, query: str, parameters: Mapping[str, Any]
    ) -> BaseException:
        if not isinstance(error, (Neo4jError, DriverError, OSError, ValueError)):
            return error
        answer = self._redact(str(error).strip() or type(error).__name__)
        remedy = None
        kind = GraphFault
        if isinstance(error, AuthError):
            remedy = "Check NASCAR_GRAPH_USER and NASCAR_GRAPH_PASSWORD."
        elif isinstance(error, (ServiceUnavailable, OSError)):
            remedy = "Look whether the server is up and the address is right."
        elif "TransactionTimedOut" in (getattr(error, "code", None) or ""):
            kind, remedy = GraphSlow, "Look whether the server is overloaded."
        return kind(self.description, query_name(query), (*parameters,), answer, remedy)


def _literal(query: str) -> Any:
    # The driver asks for literal strings, so that nobody builds queries from input; ours are
    # constants of this package.
    return str(query)


def _close_aside(driver: neo4j.Driver) -> None:
    """Closes a driver without waiting for a server that may not answer."""
    closer = threading.Thread(target=driver.close, name="neo4j close", daemon=True)
    closer.start()
    closer.join(2.0)
