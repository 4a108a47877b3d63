"""The sensor of standings: each that landed is added, and those that are missing are asked for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import dagster as dg

from nascar_assets.errors import InputError
from nascar_assets.files import BESIDE, LARGE
from nascar_assets.orchestration.automation.landing_index import scan, sha256
from nascar_assets.orchestration.automation.notify import notify_new
from nascar_assets.orchestration.inputs.contest_store import (
    LANDING,
    missing_standings,
    scan_contests,
    waits,
)
from nascar_assets.orchestration.inputs.slate_plan import slate_plans
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.quarantine import put_in_quarantine, report_strays
from nascar_assets.storage import DataRoot, UnreadableFile

QUARANTINE = "quarantine/contests"
INTERVAL_SECONDS = 30


@dg.sensor(
    name="landing_contests",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Standings that landed are added; after a race it is said once that the site has "
    "them for a week only. Starts no run.",
)
def landing_contests(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """One scan; the cursor keeps what came of each file, and what was notified."""
    from nascar_assets.orchestration.automation.clock import clock_now

    root, now, real = platform.root, clock_now(), datetime.now(UTC)
    before = json.loads(context.cursor) if context.cursor else {}
    cursor, notices = read_landed(root, ContestCursor.of(before), real, now)
    for slate in missing_standings(root, now):
        notices[slate] = (
            "Its contests are over, and no standings of them were added. The site has them for "
            f"about a week: put them into {LANDING}/, or nascar contest add FILE."
        )
    said = [f"{len(cursor.read)} standings read.", *(f"{k}: {v}" for k, v in notices.items())]
    notified = notify_new(context.log, "landing_contests", before.get("notified", {}), notices)
    return dg.SensorResult(
        run_requests=[],
        skip_reason=dg.SkipReason("; ".join(said)[:2000]),
        cursor=json.dumps({**asdict(cursor), "notified": notified}, sort_keys=True),
    )


@dataclass(frozen=True, slots=True)
class ContestCursor:
    """What earlier scans made of each file.

    Attributes:
        read: Hash by path of what was read, also of what was refused.
        refused: By path of what was refused: a stamp of what that rested on, and why.
        waiting: The stamp by path of what was added before its race's results or its slate's
            lineups.
    """

    read: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """From what the sensor's cursor holds; an older one says neither refusals nor waits."""
        read = value.get("read", {})
        refused = value.get("refused", dict.fromkeys(read, ("", "")))
        return cls(read, refused, value.get("waiting", dict.fromkeys(read, "")))


def read_landed(
    root: DataRoot, before: ContestCursor, real: datetime, now: datetime
) -> tuple[ContestCursor, dict[str, str]]:
    """Adds the standings that landed since, and returns the next cursor and what is to be said.

    Standings that were refused are read again when a slate was run or has locked since, or a
    race's results came: their slate may be known now. So are those that were added before what
    is learnt from them was known.

    Args:
        before: The cursor of the last scan.
        real: The time by the machine's clock, which files are dated by.
        now: The time by the sensors' clock.
    """
    from nascar_assets.orchestration.inputs.adding_contests import add_standings

    listed, strays = root.landed(LANDING)
    found = scan(root, listed, "landing/.index/contests.parquet", real, upper=LARGE.size)
    report_strays(root, strays, QUARANTINE)
    notices = {**strays, **found.unread}
    landed = {
        path: digest
        for path, digest in found.files.select("path", "value").iter_rows()
        if not BESIDE.search(path)
    }
    read = {path: digest for path, digest in before.read.items() if root.exists(path)}
    refused = {path: why for path, why in before.refused.items() if path in read}
    todo = {path for path, digest in landed.items() if read.get(path) != digest}
    waiting = {path: seen for path, seen in before.waiting.items() if path in read}
    stamp = _stamp(root, now) if todo or refused or waiting else ""
    todo |= {path for path, (seen, _) in refused.items() if seen != stamp and path in landed}
    again = {path for path, seen in waiting.items() if seen != stamp and path in landed} - todo
    todo |= again
    notices |= {path: text for path, (_, text) in refused.items() if path not in todo}
    # A person may have added one of them by hand meanwhile, with a payout table.
    added: dict[str, Mapping[str, Any]] = {}
    if todo:
        rows = scan_contests(root).select("sha256", "state", "drivers").collect()
        added = {row["sha256"]: row for row in rows.iter_rows(named=True)}
    for path in sorted(todo):
        name = path.rsplit("/", 1)[-1]
        try:
            data = root.read(path)
        except UnreadableFile as error:  # looked at again at the next scan
            notices[path] = str(error)
            continue
        read[path] = landed[path]
        refused.pop(path, None)
        waiting.pop(path, None)
        row = added.get(landed[path])
        if row is None and path in again:
            continue  # a newer file took the place of one that waited
        if row is None or (path in again and waits(row)):
            try:
                if data is None:
                    raise InputError("The file is too large or gone.", file=name)
                done = add_standings(root, data, name, now)
            except InputError as error:
                put_in_quarantine(
                    root, f"{QUARANTINE}/{name}", data, {"file": path, "reason": str(error)}
                )
                notices[path] = str(error)
                refused[path] = (stamp, str(error))
                continue
            row = done.record
            notices |= {path: done.replaced} if done.replaced else {}
        if waits(row):
            waiting[path] = stamp
    return ContestCursor(read, refused, waiting), notices


def _stamp(root: DataRoot, now: datetime) -> str:
    """Changes with what tells the slate of standings, and with what is kept beside them.

    These are slates' runs and locks, and races' results. A run writes its plan first, the slate's
    table and its lineups later: all count.
    """
    plans = [plan for plan in slate_plans(root) if plan.lock <= now]
    seen = [(plan.slate_id, plan.lock.isoformat(), plan.run_id) for plan in plans]
    tables = [root.folder_tag(f"store/{asset}") for asset in ("slate", "lineups", "race_results")]
    return sha256(f"{seen} {tables}".encode())[:24]
