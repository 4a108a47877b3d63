"""How much of the disk a home takes, day by day, and in how many days the disk is full."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

KEPT = 60
"""Samples kept, one a day."""

LOOKBACK = timedelta(days=14)
SHORTEST = timedelta(hours=20)
"""From a shorter time no growth is told."""

_FILE = "disk-use.json"


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes that a home took at a time."""

    at: datetime
    used: int


def used_bytes(folders: Sequence[Path]) -> int:
    """Bytes of all files under folders, each counted once; what vanishes meanwhile counts not."""
    seen: dict[Path, int] = {}
    for folder in folders:
        for where, _, names in os.walk(folder):
            for name in names:
                path = Path(where, name)
                try:
                    seen[path] = path.lstat().st_size
                except OSError:
                    continue
    return sum(seen.values())


def note_use(folder: Path, use: Use) -> None:
    """Adds a sample to those that lie in Dagster's folder."""
    samples = [*noted_uses(folder), use][-KEPT:]
    draft = folder / f"{_FILE}.{os.getpid()}"
    draft.write_text(json.dumps([{**asdict(one), "at": one.at.isoformat()} for one in samples]))
    draft.replace(folder / _FILE)


def noted_uses(folder: Path) -> list[Use]:
    """The samples so far, oldest first; none where they cannot be read."""
    try:
        rows = json.loads((folder / _FILE).read_text())
        return [Use(datetime.fromisoformat(row["at"]), int(row["used"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def growth(samples: Sequence[Use]) -> float | None:
    """Bytes a day over the last two weeks of samples; none where they are too few."""
    if not samples:
        return None
    last = samples[-1]
    first = next(one for one in samples if last.at - one.at <= LOOKBACK)
    span = last.at - first.at
    return None if span < SHORTEST else (last.used - first.used) / (span / timedelta(days=1))


def days_left(samples: Sequence[Use], free: int) -> float | None:
    """In how many days the disk is full at current growth; none where it does not grow."""
    a_day = growth(samples)
    return free / a_day if a_day is not None and a_day > 0 else None


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk on which a folder lies or will lie."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
