"""Contest standings files, zipped or not, read whole or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.files import (
    LARGE,
    GivenText,
    amount_cell,
    check_once,
    check_width,
    column_key,
    find_header,
    id_cell,
    number_cell,
    plain_name,
    read_rows,
    read_text,
    truncated,
)
from nascar_assets.slates.slate import Slate

# `TimeRemaining` and `Roster Position` are not in every form, and nothing needs them.
_LEFT = ("Rank", "EntryId", "EntryName", "Points", "Lineup")
_RIGHT = ("Player", "%Drafted", "FPTS")
SHARE_SLACK = 0.005
"""Shares are printed with two decimals; a file cut at a row's end misses by far more."""
_PRINTED = 0.01  # points are printed with two decimals
_MAX_OFF = 1 / 20  # of the entries; where more are off, the drivers' points are of another time
# A site adds and replaces a driver or two after a salary file; more, and it is another slate's.
_MAX_STRANGERS = 3
_MAX_OF_STRANGERS = 0.25
_UNCHECKED = (
    "The file has no players with their shares: whether entries are missing from it, as where a "
    "download was cut short, cannot be seen. Download the form with players where the site has it."
)


class StandingsError(InputError):
    """A standings file that is not whole or not of this slate."""


class OtherSlate(StandingsError):
    """Standings that seem to be of another slate."""


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
        notices: Drivers whom the slate does not have, and in how many entries they are; whose
            printed points are not those that the entries hold.
        live: Whether the race was going on: the file says that some entries have time left.
        file: The file's name; in an archive `archive/member`.
    """

    rank: npt.NDArray[np.int32]
    entry_ids: tuple[str, ...]
    entry_names: tuple[str, ...]
    points: npt.NDArray[np.float64]
    lineups: npt.NDArray[np.int32]
    ownership: npt.NDArray[np.float64]
    driver_points: npt.NDArray[np.float64]
    notices: tuple[str, ...] = ()
    live: bool = False
    file: str = ""


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
            who are not of the slate; if in a contest that is over a worse rank has more points, or
            a few entries have other points than their drivers; naming row and field.
    """
    given = read_text(content, file, limits=LARGE, lossy=True)
    rows = read_rows(given, limits=LARGE)
    found = find_header(rows, map(column_key, _LEFT))
    reader = _Reader(slate, given)
    if found is None:
        raise reader.fault(
            f"no row is a header with {', '.join(_LEFT)}.",
            1,
            remedy="Use the standings file that the site exports, within a week of the contest.",
        )
    number, columns, width, doubled = found
    check_once((*_LEFT, "TimeRemaining", *_RIGHT), doubled, given.file, number)
    left = {name: columns[column_key(name)] for name in _LEFT}
    time_left = columns.get(column_key("TimeRemaining"), -1)
    right = {name: columns.get(column_key(name), -1) for name in _RIGHT}
    if right["Player"] >= 0 and min(right.values()) < 0:
        raise reader.fault(f"the players' columns are not {', '.join(_RIGHT)}.", number, "Player")
    for number, row in rows:
        check_width(row, width, given.file, number)
        reader.entry(reader.part(row, left, number), number)
        reader.live |= _has_time_left(row, time_left)
        if 0 <= right["Player"] < len(row) and row[right["Player"]]:
            reader.player(reader.part(row, right, number), number)
    return reader.standings(number)


def _has_time_left(row: Sequence[str], column: int) -> bool:
    """Whether an entry's row says that there is something left to score."""
    if not 0 <= column < len(row):
        return False
    left = number_cell(row[column])
    return left is not None and left > 0


