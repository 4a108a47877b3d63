"""The one protocol that every graph engine serves, and the errors that it may raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from nascar_assets.errors import EnvironmentFault

Row = dict[str, Any]
"""One row of a query's answer: values by the names that the query returns."""

CypherStatement = tuple[str, Mapping[str, Any]]
"""A query's text and its parameters."""


class Query(str):
    """Cypher text with a name, so that an error can say which query failed.

    Args:
        name: What the query is called.
        text: Its Cypher.
    """

    name: str

    def __new__(cls, name: str, text: str) -> Query:
        """A named query."""
        query = super().__new__(cls, text)
        query.name = name
        return query


class GraphFault(EnvironmentFault):
    """A graph that does not answer as it should: down, slow, refusing, broken in mid-query.

    Never holds a parameter's value or a password.

    Args:
        engine: Which engine, with its address where it has one.
        query: The query that failed, or what was tried.
        parameters: Names of the query's parameters.
        answer: What the engine answered.
        remedy: What the person can do about it.
    """

    def __init__(
        self,
        engine: str,
        query: str,
        parameters: Sequence[str],
        answer: str,
        remedy: str | None = None,
    ) -> None:
        self.engine = engine
        self.query = query
        self.parameters = tuple(parameters)
        self.answer = answer
        names = ", ".join(self.parameters) or "none"
        text = f"{engine}: query {query!r} (parameters: {names}) failed: {answer}"
        super().__init__(f"{text} {remedy}" if remedy else text)


class GraphSlow(GraphFault):
    """A graph that did not answer within the time limit."""


@runtime_checkable
class GraphEngine(Protocol):
    """A graph that answers Cypher. Engines may be shared between threads."""

    @property
    def description(self) -> str:
        """The engine and its address, for people; holds no secret."""
        ...

    def prepare(self) -> None:
        """Declares what the engine must know before data comes (tables, unique keys).

        Idempotent.

        Raises:
            GraphFault: If the graph does not answer.
        """
        ...

    def read(self, query: str, **parameters: Any) -> list[Row]:
        """The rows of a query that changes nothing.

        Raises:
            GraphFault: If the query failed or took longer than the engine's time limit.
        """
        ...

    def write(self, query: str, **parameters: Any) -> list[Row]:
        """The rows of a query that changes the graph, in a transaction of its own.

        Raises:
            GraphFault: As for `read`; nothing was changed then.
        """
        ...

    def write_all(self, statements: Sequence[CypherStatement]) -> list[list[Row]]:
        """Many changes in one transaction: all of them or none.

        Returns:
            The rows of each statement.

        Raises:
            GraphFault: As for `read`; nothing was changed then.
        """
        ...

    def ping(self) -> None:
        """Checks that the graph answers, and has it plan the compiler's queries.

        Raises:
            GraphFault: If it does not answer.
        """
        ...

    def close(self) -> None:
        """Gives back what the engine holds. Idempotent."""
        ...


def query_name(query: str) -> str:
    """The name of a query; its first words where it has none."""
    return query.name if isinstance(query, Query) else " ".join(query.split())[:60]
