"""The sensor of dropped telemetry: complete files are validated and join their race's files."""

import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.files import BESIDE
from nascar_assets.orchestration.resources import Platform
from nascar_assets.storage import DataRoot, StorageFault, StoredFile

FOLDER = "landing/telemetry"
QUARANTINE = "quarantine/telemetry"
INTERVAL_SECONDS = 15

_KEY = re.compile(r"(?<!\d)\d{4}-(?:cup|xfinity|trucks)-x?\d{2}(?!\d)")


@dg.sensor(
    name="landing_telemetry",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lap, pit and flag files dropped in landing/telemetry: validated, then put beside "
    "the race's feed files, where landing_feed finds them; what is at fault goes to "
    "quarantine/telemetry.",
)
def landing_telemetry(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Two scans in one tick, so that a complete file needs no second tick."""
    from nascar_assets.orchestration.automation.notify import notify_new
    from nascar_assets.orchestration.storage.quarantine import report_strays
    from nascar_assets.telemetry.landing import SETTLE, LandingCursor
    from nascar_assets.telemetry.validate import content_hash

    root = platform.root
    before = json.loads(context.cursor) if context.cursor else {}
    cursor = LandingCursor.from_text(before.get("files"))
    notices: dict[str, str] = {}
    accepted: list[str] = []
    for last in (False, True):
        listed, strays = root.landed(FOLDER)
        decision = scan_files(root, listed, cursor, datetime.now(UTC))
        cursor = decision.cursor
        for ready in decision.ready:
            for path, content in ready.files.items():
                try:
                    data = root.read(path)
                except StorageFault:
                    data = None
                if data is None or content_hash(data) != content:
                    cursor = cursor.without(path)  # replaced since: the next scan reads it
                    continue
                problem = take(root, path, data, ready.race_key)
                if problem is None:
                    accepted.append(path)
                else:
                    notices[path] = problem
        if last or not decision.waiting:
            break
        time.sleep(SETTLE.total_seconds() + 0.1)
    report_strays(root, strays, QUARANTINE)
    notices |= strays
    notices |= {path: f"It cannot be read: {why}" for path, why in decision.unread.items()}
    notices |= dict.fromkeys(
        decision.unknown,
        "Its name tells no race of the schedule; name it by race, such as "
        "2026-cup-05-laps.parquet, 5600-lap-times.json or 5600-live-pit-data.json.",
    )
    notified = notify_new(context.log, "landing_telemetry", before.get("notified", {}), notices)
    waiting = [f"{path} is being written" for path in decision.waiting]
    reasons = [*waiting, *(f"{path}: {text}" for path, text in notices.items())]
    if accepted:
        reasons.insert(0, f"accepted {', '.join(accepted)}")
    return dg.SensorResult(
        run_requests=[],
        skip_reason=dg.SkipReason("; ".join(reasons)[:2000] or "No new telemetry."),
        cursor=json.dumps({"files": cursor.to_text(), "notified": notified}, sort_keys=True),
    )


def scan_files(root: DataRoot, listed: Sequence[StoredFile], cursor: Any, now: datetime) -> Any:
    """One scan of the folder; see `nascar_assets.telemetry.landing.decide_landing`."""
    from nascar_assets.telemetry.landing import LandedFile, decide_landing

    def read(path: str) -> bytes:
        try:
            data = root.read(path)
        except StorageFault as error:
            raise OSError(str(error)) from error
        if data is None:
            raise FileNotFoundError(path)
        return data

    listing = [
        LandedFile(item.path, item.size, item.modified)
        for item in listed
        if item.path.endswith((".parquet", ".json")) and not BESIDE.search(item.path)
    ]
    races = _races(root) if listing else {}
    return decide_landing(listing, cursor, read, lambda path: race_of(root, path, races), now)


def race_of(root: DataRoot, path: str, races: Mapping[str, str]) -> str | None:
    """The race key of a telemetry file: by a race key or id in its name, else by its content.

    Args:
        root: The data root.
        path: The file.
        races: Race keys by race id and by race key.
    """
    name = path.removeprefix(f"{FOLDER}/")
    for key in _KEY.findall(name):
        if key in races:
            return races[key]
    found = {races[number] for number in re.findall(r"\d+", name) if number in races}
    if len(found) == 1:
        return found.pop()
    try:
        return _race_inside(root.read(path) or b"", races)
    except StorageFault:
        return None


def _race_inside(data: bytes, races: Mapping[str, str]) -> str | None:
    """The race that Parquet laps or a live feed name themselves."""
    from nascar_assets.telemetry.feed_values import parse_json
    from nascar_assets.telemetry.parquet_bounds import check_parquet

    try:
        if data[:4] != b"PAR1":
            body = parse_json(data, "")
            return races.get(str(body.get("race_id"))) if isinstance(body, dict) else None
        check_parquet(data, "")
        ids = pl.read_parquet(io.BytesIO(data), columns=["race_id"])["race_id"].unique()
    except (pl.exceptions.PolarsError, OSError, InputError):
        return None
    return races.get(str(ids[0])) if len(ids) == 1 else None


def _races(root: DataRoot) -> dict[str, str]:
    from nascar_assets.orchestration.inputs.schedule import stored_schedule

    rows = stored_schedule(root).select("race_id", "race_key").iter_rows()
    return {name: key for race_id, key in rows for name in (race_id, key)}


def take(root: DataRoot, path: str, data: bytes, race_key: str) -> str | None:
    """Validates a file's content and puts it where the race's tables are made from.

    Returns:
        None where it was accepted, else what is wrong with it.
    """
    from nascar_assets.orchestration.assets.lap_files import accepted_laps, with_entrants
    from nascar_assets.orchestration.assets.race_tables import RaceInputs
    from nascar_assets.orchestration.inputs.schedule import schedule_rows
    from nascar_assets.orchestration.storage.quarantine import put_in_quarantine
    from nascar_assets.telemetry.validate import validate_landed

    inputs = RaceInputs(root, with_entrants(root, schedule_rows(root, [race_key])[race_key]))
    name = path.removeprefix(f"{FOLDER}/")
    try:
        found = validate_landed(data, name, inputs.race, accepted_laps(inputs, name))
        if found.accepted and _put(inputs, found, data):
            return None
    except EnvironmentFault:
        raise
    except Exception as error:  # one file that nobody foresaw must not keep all others out
        reason = f"It cannot be read: {type(error).__name__}: {error}"
        put_in_quarantine(root, f"{QUARANTINE}/{name}", data, {"race": race_key, "reason": reason})
        return reason
    report = {"race": race_key, **found.report()}
    if not found.problems:
        report["problems"] = [{"reason": f"It holds no laps of its own ({found.kind})."}]
    put_in_quarantine(root, f"{QUARANTINE}/{name}", data, report)
    return "; ".join(str(item) for item in found.problems) or report["problems"][0]["reason"]


def _put(inputs: Any, found: Any, data: bytes) -> bool:
    """Puts an accepted file where the race's laps are made from; false for no such kind."""
    from nascar_assets.feed.landing import LANDING
    from nascar_assets.feed.paths import race_path
    from nascar_assets.orchestration.assets.feed import dropped_laps_path
    from nascar_assets.orchestration.assets.lap_files import flag_data_path, snapshot_path
    from nascar_assets.telemetry import telemetry_artifact_bytes

    race = inputs.race
    if found.kind == "laps":
        path = dropped_laps_path(inputs)
        sources = {found.file: found.content_hash}
        data = telemetry_artifact_bytes(found.laps.collect(), sources=sources)
    elif found.kind == "live_feed":
        path = snapshot_path(inputs, data)
    elif found.kind == "flag_data":
        path = flag_data_path(inputs)
    elif found.kind in ("lap_times", "pit_data"):
        own = race_path(found.kind, race["season"], race["series"], race["race_id"])
        path = f"{LANDING}/{own}"
    else:
        return False
    inputs.root.write(path, data)
    return True
