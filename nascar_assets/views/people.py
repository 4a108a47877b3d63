"""Who is meant: the rows of a view resolved to the drivers of a slate and its race."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.files import plain_name
from nascar_assets.slates.slate import SlatePlayer
from nascar_assets.views.columns import folded
from nascar_assets.views.quantities import QUANTITIES
from nascar_assets.views.statement import RowFault, Stated, UnusableView, ViewFile

_EVERYBODY_ELSE = frozenset(
    {"field", "thefield", "fieldanyother", "anyother", "anyotherdriver", "allothers"}
)
"""What boards of odds call the one bet on every driver whom they do not name, folded."""


@dataclass(frozen=True)
class People:
    """The drivers whom a view of a slate may speak of.

    Attributes:
        names: The name that is shown of each driver, by id.
        absent: Why a driver does not race, by id.
        site_ids: Driver ids by the contest site's ids.
        known: Directory of these drivers, by every spelling at hand.
        everybody: Directory of all drivers that the feed knows.
    """

    names: dict[str, str]
    absent: dict[str, str]
    site_ids: dict[str, str]
    known: DriverDirectory
    everybody: DriverDirectory

    @classmethod
    def of(
        cls,
        players: Iterable[SlatePlayer],
        entered: Iterable[tuple[str, str]],
        everybody: DriverDirectory,
    ) -> People:
        """The people of a slate.

        Args:
            players: Every row of the slate's salary file.
            entered: Id and name of every car of the race.
            everybody: Every driver that the feed knows.
        """
        rows = [(driver_id, name) for driver_id, name in entered]
        names, absent, site_ids = dict(rows), {}, {}
        for player in players:
            rows.append((player.driver_id, player.name))
            names[player.driver_id] = player.name
            site_ids[player.site_id] = player.driver_id
            if player.reason is not None and player.driver_id not in dict(entered):
                absent[player.driver_id] = player.reason
        frame = pl.DataFrame(rows, schema=["driver_id", "driver_name"], orient="row")
        return cls(names, absent, site_ids, DriverDirectory.from_frames(frame), everybody)

    def resolve(self, row: Stated) -> str | RowFault:
        """The driver of a row, or why it has none."""
        found = self._driver(row)
        plain = plain_name(row.name)
        if isinstance(found, RowFault) or not plain or not (row.site_id or row.driver_id):
            return found
        called = [key for key, name in self.names.items() if plain_name(name) == plain]
        if called and found not in called:
            return RowFault(row.row, row.name, f"the id is that of {self.names[found]}.")
        return found

    def _driver(self, row: Stated) -> str | RowFault:
        if row.site_id in self.site_ids:
            return self.site_ids[row.site_id]
        if row.driver_id:
            same = self.everybody.canonical(row.driver_id)
            for driver_id in (row.driver_id, same):
                if driver_id in self.names:
                    return driver_id
        who = row.name or row.site_id or row.driver_id
        if not row.name:
            return RowFault(row.row, who, "no driver of this slate has the id.")
        found = self.known.resolve(row.name)
        if found.driver_id is not None:
            return found.driver_id
        if found.how == "ambiguous":
            return RowFault(row.row, who, "more than one driver is called so.", found.candidates)
        known = self.everybody.resolve(row.name)
        canonical = {self.everybody.canonical(driver): driver for driver in self.names}
        if known.driver_id in canonical:
            return canonical[known.driver_id]
        if known.driver_id is not None:
            name = self.everybody.names[known.driver_id]
            reason = f"{name} ({known.driver_id}) is a driver, but not of this slate."
            return RowFault(row.row, who, reason)
        return RowFault(row.row, who, "no driver is called so.", found.candidates)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A file's rows by driver.

    Attributes:
        rows: Driver id and what is stated of him.
        faults: Rows without a driver.
        notices: Rows that are left out: of drivers who do not race, of a bet on everybody else.
    """

    rows: tuple[tuple[str, Stated], ...]
    faults: tuple[RowFault, ...]
    notices: tuple[str, ...]


def resolve_rows(view: ViewFile, people: People) -> Resolved:
    """Every row with its driver; rows that are of nobody who races are left out with a notice."""
    found: dict[tuple[str, str, str], str | RowFault] = {}
    rows, faults, left = [], [], {}
    for row in view.rows:
        if QUANTITIES[row.quantity].family == "odds" and folded(row.name) in _EVERYBODY_ELSE:
            left[row.name] = f"{row.name} is a bet on every driver not named: left out."
            continue
        key = (row.name, row.site_id, row.driver_id)
        if key not in found:
            found[key] = people.resolve(row)
            if isinstance(fault := found[key], RowFault):
                faults.append(fault)
        driver = found[key]
        if isinstance(driver, RowFault):
            continue
        if driver in people.absent:
            left[driver] = f"{people.names[driver]} does not race ({people.absent[driver]})."
        else:
            rows.append((driver, row))
    return Resolved(tuple(rows), tuple(faults), tuple(left.values()))


def resolved_whole(view: ViewFile, people: People) -> Resolved:
    """Every row with its driver, or nothing at all.

    Raises:
        UnusableView: If a row has no driver; names each with the nearest drivers.
        InputError: If most names are unknown, as in a file of another slate, or two rows are of
            one driver and state different things.
    """
    found = resolve_rows(view, people)
    named = len({driver for driver, _ in found.rows}) + len(found.notices)
    if len(found.faults) > max(2, named):
        raise UnusableView(
            found.faults,
            view.source.path,
            f"{len(found.faults)} of {len(found.faults) + named} names are not of this slate: the "
            "file seems to be of another one. Check the race.",
        )
    if found.faults:
        raise UnusableView(found.faults, view.source.path)
    if not found.rows:
        raise InputError(
            "Nobody whom the file names races.",
            file=view.source.path,
            remedy="Check that it is of this slate.",
        )
    _refuse_twice(found.rows, people, view.source.path)
    return found


def _refuse_twice(rows: Sequence[tuple[str, Stated]], people: People, file: str) -> None:
    """Refuses two spellings of one driver that state different things."""
    first: dict[tuple[str, str, object], Stated] = {}
    faults = []
    for driver, row in rows:
        known = first.setdefault((driver, row.quantity, row.quoted_at), row)
        if known.value != row.value:
            faults.append(
                RowFault(
                    row.row,
                    row.name,
                    f"this is {people.names[driver]}, of whom row {known.row} states otherwise.",
                )
            )
    if faults:
        raise UnusableView(faults, file)
