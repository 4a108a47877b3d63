"""Contest standings files, zipped or not, read whole or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.files import (
    LARGE,
    column_key,
    find_header,
    id_cell,
    number_cell,
    read_rows,
    read_text,
    truncated,
)
from nascar_assets.lineups.problem import plain_name
from nascar_assets.slates.slate import Slate

# Shares are printed with two decimals; a file cut at a row's end misses by far more.
_SHARE_SLACK = 0.005
# A site adds and replaces a driver or two after a salary file; more, and it is another slate's.
_MOST_STRANGERS = 3
_MOST_OF_STRANGERS = 0.25


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
        lineups: [E, roster_size] indices into `slate.everyone`, -1 where an entry is empty or
            holds a driver whom the slate does not have.
        ownership: [M] share of entries that hold each of `slate.everyone`, as the site prints it,
            counted from the lineups where it prints none.
        driver_points: [M] contest points of each as printed; NaN where none.
        notices: Drivers whom the slate does not have, and in how many entries they are.
    """

    rank: npt.NDArray[np.int32]
    entry_ids: tuple[str, ...]
    entry_names: tuple[str, ...]
    points: npt.NDArray[np.float64]
    lineups: npt.NDArray[np.int32]
    ownership: npt.NDArray[np.float64]
    driver_points: npt.NDArray[np.float64]
    notices: tuple[str, ...] = ()


def read_standings(content: bytes, slate: Slate, *, file: str = "standings.csv") -> Standings:
    """Reads a standings file.

    Up to three drivers whom the slate does not have (added on the site since, or under another
    name) are told and count as nobody.

    Args:
        content: The CSV, or a zip file with one CSV in it.
        slate: The slate whose drivers the lineups name.
        file: The file's name, for messages.

    Raises:
        StandingsError: If the file is cut off, damaged, no standings file, or names more drivers
            who are not of the slate; naming row and field.
    """
    given = read_text(content, file, limits=LARGE, lossy=True)
    file = given.file
    rows = read_rows(given, limits=LARGE)
    wanted, beside = slate.site.standings_columns, slate.site.standings_players
    found = find_header(rows, map(column_key, wanted.values()))
    if found is None:
        raise StandingsError(
            f"no row is a header with {', '.join(wanted.values())}.",
            file=file,
            row=1,
            remedy="Use the standings file that the site exports, within a week of the contest.",
        )
    header, columns, _, _ = found
    left = {part: columns[column_key(name)] for part, name in wanted.items()}
    right = {part: columns.get(column_key(name), -1) for part, name in beside.items()}
    if right["player"] >= 0 and min(right.values()) < 0:
        raise StandingsError(
            f"the players' columns are not {', '.join(beside.values())}.",
            file=file,
            row=header,
            field=beside["player"],
        )
    by_name: dict[str, int] = {}
    for index, player in enumerate(slate.everyone):
        by_name.setdefault(plain_name(player.name), index)
    entries: list[tuple[int, str, str, float, list[int]]] = []
    ownership = np.full(len(slate.everyone), np.nan)
    driver_points = np.full(len(slate.everyone), np.nan)
    strangers: dict[str, list[int]] = {}
    seen: set[str] = set()
    comma = given.decimal_comma
    number = header
    for number, row in rows:
        if len(row) <= max(left.values()):
            raise truncated(file, number, next(wanted[p] for p in wanted if left[p] >= len(row)))
        if row[left["entry_id"]]:
            named = {part: row[place] for part, place in left.items()}
            if named["entry_id"] in seen:  # a few bytes of an archive may repeat a row for ever
                raise StandingsError(
                    f"the entry {named['entry_id']} is there twice.",
                    file=file,
                    row=number,
                    field=wanted["entry_id"],
                    remedy="Download it again.",
                )
            seen.add(named["entry_id"])
            entries.append(_entry(named, number, file, slate, by_name, strangers, comma))
        if 0 <= right["player"] < len(row) and row[right["player"]]:
            _player(row, right, beside, number, file, by_name, ownership, driver_points, comma)
    if not entries:
        raise StandingsError(
            "the file holds no entries.",
            file=file,
            remedy="Download it once the contest is over, and within a week of it.",
        )
    lineups = np.array([entry[4] for entry in entries], np.int32)
    _check_strangers(strangers, lineups.size, by_name, number, file, slate)
    counted = np.bincount(lineups[lineups >= 0], minlength=len(slate.everyone)) / len(entries)
    _check_whole(counted, len(entries), ownership, file, number, beside["drafted"])
    return Standings(
        rank=np.array([entry[0] for entry in entries], np.int32),
        entry_ids=tuple(entry[1] for entry in entries),
        entry_names=tuple(entry[2] for entry in entries),
        points=np.array([entry[3] for entry in entries]),
        lineups=lineups,
        ownership=np.where(np.isnan(ownership), counted, ownership),
        driver_points=driver_points,
        notices=tuple(
            f"{name!r} is no driver of the slate's salary file: counted as nobody in {len(rows):,} "
            f"of the {len(entries):,} entries."
            for name, rows in strangers.items()
        ),
    )


