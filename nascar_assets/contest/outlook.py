"""What lineups are worth in contests: the set's returns, and each lineup's own part of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.columns.column import types_of
from nascar_assets.columns.lineups import CONTEST_FORECAST, VALUE
from nascar_assets.contest.presets import PRESETS, Contest, preset
from nascar_assets.contest.settlement import Settlement, settle
from nascar_assets.contest.simulate import PARTS, error_over_parts
from nascar_assets.lineups import FieldModel, Rivals, prize_kernel
from nascar_assets.lineups.ownership import KINDS, kind_of_prizes
from nascar_assets.lineups.projection import Projection, project
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]

SHARPNESS = (0.0, 1.2816, -0.5244, 0.5244, -1.2816)
"""Standard deviations by which fields are sharper than expected, part by part: the middles of the
fifths' edges, so that fields from dull (one in ten is duller) to sharp count alike."""

TOPS: Mapping[str, float] = {"top": 0.01, "top10": 0.10, "top50": 0.50}
"""Shares of a contest's places that are told of each lineup."""

_ENDS = 8  # every so many scenarios are settled against the dullest and the sharpest field as well
_LINES = 10  # and in every so many it is looked up what cashes


def contest_outlook(
    points: Integers,
    slate: Slate,
    lineups: Integers,
    *,
    seed: int,
    own: Contest | Sequence[Contest] | None = None,
    settings: PortfolioSettings | None = None,
    cash_settings: PortfolioSettings | None = None,
    rivals: Rivals | None = None,
    projected: Integers | None = None,
) -> pl.DataFrame:
    """One row per contest: the presets, and the contests of payout tables where any are given.

    Every scenario is settled against one field; fields are drawn part by part from dull to sharp.
    Where the parts of the scenarios have each their own parameters of the race, standard errors
    hold what is not known of those too.

    Args:
        points: [S, N] points as integers, best of scenarios that the lineups were not chosen on,
            in `PARTS` parts one after the other.
        slate: The slate.
        lineups: [n, K] own lineups, the ones to enter first at the top.
        seed: Seed of the rivals drawn; the same for every contest.
        own: The contests that the lineups are meant for.
        settings: The portfolio's settings, for given ownerships and factors on points.
        cash_settings: The same for cash games, where their field is owned otherwise.
        rivals: What is expected of the rivals.
        projected: [S', N] the points that rivals' projections are taken from; `points` where none.

    Returns:
        `contest`, `kind`, `entries`, `own_entries`, `entry_fee_dollars`; `roi`, `cash_rate`,
        `win_rate`, `top_rate`, `any_top_rate`, `profit_dollars`, each with its standard error
        (`_se`); `roi_low` and `roi_high`, the returns against the sharpest and the dullest field,
        mostly but not always the lower and the higher one; `won_dollars`, to the cent;
        `duplicates` (rivals expected to enter one of the own lineups, a lineup);
        `ownership_error` (largest miss of the field's ownerships); `cash_line_points` with
        `cash_line_p10` and `cash_line_p90`, the least points that win a prize;
        `field_contests` (contests that the field was fitted on), `scenarios`; and `lineups`, a
        list of `VALUE` for each own lineup that is entered.
    """
    settings = settings or PortfolioSettings()
    unseen = project(points, slate, settings, rivals=rivals)
    expected = {
        kind: project(points if projected is None else projected, slate, said, rivals=rivals)
        for kind, said in zip(KINDS, (cash_settings or settings, settings), strict=True)
    }
    contests = [preset(name) for name in PRESETS]
    contests += [own] if isinstance(own, Contest) else list(own or ())
    kinds = {kind_of_prizes(contest.payouts.prizes_cents) for contest in contests}
    fields = {kind: Fields.of(expected[kind], kind) for kind in sorted(kinds)}
    scores = _Scores.of(unseen.points, np.asarray(lineups), slate.rules.points_scale)
    return pl.DataFrame(
        [
            _row(
                unseen.points,
                np.asarray(lineups)[: contest.max_entries],
                contest,
                fields[kind_of_prizes(contest.payouts.prizes_cents)],
                scores,
                seed,
            )
            for contest in contests
        ],
        schema=types_of(CONTEST_FORECAST),
    )


def lineup_values(outlook: pl.DataFrame) -> pl.DataFrame:
    """Every lineup's worth in every contest of an outlook: `contest`, `kind` and `VALUE`."""
    return outlook.select("contest", "kind", "lineups").explode("lineups").unnest("lineups")


