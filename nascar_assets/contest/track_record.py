"""Whether it came true: what was said of lineups before their races, beside what happened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.contest.outlook import TOPS, cash_lines
from nascar_assets.contest.presets import preset
from nascar_assets.contest.settlement import settle
from nascar_assets.lineups import FieldModel
from nascar_assets.lineups.field import utility_field
from nascar_assets.lineups.projection import Projection
from nascar_assets.rules.sites import site_of
from nascar_assets.scenarios.parameters import stored_time

CONTEST = "150-max"
"""The contest whose field lineups are measured against, and its returns."""

_CASH_DRAW = 4_000


@dataclass(frozen=True, slots=True)
class SaidField:
    """An expected field as it is kept: enough to draw it again.

    Attributes:
        logits: Logarithms of drivers' weights.
        salaries: Dollars.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup.
        salary_left: Dollars of a cap of 50,000; the scale of what lineups leave.
    """

    logits: tuple[float, ...]
    salaries: tuple[int, ...]
    cap: int
    roster_size: int
    salary_left: float

    @classmethod
    def of(cls, model: FieldModel) -> SaidField:
        """The field of a model."""
        logits = np.log(np.maximum(model.weights, 1e-30))
        return cls(
            tuple(logits.tolist()),
            tuple(model.salaries.tolist()),
            model.cap,
            model.roster_size,
            model.salary_left,
        )

    def model(self) -> FieldModel:
        """The field again."""
        return utility_field(
            np.array(self.logits),
            np.array(self.salaries, np.int64),
            self.cap,
            self.roster_size,
            salary_left=self.salary_left,
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of a slate's lineups.

    Attributes:
        slate_id: The slate.
        race_id: Its race.
        series: Its series.
        lock: When lineups locked.
        as_of: Up to when something was known.
        sealed_at: When it was said, by the clock.
        run_id: The run that said it.
        rules: Key of the contest's rules.
        points_scale: Units to a contest point.
        players: Driver ids in the order of the fields' drivers.
        lineups: Indices into `players`, those entered in `CONTEST`.
        values: What was said of each of them there: `columns.lineups.VALUE`.
        contests: Said of each contest: `contest`, `roi`, `cash_line_points`, `_p10`, `_p90`.
        field: The tournament field.
        cash_field: The cash field.
    """

    slate_id: str
    race_id: str
    series: str
    lock: datetime
    as_of: datetime
    sealed_at: datetime
    run_id: str
    rules: str
    points_scale: int
    players: tuple[str, ...]
    lineups: tuple[tuple[int, ...], ...]
    values: tuple[Mapping[str, float | None], ...]
    contests: tuple[Mapping[str, Any], ...]
    field: SaidField
    cash_field: SaidField

    @property
    def sealed(self) -> bool:
        """Whether it was said before lock."""
        return self.sealed_at < self.lock

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        moments = ("lock", "as_of", "sealed_at")
        return asdict(self) | {name: getattr(self, name).isoformat() for name in moments}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Said:
        """What `to_dict` gave."""
        moments = ("lock", "as_of", "sealed_at")
        return cls(
            **{
                **content,
                **{name: stored_time(content[name]) for name in moments},
                **{name: SaidField(**content[name]) for name in ("field", "cash_field")},
            }
        )


def said_of(
    projection: Projection,
    cash_projection: Projection,
    lineups: Sequence[Sequence[int]],
    outlook: pl.DataFrame,
    *,
    race_id: str,
    series: str,
    as_of: datetime,
    sealed_at: datetime,
    run_id: str,
) -> Said:
    """What an outlook says of a slate's lineups, to be kept.

    Args:
        projection: What players were taken for, and the tournament field.
        cash_projection: The same with the field of cash games.
        lineups: The portfolio, those to enter first at the top.
        outlook: As `contest_outlook` gives it.
        race_id: The race.
        series: Its series.
        as_of: Up to when something was known.
        sealed_at: When it is said.
        run_id: The run that says it.
    """
    slate = projection.problem.slate
    rows = {row["contest"]: row for row in outlook.iter_rows(named=True)}
    values = rows[CONTEST]["lineups"]
    kept = ("roi", "roi_se", "cash_line_points", "cash_line_p10", "cash_line_p90", "own_entries")
    return Said(
        slate_id=slate.slate_id,
        race_id=race_id,
        series=series,
        lock=slate.lock,
        as_of=as_of,
        sealed_at=sealed_at,
        run_id=run_id,
        rules=slate.rules.key,
        points_scale=slate.rules.points_scale,
        players=tuple(player.driver_id for player in slate.players),
        lineups=tuple(tuple(row) for row in lineups[: len(values)]),
        values=tuple(values),
        contests=tuple(
            {"contest": name, "kind": row["kind"], **{key: row[key] for key in kept}}
            for name, row in rows.items()
        ),
        field=SaidField.of(projection.field_of("tournament", 0.0)),
        cash_field=SaidField.of(cash_projection.field_of("cash", 0.0)),
    )


