"""Does the market add to the forecast: past forecasts tilted towards boards of odds, and scored.

Each race's sealed forecast is tilted towards the latest board that was quoted by its as-of time,
at every confidence of a grid, and the ranked probability score of the finish is compared with that
of the forecast as it was. The confidence that a race gets is the one that did best on the races
before it, so that its gain is out of sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.entropic import Moments, entropic_weights
from nascar_assets.calibration.forecasts import RaceForecast
from nascar_assets.calibration.metrics_crps import rank_probabilities, rps_of_probabilities
from nascar_assets.calibration.tilting import EFFECTIVE_FLOOR, RIDGE
from nascar_assets.errors import InputError
from nascar_assets.feed.odds import OddsFormat
from nascar_assets.feed.schemas import UTC_TIME
from nascar_assets.files import SourceFile
from nascar_assets.views.odds import chances_of_odds
from nascar_assets.views.odds_feed import board_of, feed_board
from nascar_assets.views.quantities import TOPS
from nascar_assets.views.reading import read_view
from nascar_assets.views.statement import ReadOptions
from nascar_assets.views.targets import blended

CONFIDENCES: tuple[float, ...] = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Confidences that are tried; the first is the forecast as it is."""
FEWEST_QUOTES = 10
"""Drivers whom a board must quote to be used."""
FEWEST_EARLIER = 10
"""Races before a race from which on its confidence is chosen by them; none before that."""
HOURS: tuple[tuple[float, str], ...] = (
    (6.0, "less than 6 hours"),
    (24.0, "6 to 24 hours"),
    (72.0, "1 to 3 days"),
    (float("inf"), "more than 3 days"),
)
"""How long before the race a board was quoted: upper ends and their names."""
NORMAL_95 = 1.96

BOARDS: dict[str, Any] = {
    "race_id": pl.String,
    "driver_id": pl.String,
    "market": pl.String,
    "odds": pl.Float64,
    "quoted_at": UTC_TIME,
}
"""One row a quote, in decimal odds; the market is a key of `TOPS`."""


