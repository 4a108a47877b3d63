"""Expected ownership: what share of the field's lineups holds each driver."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.field import SALARY_LEFT, FieldModel, fit_field, utility_field

Floats = npt.NDArray[np.float64]

CHOICE_SCALE = 14.0
"""Contest points: a lineup projected so much better is entered 2.7 times as often.

No public record of NASCAR ownership is at hand to fit it on, so the value is an assumption, chosen
so that the favourites of a 40-car field are in 35 to 50% of lineups and the tail in a few per
cent; `contest.review` fits it to a contest's standings.
"""


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
        salary_left: Dollars; a lineup that leaves so much more is 2.7 times rarer.

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