def found_of(said: Said, units: Mapping[str, int]) -> dict[str, Any]:
    """What was said of a slate beside what happened: one row.

    Args:
        said: What was said.
        units: Points by driver id, in units of 1 / `points_scale`; who is absent came to nothing.
    """
    points = np.array([[units.get(driver, 0) for driver in said.players]], np.int32)
    own = np.array(said.lineups, np.int32)
    contest = preset(CONTEST)
    rng = np.random.Generator(np.random.Philox(1))
    drawn = said.field.model().sample(contest.entries - own.shape[0], rng)
    settled = settle(points, own, drawn, contest.payouts)
    scored = points[0][own].sum(axis=1) / said.points_scale
    said_of_contest = {row["contest"]: row for row in said.contests}
    # A larger draw of the cash field tells its line better than a hundred entries.
    many = preset("cash", entries=_CASH_DRAW)
    line = cash_lines(points, said.cash_field.model().sample(_CASH_DRAW, rng), many)
    row: dict[str, Any] = {
        "slate": said.slate_id,
        "race_id": said.race_id,
        "rules": said.rules,
        "series": said.series,
        "lock": said.lock,
        "sealed": said.sealed,
        "lineups": own.shape[0],
        "said_points": _mean(said.values, "mean_points"),
        "found_points": float(scored.mean()),
    }
    for name, share in TOPS.items():
        row[f"said_{name}"] = _mean(said.values, f"{name}_rate")
        row[f"found_{name}"] = float((settled.place <= int(settled.entries * share)).mean())
    row["said_cash"] = _mean(said.values, "cash_rate")
    row["found_cash"] = float((settled.cents > 0).mean())
    row["said_roi"] = said_of_contest[CONTEST]["roi"]
    spent = contest.entry_fee_cents * own.shape[0]
    row["found_roi"] = float(settled.cents.sum()) / spent - 1
    row["said_cash_line"] = said_of_contest["cash"]["cash_line_points"]
    row["found_cash_line"] = float(line[0]) / said.points_scale
    low, high = said_of_contest["cash"]["cash_line_p10"], said_of_contest["cash"]["cash_line_p90"]
    row["cash_line_inside"] = low <= row["found_cash_line"] <= high
    return row


def _mean(values: Sequence[Mapping[str, float | None]], name: str) -> float:
    return float(np.mean([value[name] or 0.0 for value in values]))


MEASURES: Mapping[str, str] = {
    "points": "points of a lineup",
    "top": "share of lineups in the top 1% of the expected field",
    "top10": "share of lineups in the top 10%",
    "top50": "share of lineups in the top 50%",
    "cash": "share of lineups that cash in the 150-max contest",
    "roi": "return in the 150-max contest against the expected field",
    "cash_line": "cash line of the cash game, points",
}
"""What is compared, in words."""


POINTS = ("points", "cash_line")
"""Measures in contest points, which do not compare between sites."""


def summarised(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Said and found over slates: means, their difference, its standard error and 95% interval.

    A race counts as one observation: its lineups share it, and so do its slates, which are averaged
    first. What is in contest points is told of each site by itself. Intervals are Student's.
    """
    from scipy.stats import t

    found = []
    sites = sorted({site_of(row["rules"]).name for row in rows})
    for name, words in MEASURES.items():
        for site in sites if name in POINTS and len(sites) > 1 else [None] if sites else []:
            counted = [row for row in rows if site in (None, site_of(row["rules"]).name)]
            said, came = (
                np.array(means_by_race((row["race_id"], row[f"{end}_{name}"]) for row in counted))
                for end in ("said", "found")
            )
            apart = came - said
            n = apart.shape[0]
            known = n > 1
            error = float(apart.std(ddof=1) / math.sqrt(n)) if known else math.nan
            half = error * float(t.ppf(0.975, n - 1)) if known else math.nan
            difference = float(apart.mean())
            found.append(
                {
                    "measure": name,
                    "site": site,
                    "words": words if site is None else f"{words} ({site})",
                    "slates": len(counted),
                    "races": n,
                    "said": float(said.mean()),
                    "found": float(came.mean()),
                    "difference": difference,
                    "standard_error": error if known else None,
                    "lower": difference - half if known else None,
                    "upper": difference + half if known else None,
                }
            )
    return found


def means_by_race(values: Iterable[tuple[str, float]]) -> list[float]:
    """The mean over each race's slates: they share the race, and are one observation.

    Args:
        values: A race's id and a number of one of its slates.

    Example:
        >>> means_by_race([("1", 2.0), ("2", 5.0), ("1", 4.0)])
        [3.0, 5.0]
    """
    races: dict[str, list[float]] = {}
    for race_id, value in values:
        races.setdefault(race_id, []).append(value)
    return [fmean(numbers) for numbers in races.values()]


def sentence(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """How earlier slates went, in one sentence; none where there are none.

    Slates that were said before lock count; where there are none, those that were forecast as of
    lock afterwards, and the sentence says so.
    """
    sealed = [row for row in rows if row["sealed"]]
    counted = sealed or list(rows)
    if not counted:
        return None
    when = "sealed before their races" if sealed else "forecast afterwards as of their locks"
    n, races = len(counted), len({row["race_id"] for row in counted})
    of = "" if races == n else f" of {races} race{'' if races == 1 else 's'}"
    parts = []
    for points in summarised(counted):
        if points["measure"] == "points":
            error, site = points["standard_error"], points["site"]
            doubt = "" if error is None else f" with a standard error of {error:.1f}"
            parts.append(
                f"said {points['said']:.1f} {'' if site is None else f'{site} '}points and scored "
                f"{points['found']:.1f} in the mean, a difference of "
                f"{points['difference']:+.1f}{doubt}"
            )
    return f"Over {n} earlier slate{'' if n == 1 else 's'}{of} {when}, lineups {'; '.join(parts)}."
