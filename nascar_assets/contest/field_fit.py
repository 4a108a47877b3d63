"""How rivals choose, fitted on finished contests: parameters, errors, and what they are worth.

Of lineups with P(lineup) ~ exp(projection / choice_scale - dollars left / salary_left) the mean
projection and the mean salary of the entries say all that there is to say about both parameters:
the likelihood is largest where the model's means are the contest's. Contests differ, so each is
fitted by itself and the parameters of all are averaged on their logarithms; errors are over
contests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups.field import FieldModel, dollars
from nascar_assets.lineups.ownership import ASSUMED, SPREAD, FieldParameters, expected_field

Floats = npt.NDArray[np.float64]

FEWEST = 5
"""Contests of a kind from which on the fit takes the place of what is assumed."""

KIND_WORDS: Mapping[str, str] = {"cash": "cash games", "tournament": "tournaments"}
"""What the kinds of contests are called."""

_SAMPLE = 8_000  # lineups drawn from a contest's field to find what lies above its cash line
_SHIFTS = np.linspace(-1.2, 1.2, 49)
_LINE_VARIANCE = 0.1  # of log(share above the cash line), beyond what drawing explains
_WINNER_MEAN, _WINNER_VARIANCE = -0.5772, 1.645  # of log(entries x share above the winning score)
_BOUNDS = ((math.log(1.0), math.log(200.0)), (math.log(20.0), math.log(20_000.0)))


@dataclass(frozen=True, slots=True)
class SeenContest:
    """A finished contest, as far as the field's parameters are fitted on it.

    Attributes:
        contest_id: Which one.
        kind: Its kind.
        mean_points: [N] projections in contest points as of lock.
        salaries: [N] dollars.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup.
        ownership: [N] shares of the entries.
        entries: Entries.
        driver_points: [N] contest points that the drivers came to.
        cash_line: Least points that won a prize; none where not known.
        paid: Places paid; none where not known.
        winning: The best entry's points; none where not known.
    """

    contest_id: str
    kind: str
    mean_points: Floats
    salaries: npt.NDArray[np.int64]
    cap: int
    roster_size: int
    ownership: Floats
    entries: int
    driver_points: Floats
    cash_line: float | None = None
    paid: int | None = None
    winning: float | None = None

    def field(self, parameters: FieldParameters) -> FieldModel:
        """The field that parameters give."""
        return expected_field(
            self.mean_points,
            self.salaries,
            self.cap,
            self.roster_size,
            choice_scale=parameters.choice_scale,
            salary_left=parameters.salary_left,
        )

    def expected(self, parameters: FieldParameters) -> Floats:
        """[N] the ownerships that parameters give."""
        return self.field(parameters).ownership

    def miss(self, parameters: FieldParameters) -> float:
        """Mean absolute error of the ownerships that parameters give."""
        return float(np.abs(self.expected(parameters) - self.ownership).mean())


@dataclass(frozen=True, slots=True)
class FieldFit:
    """The parameters of a kind of contest's field, with what they rest on.

    Attributes:
        kind: The kind.
        parameters: What is used: the fit from `FEWEST` contests on, what is assumed before.
        fitted: The fit; none without contests.
        choice_scale_se: Standard error of the logarithm of the choice scale; NaN below two.
        salary_left_se: The same of the dollars left.
        sharpness_se: Standard error of the sharpness by cash lines; NaN where those are unknown.
        contests: Contests.
        lines: Contests whose cash line or winning score is known.
        miss: Mean absolute error of ownership with each contest left out of the fit; NaN below
            two.
        assumed_miss: The same of what is assumed.
    """

    kind: str
    parameters: FieldParameters
    fitted: FieldParameters | None
    choice_scale_se: float
    salary_left_se: float
    sharpness_se: float
    contests: int
    lines: int
    miss: float
    assumed_miss: float

    @property
    def used(self) -> bool:
        """Whether the fit is what is used."""
        return self.parameters is self.fitted


def fit_contest(contest: SeenContest) -> tuple[float, float]:
    """Logarithms of choice scale and dollars left under which a contest is likeliest."""
    from scipy.optimize import minimize

    mean, salary = contest.mean_points, contest.salaries.astype(np.float64)
    held = contest.ownership * contest.roster_size / contest.ownership.sum()
    projected = float(held @ (mean - mean.max()))
    spent = float(held @ salary)

    def loss(place: Floats) -> tuple[float, Floats]:
        scale, left = np.exp(place)
        model = contest.field(FieldParameters(float(scale), float(left)))
        over = contest.cap - spent
        left = dollars(float(left), contest.cap)
        value = model.log_total - projected / scale + over / left
        more = float(model.ownership @ (mean - mean.max())) - projected
        less = (contest.cap - float(model.ownership @ salary)) - over
        return value, np.array([-more / scale, less / left])

    start = np.log([ASSUMED[contest.kind].choice_scale, ASSUMED[contest.kind].salary_left])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
    return float(found.x[0]), float(found.x[1])


def fit_field_parameters(contests: Sequence[SeenContest], kind: str) -> FieldFit:
    """The field's parameters of a kind, from the contests of it that were seen.

    Args:
        contests: Finished contests, of any kind.
        kind: The kind that is fitted.
    """
    own = [contest for contest in contests if contest.kind == kind]
    assumed = ASSUMED[kind]
    if not own:
        nan = math.nan
        return FieldFit(kind, assumed, None, nan, nan, nan, 0, 0, nan, nan)
    places = np.array([fit_contest(contest) for contest in own])
    fitted = _pooled(places)
    errors = places.std(axis=0, ddof=1) / math.sqrt(len(own)) if len(own) > 1 else [math.nan] * 2
    sharpness, sharpness_se, lines = fit_sharpness(own, fitted)
    fitted = replace(fitted, sharpness=sharpness)
    misses = [
        contest.miss(_pooled(np.delete(places, at, axis=0)))
        for at, contest in enumerate(own)
        if len(own) > 1
    ]
    return FieldFit(
        kind=kind,
        parameters=fitted if len(own) >= FEWEST else assumed,
        fitted=fitted,
        choice_scale_se=float(errors[0]),
        salary_left_se=float(errors[1]),
        sharpness_se=sharpness_se,
        contests=len(own),
        lines=lines,
        miss=float(np.mean(misses)) if misses else math.nan,
        assumed_miss=float(np.mean([contest.miss(assumed) for contest in own])),
    )


def _pooled(places: Floats) -> FieldParameters:
    """The contests' mean, and how a contest to come differs from it."""
    n = places.shape[0]
    mean = places.mean(axis=0)
    apart = float(places[:, 0].std(ddof=1)) * math.sqrt(1 + 1 / n) if n > 1 else SPREAD
    return FieldParameters(math.exp(mean[0]), math.exp(mean[1]), apart, n)


