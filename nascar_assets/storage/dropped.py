"""What strangers may put into a folder: plain files under plain names; all else is only reported.

Links are never followed, so that nothing outside the folder is read or copied; pipes and devices
are never opened; a name that a terminal, a log or another machine cannot take is no path of ours.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nascar_assets.visible import visible

LARGEST_BYTES = 64 * 1024**2
"""Larger files are left where they lie; a season's laps of one series take a tenth of it."""

DEEPEST = 16
"""Folders below the landing folder; the feed's tree has four."""


class Dropped(NamedTuple):
    """One thing in the folder: its path (`/` between parts), and why it is not taken, if so."""

    path: str
    status: os.stat_result
    fault: str | None


def dropped_files(folder: Path, *, holds_folders: bool = False) -> Iterator[Dropped]:
    """Everything under a folder but its plain folders; paths of what is at fault are escaped.

    Args:
        folder: A landing folder.
        holds_folders: Whether it is the folder of the landing folders instead, each of which may
            itself be a link.

    Raises:
        OSError: If a folder cannot be listed.
    """
    waiting = [("", -1 if holds_folders else 0)]
    while waiting:
        prefix, depth = waiting.pop()
        try:
            listing = os.scandir(f"{folder}/{prefix}")
        except FileNotFoundError:
            if not prefix:
                raise
            continue  # it went while the folder above it was listed
        with listing:
            for entry in listing:
                path = f"{prefix}{entry.name}"
                try:
                    linked = depth < 0 and os.path.isdir(f"{folder}/{path}")
                    status = entry.stat(follow_symlinks=linked)
                except FileNotFoundError:
                    continue  # it went while the folder was listed
                if (fault := _fault(entry.name, status, depth)) is not None:
                    yield Dropped(visible(path), status, fault)
                elif stat.S_ISDIR(status.st_mode):
                    waiting.append((f"{path}/", depth + 1))
                else:
                    yield Dropped(path, status, None)


def _fault(name: str, status: os.stat_result, depth: int) -> str | None:
    """Why something is not taken."""
    mode = status.st_mode
    if visible(name) != name or "\\" in name:
        return "Its name holds characters that no file name of ours may have; rename it."
    if stat.S_ISLNK(mode):
        return "It is a link, and links are not followed here; put the file itself here."
    if stat.S_ISDIR(mode):
        return None if depth < DEEPEST else "It lies too deep in folders."
    if not stat.S_ISREG(mode):
        return "It is no file but a pipe, a socket or a device; take it away."
    if status.st_size > LARGEST_BYTES:
        return f"It has {status.st_size:,} bytes; no more than {LARGEST_BYTES:,} are read."
    return None


def read_dropped(folder: Path, path: str) -> bytes:
    """The content of a plain file.

    Args:
        folder: The data root.
        path: The file's path in it: a landing folder's, which may itself be a link, and what
            leads from there to the file, which may not.

    Raises:
        FileNotFoundError: If there is none.
        OSError: If it cannot be read, is a link or no plain file, or is too large.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(folder / path, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is no plain file")
        above = (folder / path).parent.resolve()
        if not above.is_relative_to(folder.joinpath(*path.split("/")[:-1][:2]).resolve()):
            raise OSError("a folder on its way is a link")
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise OSError(f"it has more than {LARGEST_BYTES:,} bytes")
    return data


def safe_name(name: str) -> str:
    """A file name from outside as the last part of a path of ours: short, and plain letters."""
    plain = re.sub(r"[^\w .,()+@=-]|^\.+", "_", visible(name))
    return plain if len(plain.encode()) <= 200 else plain[:20] + "_" + plain[-20:]