@dataclass(frozen=True)
class Fields:
    """The fields of a kind of contest, one for each of `SHARPNESS`.

    Attributes:
        kind: The kind.
        models: The fields.
        contests: Contests that they rest on.
    """

    kind: str
    models: tuple[FieldModel, ...]
    contests: int

    @classmethod
    def of(cls, projection: Projection, kind: str) -> Fields:
        """The fields that a projection expects."""
        parameters = projection.rivals.parameters[kind]
        return cls(
            kind,
            tuple(projection.field_of(kind, level) for level in SHARPNESS),
            parameters.contests,
        )

    @property
    def dullest(self) -> FieldModel:
        """The field that one in ten is duller than."""
        return self.models[SHARPNESS.index(min(SHARPNESS))]

    @property
    def sharpest(self) -> FieldModel:
        """The field that one in ten is sharper than."""
        return self.models[SHARPNESS.index(max(SHARPNESS))]


@dataclass(frozen=True)
class _Scores:
    """[n] mean and 90% quantile of each lineup's score, and how it goes with the others'."""

    mean: Floats
    mean_se: Floats
    p90: Floats
    p90_se: Floats
    scores: npt.NDArray[np.int32]
    scale: int

    @classmethod
    def of(cls, points: Integers, lineups: Integers, scale: int) -> _Scores:
        scores = np.zeros((points.shape[0], lineups.shape[0]), np.int32)
        for place in range(lineups.shape[1]):
            scores += points[:, lineups[:, place]]
        parts = [part for part in np.array_split(scores, PARTS) if part.shape[0]]
        means = np.array([part.mean(axis=0) for part in parts]) / scale
        tails = np.array([np.quantile(part, 0.9, axis=0) for part in parts]) / scale
        return cls(
            scores.mean(axis=0) / scale,
            error_over_parts(means),
            np.quantile(scores, 0.9, axis=0) / scale,
            error_over_parts(tails),
            scores,
            scale,
        )

    def correlations(self, entered: int) -> tuple[Floats, Floats]:
        """[n] correlation of each entered lineup's score with the others' sum, and its error.

        The error is NaN where a part has fewer than three scenarios: those of two are 1 or -1.
        """
        held = self.scores[:, :entered].astype(np.float64)
        if entered < 2 or held.shape[0] < 3:
            return np.full(entered, np.nan), np.full(entered, np.nan)
        found = _correlations(held)
        if held.shape[0] < 3 * PARTS:
            return found, np.full(entered, np.nan)
        parts = [_correlations(part) for part in np.array_split(held, PARTS)]
        return found, error_over_parts(np.array(parts))