def read_boards(
    files: Mapping[str, bytes], form: OddsFormat | None = None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The quotes of a folder of time-stamped boards.

    Args:
        files: By name, CSV files with `race_id`, `driver_id`, odds and `quoted_at` (a bare date, as
            in `published`, is known at that day's end); a column `market` or columns such as
            `top5_odds` tell markets apart, to win without one. Or boards of NASCAR's own feed,
            named as polling keeps them.
        form: What odds without a sign are.

    Returns:
        A table `BOARDS`, and notices of quotes that cannot be used.

    Raises:
        InputError: If a file or a cell is at fault, or no quote has race, driver and time.
    """
    rows: list[tuple[str, str, str, float, datetime]] = []
    notices = []
    for name, data in sorted(files.items()):
        if name.lower().endswith(".json"):
            if (of := board_of(name)) is None:
                notices.append(f"{name}: its name tells no race and time; it is left out.")
                continue
            race_id, quoted_at = of
            board = feed_board(data, SourceFile.of(name, data), race_id)
            rows += [
                (race_id, r.driver_id, r.quantity.removeprefix("odds_"), r.value, quoted_at)
                for r in board.rows
            ]
            continue
        view = read_view(data, name, None, ReadOptions(odds=form))
        stated = [row for row in view.rows if row.quantity.startswith("odds_")]
        usable = [row for row in stated if row.race_id and row.driver_id and row.quoted_at]
        if len(usable) < len(stated):
            notices.append(
                f"{name}: {len(stated) - len(usable)} of {len(stated)} quotes have no race, driver "
                "or time and are left out."
            )
        rows += [
            (r.race_id, r.driver_id, r.quantity.removeprefix("odds_"), r.value, at)
            for r in usable
            if (at := r.quoted_at) is not None
        ]
    if not rows:
        raise InputError(
            "No quote has a race, a driver and a time.",
            field="--odds",
            remedy="Boards need the columns race_id, driver_id, odds and quoted_at.",
        )
    return pl.DataFrame(rows, schema=BOARDS, orient="row"), tuple(notices)


@dataclass(frozen=True)
class RaceGain:
    """One race's scores at each confidence.

    Attributes:
        race_key: The race.
        track_type: Kind of its track.
        start_time: When it began.
        hours: Hours between the board's latest quote and the race.
        quotes: Quotes used.
        rps: Mean ranked probability score of the finish, in places, by confidence [C].
        shares: Share of each confidence that kept half of the scenarios effective [C].
    """

    race_key: str
    track_type: str
    start_time: datetime
    hours: float
    quotes: int
    rps: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]

    @property
    def gains(self) -> npt.NDArray[np.float64]:
        """Gain over the forecast as it is, as a share of its score, by confidence [C]."""
        return np.asarray(1.0 - self.rps / self.rps[0], np.float64)


def race_gain(
    race: Mapping[str, Any],
    driver_ids: Sequence[str],
    finish: npt.NDArray[np.integer[Any]],
    outcome: Mapping[str, int],
    boards: pl.DataFrame,
    as_of: datetime,
) -> RaceGain | None:
    """A race's scores at each confidence; none where no board quotes drivers enough by then.

    Args:
        race: The race's row of `SCHEDULE`.
        driver_ids: The forecast's drivers.
        finish: Its places [m, N].
        outcome: Official place by driver id.
        boards: A table `BOARDS`.
        as_of: The as-of time of the forecast.
    """
    place = {driver: at for at, driver in enumerate(driver_ids)}
    quotes = (
        boards.filter(
            pl.col("race_id") == race["race_id"],
            pl.col("quoted_at") <= min(as_of, race["start_time"]),
            pl.col("driver_id").is_in(list(place)),
        )
        .sort("quoted_at", maintain_order=True)
        .group_by("market", "driver_id", maintain_order=True)
        .last()
    )
    counts = dict(quotes.group_by("market").len().iter_rows())
    markets = [market for market in TOPS if counts.get(market, 0) >= FEWEST_QUOTES]
    quotes = quotes.filter(pl.col("market").is_in(markets))
    if quotes.is_empty():
        return None
    events, own, theirs = [], [], []
    for market in markets:
        part = quotes.filter(market=market)
        cars = [place[driver] for driver in part["driver_id"]]
        happened = finish <= TOPS[market]
        ours = happened.mean(axis=0)
        stated = chances_of_odds(part["odds"].to_numpy(), ours, cars, market)
        for at, chance in zip(cars, stated, strict=True):
            if 0.0 < ours[at] < 1.0:
                events.append(happened[:, at])
                own.append(float(ours[at]))
                theirs.append(float(min(chance, 1.0)))
    if not events:
        return None
    moments = Moments.of(np.column_stack(events))
    scored = [at for at, driver in enumerate(driver_ids) if outcome.get(driver)]
    places = np.array([outcome[driver_ids[at]] for at in scored])
    field = max(int(finish.max()), int(places.max()))
    rps, shares = [], []
    for confidence in CONFIDENCES:
        weights, share = None, 1.0
        if confidence > 0.0:
            pairs = zip(own, theirs, strict=True)
            wanted = np.array([blended(mine, [(their, confidence)]) for mine, their in pairs])
            found = entropic_weights(moments, wanted, floor=EFFECTIVE_FLOOR, ridge=RIDGE)
            weights, share = found.weights, found.share
        chances = rank_probabilities(finish[:, scored], field, weights)
        rps.append(float(rps_of_probabilities(chances, places).mean()))
        shares.append(share)
    latest = quotes["quoted_at"].max()
    assert isinstance(latest, datetime)
    return RaceGain(
        race["race_key"],
        race["track_type"],
        race["start_time"],
        (race["start_time"] - latest) / timedelta(hours=1),
        quotes.height,
        np.array(rps),
        np.array(shares),
    )


def sealed_gains(
    sealed: Mapping[str, tuple[bytes, datetime]],
    schedule: pl.DataFrame,
    results: pl.DataFrame,
    boards: pl.DataFrame,
) -> list[RaceGain]:
    """The scores of every sealed forecast that a board was quoted for.

    Args:
        sealed: Forecast file and as-of time by race id.
        schedule: SCHEDULE.
        results: RESULTS.
        boards: A table `BOARDS`.
    """
    quoted = schedule.filter(
        pl.col("race_id").is_in(boards["race_id"].unique().to_list()),
        pl.col("race_id").is_in(list(sealed)),
    )
    found = []
    for race in quoted.sort("start_time", "race_id").iter_rows(named=True):
        content, as_of = sealed[race["race_id"]]
        made = RaceForecast.from_parquet(content)
        outcome = results.filter(race_id=race["race_id"]).drop_nulls("finish")
        places = dict(outcome.select("driver_id", "finish").iter_rows())
        gain = race_gain(race, made.driver_ids, made.finish, places, boards, as_of)
        if gain is not None:
            found.append(gain)
    return found


@dataclass(frozen=True, slots=True)
class GainRow:
    """A mean gain over some races, with its standard error over races."""

    label: str
    races: int
    gain: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval."""
        half = NORMAL_95 * self.standard_error
        return self.gain - half, self.gain + half

    @property
    def helps(self) -> bool:
        """Whether the whole interval is above nought."""
        return self.races > 1 and self.interval[0] > 0.0

    @classmethod
    def of(cls, label: str, gains: Sequence[float]) -> GainRow:
        """The row of some races' gains."""
        values = np.array(gains)
        several = values.size > 1
        error = float(values.std(ddof=1) / np.sqrt(values.size)) if several else float("inf")
        return cls(label, values.size, float(values.mean()), error)


@dataclass(frozen=True)
class OddsGain:
    """What a folder of boards adds to the forecast.

    Attributes:
        races: Each race's scores, in order of time.
        chosen: The confidence that each race got by the races before it.
        walk_forward: The mean gain under those, of the races from `FEWEST_EARLIER` on; none where
            there are no more: nothing is known out of sample.
        fixed: The mean gain of each confidence of the grid above 0 on all races, in sample.
        groups: The walk-forward gain by track type and by hours before the race.
    """

    races: tuple[RaceGain, ...]
    chosen: tuple[float, ...]
    walk_forward: GainRow | None
    fixed: tuple[GainRow, ...]
    groups: tuple[GainRow, ...]

    @property
    def default_weight(self) -> float:
        """The confidence that odds get: that of all races, 0 where the interval holds 0."""
        helps = self.walk_forward is not None and self.walk_forward.helps
        return _best(self.races) if helps else 0.0


def odds_gain(races: Sequence[RaceGain]) -> OddsGain:
    """The walk-forward gain of boards over races, one or more.

    Raises:
        InputError: If there is no race.
    """
    if not races:
        raise InputError(
            f"No race of the window has a board with {FEWEST_QUOTES} quotes or more by its as-of "
            "time.",
            field="--odds",
            remedy="Check the boards' race ids and times.",
        )
    ordered = sorted(races, key=lambda race: (race.start_time, race.race_key))
    chosen = [
        _best(ordered[:number]) if number >= FEWEST_EARLIER else 0.0
        for number in range(len(ordered))
    ]
    gains = [
        float(race.gains[CONFIDENCES.index(weight)])
        for race, weight in zip(ordered, chosen, strict=True)
    ]
    # Before there is a choice nothing is gained or lost: those races say nothing of it.
    judged = list(zip(ordered, gains, strict=True))[FEWEST_EARLIER:]
    groups = [
        GainRow.of(kind, found)
        for kind in dict.fromkeys(race.track_type for race, _ in judged)
        if (found := [gain for race, gain in judged if race.track_type == kind])
    ]
    low = 0.0
    for high, label in HOURS:
        if found := [gain for race, gain in judged if low <= race.hours < high]:
            groups.append(GainRow.of(f"{label} before", found))
        low = high
    return OddsGain(
        tuple(ordered),
        tuple(chosen),
        GainRow.of("walk-forward", [gain for _, gain in judged]) if judged else None,
        tuple(
            GainRow.of(f"confidence {value:g}", [float(race.gains[at]) for race in ordered])
            for at, value in enumerate(CONFIDENCES)
            if value > 0.0
        ),
        tuple(groups),
    )


def _best(races: Sequence[RaceGain]) -> float:
    """The confidence with the greatest mean gain over some races."""
    means = np.mean([race.gains for race in races], axis=0)
    return CONFIDENCES[int(np.argmax(means))]


def gain_result(found: OddsGain) -> dict[str, Any]:
    """The gain for programs."""

    def row(item: GainRow) -> dict[str, Any]:
        low, high = item.interval
        known = item.races > 1
        return {
            "label": item.label,
            "races": item.races,
            "gain": item.gain,
            "standard_error": item.standard_error if known else None,
            "interval": [low, high] if known else None,
        }

    return {
        "walk_forward": None if found.walk_forward is None else row(found.walk_forward),
        "default_weight": found.default_weight,
        "fixed": [row(item) for item in found.fixed],
        "groups": [row(item) for item in found.groups],
        "races": [
            {
                "race": race.race_key,
                "track_type": race.track_type,
                "hours": race.hours,
                "quotes": race.quotes,
                "confidence": weight,
                "rps": race.rps.tolist(),
            }
            for race, weight in zip(found.races, found.chosen, strict=True)
        ],
        "confidences": list(CONFIDENCES),
    }
