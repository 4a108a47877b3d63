"""What lies in the landing folder and in the store by content: hashes kept between two scans.

A scan over ten thousand races must not read ten thousand files, so a file whose size and time of
change are those of the last scan keeps the hash that it had. The index is a cache: without it, or
with an unreadable one, the next scan reads every file and finds the same hashes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from polars.exceptions import PolarsError

from nascar_assets.columns import feed
from nascar_assets.columns.column import types_of
from nascar_assets.storage import DataRoot, StorageFault, StoredFile

INDEX = types_of(feed.LANDING_INDEX)
"""One row per file."""

SETTLE = timedelta(seconds=5)
"""A file that changed less than this ago may still have a writer."""

_UNREAD = "unread, bytes: "

Valuer = Callable[[bytes], str]
"""From a file's bytes to what its content is known by."""


@dataclass(frozen=True)
class Scan:
    """One scan of a folder.

    Attributes:
        files: A table `INDEX` of the files that are settled.
        unsettled: Paths that are left for the next scan: they changed a moment ago, or cannot be
            read.
        unread: Why those that cannot be read cannot, by path.
    """

    files: pl.DataFrame
    unsettled: tuple[str, ...]
    unread: Mapping[str, str]


def sha256(data: bytes) -> str:
    """The hash of whole files."""
    return hashlib.sha256(data).hexdigest()


def unread_size(value: str) -> int:
    """Bytes of a file that was too large to be read, by what it is known by; 0 of all others."""
    return int(value.removeprefix(_UNREAD)) if value.startswith(_UNREAD) else 0


def scan(
    root: DataRoot,
    listed: Sequence[StoredFile],
    index: str,
    now: datetime,
    *,
    settle: timedelta = SETTLE,
    value: Valuer = sha256,
    upper: int | None = None,
) -> Scan:
    """Hashes of all files of some folders, read only where they changed.

    Args:
        listed: The files, as they were listed just now.
        index: Path of the index that remembers the last scan.
        now: The time of this scan by the machine's own clock.
        settle: How long a file must have stayed as it is. A file of a time further ahead, copied
            from a machine whose clock is, counts as settled.
        value: What a file's content is known by.
        upper: Larger files are not read: they are known by their size, see `unread_size`.

    Raises:
        StorageFault: If the index cannot be read or written.
    """
    before = read_index(root, index)
    table = pl.DataFrame(
        {
            "path": [file.path for file in listed],
            "size": [file.size for file in listed],
            "modified": [file.modified for file in listed],
        },
        schema={name: INDEX[name] for name in ("path", "size", "modified")},
    )
    known = table.join(before, on=["path", "size", "modified"], how="left")
    fresh = known.filter(pl.col("value").is_null()).select("path", "size", "modified")
    changed = before.join(fresh, on="path", how="semi")
    contents = dict(changed.select("path", "value").iter_rows())
    since = dict(changed.select("path", "since").iter_rows())
    rows = []
    unsettled = []
    unread = {}
    for path, size, modified in fresh.iter_rows():
        if abs(now - modified) < settle:
            unsettled.append(path)
            continue
        if upper is not None and size > upper:
            digest = f"{_UNREAD}{size}"
        else:
            try:
                data = root.read(path)
            except StorageFault as error:  # one file that cannot be read keeps no other out
                unread[path] = str(error)
                data = None
            if data is None or len(data) != size:  # gone or replaced since it was listed
                unsettled.append(path)
                continue
            digest = value(data)
        same = contents.get(path) == digest
        rows.append((path, size, modified, digest, since[path] if same else modified))
    hashed = pl.DataFrame(rows, schema=INDEX, orient="row")
    files = pl.concat([known.filter(pl.col("value").is_not_null()), hashed]).sort("path")
    # An unsettled file keeps its last row, so that its old content is remembered.
    kept = before.filter(pl.col("path").is_in(unsettled))
    remembered = pl.concat([files, kept]).unique("path", keep="first").sort("path")
    if not remembered.equals(before):
        root.write_frame(index, remembered)
    return Scan(files, tuple(unsettled), unread)


def read_index(root: DataRoot, path: str) -> pl.DataFrame:
    """The remembered rows; none where there are none that can be read."""
    data = root.read(path)
    if data is None:
        return pl.DataFrame(schema=INDEX)
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except PolarsError:
        return pl.DataFrame(schema=INDEX)
    return frame if frame.schema == pl.Schema(INDEX) else pl.DataFrame(schema=INDEX)
