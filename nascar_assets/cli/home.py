"""`nascar home`: a home moved between folders, buckets and storages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from nascar_assets.cli.options import Home, Json, NewHome, group
from nascar_assets.cli.output import Output
from nascar_assets.cli.ui_keeper import kept_off, sole

if TYPE_CHECKING:
    from nascar_assets.orchestration.commands.home import Moved

app = group("A home moved to another place or storage.", "nascar home export /mnt/backup/nascar")


@app.command("export")
def export_command(
    target: Annotated[str, typer.Argument(help="An empty folder, or s3://bucket/prefix.")],
    home: Home,
    as_json: Json = False,
) -> None:
    """Writes the whole home, its history in Dagster too, to an empty folder or bucket.

    What was stopped half-way goes on with the same command.

    Example: nascar home export /mnt/backup/nascar
    """
    from nascar_assets.orchestration.commands.home import export_home
    from nascar_assets.orchestration.resources import Platform

    out = Output(as_json)
    root, other = Platform(home=home).root, Platform(home=target).root
    with _held(home), out.progress("files") as update:
        moved = export_home(home, root, other, datetime.now(UTC), update)
    _tell(out, moved, "exported to", target)


@app.command("import")
def import_command(
    source: Annotated[str, typer.Argument(help="What nascar home export wrote.")],
    home: NewHome,
    as_json: Json = False,
) -> None:
    """Makes an empty home of an export, on the storage that the settings name.

    What was stopped half-way goes on with the same command; until then no other command takes
    the home.

    Example: nascar home import /mnt/backup/nascar --home s3://bucket/nascar
    """
    from nascar_assets.orchestration.commands.home import import_home
    from nascar_assets.orchestration.resources import Platform
    from nascar_assets.orchestration.storage.instance import dagster_home

    out = Output(as_json)
    root, other = Platform(home=home).root, Platform(home=source).root
    with sole(dagster_home(home)), out.progress("files") as update:
        moved = import_home(home, root, other, update)
    _tell(out, moved, "imported to", home)


@contextmanager
def _held(home: str) -> Iterator[None]:
    """Keeps a UI from the home for the length of a block.

    Where nothing may be written (a read-only mount, another user's home), the lock is only read.
    SQLite writes beside what it reads, so that the records are then read from a copy.
    """
    from nascar_assets.orchestration.storage.instance import dagster_home

    folder = dagster_home(home)
    files = [path for path in folder.iterdir() if path.is_file()]
    if all(os.access(path, os.W_OK) for path in (folder, *files)):
        with sole(folder):
            yield
        return
    local = os.environ.get("NASCAR_LOCAL")
    with kept_off(folder), TemporaryDirectory() as copy:
        (Path(copy) / "dagster").mkdir()
        for path in files:
            shutil.copyfile(path, Path(copy) / "dagster" / path.name)
        os.environ["NASCAR_LOCAL"] = copy
        try:
            yield
        finally:
            os.environ.pop("NASCAR_LOCAL")
            if local is not None:
                os.environ["NASCAR_LOCAL"] = local


def _tell(out: Output, moved: Moved, done: str, place: str) -> None:
    out.line(
        f"{moved.files:,} files with {moved.bytes:,} bytes and {moved.rows:,} rows of Dagster's "
        f"records {done} {place}; every one has the hash that it had."
    )
    for path, why in moved.strays.items():
        out.line(f"left behind: {path}: {why}")
    found = {"files": moved.files, "bytes": moved.bytes, "rows": moved.rows, "place": place}
    found |= {"strays": dict(moved.strays)}
    out.result(found)
