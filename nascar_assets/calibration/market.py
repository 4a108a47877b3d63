"""A market as a baseline: win odds with their time, the overround taken out, Plackett-Luce orders.

Odds come from a CSV with the columns `race_id`, `driver_id`, `odds` (or `american_odds`,
`decimal_odds`) and `quoted_at` (ISO time with its zone). Only quotes up to a race's as-of time are
used, the latest of each driver.

The overround is taken out by the power method, p_i = (1 / odds_i)^k with k such that the
probabilities sum to one (Clarke, Kovalchik and Ingram 2017), which takes more from long shots; by
Shin's method (Shin 1993, doi:10.2307/2234241), or in proportion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.borrowed import forecast_of_order
from nascar_assets.calibration.forecasts import KnownHistory, RaceForecast, RaceToForecast
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.calibration.plackett_luce import sample_orders
from nascar_assets.errors import InputError
from nascar_assets.feed.odds import OddsFormat, decimal_odds
from nascar_assets.feed.schemas import UTC_TIME
from nascar_assets.files import (
    LARGE,
    check_once,
    check_width,
    find_header,
    id_cell,
    read_rows,
    read_text,
)

_ODDS: tuple[tuple[str, OddsFormat | None], ...] = (
    ("odds", None),
    ("american_odds", "american"),
    ("decimal_odds", "decimal"),
)
ODDS_COLUMNS = ("race_id", "driver_id", "odds", "quoted_at")
UNQUOTED_SHARE = 0.5
"""A driver without odds gets this share of the smallest quoted probability."""
LEAST_QUOTED = 0.5
"""Share of the field that must be quoted."""
_ROUNDING = 1e-9
"""Up to this a sum of 1 / odds above one is no overround: a fair book's misses it by rounding."""


class NotQuotedError(InputError):
    """The market has no usable odds for a race; it is compared on the other races."""


def read_odds(
    content: bytes, *, file: str = "odds.csv", form: OddsFormat | None = None
) -> pl.DataFrame:
    """Odds from a CSV, as decimal odds.

    American odds are recognised by their sign (`+450` is 5.5, `-115` is 1.87, `EVEN` is 2),
    fractions by their stroke (`9/2` is 5.5), decimal odds by a point or by being below 100. A whole
    number of 100 or more without a sign may be either and is refused, unless the column's
    name or `form` says which.

    Args:
        content: The file's bytes.
        file: Its name, for messages.
        form: What odds without a sign are.

    Returns:
        `race_id`, `driver_id`, `odds` (decimal), `quoted_at` (UTC), in order of time.

    Raises:
        InputError: If a column is missing or a value is no odds, no time, or has no zone; names
            row and field.
    """
    given = read_text(content, file, limits=LARGE)
    file, comma = given.file, given.decimal_comma
    rows = read_rows(given, limits=LARGE)
    keys = {name: name.replace("_", "") for name in (*ODDS_COLUMNS, *dict(_ODDS))}
    tables = [
        [keys[name if column == "odds" else column] for column in ODDS_COLUMNS] for name, _ in _ODDS
    ]
    found = find_header(rows, *tables)
    if found is None:
        _, titles = next(read_rows(given, limits=LARGE), (0, []))  # none where all are blank
        first = {cell.casefold() for cell in titles}
        raise InputError(
            "The column is missing.",
            file=file,
            field=next((name for name in ODDS_COLUMNS if name not in first), "odds"),
            remedy=f"Expected: {', '.join(ODDS_COLUMNS)}.",
        )
    header, places, width, doubled = found
    check_once(keys, doubled, file, header)
    (column, says), *others = [item for item in _ODDS if keys[item[0]] in places]
    if others:
        raise InputError(
            f"The columns {column} and {others[0][0]} both hold odds.",
            file=file,
            row=header,
            field=others[0][0],
            remedy="Take one of the two columns out.",
        )
    last = max(places[keys[name]] for name in (*ODDS_COLUMNS[:2], column, "quoted_at"))
    read = []
    for line, cells in rows:
        check_width(cells, width, file, line, column, last)
        row = {
            name: cells[places[keys[name]]] if places[keys[name]] < len(cells) else ""
            for name in (*ODDS_COLUMNS[:2], column, "quoted_at")
        }
        when = _moment(row["quoted_at"])
        if when is None:
            raise InputError(
                f"Expected an ISO time with its zone, found {row['quoted_at']!r}.",
                file=file,
                row=line,
                field="quoted_at",
                remedy="Write it as 2026-03-15T12:00:00Z.",
            )
        ids = []
        for name, what in (("race_id", "a race's id"), ("driver_id", "a driver's id")):
            if not row[name]:
                raise InputError(f"Expected {what}, found none.", file=file, row=line, field=name)
            ids.append(id_cell(row[name], file, line, name))
        try:
            odds = decimal_odds(row[column], says or form, decimal_comma=comma)
        except InputError as error:
            raise InputError(
                error.message, file=file, row=line, field=column, remedy=error.remedy
            ) from error
        read.append((*ids, odds, when))
    if not read:
        raise InputError("The file holds no odds.", file=file, remedy="Export it again.")
    schema: dict[str, Any] = {
        "race_id": pl.String,
        "driver_id": pl.String,
        "odds": pl.Float64,
        "quoted_at": UTC_TIME,
    }
    table = pl.DataFrame(read, schema=schema, orient="row")
    return table.sort("quoted_at", "race_id", "driver_id", maintain_order=True)


