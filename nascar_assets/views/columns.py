"""Headers of others' files: which column holds which quantity, by the spellings that are met."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from nascar_assets.errors import InputError
from nascar_assets.files import column_key

_SIGNS = re.compile(r"[%()\[\]#:'\"]+")


def folded(header: str) -> str:
    """A header for comparison: small letters without blanks, points, signs and brackets."""
    return _SIGNS.sub("", column_key(header))


def _spellings(**wanted: str) -> Mapping[str, str]:
    """What a folded header holds, from lists of spellings by what they hold."""
    return MappingProxyType(
        {word: name for name, words in wanted.items() for word in words.split()}
    )


NAMES: Mapping[str, str] = _spellings(
    name="name player driver playername drivername fullname nickname athlete",
    name_id="name+id nameid nameandid",
    first="firstname first",
    last="lastname last",
    site_id="id playerid dkid fdid siteid dkplayerid",
    driver_id="driverid nascardriverid",
    race_id="raceid",
    market="market bet bettype markettype",
    quoted_at="quotedat quoted published timestamp asof",
    odds="odds moneyline",
    american="americanodds usodds",
    decimal="decimalodds euodds",
)
"""Columns that say of whom, of which race and when."""

VALUES: Mapping[str, str] = _spellings(
    mean_points="fpts proj projection projections projectedpoints projpts projectedfpts projfpts "
    "points pts mean meanpoints dkpoints dkprojection dkproj dkfpts fantasypoints projpoints "
    "fdprojection fdproj fdpoints fdfpts",
    sd_points="stddev sd stdev std standarddeviation sdpoints",
    ceiling_points="ceiling ceil p90 pointsp90",
    win="w win wins winprobability winprob winchance pwin",
    top3="t3 top3 top3s",
    top5="t5 top5 top5s",
    top10="t10 top10 top10s",
    ownership="own ownership projectedownership projown projectedown pown expectedownership "
    "ownershipprojection ownproj ros rst",
    cash_ownership="cashown cashownership owncash ownershipcash cashprojectedownership "
    "projectedownershipcash cashpown",
    tournament_ownership="gppown gppownership owngpp ownershipgpp tournamentown "
    "tournamentownership owntournament ownershiptournament gppprojectedownership "
    "projectedownershipgpp gpppown ownershiptournaments",
    min_exposure="minexposure minexp minexpo minimumexposure",
    max_exposure="maxexposure maxexp maxexpo maximumexposure",
    odds_win="winodds oddstowin winnerodds outrightodds",
    odds_top3="top3odds oddstop3 t3odds",
    odds_top5="top5odds oddstop5 t5odds",
    odds_top10="top10odds oddstop10 t10odds",
    rear_start="rearstart startsrear rear startsatrear",
    best_lap_time_s="bestlaptime bestlap besttime fastestlap",
    average_lap_time_s="overallavg overallaverage averagelaptime avglap avglaptime",
    **{
        f"best_{laps}_lap_time_s": f"con{laps}lap {laps}lap {laps}lapavg {laps}lapaverage "
        f"best{laps}lap {laps}consecutive best{laps}lapavg best{laps}laptime {laps}laps"
        for laps in (5, 10, 15, 20, 25, 30)
    },
)
"""Columns that hold a quantity, by spelling."""

MARKETS: Mapping[str, str] = _spellings(
    odds_win="win winner outright outrightwinner racewinner towin",
    odds_top3="top3 top3finish top3finisher podium",
    odds_top5="top5 top5finish top5finisher",
    odds_top10="top10 top10finish top10finisher",
)
"""What the cells of a column of markets mean."""


@dataclass(frozen=True)
class Header:
    """What the columns of a file hold.

    Attributes:
        line: The line of the header; 0 where there is none.
        width: Its cells.
        who: Places of the columns of `NAMES`, by what they hold.
        values: Places of the columns that hold quantities, by quantity.
        titles: The columns' own titles by what they hold.
        ignored: Titles of the columns that say nothing.
    """

    line: int
    width: int
    who: Mapping[str, int]
    values: Mapping[str, int]
    titles: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def names_somebody(self) -> bool:
        """Whether some column says of whom a row is."""
        return bool({"name", "name_id", "last", "site_id", "driver_id"} & self.who.keys())

    @property
    def has_values(self) -> bool:
        """Whether some column holds a quantity."""
        return bool(self.values) or bool({"odds", "american", "decimal"} & self.who.keys())


def read_header(
    line: int, cells: Sequence[str], file: str, projection: str | None = None
) -> Header | None:
    """The header that a row of cells is; none where it names nobody or no known quantity.

    Args:
        line: The row's line.
        cells: Its cells.
        file: The file's name, for messages.
        projection: The title of the column that holds the person's own mean points, where they
            said so; no other column then does.

    Raises:
        InputError: If two columns hold the same quantity.
    """
    who: dict[str, int] = {}
    values: dict[str, int] = {}
    titles: dict[str, str] = {}
    ignored = []
    wanted = None if projection is None else folded(projection)
    for place, cell in enumerate(cells):
        key = folded(cell)
        if not key:
            continue
        held = NAMES.get(key)
        if held is not None and key != wanted:
            if held not in who:
                who[held], titles[held] = place, cell
            else:
                ignored.append(cell)
            continue
        quantity = VALUES.get(key)
        if wanted is not None and (key == wanted or quantity == "mean_points"):
            quantity = "mean_points" if key == wanted else None
        if quantity is None:
            ignored.append(cell)
        elif quantity in values:
            raise InputError(
                f"The columns {titles[quantity]!r} and {cell!r} both hold the same quantity.",
                file=file,
                row=line,
                field=cell,
                remedy="Take one of the two out."
                if quantity != "mean_points"
                else "Take one of the two out, or say with --column which is meant.",
            )
        else:
            values[quantity], titles[quantity] = place, cell
    found = Header(line, len(cells), who, values, titles, tuple(ignored))
    return found if found.names_somebody and found.has_values else None
