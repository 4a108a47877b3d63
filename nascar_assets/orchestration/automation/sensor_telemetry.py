"""The sensor of dropped telemetry: complete files are validated and join their race's files."""

import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.files import BESIDE
from nascar_assets.orchestration.automation.landing_index import sha256
from nascar_assets.orchestration.resources import Platform
from nascar_assets.storage import DataRoot, StorageFault, StoredFile, UnreadableFile

FOLDER = "landing/telemetry"
QUARANTINE = "quarantine/telemetry"
INTERVAL_SECONDS = 15

OLDER = "It is older than the file of its race that is in use now."
"""Why a refused file stays out for good, also where what was there first comes back."""

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
    """Two scans in one tick, so that a complete file needs no second tick.

    Why a file was refused is said for as long as it lies there. It is read again when what it was
    checked against has changed: its race's entry list may have come after it.
    """
    from nascar_assets.orchestration.automation.notify import notify_new
    from nascar_assets.orchestration.storage.quarantine import report_strays
    from nascar_assets.telemetry.landing import SETTLE, LandingCursor

    root = platform.root
    before = json.loads(context.cursor) if context.cursor else {}
    cursor = LandingCursor.from_text(before.get("files"))
    notices: dict[str, str] = {}
    held: dict[str, str] = {}
    refused = {path: Refused(**known) for path, known in before.get("refused", {}).items()}
    accepted = read_again(root, refused, root.landed(FOLDER)[0], cursor)
    for last in (False, True):
        listed, strays = root.landed(FOLDER)
        modified = {item.path: item.modified for item in listed}
        decision = scan_files(root, listed, cursor, datetime.now(UTC))
        cursor = decision.cursor
        for ready in decision.ready:
            # The newest last: of files that have one place it is the one to stay there.
            for path in sorted(ready.files, key=lambda path: (modified[path], path)):
                data = _read(root, path, ready.files[path])
                if data is None:
                    cursor = cursor.without(path)  # replaced since: the next scan reads it
                    continue
                try:
                    stamp, places = standing(root, ready.race_key)
                    own_files = {place: root.sha256(place) for place in places}
                    known = Refused(ready.race_key, stamp, own_files)
                    problem = take(root, path, data, ready.race_key)
                except UnreadableFile as error:  # one of its race's: the next scans read it again
                    cursor = cursor.without(path)
                    held[path] = str(error)
                    continue
                refused.pop(path, None)
                if problem is None:
                    accepted.append(path)
                else:
                    refused[path] = replace(known, why=problem)
        if last or not decision.waiting:
            break
        time.sleep(SETTLE.total_seconds() + 0.1)
    report_strays(root, strays, QUARANTINE)
    refused = {path: known for path, known in refused.items() if path in modified}
    notices |= {path: known.why for path, known in refused.items()}
    notices |= strays | held
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
        cursor=json.dumps(
            {
                "files": cursor.to_text(),
                "notified": notified,
                "refused": {path: asdict(known) for path, known in refused.items()},
            },
            sort_keys=True,
        ),
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was refused.

    Attributes:
        race_key: The race that it is of.
        checked_against: A stamp of what it was checked against.
        own_files: SHA-256 by path of the race's own files when it was refused first: what came
            into their place since is newer, and stays. A tag would be another one in a home that
            was moved.
        why: What is wrong with it.
    """

    race_key: str
    checked_against: str
    own_files: Mapping[str, str | None]
    why: str = ""


def read_again(
    root: DataRoot, refused: dict[str, Refused], listed: Sequence[StoredFile], cursor: Any
) -> list[str]:
    """Reads refused files again whose race has other entries, another schedule or other files now.

    Args:
        refused: What was refused, by path; what is accepted now is taken out.
        cursor: The cursor of the last scan; a file with other content than then is the next one's.

    Returns:
        Paths of the files that are accepted now.
    """
    accepted = []
    stamps: dict[str, str] = {}
    # The newest first: none takes the place of what came after it.
    for item in sorted(listed, key=attrgetter("modified", "path"), reverse=True):
        known, seen = refused.get(item.path), cursor.files.get(item.path)
        if known is None or seen is None or known.why == OLDER:
            continue
        if known.race_key not in stamps:
            stamps[known.race_key], _ = standing(root, known.race_key)
        stamp = stamps[known.race_key]
        if stamp in ("", known.checked_against):
            continue
        data = _read(root, item.path, seen.content)
        if data is None:
            continue
        try:
            problem = take(root, item.path, data, known.race_key, known.own_files)
        except UnreadableFile as error:  # one of its race's
            refused[item.path] = replace(known, why=str(error))
            continue
        if problem is None:
            accepted.append(item.path)
            del refused[item.path], stamps[known.race_key]
        else:
            refused[item.path] = replace(known, checked_against=stamp, why=problem)
    return accepted


def standing(root: DataRoot, race_key: str) -> tuple[str, list[str]]:
    """What a race's files are checked against as it stands.

    Returns:
        A stamp of the race's schedule, entries and own files, and the paths of these; an empty one
        where the schedule does not hold the race.
    """
    from nascar_assets.orchestration.assets.race_tables import RaceInputs
    from nascar_assets.orchestration.inputs.schedule import schedule_rows
    from nascar_assets.orchestration.storage.store import table_path

    race = schedule_rows(root, [race_key], known_only=True).get(race_key)
    if race is None:
        return "", []
    places = [*_places(RaceInputs(root, race)).values()]
    tags = [root.tag(path) for path in (table_path("entries", race_key), *places)]
    return sha256(f"{race} {tags}".encode())[:24], places


def _read(root: DataRoot, path: str, content: str | None) -> bytes | None:
    """A file's bytes; none where it cannot be read or holds something else by now."""
    from nascar_assets.telemetry.validate import content_hash

    try:
        data = root.read(path)
    except StorageFault:
        return None
    return data if data is not None and content_hash(data) == content else None


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


