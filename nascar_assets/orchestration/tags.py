"""The tags of runs: what sensors and schedules write on a run, and what reads it again."""

from __future__ import annotations

RUN_KEY = "dagster/run_key"
PARTITION = "dagster/partition"

AT = "nascar/at"
"""Tag: the time of the decision that started a run, by the sensors' own clock."""

SALARIES = "nascar/salaries"
"""Tag: hash of the salary file for which a slate's run was started."""

SLATE = "nascar/slate"
"""Tag: the slate of a run."""

BATCH = "nascar/batch"
"""Tag: the run is over several neighbouring races."""

BACKFILL = "dagster/backfill"
"""Dagster's tag of a run that belongs to a person's backfill."""

OF_BACKFILL = "nascar/backfill"
"""Tag: the run repeats one of a backfill."""

LOST = "nascar/lost"
"""Tag: the run's process was found dead (`true`), or the machine was at fault (`machine`): it is
run again and is no failure of the input."""

FOR = "nascar/for"
"""Tag: the run key of the run that this one repeats."""

ATTEMPT = "nascar/attempt"
"""Tag: which attempt this is, from 2 on."""