def _check_strangers(
    strangers: Mapping[str, Sequence[int]],
    places: int,
    by_name: Mapping[str, int],
    last: int,
    file: str,
    slate: Slate,
) -> None:
    """Refuses a file that was cut off within a name, or that is of another slate."""
    held = sum(map(len, strangers.values()))
    many = len(strangers) > _MOST_STRANGERS or held > _MOST_OF_STRANGERS * places
    for name, rows in strangers.items():
        plain = plain_name(name)
        cut = rows[-1] == last and any(known.startswith(plain) for known in by_name)
        if cut or many:
            raise StandingsError(
                f"{name!r} is no driver of slate {slate.slate_id}"
                + (", or the file was cut off here." if cut else "."),
                file=file,
                row=rows[-1] if cut else rows[0],
                field=slate.site.standings_columns["lineup"],
                remedy="Download it again, and check that it is of this slate.",
            )


def _entry(
    row: Mapping[str, str],
    number: int,
    file: str,
    slate: Slate,
    by_name: dict[str, int],
    strangers: dict[str, list[int]],
    decimal_comma: bool,
) -> tuple[int, str, str, float, list[int]]:
    size, columns = slate.rules.roster_size, slate.site.standings_columns
    rank = number_cell(row["rank"], whole=True)
    if rank is None or rank != int(rank) or not 0 < rank < 1e9:
        raise StandingsError(
            f"{row['rank']!r} is no rank.", file=file, row=number, field=columns["rank"]
        )
    points = number_cell(row["points"], decimal_comma=decimal_comma)
    if points is None or abs(points) > 1e6:
        raise StandingsError(
            f"{row['points']!r} is no number of points.",
            file=file,
            row=number,
            field=columns["points"],
        )
    entry_id = id_cell(row["entry_id"], file, number, columns["entry_id"])
    entry = int(rank), entry_id, row["entry_name"]
    before = rf"(?:^|\s){re.escape(slate.site.position)}\s+"
    names = [name.strip() for name in re.split(before, row["lineup"])[1:]]
    if not names and not row["lineup"]:
        return *entry, float(points), [-1] * size
    for name in names:
        if plain_name(name) not in by_name:
            strangers.setdefault(name, []).append(number)
    lineup = [by_name.get(plain_name(name), -1) for name in names]
    if len(lineup) != size:
        raise StandingsError(
            f"the lineup has {len(lineup)} drivers, not {size}; the file may have been cut off.",
            file=file,
            row=number,
            field=columns["lineup"],
            remedy="Download it again.",
        )
    return *entry, float(points), lineup


def _player(
    row: Sequence[str],
    right: Mapping[str, int],
    columns: Mapping[str, str],
    number: int,
    file: str,
    by_name: dict[str, int],
    ownership: npt.NDArray[np.float64],
    driver_points: npt.NDArray[np.float64],
    decimal_comma: bool,
) -> None:
    if len(row) <= max(right.values()):
        raise truncated(file, number, next(columns[p] for p in columns if right[p] >= len(row)))
    name = plain_name(row[right["player"]])
    if name not in by_name:
        return
    texts = row[right["drafted"]], row[right["points"]]
    share = number_cell(texts[0].rstrip("% "), decimal_comma=decimal_comma)
    points = number_cell(texts[1], decimal_comma=decimal_comma)
    if share is None or points is None or not 0 <= share <= 100 or abs(points) > 1e6:
        raise StandingsError(
            f"{texts[0]!r} and {texts[1]!r} are not a share and points.",
            file=file,
            row=number,
            field=columns["drafted"],
        )
    ownership[by_name[name]] = float(share) / 100
    driver_points[by_name[name]] = float(points)


def _check_whole(
    counted: npt.NDArray[np.float64],
    entries: int,
    printed: npt.NDArray[np.float64],
    file: str,
    row: int,
    field: str,
) -> None:
    """The printed shares are of all entries: entries that are missing show in them."""
    known = ~np.isnan(printed)
    if not known.any():
        return
    miss = np.abs(counted - printed)[known]
    if float(miss.max()) > _SHARE_SLACK:
        raise StandingsError(
            f"drivers' printed shares differ by up to {miss.max():.1%} from those of the "
            f"{entries:,} entries in the file: entries are missing, it was cut off.",
            file=file,
            row=row,
            field=field,
            remedy="Download it again.",
        )
