"""A slate's portfolio put into an entries file, or mended there after a scratch."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.lineups import PortfolioSettings, fill_entries, late_swap, write_entries
from nascar_assets.lineups.entries import read_entries
from nascar_assets.orchestration.inputs.forecasting import load_scenarios, player_points
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows, load_lineups
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.slates.stored import slate_from_polars


@dataclass(frozen=True)
class EntriesOutcome:
    """What was written: entries changed, the drivers replaced, and what a person should know."""

    entries: int
    changes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def fill(home: str, slate_id: str, source: Path, out: Path) -> EntriesOutcome:
    """Writes the slate's portfolio into an entries file; all other bytes are kept.

    Raises:
        InputError: If the slate was not run, or the file is of another slate, locked or cut off.
        EnvironmentFault: If a file cannot be read or written.
    """
    root = Platform(home=home).root
    plan = SlatePlan.load(root, slate_id)
    slate = slate_from_polars(scan_table(root, "slate", slate_id).collect())
    rows = lineup_rows(load_lineups(root, plan), slate)
    content = read_file(source)
    filled = fill_entries(content, slate, rows, file=source.name)
    write_file(out, filled)
    return EntriesOutcome(len(read_entries(filled, slate, file=out.name)))


def swap(home: str, slate_id: str, source: Path, scratched: list[str], out: Path) -> EntriesOutcome:
    """Replaces scratched drivers in a filled entries file with the fewest changes.

    Raises:
        InputError: If a driver is unknown, the file is at fault, or no change keeps the settings.
        EnvironmentFault: If a file cannot be read or written.
    """
    root = Platform(home=home).root
    plan = SlatePlan.load(root, slate_id)
    slate = slate_from_polars(scan_table(root, "slate", slate_id).collect())
    points = player_points(load_scenarios(root, slate_id), slate)
    content = read_file(source)
    filled = [
        entry
        for entry in read_entries(content, slate, file=source.name)
        if entry.lineup is not None
    ]
    if not filled:
        raise InputError(
            "No entry in the file is filled.",
            file=source.name,
            remedy="Fill it first: nascar entries fill.",
        )
    settings = PortfolioSettings.from_toml(plan.settings)
    # The file may repeat a lineup in several contests: each distinct one is mended once.
    distinct = list(dict.fromkeys(entry.lineup for entry in filled if entry.lineup is not None))
    mended = late_swap(points, slate, settings, np.array(distinct), scratched)
    after = dict(zip(distinct, mended.drivers.tolist(), strict=True))
    chosen = {entry.entry_id: after[entry.lineup] for entry in filled if entry.lineup is not None}
    write_file(out, write_entries(content, slate, chosen, file=source.name))
    changes = tuple(
        f"lineup {change.lineup}: {change.out} out, {change.into} in" for change in mended.changes
    )
    return EntriesOutcome(len(chosen), changes, mended.notices)


def read_file(path: Path) -> bytes:
    """The bytes of a person's file.

    Raises:
        InputError: If there is no such file.
        EnvironmentFault: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            "There is no such file.", file=str(path), remedy="Check the path."
        ) from error
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be read: {error}. Check the file's permissions and disk."
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Puts a person's file in place, whole or not at all.

    Raises:
        EnvironmentFault: If it cannot be written.
    """
    try:
        handle, draft = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            Path(draft).chmod(0o666 & ~mask)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error}. Check the folder and the disk's space."
        ) from error
