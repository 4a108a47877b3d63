"""Expected ownership: what share of the field's lineups holds each driver, by kind of contest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.field import SALARY_LEFT, FieldModel, fit_field, utility_field

Floats = npt.NDArray[np.float64]

KINDS = ("cash", "tournament")
"""Kinds of contest whose fields differ: in cash games all play what is safe."""

CASH_NAME = r"double.?up|50\s*/\s*50|fifty|head.?to.?head|h2h|\bcash\b|booster"
"""A pattern of what cash games are called."""

CHOICE_SCALE = 14.0
"""Contest points: in tournaments a lineup projected so much better is entered 2.7 times as often.

It is of the scale of DraftKings and FanDuel, where a win brings about 45 points; where a site's
scoring is far from theirs, so is its own, and nobody has measured that either.

No public record of NASCAR ownership is at hand to fit it on, so the value is an assumption, chosen
so that the favourites of a 40-car field are in 35 to 50% of lineups and the tail in a few per
cent; contests that were added take its place (`contest.field_fit`).
"""

CASH_CHOICE_SCALE = 10.0
"""The same for cash games, where favourites are in half of the lineups and more; an assumption."""

SPREAD = 0.5
"""Standard deviation of the logarithm of a choice scale that nobody has measured; an assumption:
one field in ten is sharper than 0.53 of the scale, one in ten duller than 1.9 times it."""


@dataclass(frozen=True, slots=True)
class FieldParameters:
    """How the rivals of a kind of contest choose.

    Attributes:
        choice_scale: Contest points by which a lineup is entered 2.7 times as often.
        salary_left: Dollars of a cap of 50,000, the same share of another one; a lineup that
            leaves so much more is 2.7 times rarer.
        spread: Standard deviation of log(choice_scale) over contests, our doubt included.
        contests: Contests that it was fitted on; 0 for the assumption.
        sharpness: By how much fields score better than their ownerships say, as a shift of
            -log(choice_scale), by where cash lines and winning scores lay.
    """

    choice_scale: float
    salary_left: float = SALARY_LEFT
    spread: float = SPREAD
    contests: int = 0
    sharpness: float = 0.0

    def sharper(self, deviations: float) -> FieldParameters:
        """The field that is settled against, so many standard deviations sharper than expected."""
        shift = self.sharpness + deviations * self.spread
        return replace(self, choice_scale=self.choice_scale * math.exp(-shift))


ASSUMED: Mapping[str, FieldParameters] = MappingProxyType(
    {"cash": FieldParameters(CASH_CHOICE_SCALE), "tournament": FieldParameters(CHOICE_SCALE)}
)
"""What is assumed of each kind's field before any contest was seen."""


@dataclass(frozen=True)
class Rivals:
    """What is expected of the rivals, apart from what a portfolio's settings say.

    Attributes:
        parameters: How they choose, by kind of contest.
    """

    parameters: Mapping[str, FieldParameters] = field(default_factory=lambda: ASSUMED)


def kind_of_prizes(prizes_cents: npt.NDArray[np.integer]) -> str:
    """The kind of a contest: in a cash game all who are paid win alike."""
    return "cash" if prizes_cents.shape[0] > 1 and prizes_cents[0] == prizes_cents[-1] else KINDS[1]


def expected_field(
    mean_points: Floats,
    salaries: npt.NDArray[np.integer],
    cap: int,
    roster_size: int,
    *,
    given: Floats | None = None,
    racing: npt.NDArray[np.bool_] | None = None,
    choice_scale: float = CHOICE_SCALE,
    salary_left: float = SALARY_LEFT,
) -> FieldModel:
    """The field that enters better projected lineups more often (a logit over whole lineups).

    The cap is part of the choice: a driver who is dear for his projection is owned less without
    a term of his own. Ownerships that are given hold as given, and the other drivers keep their
    order around them.

    Args:
        mean_points: [N] projections in contest points.
        salaries: [N] dollars.
        cap: Dollars.
        roster_size: Drivers in a lineup.
        given: [N] ownerships that are known, NaN where the model decides.
        racing: [N] whether a driver races; the others are in no lineup.
        choice_scale: Contest points by which a lineup is entered 2.7 times as often.
        salary_left: Dollars of a cap of 50,000; a lineup that leaves so much more is 2.7 times
            rarer.

    Raises:
        InputError: If the given ownerships leave no room for the other drivers.
    """
    logits = (mean_points - mean_points.max()) / choice_scale
    racing = np.ones(logits.shape[0], np.bool_) if racing is None else racing
    logits = np.where(racing, logits, -np.inf)
    given = np.full(logits.shape[0], np.nan) if given is None else given
    known = ~np.isnan(given)
    if not known.any():
        return utility_field(logits, salaries, cap, roster_size, salary_left=salary_left)
    total = float(given[known].sum())
    free = int((racing & ~known).sum())
    if total > roster_size + 1e-9 or roster_size - total > free + 1e-9:
        raise InputError(
            f"given ownerships add up to {total:.2f} of {roster_size} places and the other {free} "
            "drivers cannot make up the rest.",
            field="ownership",
            remedy="Ownerships are shares of lineups: they add up to the roster size.",
        )
    return fit_field(
        given, salaries, cap, roster_size, salary_left=salary_left, start=logits, partial=True
    )


def rescaled_field(
    field: FieldModel, mean_points: Floats, before: float, after: float
) -> FieldModel:
    """The field that chooses by projections as before, but on another choice scale.

    What it prefers beside projections, as ownerships that were given say, stays.

    Args:
        field: The field.
        mean_points: [N] projections in contest points.
        before: Its choice scale.
        after: The scale that is wanted: a smaller one is of a sharper field.
    """
    if after == before:
        return field
    with np.errstate(divide="ignore"):
        logits = np.log(field.weights)
    logits += (mean_points - mean_points.max()) * (1.0 / after - 1.0 / before)
    found = utility_field(
        logits, field.salaries, field.cap, field.roster_size, salary_left=field.salary_left
    )
    # What the cap keeps the field from, it is as far from on every scale.
    return replace(found, wanted=found.ownership + field.wanted - field.ownership)