def take(
    root: DataRoot,
    path: str,
    data: bytes,
    race_key: str,
    own_files: Mapping[str, str | None] | None = None,
) -> str | None:
    """Validates a file's content and puts it where the race's tables are made from.

    Args:
        data: Its content.
        race_key: The race that it is of.
        own_files: SHA-256 by path; it does not take the place of a file that is another one now.

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
        place = _place(inputs, found, data) if found.accepted else None
        if place is not None:
            if own_files and place in own_files and root.sha256(place) != own_files[place]:
                return OLDER
            root.write(place, _as_stored(found, data))
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


def _places(inputs: Any) -> dict[str, str]:
    """Where the one file of each kind lies that the race's laps are made from."""
    from nascar_assets.feed.landing import LANDING
    from nascar_assets.feed.paths import race_path
    from nascar_assets.orchestration.assets.feed import dropped_laps_path
    from nascar_assets.orchestration.assets.lap_files import flag_data_path

    race = inputs.race
    feed = {
        kind: f"{LANDING}/{race_path(kind, race['season'], race['series'], race['race_id'])}"
        for kind in ("lap_times", "pit_data")
    }
    return {"laps": dropped_laps_path(inputs), "flag_data": flag_data_path(inputs), **feed}


def _place(inputs: Any, found: Any, data: bytes) -> str | None:
    """Where an accepted file goes; none for a kind that no laps are made from."""
    from nascar_assets.orchestration.assets.lap_files import snapshot_path

    if found.kind == "live_feed":
        return snapshot_path(inputs, data)
    return _places(inputs).get(found.kind)


def _as_stored(found: Any, data: bytes) -> bytes:
    """The bytes to keep of an accepted file."""
    from nascar_assets.telemetry import telemetry_artifact_bytes

    if found.kind != "laps":
        return data
    sources = {found.file: found.content_hash}
    return telemetry_artifact_bytes(found.laps.collect(), sources=sources)
