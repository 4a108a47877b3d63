"""The sensor of standings: each that landed is added, and those that are missing are asked for."""

import json
from datetime import UTC, datetime

import dagster as dg

from nascar_assets.errors import InputError
from nascar_assets.files import BESIDE, LARGE
from nascar_assets.orchestration.automation.landing_index import scan
from nascar_assets.orchestration.automation.notify import notify_new
from nascar_assets.orchestration.inputs.contest_store import LANDING, missing_standings
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.quarantine import put_in_quarantine, report_strays
from nascar_assets.storage import DataRoot

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
    """One scan; the cursor keeps which contents were read, and what was notified."""
    from nascar_assets.orchestration.automation.clock import clock_now

    root, now, real = platform.root, clock_now(), datetime.now(UTC)
    before = json.loads(context.cursor) if context.cursor else {}
    read, notices = read_landed(root, before.get("read", {}), real, now)
    for slate in missing_standings(root, now):
        notices[slate] = (
            "Its contests are over, and no standings of them were added. The site has them for "
            f"about a week: put them into {LANDING}/, or nascar contest add FILE."
        )
    notified = notify_new(context.log, "landing_contests", before.get("notified", {}), notices)
    return dg.SensorResult(
        run_requests=[],
        skip_reason=dg.SkipReason(f"{len(read)} standings read."),
        cursor=json.dumps({"read": read, "notified": notified}, sort_keys=True),
    )


def read_landed(
    root: DataRoot, before: dict[str, str], real: datetime, now: datetime
) -> tuple[dict[str, str], dict[str, str]]:
    """Adds the standings that landed since; returns what is read by now, and what to say.

    Args:
        root: The data root.
        before: Hash by path of what earlier scans read.
        real: The time by the machine's clock, which files are dated by.
        now: The time by the sensors' clock.
    """
    from nascar_assets.orchestration.inputs.adding_contests import add_standings

    listed, strays = root.landed(LANDING)
    found = scan(root, listed, "landing/.index/contests.parquet", real, upper=LARGE.size)
    report_strays(root, strays, QUARANTINE)
    notices = {**strays, **found.unread}
    read = {path: digest for path, digest in before.items() if root.exists(path)}
    for path, digest in found.files.select("path", "value").iter_rows():
        if BESIDE.search(path) or read.get(path) == digest:
            continue
        read[path] = digest
        name, data = path.rsplit("/", 1)[-1], root.read(path)
        try:
            if data is None:
                raise InputError("The file is too large or gone.", file=name)
            add_standings(root, data, name, now)
        except InputError as error:
            put_in_quarantine(
                root, f"{QUARANTINE}/{name}", data, {"file": path, "reason": str(error)}
            )
            notices[path] = str(error)
    return read, notices