def fit_sharpness(
    contests: Sequence[SeenContest], parameters: FieldParameters
) -> tuple[float, float, int]:
    """By how much fields score better than their ownerships say: where cash lines and wins lay.

    The field with choice scale x exp(-sharpness) has the paid share of its lineups above the cash
    line and one entry above the winning score; over contests the squared misses of the logarithms
    of those shares are least.

    Args:
        contests: Contests of one kind.
        parameters: Their fitted parameters.

    Returns:
        The sharpness, its standard error (jackknife over contests), and the contests that say
        anything about it; 0 and NaN where those are fewer than two.
    """
    losses = [loss for contest in contests if (loss := _line_loss(contest, parameters)) is not None]
    if len(losses) < 2:
        return 0.0, math.nan, len(losses)
    table = np.array(losses)
    n = table.shape[0]
    without = np.array([_lowest(table.sum(axis=0) - row) for row in table])
    error = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    return _lowest(table.sum(axis=0)), error, n


def sharpness_words(contests: Sequence[Mapping[str, Any]]) -> str:
    """What the fields of these contests rest on, kind by kind: fitted or assumed.

    Rows of an earlier version do not say it, and so it is said.

    Args:
        contests: Rows of a contest forecast.

    Example:
        >>> rows = [{"kind": "cash", "field_contests": 0}]
        >>> sharpness_words([*rows, {"kind": "tournament", "field_contests": 6}])
        'fitted on 6 tournaments that were added, assumed for cash games (fewer than 5 were added)'
    """
    seen = {row.get("kind"): row.get("field_contests") for row in contests}
    fitted = [f"{seen[kind]} {words}" for kind, words in KIND_WORDS.items() if seen.get(kind)]
    assumed = [words for kind, words in KIND_WORDS.items() if seen.get(kind) == 0]
    said = [f"fitted on {' and '.join(fitted)} that were added"] if fitted else []
    if assumed:
        each = " of either" if len(assumed) > 1 else ""
        said.append(f"assumed for {' and '.join(assumed)} (fewer than {FEWEST}{each} were added)")
    return ", ".join(said) or "not known (they were forecast by an earlier version)"


def _line_loss(contest: SeenContest, parameters: FieldParameters) -> Floats | None:
    """[shifts] squared misses of a contest's cash line and winning score; none without either."""
    if contest.cash_line is None and contest.winning is None:
        return None
    logits = (contest.mean_points - contest.mean_points.max()) / parameters.choice_scale
    drawn = contest.field(parameters).sample(_SAMPLE, np.random.Generator(np.random.Philox(1)))
    logit = logits[drawn].sum(axis=1)
    scored = contest.driver_points[drawn].sum(axis=1)
    weight = np.exp((np.exp(_SHIFTS)[:, None] - 1.0) * (logit - logit.max()))
    weight /= weight.sum(axis=1, keepdims=True)
    loss = np.zeros(_SHIFTS.shape[0])
    if contest.cash_line is not None and contest.paid:
        above = weight @ (scored >= contest.cash_line - 1e-6)
        wanted = contest.paid / contest.entries
        loss += (np.log(np.maximum(above, 0.5 / _SAMPLE)) - math.log(wanted)) ** 2 / _LINE_VARIANCE
    if contest.winning is not None:
        above = np.maximum(weight @ (scored >= contest.winning - 1e-6), 0.5 / _SAMPLE)
        # What lies beyond the sample's own reach says little: it is not extrapolated.
        if contest.entries <= _SAMPLE:
            miss = np.log(above * contest.entries) - _WINNER_MEAN
            loss += miss**2 / _WINNER_VARIANCE
    return np.asarray(loss, np.float64)


def _lowest(loss: Floats) -> float:
    """Where a loss over the shifts is least, between the grid's points by a parabola."""
    at = int(np.argmin(loss))
    if at in (0, loss.shape[0] - 1):
        return float(_SHIFTS[at])
    a, b, c = loss[at - 1 : at + 2]
    step = float(_SHIFTS[1] - _SHIFTS[0])
    bend = a - 2 * b + c
    return float(_SHIFTS[at] + (0.5 * step * (a - c) / bend if bend > 0 else 0.0))
