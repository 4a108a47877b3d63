"""The tags of runs: what sensors and schedules write on a run, and what reads it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

RUN_KEY = "dagster/run_key"
PARTITION = "dagster/partition"

AT = "nascar/at"
"""Tag: the time of the decision that started a run, by the sensors' own clock."""

SALARIES = "nascar/salaries"
"""Tag: hash of the salary file for which a slate's run was started."""

SLATE = "nascar/slate"
"""Tag: the slate of a run."""

RACE = "nascar/race"
"""Tag: the race of a run over one race."""

SERIES = "nascar/series"
"""Tag: the series of a run's race or slate."""

LAP = "nascar/lap"
"""Tag: the lap from which a race under way is forecast."""

BATCH = "nascar/batch"
"""Tag: the run is over several neighbouring races."""

SKIPPED = "nascar/skipped"
"""Tag: the run over several races skipped some, each of which `skipped_tag` names."""

NOTIFIED = "nascar/notified"
"""Tag: what the failure notice of this run was about, so that the same is not notified again."""

BACKFILL = "dagster/backfill"
"""Dagster's tag of a run that belongs to a person's backfill."""

OF_BACKFILL = "nascar/backfill"
"""Tag: the run repeats one of a backfill."""

LOST = "nascar/lost"
"""Tag: the run's process was found dead (`true`), or the machine was at fault (`machine`): it is
run again and is no failure of the input."""

JUDGED = "nascar/judged"
"""Tag: the failure of this run was looked at, and the machine was not at fault; on a lost run, that
it is not to be repeated any more (`left`)."""

API_CLIENT = "client"
"""Tag: whose job of the API the run is."""

API_JOB = "nascar/api_job"
"""Tag: the job of the API that carries the run out; its server sees to both."""

FOR = "nascar/for"
"""Tag: the run key of the run that this one repeats."""

ATTEMPT = "nascar/attempt"
"""Tag: which attempt this is, from 2 on."""

QUEUE = "nascar/queue"
"""Tag: the queue that a run waits in, where runs are carried out on several machines."""

HOST = "nascar/host"
"""Tag: the machine that carries a run out, where several share Dagster's records."""

CODE = "nascar/code"
"""Tag: the version of the code that a run was asked for by; a worker of another refuses it."""

_OF_ONE_RUN = frozenset(
    {SKIPPED, NOTIFIED, LOST, JUDGED, API_JOB, FOR, ATTEMPT, QUEUE, HOST, CODE},
)

_RACE_KEY = re.compile(r"\d{4}-([a-z]+)-x?\d{2}")
_SLATE_KEY = re.compile(r"\d{4}-\d{2}-\d{2}-([a-z]+)-[a-z]+-[a-z0-9-]+")


def filters_of(key: str | None) -> dict[str, str]:
    """The tags by which a person filters runs of a race or a slate; none for another key."""
    for name, pattern in ((RACE, _RACE_KEY), (SLATE, _SLATE_KEY)):
        if found := pattern.fullmatch(key or ""):
            return {name: str(key), SERIES: found[1]}
    return {}


def skipped_tag(race_key: str) -> str:
    """The tag that says that a run over several races skipped a race."""
    return f"{SKIPPED}/{race_key}"


def of_one_run(name: str) -> bool:
    """Whether a tag tells of one run alone: a run that repeats it has its own, or none."""
    return name in _OF_ONE_RUN or name.startswith(f"{SKIPPED}/")


def skipped_by(tags: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """The races of some that a run with these tags skipped."""
    return [key for key in keys if skipped_tag(key) in tags]
