"""The sensor of people's views: each file that lands for a slate is taken, or refused with reason.

A slate that is open is run again by the sensor of salary files, to which its views are an input
like entries and practice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.files import BESIDE, SMALL, check_size
from nascar_assets.orchestration.automation.landing_index import scan, sha256, unread_size
from nascar_assets.orchestration.inputs.slate_plan import registered_slates
from nascar_assets.orchestration.inputs.views import LANDED, Added, add_view, view_records
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.quarantine import put_in_quarantine, report_strays
from nascar_assets.storage import DataRoot, UnreadableFile
from nascar_assets.views.record import ViewRecord

QUARANTINE = "quarantine/views"
INTERVAL_SECONDS = 15
ENDINGS = (".csv", ".tsv", ".txt", ".zip", ".json")


@dg.sensor(
    name="landing_views",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Files of people's views that landed for a slate: takes each, or says why not.",
)
def landing_views(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """One scan; what was taken is known by the views' own records: no cursor is needed."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.automation.notify import notify_new

    notices, fresh = take_landed(platform.root, datetime.now(UTC), clock_now())
    notify_new(context.log, "landing_views", {}, {path: notices[path] for path in fresh})
    said = "; ".join(f"{path}: {text}" for path, text in notices.items())
    return dg.SkipReason(said[:2000] or "No new views.")


def new_files(
    files: Iterable[tuple[str, str]], known: Mapping[str, Sequence[ViewRecord]]
) -> list[tuple[str, str, str]]:
    """The files to take: slate, path and hash of each that says what was not taken from it.

    A file that was taken before is compared with what was taken under its name, be it dropped
    since, but for what has given way to a newer view: a file that stays in its folder is not taken
    again, and one that was put back to what it said before is. A file of a new name is compared
    with every view in this way, and of several that come at once with the same bytes one is taken.

    Args:
        files: Path under the data root and hash of each file.
        known: The views of every registered slate, in the order in which they landed.
    """
    found = []
    copied: set[tuple[str, str]] = set()
    for path, digest in files:
        slate, _, name = path.removeprefix(f"{LANDED}/").partition("/")
        if not name.lower().endswith(ENDINGS) or BESIDE.search(path):
            continue
        records = known.get(slate, ())
        own = [one for one in records if _is_of(one, name)]
        # What takes the place of a view lands at the moment at which that one is dropped. Of a name
        # that a person used as well, several may hold.
        landed = {one.landed_at for one in records}
        taken = [one for one in own or records if one.dropped_at not in landed] + own[-1:]
        if digest in {one.source.sha256 for one in taken} or (
            not own and (slate, digest) in copied
        ):
            continue
        copied.add((slate, digest))
        found.append((slate, path, digest))
    return found


def _is_of(record: ViewRecord, name: str) -> bool:
    """Whether a view was taken from a slate's landed file, by its path in the slate's folder."""
    return (record.author, record.source.path) == (_author(name), name.rpartition("/")[2])


def _author(name: str) -> str:
    return name.rpartition(".")[0]


def take_landed(root: DataRoot, real: datetime, now: datetime) -> tuple[dict[str, str], set[str]]:
    """Takes the files that landed; returns what is to be said by path, and what of it is new.

    Args:
        real: The time by the machine's clock, which files are dated by.
        now: The time by the sensors' clock, from which views are known.
    """
    listed, strays = root.landed(LANDED)
    scanned = scan(root, listed, "landing/.index/views.parquet", real, upper=SMALL.size)
    known = {slate: view_records(root, slate) for slate in registered_slates(root)}
    notices, fresh = dict(scanned.unread), set()
    files = scanned.files.select("path", "value").iter_rows()
    for slate, path, digest in new_files(files, known):
        if slate not in known:
            notices[path] = f"It waits for its slate: none is called {slate!r}."
            continue
        try:
            check_size(unread_size(digest), path, SMALL)
            data = root.read(path)
            if data is None or sha256(data) != digest:
                continue  # replaced since it was looked at: the next scan's
            added, again = _take(root, slate, path.split("/", 3)[-1], data, now)
            notices |= {path: " ".join(added.notices)} if added.notices else {}
            if not (again and added.record.silent):  # a board that moved and has no weight
                fresh |= {path} & notices.keys()
        except UnreadableFile as error:
            notices[path] = str(error)
        except EnvironmentFault:
            raise
        except Exception as error:  # one file that nobody foresaw must not keep all others out
            said = str(error)
            if not isinstance(error, InputError):
                said = f"It cannot be read: {type(error).__name__}: {error}"
            notices[path] = said
            if _quarantine(root, path, digest, said):
                fresh.add(path)
    return {**notices, **strays}, fresh | report_strays(root, strays, QUARANTINE)


def _take(root: DataRoot, slate: str, name: str, data: bytes, now: datetime) -> tuple[Added, bool]:
    """A file taken, and whether it was written anew.

    Then it takes the place of what it was, with the same weight.
    """
    author = _author(name)
    before = next(
        (
            one
            for one in reversed(view_records(root, slate))
            if _is_of(one, name) and not one.dropped_by(now)
        ),
        None,
    )
    kept: dict[str, Any] = {}
    if before is not None:
        kept = {said: getattr(before, said) for said in ("confidence", "why", "options")}
        kept["replaces"] = before.view_id
    return add_view(root, slate, data, name, author=author, now=now, **kept), before is not None


def _quarantine(root: DataRoot, path: str, digest: str, reason: str) -> bool:
    """Keeps a copy of a refused file beside the report; returns whether that is new."""
    size = unread_size(digest)
    data = None if size else root.read(path)
    report = {
        "file": path,
        "reason": reason,
        "bytes": size or len(data or b""),
        "sha256": None if size else digest,
    }
    name = path.removeprefix(f"{LANDED}/").replace("/", "_")
    return put_in_quarantine(root, f"{QUARANTINE}/{name}", data, report)
