"""Salary files of the sample's next race, as the contest sites export them."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nascar_assets.rules import SITES
from nascar_assets.sample.world import DRIVERS


@dataclass(frozen=True, slots=True)
class Layout:
    """How a site exports salaries.

    Attributes:
        header: All columns, in order.
        lowest: Dollars of the cheapest driver.
        highest: Of the dearest.
        id_prefix: What the site puts before a driver's number in his id.
        same: Columns that hold the same in each row; what nothing says stays empty.
        played: Column of the races that the average is of, where there is one.
        step: Dollars by which salaries differ.
    """

    header: str
    lowest: int
    highest: int
    id_prefix: str = ""
    same: Mapping[str, str] = field(default_factory=dict)
    played: str | None = None
    step: int = 100


LAYOUTS: Mapping[str, Layout] = {
    "dk": Layout(
        "Position,Name + ID,Name,ID,Roster Position,Salary,Game Info,TeamAbbrev,AvgPointsPerGame",
        lowest=4_500,
        highest=11_300,
        same={"Position": "D", "Roster Position": "D", "TeamAbbrev": "Nasca"},
    ),
    "fd": Layout(
        "Id,Position,First Name,Nickname,Last Name,FPPG,Played,Salary,Game,Team,Opponent,"
        "Injury Indicator,Injury Details,Tier",
        lowest=2_000,
        highest=14_000,
        id_prefix="99001-",
        same={"Position": "D"},
        played="Played",
    ),
}
"""By the key of the site: those that the sample has a file of."""

_FIRST_SITE_ID = 99_100_001


def site_spelling(name: str) -> str:
    """A name as salary files spell it: no accents, no points in initials ("TK Wollenskar")."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", name)
        if not unicodedata.combining(letter)
    )
    first, _, rest = plain.partition(" ")
    return f"{first.replace('.', '')} {rest}"


def salaries(
    value: npt.NDArray[np.float64], lowest: int, highest: int, step: int = 100
) -> list[int]:
    """Salaries in steps, steeper at the top, as sites set them.

    Args:
        value: What each driver is thought to be worth, [N].
        lowest: The last driver's salary.
        highest: The first driver's.
        step: Dollars by which they differ.
    """
    rank = np.empty(len(value))
    rank[np.argsort(-value, kind="stable")] = np.arange(len(value))
    share = 1.0 - rank / (len(value) - 1)
    exact = lowest + (highest - lowest) * share**1.4
    return [int(step * round(dollars / step)) for dollars in exact]


def salary_file(
    site: str,
    drivers: Sequence[int],
    value: npt.NDArray[np.float64],
    race_name: str,
    averages: Mapping[int, float],
    played: Mapping[int, int],
) -> bytes:
    """A site's salary file, the dearest driver first.

    Args:
        site: The site's key.
        drivers: Indices into `DRIVERS`.
        value: What each is thought to be worth, [N].
        race_name: The race's name.
        averages: Average contest points by driver; 0 where none.
        played: Races by driver.
    """
    layout, columns = LAYOUTS[site], SITES[site].salary_columns
    header = layout.header.split(",")
    dollars = salaries(value, layout.lowest, layout.highest, layout.step)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for place, index in enumerate(np.argsort(-value, kind="stable")):
        driver = drivers[index]
        name = site_spelling(DRIVERS[driver])
        first, _, last = name.partition(" ")
        site_id = f"{layout.id_prefix}{_FIRST_SITE_ID + place}"
        held = {
            "id": site_id,
            "name": name,
            "name_id": f"{name} ({site_id})",
            "first": first,
            "last": last,
            "salary": str(dollars[index]),
            "race": race_name,
            "average": f"{averages.get(driver, 0.0):g}",
        }
        row = {columns[part]: cell for part, cell in held.items() if part in columns}
        row |= {**layout.same, layout.played or "": str(played.get(driver, 0))}
        writer.writerow(row.get(column, "") for column in header)
    return text.getvalue().encode()
