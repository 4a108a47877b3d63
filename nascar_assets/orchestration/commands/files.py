"""A person's own files, outside the data root: read whole, and put in place whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.files import LARGE, check_size


def read_file(path: Path) -> bytes:
    """The bytes of a person's file, no more of it than any reader takes.

    Raises:
        InputError: If there is no such file, it is a folder, or it is too large.
        EnvironmentFault: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGE.size + 1)
        check_size(len(data), path.name, LARGE)
        return data
    except FileNotFoundError as error:
        raise InputError(
            "There is no such file.", file=str(path), remedy="Check the path."
        ) from error
    except IsADirectoryError as error:
        raise InputError(
            "This is a folder, not a file.", file=str(path), remedy="Name a file in it."
        ) from error
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be read: {error}. Check the file's permissions and disk."
        ) from error


def write_file(path: Path, data: bytes, first: Callable[[], None] | None = None) -> None:
    """Puts a person's file in place, whole or not at all.

    Args:
        first: What has to be done for the file to count: done once it is written beside its place,
            so that neither a full disk nor this leaves one of the two without the other.

    Raises:
        InputError: If a folder lies there, or there is no folder for it.
        EnvironmentFault: If it cannot be written.
    """
    if path.is_dir():
        raise InputError(
            "This is a folder, not a file.", file=str(path), remedy="Name a file in it."
        )
    if not path.absolute().parent.is_dir():
        raise InputError(
            f"There is no folder {path.parent}.", file=str(path), remedy="Make it first."
        )
    try:
        handle, draft = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            Path(draft).chmod(0o666 & ~mask)
            if first is not None:
                first()
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error}. Check the folder and the disk's space."
        ) from error