def _moment(text: str) -> datetime | None:
    """The UTC time of an ISO text; none where it is none or has no zone."""
    try:
        when = datetime.fromisoformat(text)
        return None if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def power_probabilities(odds: Floats) -> Floats:
    """Probabilities (1 / odds)^k that sum to one.

    Args:
        odds: Decimal odds above 1 [N].
    """
    log = -np.log(np.asarray(odds, np.float64))
    if log.size == 1:
        return np.ones(1)

    def excess(power: float) -> float:
        return float(np.exp(power * log).sum()) - 1.0

    from scipy.optimize import brentq

    high = 1.0
    while excess(high) > 0.0:
        high *= 2.0
    power = brentq(excess, 0.0, high, xtol=1e-12)
    raw = np.exp(power * log)
    return np.asarray(raw / raw.sum(), np.float64)


def shin_probabilities(odds: Floats) -> Floats:
    """Shin's probabilities: a share z of the money is taken to know the outcome.

    p_i = (sqrt(z^2 + 4 (1 - z) q_i^2 / Q) - z) / (2 (1 - z)), q_i = 1 / odds_i, Q their sum, with z
    such that the probabilities sum to one. A book without an overround is scaled in proportion.

    Args:
        odds: Decimal odds above 1 [N].

    Raises:
        ValueError: If there is no such z, as where every driver is all but certain to win.
    """
    inverse = 1.0 / np.asarray(odds, np.float64)
    total = float(inverse.sum())
    if total <= 1.0 + _ROUNDING:
        return np.asarray(inverse / total, np.float64)

    def probabilities(z: float) -> Floats:
        root = np.sqrt(z * z + 4.0 * (1.0 - z) * inverse**2 / total)
        return np.asarray((root - z) / (2.0 * (1.0 - z)), np.float64)

    from scipy.optimize import brentq

    z = brentq(lambda at: float(probabilities(at).sum()) - 1.0, 0.0, 0.99, xtol=1e-12)
    found = probabilities(z)
    return np.asarray(found / found.sum(), np.float64)


def proportional_probabilities(odds: Floats) -> Floats:
    """Probabilities in proportion to 1 / odds."""
    inverse = 1.0 / np.asarray(odds, np.float64)
    return np.asarray(inverse / inverse.sum(), np.float64)


METHODS: dict[str, Callable[[Floats], Floats]] = {
    "power": power_probabilities,
    "shin": shin_probabilities,
    "proportional": proportional_probabilities,
}
"""Ways to take the overround out."""


@dataclass(frozen=True)
class Market:
    """The market's forecast: win probabilities from odds, orders by Plackett-Luce.

    Attributes:
        odds: Quotes as `read_odds` gives them.
        method: Key of `METHODS`.
    """

    odds: pl.DataFrame
    method: str = "power"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"No method is called {self.method!r}.",
                field="method",
                remedy=f"Known: {', '.join(METHODS)}.",
            )

    @property
    def name(self) -> str:
        """Short name with the method."""
        return f"market_{self.method}"

    @property
    def version(self) -> str:
        """Changes with the method and the quotes."""
        return f"1-{self.odds.hash_rows(seed=1).sum()}"

    def win_probabilities(self, race: RaceToForecast) -> Floats:
        """Win probability of every entrant [N], from quotes up to the as-of time.

        Raises:
            NotQuotedError: If less than half of the field is quoted by then, or no overround can
                be taken out of its odds.
        """
        quotes = (
            self.odds.filter(pl.col("race_id") == race.race_id, pl.col("quoted_at") <= race.as_of)
            .group_by("driver_id", maintain_order=True)
            .last()
        )
        quoted = dict(zip(quotes["driver_id"], quotes["odds"], strict=True))
        known = np.array([driver in quoted for driver in race.driver_ids])
        if known.mean() < LEAST_QUOTED:
            raise NotQuotedError(
                f"{int(known.sum())} of {known.size} drivers of race {race.race_key} have odds "
                f"by {race.as_of:%Y-%m-%d %H:%M} UTC, "
                f"fewer than {LEAST_QUOTED:.0%}.",
                field="race_id",
            )
        prices = np.array([quoted[driver] for driver in race.driver_ids if driver in quoted])
        found = np.zeros(known.size)
        try:
            found[known] = METHODS[self.method](prices)
        except (ValueError, RuntimeError) as error:  # of one race: the others have their odds
            raise NotQuotedError(
                f"The odds of race {race.race_key} are no book that the method {self.method} can "
                f"take an overround out of: their chances add up to {(1.0 / prices).sum():.0%}.",
                field="odds",
                remedy="Correct them, or take another method.",
            ) from error
        found[~known] = UNQUOTED_SHARE * float(found[known].min())
        return np.asarray(found / found.sum(), np.float64)

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`; NotQuotedError where no odds can be used."""
        rng = np.random.default_rng(seed)
        finish = sample_orders(np.log(self.win_probabilities(race)), n, rng)
        return forecast_of_order(history, race, finish, rng)
