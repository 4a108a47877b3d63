"""Seconds that a run spends beside its computing: store, drawing, Dagster's log, loading."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

OverheadKind = Literal["store", "drawing", "log", "loading"]
"""Reading and writing the data root; pictures and pages; Dagster's own records; programs."""

KINDS: tuple[OverheadKind, ...] = get_args(OverheadKind)


class _Spent(threading.local):
    def __init__(self) -> None:
        self.depth = 0
        self.seconds = dict.fromkeys(KINDS, 0.0)


_spent = _Spent()


@contextmanager
def overhead(kind: OverheadKind) -> Iterator[None]:
    """Counts the time inside, or of every call of a function, as spent beside computing.

    Inside another one it counts as that one's, so that no second is counted twice. Each thread
    counts its own.
    """
    _spent.depth += 1
    started = time.perf_counter()
    try:
        yield
    finally:
        _spent.depth -= 1
        if not _spent.depth:
            _spent.seconds[kind] += time.perf_counter() - started


def overhead_seconds() -> dict[OverheadKind, float]:
    """Seconds that this thread has spent beside computing since it began, by kind."""
    return dict(_spent.seconds)
