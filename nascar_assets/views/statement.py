"""What a file of views states: one value per driver and quantity, and what cannot be used of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from nascar_assets.errors import InputError
from nascar_assets.feed.odds import OddsFormat
from nascar_assets.files import SourceFile
from nascar_assets.views.quantities import QUANTITIES

Unit = Literal["percent", "share"]
_SHOWN = 12
"""Rows at fault that a message names; programs get all of them."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What one cell says of one driver.

    Attributes:
        row: The line on which a person sees it.
        name: The driver's name as the file spells it, empty where only an id is given.
        quantity: Key of `QUANTITIES`.
        value: Points, share of one, decimal odds, seconds, or the place in `REAR_SCORED`.
        site_id: The contest site's id of the driver, where given.
        driver_id: The feed's id of the driver, where given.
        quoted_at: When odds were quoted (UTC), where given.
        race_id: The feed's id of the race, where a file of many races is read.
    """

    row: int
    name: str
    quantity: str
    value: float
    site_id: str = ""
    driver_id: str = ""
    quoted_at: datetime | None = None
    race_id: str = ""


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that cannot be used: where, of whom, why, and who may be meant."""

    row: int
    name: str
    reason: str
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        near = f" Nearest: {', '.join(self.nearest)}." if self.nearest else ""
        return f"row {self.row} ({self.name or 'no name'}): {self.reason}{near}"


class UnusableView(InputError):
    """Rows of a file that cannot be used; nothing of the file is taken.

    Attributes:
        faults: All of them.
    """

    def __init__(self, faults: Sequence[RowFault], file: str, remedy: str | None = None) -> None:
        self.faults = tuple(faults)
        listed = " ".join(str(fault) for fault in self.faults[:_SHOWN])
        more = f" And {len(self.faults) - _SHOWN} more." if len(self.faults) > _SHOWN else ""
        rows = "1 row" if len(self.faults) == 1 else f"{len(self.faults)} rows"
        super().__init__(
            f"{rows} cannot be used, so nothing is taken: {listed}{more}",
            file=file,
            remedy=remedy or "Correct the rows or take them out.",
        )


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a person says of a file besides what stands in it.

    Attributes:
        projection: The column that holds their own mean points.
        odds: What odds without a sign are.
        unit: Whether shares are written in percent or as shares of one.
    """

    projection: str | None = None
    odds: OddsFormat | None = None
    unit: Unit | None = None


@dataclass(frozen=True)
class ViewFile:
    """What a file states.

    Attributes:
        source: The file's name and hash.
        rows: What it states, in its own order.
        notices: What was left out, and why.
    """

    source: SourceFile
    rows: tuple[Stated, ...]
    notices: tuple[str, ...] = ()

    @property
    def quantities(self) -> tuple[str, ...]:
        """What it speaks of, in the order of `QUANTITIES`."""
        held = {row.quantity for row in self.rows}
        return tuple(name for name in QUANTITIES if name in held)

    @property
    def families(self) -> tuple[str, ...]:
        """The kinds of view that it is."""
        return tuple(dict.fromkeys(QUANTITIES[name].family for name in self.quantities))


def once(rows: Sequence[Stated], file: str) -> tuple[Stated, ...]:
    """The rows without repetitions; of odds of several times each stands.

    Raises:
        UnusableView: If two rows state different values of the same driver.
    """
    kept: dict[tuple[Any, ...], Stated] = {}
    faults = []
    for row in rows:
        who = (row.name.casefold(), row.site_id, row.driver_id)
        key = (*who, row.quantity, row.quoted_at, row.race_id)
        first = kept.setdefault(key, row)
        if first.value != row.value:
            words = QUANTITIES[row.quantity].words
            reason = f"{words} is {row.value:g} here and {first.value:g} on row {first.row}."
            faults.append(RowFault(row.row, row.name, reason))
    if faults:
        raise UnusableView(faults, file)
    return tuple(kept.values())
