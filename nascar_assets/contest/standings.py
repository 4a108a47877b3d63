"""Contest standings files, zipped or not, read whole or refused."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.problem import plain_name
from nascar_assets.slates.slate import Slate

_LEFT = ("Rank", "EntryId", "EntryName", "TimeRemaining", "Points", "Lineup")
_RIGHT = ("Player", "Roster Position", "%Drafted", "FPTS")
_MOST_BYTES = 1_000_000_000
# Shares are printed with two decimals; a file cut at a row's end misses by far more.
_SHARE_SLACK = 0.005


class StandingsError(InputError):
    """A standings file that is not whole or not of this slate."""


@dataclass(frozen=True, slots=True)
class Standings:
    """A finished contest.

    Attributes:
        rank: [E] places.
        entry_ids: [E] the site's ids.
        entry_names: [E] names, with the entry's number where a person has several.
        points: [E] contest points.
        lineups: [E, roster_size] indices into the slate's players, -1 where an entry is empty.
        ownership: [N] share of entries that hold each player, as the site prints it; NaN where
            it prints none.
        driver_points: [N] contest points of each player as printed; NaN where none.
    """

    rank: npt.NDArray[np.int32]
    entry_ids: tuple[str, ...]
    entry_names: tuple[str, ...]
    points: npt.NDArray[np.float64]
    lineups: npt.NDArray[np.int32]
    ownership: npt.NDArray[np.float64]
    driver_points: npt.NDArray[np.float64]


def read_standings(content: bytes, slate: Slate, *, file: str = "standings.csv") -> Standings:
    """Reads a standings file.

    Args:
        content: The CSV, or a zip file with one CSV in it.
        slate: The slate whose drivers the lineups name.
        file: The file's name, for messages.

    Raises:
        StandingsError: If the file is cut off, damaged, no standings file, or names drivers who
            are not of the slate; naming row and field.
    """
    text, file = _text(content, file)
    if text.count('"') % 2:
        raise _cut(file, text.count("\n") + 1, None)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = [cell.strip() for cell in rows[0]] if rows else []
    if tuple(header[:6]) != _LEFT:
        raise StandingsError(
            f"the header does not begin with {','.join(_LEFT)}.",
            file=file,
            row=1,
            remedy="Use the standings file that the site exports after the contest.",
        )
    right = header.index("Player") if "Player" in header else None
    if right is not None and tuple(header[right : right + 4]) != _RIGHT:
        raise StandingsError(
            f"the players' header is not {','.join(_RIGHT)}.", file=file, row=1, field="Player"
        )
    by_name: dict[str, int] = {}
    for index, player in enumerate(slate.players):
        by_name[plain_name(player.name)] = index
    entries: list[tuple[int, str, str, float, list[int]]] = []
    ownership = np.full(len(slate.players), np.nan)
    driver_points = np.full(len(slate.players), np.nan)
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < len(_LEFT):
            raise _cut(file, number, _LEFT[len(row)])
        if row[1].strip():
            entries.append(_entry(row, number, file, slate, by_name))
        if right is not None and len(row) > right and row[right].strip():
            _player(row, right, number, file, by_name, ownership, driver_points)
    if not entries:
        raise StandingsError(
            "the file holds no entries.", file=file, remedy="Download it once the contest is over."
        )
    lineups = np.array([entry[4] for entry in entries], np.int32)
    _check_whole(lineups, ownership, file, len(rows))
    return Standings(
        rank=np.array([entry[0] for entry in entries], np.int32),
        entry_ids=tuple(entry[1] for entry in entries),
        entry_names=tuple(entry[2] for entry in entries),
        points=np.array([entry[3] for entry in entries]),
        lineups=lineups,
        ownership=ownership,
        driver_points=driver_points,
    )


def _text(content: bytes, file: str) -> tuple[str, str]:
    if content.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [n for n in archive.namelist() if n.lower().endswith(".csv")]
                if len(names) != 1:
                    raise StandingsError(
                        f"the zip file holds {len(names)} CSV files, not one.", file=file
                    )
                if archive.getinfo(names[0]).file_size > _MOST_BYTES:
                    raise StandingsError("the zipped file is larger than 1 GB.", file=file)
                content = archive.read(names[0])
                file = f"{file}/{names[0]}"
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise StandingsError(
                f"the zip file is damaged or cut off: {error}.",
                file=file,
                remedy="Download it again.",
            ) from error
    try:
        return content.decode("utf-8-sig"), file
    except UnicodeDecodeError as error:
        if error.end >= len(content) - 1:
            raise _cut(file, content.count(b"\n") + 1, None) from error
        return content.decode("cp1252", errors="replace"), file


def _cut(file: str, row: int, field: str | None) -> StandingsError:
    return StandingsError(
        "the row is not whole: the file was cut off.",
        file=file,
        row=row,
        field=field,
        remedy="Download it again.",
    )


def _entry(
    row: Sequence[str], number: int, file: str, slate: Slate, by_name: dict[str, int]
) -> tuple[int, str, str, float, list[int]]:
    size = slate.rules.roster_size
    try:
        rank = int(row[0])
    except ValueError:
        raise StandingsError(
            f"{row[0]!r} is no rank.", file=file, row=number, field="Rank"
        ) from None
    try:
        points = float(row[4])
    except ValueError:
        raise StandingsError(
            f"{row[4]!r} is no number of points.", file=file, row=number, field="Points"
        ) from None
    names = [name.strip() for name in re.split(r"(?:^|\s)D\s+", row[5].strip())[1:]]
    if not names and not row[5].strip():
        return rank, row[1].strip(), row[2].strip(), points, [-1] * size
    lineup = []
    for name in names:
        if plain_name(name) not in by_name:
            last = len(names) < size or name == names[-1]
            raise StandingsError(
                f"{name!r} is no driver of slate {slate.slate_id}"
                + (", or the file was cut off here." if last else "."),
                file=file,
                row=number,
                field="Lineup",
                remedy="Download it again, and check that it is of this slate.",
            )
        lineup.append(by_name[plain_name(name)])
    if len(lineup) != size:
        raise StandingsError(
            f"the lineup has {len(lineup)} drivers, not {size}; the file may have been cut off.",
            file=file,
            row=number,
            field="Lineup",
            remedy="Download it again.",
        )
    return rank, row[1].strip(), row[2].strip(), points, lineup


def _player(
    row: Sequence[str],
    right: int,
    number: int,
    file: str,
    by_name: dict[str, int],
    ownership: npt.NDArray[np.float64],
    driver_points: npt.NDArray[np.float64],
) -> None:
    if len(row) < right + 4:
        raise _cut(file, number, _RIGHT[len(row) - right])
    name = plain_name(row[right])
    if name not in by_name:
        return
    try:
        ownership[by_name[name]] = float(row[right + 2].strip().rstrip("%")) / 100
        driver_points[by_name[name]] = float(row[right + 3])
    except ValueError:
        raise StandingsError(
            f"{row[right + 2]!r} and {row[right + 3]!r} are not a share and points.",
            file=file,
            row=number,
            field="%Drafted",
        ) from None


def _check_whole(
    lineups: npt.NDArray[np.int32], ownership: npt.NDArray[np.float64], file: str, rows: int
) -> None:
    """The printed shares are of all entries: entries that are missing show in them."""
    counted = np.bincount(lineups[lineups >= 0], minlength=ownership.shape[0])
    share = counted / lineups.shape[0]
    known = ~np.isnan(ownership)
    if not known.any():
        return
    miss = np.abs(share - ownership)[known]
    if float(miss.max()) > _SHARE_SLACK:
        raise StandingsError(
            f"drivers' printed shares differ by up to {miss.max():.1%} from those of the "
            f"{lineups.shape[0]:,} entries in the file: entries are missing, it was cut off.",
            file=file,
            row=rows,
            field="%Drafted",
            remedy="Download it again.",
        )
