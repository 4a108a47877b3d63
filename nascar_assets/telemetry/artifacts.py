"""Telemetry artifacts: Parquet with Snappy, its origin in its metadata, written whole or not."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from nascar_assets.errors import InputError
from nascar_assets.processes import sync_folder

SCHEMA_VERSION = 1
"""Version of the artifact's layout; it changes when a column changes its name, type or unit."""

_PREFIX = "nascar_assets."
_VERSION, _SOURCES, _ROWS = f"{_PREFIX}schema_version", f"{_PREFIX}sources", f"{_PREFIX}rows"


@dataclass(frozen=True, slots=True)
class ArtifactInfo:
    """What an artifact says of itself.

    Attributes:
        schema_version: Layout of the table.
        sources: SHA-256 of every source file by its name.
        rows: Number of rows, written by the writer.
        extra: Further entries that the writer gave.
    """

    schema_version: int
    sources: Mapping[str, str]
    rows: int
    extra: Mapping[str, str]


def persist_telemetry_artifact(
    frame: pl.DataFrame | pl.LazyFrame,
    path: str | os.PathLike[str],
    *,
    sources: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> Path:
    """Write one race's telemetry as a Parquet file with Snappy compression, atomically.

    The rows go to a temporary file in the same folder, which is flushed to the disk and then
    takes the place of the old one in one step: a crash at any moment leaves the old file or the
    new one. A lazy frame streams into the file in bounded memory.

    Args:
        frame: The table.
        path: The file to write; its folder is made.
        sources: SHA-256 of every source file by its name.
        extra: Further text entries for the file's metadata.

    Returns:
        The path.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    metadata = _metadata(frame, sources, extra)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if isinstance(frame, pl.LazyFrame):
                frame.sink_parquet(draft, compression="snappy", metadata=metadata)
            else:
                frame.write_parquet(file, compression="snappy", metadata=metadata)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    return target


def telemetry_artifact_bytes(
    frame: pl.DataFrame,
    *,
    sources: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of the same file, for stores that write whole objects.

    Args:
        frame: The table.
        sources: SHA-256 of every source file by its name.
        extra: Further text entries for the file's metadata.
    """
    buffer = io.BytesIO()
    metadata = _metadata(frame, sources, extra)
    frame.write_parquet(buffer, compression="snappy", metadata=metadata)
    return buffer.getvalue()


def load_telemetry_artifact(path: str | os.PathLike[str]) -> pl.LazyFrame:
    """Open an artifact lazily, after a look at its version and its row count.

    Public interface, for people and models that read a slate's or a race's stored table.

    Args:
        path: The file.

    Returns:
        A lazy scan of the table.

    Raises:
        FileNotFoundError: If there is no such file.
        InputError: If the file is no telemetry artifact, is damaged, is of another version, or
            holds another number of rows than its writer wrote.
    """
    info = artifact_info(path)
    name = Path(path).name
    if info.schema_version != SCHEMA_VERSION:
        raise InputError(
            f"The artifact is of version {info.schema_version}; this is version {SCHEMA_VERSION}.",
            file=name,
            remedy="Materialise the race's telemetry again.",
        )
    scan = pl.scan_parquet(Path(path))
    rows = scan.select(pl.len()).collect().item()
    if rows != info.rows:
        raise InputError(
            f"The artifact holds {rows} rows, its writer wrote {info.rows}.",
            file=name,
            remedy="Materialise the race's telemetry again.",
        )
    return scan


def artifact_info(source: str | os.PathLike[str] | bytes) -> ArtifactInfo:
    """What an artifact says of itself, from its footer alone.

    Args:
        source: The file, or its bytes.

    Raises:
        FileNotFoundError: If there is no such file.
        InputError: If the file is no telemetry artifact or is damaged.
    """
    file = Path("artifact") if isinstance(source, bytes) else Path(source)
    if not isinstance(source, bytes) and not file.exists():
        raise FileNotFoundError(f"There is no telemetry artifact {file}.")
    try:
        metadata = pl.read_parquet_metadata(
            io.BytesIO(source) if isinstance(source, bytes) else file
        )
        return ArtifactInfo(
            schema_version=int(metadata[_VERSION]),
            sources=json.loads(metadata[_SOURCES]),
            rows=int(metadata[_ROWS]),
            extra={
                key.removeprefix(_PREFIX): value
                for key, value in metadata.items()
                if key.startswith(_PREFIX) and key not in {_VERSION, _SOURCES, _ROWS}
            },
        )
    except (PolarsError, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"The file is no telemetry artifact, or it is damaged: {error}",
            file=file.name,
            remedy="Materialise the race's telemetry again.",
        ) from error


def _metadata(
    frame: pl.DataFrame | pl.LazyFrame,
    sources: Mapping[str, str] | None,
    extra: Mapping[str, str] | None,
) -> dict[str, str]:
    rows = frame.lazy().select(pl.len()).collect(engine="streaming").item()
    return {
        _VERSION: str(SCHEMA_VERSION),
        _SOURCES: json.dumps(dict(sources or {}), sort_keys=True),
        _ROWS: str(rows),
        **{f"{_PREFIX}{key}": str(value) for key, value in (extra or {}).items()},
    }