def _correlations(scores: Floats) -> Floats:
    """[n] correlation of each column with the sum of the others; NaN where nothing varies."""
    held = scores - scores.mean(axis=0)
    rest = held.sum(axis=1, keepdims=True) - held
    spread = np.sqrt((held**2).sum(axis=0) * (rest**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((held * rest).sum(axis=0) / spread, np.float64)


@dataclass(frozen=True)
class _Part:
    """One part of the scenarios, settled: sums over its scenarios, by lineup where [n]."""

    size: int
    cents: npt.NDArray[np.int64]
    counts: Mapping[str, npt.NDArray[np.int64]]
    any_win: int
    any_top: int

    @classmethod
    def of(cls, settled: Settlement) -> _Part:
        tops = {
            name: settled.place <= max(int(settled.entries * share), 1)
            for name, share in TOPS.items()
        }
        counts = {**tops, "win": settled.place == 1, "cash": settled.cents > 0}
        return cls(
            settled.cents.shape[0],
            settled.cents.sum(axis=0),
            {name: held.sum(axis=0) for name, held in counts.items()},
            int(counts["win"].any(axis=1).sum()),
            int(tops["top"].any(axis=1).sum()),
        )


def _row(
    points: npt.NDArray[np.int32],
    entered: Integers,
    contest: Contest,
    fields: Fields,
    scores: _Scores,
    seed: int,
) -> dict[str, object]:
    n, count = points.shape[0], entered.shape[0]
    others, fee = contest.entries - count, contest.entry_fee_cents
    rng = np.random.Generator(np.random.Philox(seed))
    parts: list[_Part] = []
    lines = []
    for at, rows in enumerate(np.array_split(np.arange(n), PARTS)):
        drawn = fields.models[at % len(SHARPNESS)].sample(others, rng)
        if rows.size:
            part = points[rows]
            parts.append(_Part.of(settle(part, entered, drawn, contest.payouts)))
            lines.append(cash_lines(part[::_LINES], drawn, contest))
    cents, sizes = sum(part.cents for part in parts), np.array([part.size for part in parts])
    assert not isinstance(cents, int)
    rates = {
        name: (
            sum(part.counts[name] for part in parts) / n,
            error_over_parts(np.array([part.counts[name] / part.size for part in parts])),
        )
        for name in (*TOPS, "win", "cash")
    }
    by_part = np.array([part.cents / part.size for part in parts])
    spent = fee * count
    whole = by_part.sum(axis=1) / spent - 1
    won = whole_cents(cents, n)
    duplicates = np.mean([model.expected_duplicates(entered, others) for model in fields.models], 0)
    correlation, correlation_se = scores.correlations(count)
    roi = float(cents.sum()) / n / spent - 1
    expected, dull, sharp = _ends(points, entered, contest, fields, seed)
    table = pl.DataFrame(
        {
            "lineup": np.arange(1, count + 1),
            "mean_points": scores.mean[:count],
            "mean_points_se": scores.mean_se[:count],
            "points_p90": scores.p90[:count],
            "points_p90_se": scores.p90_se[:count],
            "won_dollars": won / 100,
            "won_dollars_se": error_over_parts(by_part) / 100,
            "roi": cents / n / fee - 1,
            "roi_se": error_over_parts(by_part) / fee,
            **{
                f"{name}_rate{end}": value
                for name, pair in rates.items()
                for end, value in zip(("", "_se"), pair, strict=True)
            },
            "duplicates": duplicates,
            "correlation": correlation,
            "correlation_se": correlation_se,
        }
    ).with_columns(pl.selectors.float().fill_nan(None))
    row: dict[str, object] = {
        "contest": contest.name,
        "kind": fields.kind,
        "entries": contest.entries,
        "own_entries": count,
        "entry_fee_dollars": fee / 100,
        "roi": roi,
        "roi_se": float(error_over_parts(whole)),
        "roi_low": moved_roi(roi, expected, sharp),
        "roi_high": moved_roi(roi, expected, dull),
        "won_dollars": int(won.sum()) / 100,
        "profit_dollars": (int(won.sum()) - spent) / 100,
        "profit_dollars_se": float(error_over_parts(whole)) * spent / 100,
    }
    together = {"cash_rate": "cash", "top_rate": "top"}
    for name, one in together.items():
        row[name] = float(rates[one][0].mean())
        row[f"{name}_se"] = float(
            error_over_parts(np.array([part.counts[one].mean() / part.size for part in parts]))
        )
    for name, hits in (
        ("win_rate", [part.any_win for part in parts]),
        ("any_top_rate", [part.any_top for part in parts]),
    ):
        row[name] = sum(hits) / n
        row[f"{name}_se"] = float(error_over_parts(np.array(hits) / sizes))
    line = np.concatenate(lines) / scores.scale
    row |= {
        "duplicates": float(duplicates.mean()),
        "ownership_error": max(model.error for model in fields.models),
        "cash_line_points": float(line.mean()),
        "cash_line_p10": float(np.quantile(line, 0.1)),
        "cash_line_p90": float(np.quantile(line, 0.9)),
        "field_contests": fields.contests,
        "scenarios": n,
        "lineups": table.select(
            pl.col(name).cast(kind) for name, kind in types_of(VALUE).items()
        ).to_dicts(),
    }
    return row


def whole_cents(cents: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """[n] sums of cents over `n` scenarios as means in whole cents that add up to the mean's sum.

    Each is the mean rounded down or up; the largest remainders go up.
    """
    total = int(cents.sum())
    wanted = (2 * total + n) // (2 * n)
    each, rest = cents // n, cents % n
    up = np.argsort(-rest, kind="stable")[: wanted - int(each.sum())]
    each[up] += 1
    return each


def cash_lines(points: Integers, rivals: Integers, contest: Contest) -> npt.NDArray[np.int32]:
    """[S] least points of the rivals that win a prize, in each scenario."""
    paid = int((contest.payouts.prizes_cents > 0).sum())
    table = np.ascontiguousarray(points, dtype=np.int32)
    codes = prize_kernel.pair_codes(rivals, table.shape[1])
    return prize_kernel.prize_lines(table, codes, min(max(paid, 1), codes.shape[0]))


def _ends(
    points: npt.NDArray[np.int32],
    entered: Integers,
    contest: Contest,
    fields: Fields,
    seed: int,
) -> tuple[float, float, float]:
    """Won for each dollar of fees against the expected, the dullest and the sharpest field.

    On the same scenarios, with the same random numbers.
    """
    rows = points[::_ENDS]
    others, fee = contest.entries - entered.shape[0], contest.entry_fee_cents
    found = []
    for model in (fields.models[0], fields.dullest, fields.sharpest):
        drawn = model.sample(others, np.random.Generator(np.random.Philox(seed)))
        won = settle(rows, entered, drawn, contest.payouts).cents.sum() / rows.shape[0]
        found.append(float(won) / (fee * entered.shape[0]))
    return found[0], found[1], found[2]


def moved_roi(roi: float, expected: float, other: float) -> float:
    """A return as it would be against another field than the expected one.

    Both fields are met on a few of the scenarios only. What is won more against the other one is
    added; what is won less is the same share less of all that is won, so that no more than the fees
    can be lost.

    Args:
        roi: The return on all scenarios.
        expected: Won for each dollar of fees against the expected field, on a few scenarios.
        other: The same against the other field.
    """
    if other >= expected:
        return roi + (other - expected)
    return (1 + roi) * (other / expected) - 1
