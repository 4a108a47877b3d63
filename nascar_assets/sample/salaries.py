"""Salary files of the sample's next race, as DraftKings and FanDuel export them."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from nascar_assets.sample.world import DRIVERS

DRAFTKINGS_HEADER = (
    "Position,Name + ID,Name,ID,Roster Position,Salary,Game Info,TeamAbbrev,AvgPointsPerGame"
)
FANDUEL_HEADER = (
    "Id,Position,First Name,Nickname,Last Name,FPPG,Played,Salary,Game,Team,Opponent,"
    "Injury Indicator,Injury Details,Tier"
)

_FIRST_SITE_ID = 99_100_001
_FANDUEL_SLATE = 99_001


def site_spelling(name: str) -> str:
    """A name as salary files spell it: no accents, no points in initials ("TK Wollenskar")."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", name)
        if not unicodedata.combining(letter)
    )
    first, _, rest = plain.partition(" ")
    return f"{first.replace('.', '')} {rest}"


def salaries(value: npt.NDArray[np.float64], lowest: int, highest: int) -> list[int]:
    """Salaries in steps of 100, steeper at the top, as sites set them.

    Args:
        value: What each driver is thought to be worth, [N].
        lowest: The last driver's salary.
        highest: The first driver's.
    """
    rank = np.empty(len(value))
    rank[np.argsort(-value, kind="stable")] = np.arange(len(value))
    share = 1.0 - rank / (len(value) - 1)
    return [int(100 * round(dollars / 100)) for dollars in lowest + (highest - lowest) * share**1.4]


def draftkings_file(
    drivers: Sequence[int],
    value: npt.NDArray[np.float64],
    race_name: str,
    averages: Mapping[int, float],
) -> bytes:
    """A DraftKings export.

    Args:
        drivers: Indices into `DRIVERS`.
        value: What each is thought to be worth, [N].
        race_name: The race's name, all that `Game Info` holds.
        averages: Average contest points by driver; 0 where none.
    """
    dollars = salaries(value, 4_500, 11_300)
    rows = []
    for place, index in enumerate(np.argsort(-value, kind="stable")):
        name = site_spelling(DRIVERS[drivers[index]])
        site_id = _FIRST_SITE_ID + place
        average = f"{averages.get(drivers[index], 0.0):g}"
        label = f"{name} ({site_id})"
        rows.append(["D", label, name, site_id, "D", dollars[index], race_name, "Nasca", average])
    return _csv(DRAFTKINGS_HEADER, rows)


def fanduel_file(
    drivers: Sequence[int],
    value: npt.NDArray[np.float64],
    race_name: str,
    averages: Mapping[int, float],
    played: Mapping[int, int],
) -> bytes:
    """A FanDuel players list.

    Args:
        drivers: Indices into `DRIVERS`.
        value: What each is thought to be worth, [N].
        race_name: The race's name.
        averages: Average contest points by driver; 0 where none.
        played: Races by driver.
    """
    dollars = salaries(value, 2_000, 14_000)
    rows = []
    for place, index in enumerate(np.argsort(-value, kind="stable")):
        driver = drivers[index]
        name = site_spelling(DRIVERS[driver])
        first, _, last = name.partition(" ")
        site_id = f"{_FANDUEL_SLATE}-{_FIRST_SITE_ID + place}"
        fppg, races = f"{averages.get(driver, 0.0):g}", played.get(driver, 0)
        known = [site_id, "D", first, name, last, fppg, races, dollars[index], race_name]
        rows.append([*known, "", "", "", "", ""])
    return _csv(FANDUEL_HEADER, rows)


def _csv(header: str, rows: list[list[str | int]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return text.getvalue().encode()
