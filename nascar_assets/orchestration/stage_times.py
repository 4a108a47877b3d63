"""How long each stage of a run took: computing, and what went into something else beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from nascar_assets.storage.overhead import KINDS, OverheadKind, overhead_seconds


@dataclass(frozen=True, slots=True)
class Stage:
    """Seconds of one stage, by the wall clock.

    Attributes:
        name: The asset or check.
        total: From its start to its end.
        beside: What of it went into something else than computing, by kind.
    """

    name: str
    total: float
    beside: dict[OverheadKind, float]

    @property
    def computing(self) -> float:
        """What is left: the domain's own work, and what Dagster does around it."""
        return self.total - sum(self.beside.values())

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        beside = {str(kind): round(value, 3) for kind, value in self.beside.items()}
        computing, total = round(self.computing, 3), round(self.total, 3)
        return {"stage": self.name, "computing": computing, **beside, "total": total}


@dataclass
class StageTimes:
    """Listens to runs in this process and keeps their stages in the order in which they ended."""

    stages: list[Stage] = field(default_factory=list)
    _open: tuple[float, dict[OverheadKind, float]] = field(
        default_factory=lambda: (0.0, overhead_seconds()), repr=False
    )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is done inside, as a stage of its own."""
        self._begin()
        yield
        self._end(name)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage."""
        return {stage.name: stage.total for stage in self.stages}

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Notified of every event of the run; a step's start and end are what counts."""
        event = entry.dagster_event
        if event is None:
            return
        if event.is_step_start:
            self._begin()
        elif event.is_step_success:
            self._end(event.step_key or "")

    def _begin(self) -> None:
        self._open = (time.perf_counter(), overhead_seconds())

    def _end(self, name: str) -> None:
        started, before = self._open
        total, after = time.perf_counter() - started, overhead_seconds()
        self.stages.append(Stage(name, total, {kind: after[kind] - before[kind] for kind in KINDS}))
