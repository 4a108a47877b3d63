"""Seconds that a run spends beside its computing: store, drawing, Dagster's log, loading."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Literal, ParamSpec, TypeVar, get_args

P = ParamSpec("P")
R = TypeVar("R")

OverheadKind = Literal["store", "drawing", "log", "loading"]
"""Reading and writing the data root; pictures and pages; Dagster's own records; programs."""

KINDS: tuple[OverheadKind, ...] = get_args(OverheadKind)


class _Spent(threading.local):
    def __init__(self) -> None:
        self.depth = 0
        self.seconds = dict.fromkeys(KINDS, 0.0)


_spent = _Spent()


class overhead:
    """Counts the time inside as spent beside computing.

    Inside another one it counts as that one's, so that no second is counted twice. Each thread
    counts its own.

    Args:
        kind: What the time goes into.
    """

    __slots__ = ("_kind", "_started")

    def __init__(self, kind: OverheadKind) -> None:
        self._kind = kind
        self._started = 0.0

    def __enter__(self) -> None:
        _spent.depth += 1
        self._started = time.perf_counter()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        _spent.depth -= 1
        if not _spent.depth:
            _spent.seconds[self._kind] += time.perf_counter() - self._started


def counted(kind: OverheadKind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Counts the time of every call of a function; see `overhead`."""

    def around(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            with overhead(kind):
                return function(*args, **kwargs)

        return timed

    return around


def overhead_seconds() -> dict[OverheadKind, float]:
    """Seconds that this thread has spent beside computing since it began, by kind."""
    return dict(_spent.seconds)