class _Reader:
    """Gathers entries and players row by row."""

    def __init__(self, slate: Slate, given: GivenText) -> None:
        self.slate, self.file = slate, given.file
        self.decimal_comma = given.decimal_comma
        self.number = partial(number_cell, decimal_comma=given.decimal_comma)
        self.before = re.compile(rf"(?:^|\s){re.escape(slate.site.position)}\s+")
        self.by_name: dict[str, int] = {}
        for index, player in enumerate(slate.everyone):
            self.by_name.setdefault(plain_name(player.name), index)
        self.entries: dict[str, tuple[int, str, float, list[int], int]] = {}
        self.strangers: dict[str, list[int]] = {}
        self.live = False
        self.at_odds: list[str] = []
        self.ownership = np.full(len(slate.everyone), np.nan)
        self.driver_points = np.full(len(slate.everyone), np.nan)

    def fault(
        self, message: str, row: int | None, field: str | None = None, remedy: str | None = None
    ) -> StandingsError:
        return StandingsError(message, file=self.file, row=row, field=field, remedy=remedy)

    def part(self, row: Sequence[str], places: Mapping[str, int], number: int) -> dict[str, str]:
        """The cells of some columns of a row, which has to hold them all."""
        if len(row) <= max(places.values()):
            cut = next(name for name, place in places.items() if place >= len(row))
            raise truncated(self.file, number, cut)
        return {name: row[place] for name, place in places.items()}

    def entry(self, row: Mapping[str, str], number: int) -> None:
        """Takes an entry; a row that holds none has players alone."""
        if not row["EntryId"]:
            return
        size = self.slate.rules.roster_size
        rank = amount_cell(row["Rank"], decimal_comma=self.decimal_comma, whole=True)
        if rank is None or rank != int(rank) or not 0 < rank < 1e9:
            raise self.fault(f"{row['Rank']!r} is no rank.", number, "Rank")
        points = self.number(row["Points"])
        if points is None or abs(points) > 1e6:
            raise self.fault(f"{row['Points']!r} is no number of points.", number, "Points")
        entry_id = id_cell(row["EntryId"], self.file, number, "EntryId")
        if entry_id in self.entries:  # a few bytes of an archive may repeat a row for ever
            raise self.fault(
                f"the entry {entry_id} is there twice.", number, "EntryId", "Download it again."
            )
        names = [name.strip() for name in self.before.split(row["Lineup"])[1:]]
        for name in names:
            if plain_name(name) not in self.by_name:
                self.strangers.setdefault(name, []).append(number)
        lineup = [self.by_name.get(plain_name(name), -1) for name in names]
        if not row["Lineup"]:
            lineup = [-1] * size
        if len(lineup) != size:
            raise self.fault(
                f"the lineup has {len(lineup)} drivers, not {size}; the file may have been cut "
                "off.",
                number,
                "Lineup",
                "Download it again.",
            )
        self.entries[entry_id] = int(rank), row["EntryName"], float(points), lineup, number

    def player(self, row: Mapping[str, str], number: int) -> None:
        """Takes a driver's share of the entries and his points."""
        index = self.by_name.get(plain_name(row["Player"]))
        if index is None:
            return
        share, points = self.number(row["%Drafted"].rstrip("% ")), self.number(row["FPTS"])
        if share is None or points is None or not 0 <= share <= 100 or abs(points) > 1e6:
            raise self.fault(
                f"{row['%Drafted']!r} and {row['FPTS']!r} are not a share and points.",
                number,
                "%Drafted",
            )
        if not np.isnan(self.ownership[index]):
            return  # a row more of him, mostly without shares: the first counts
        self.ownership[index] = float(share) / 100
        self.driver_points[index] = float(points)

    def standings(self, last: int) -> Standings:
        """All of it, once the file ended on row `last`."""
        if not self.entries:
            raise self.fault(
                "the file holds no entries.",
                None,
                remedy="Download it once the contest is over, and within a week of it.",
            )
        rank, names, points, held, rows_of = zip(*self.entries.values(), strict=True)
        lineups = np.array(held, np.int32)
        self._check_strangers(lineups.size, last)
        entries, everyone = len(self.entries), len(self.slate.everyone)
        counted = np.bincount(lineups[lineups >= 0], minlength=everyone) / entries
        self._check_whole(counted, last)
        if not self.live:  # ranks and drivers' points lag the entries' while the race is going on
            self._check_ranks(np.array(rank), np.array(points), rows_of)
            self._check_sums(lineups, np.array(points), rows_of)
        return Standings(
            rank=np.array(rank, np.int32),
            entry_ids=tuple(self.entries),
            entry_names=names,
            points=np.array(points),
            lineups=lineups,
            ownership=np.where(np.isnan(self.ownership), counted, self.ownership),
            driver_points=self.driver_points,
            live=self.live,
            file=self.file,
            notices=(
                *(
                    f"{name!r} is no driver of the slate's salary file: counted as nobody in "
                    f"{len(rows):,} of the {entries:,} entries."
                    for name, rows in self.strangers.items()
                ),
                *self.at_odds,
                *([_UNCHECKED] if np.isnan(self.ownership).all() else []),
            ),
        )

    def _check_ranks(
        self, rank: npt.NDArray[np.int64], points: npt.NDArray[np.float64], rows: Sequence[int]
    ) -> None:
        """Refuses a damaged cell: places follow the points, and equal points may share one."""
        order = np.lexsort((-points, rank))
        rises = np.flatnonzero(np.diff(points[order]) > _PRINTED)
        if rises.size:
            better, worse = order[rises[0]], order[rises[0] + 1]
            raise self.fault(
                f"rank {rank[worse]} has {points[worse]:,.2f} points, more than rank "
                f"{rank[better]} on row {rows[better]} with {points[better]:,.2f}.",
                rows[worse],
                "Points",
                "Download it again.",
            )

    def _check_sums(
        self, lineups: npt.NDArray[np.int32], points: npt.NDArray[np.float64], rows: Sequence[int]
    ) -> None:
        """Refuses a few entries whose points are not their drivers' where all others' are.

        Where many are not, the drivers' points were printed at another time, and say nothing. Where
        they are all those of one driver and miss by the same, his points were corrected in one of
        the two lists: no entry is damaged, and no later download differs.
        """
        known = np.append(self.driver_points, np.nan)  # of nobody, -1
        misses = points - known[lineups].sum(axis=1)
        is_off = np.abs(misses) > _PRINTED * lineups.shape[1]
        off = np.flatnonzero(is_off)
        counted = ~np.isnan(misses)
        if not 0 < off.size <= _MAX_OFF * counted.sum():
            return
        his = [
            self.slate.everyone[driver].name
            for driver in np.unique(lineups[off[0]]).tolist()
            if np.array_equal((lineups == driver).any(axis=1) & counted, is_off)
        ]
        at = int(off[0])
        if not his or np.ptp(misses[off]) > _PRINTED * lineups.shape[1]:
            raise self.fault(
                f"the entry has {points[at]:,.2f} points and its drivers "
                f"{points[at] - misses[at]:,.2f}.",
                rows[at],
                "Points",
                "Download it again.",
            )
        self.at_odds.append(
            f"The printed points of {' or '.join(map(repr, his))} are not those that count in "
            f"entries: the {off.size:,} that hold him have {abs(misses[at]):,.2f} points "
            f"{'more' if misses[at] > 0 else 'fewer'} than their drivers. Both are kept."
        )

    def _check_strangers(self, places: int, last: int) -> None:
        """Refuses a file that was cut off within a name, or that is of another slate."""
        held = sum(map(len, self.strangers.values()))
        many = len(self.strangers) > _MAX_STRANGERS or held > _MAX_OF_STRANGERS * places
        if rows := self.strangers.get("LOCKED"):
            raise self.fault(
                "lineups are hidden in it: it was downloaded before the contest locked.",
                rows[0],
                "Lineup",
                "Download it again after the race.",
            )
        for name, rows in self.strangers.items():
            plain = plain_name(name)
            cut = rows[-1] == last and any(known.startswith(plain) for known in self.by_name)
            if cut or many:
                raise OtherSlate(
                    f"{name!r} is no driver of slate {self.slate.slate_id}"
                    + (", or the file was cut off here." if cut else "."),
                    file=self.file,
                    row=rows[-1] if cut else rows[0],
                    field="Lineup",
                    remedy="Download it again, and check that it is of this slate.",
                )

    def _check_whole(self, counted: npt.NDArray[np.float64], last: int) -> None:
        """The printed shares are of all entries: entries that are missing show in them."""
        miss = float(np.nanmax(np.abs(counted - self.ownership), initial=0.0))
        if miss > SHARE_SLACK:
            raise self.fault(
                f"drivers' printed shares differ by up to {miss:.1%} from those of the "
                f"{len(self.entries):,} entries in the file: entries are missing, it was cut off.",
                last,
                "%Drafted",
                "Download it again.",
            )
