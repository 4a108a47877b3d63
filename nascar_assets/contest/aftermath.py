"""A portfolio in a finished contest: its own entries found, forecast and outcome side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.contest.outlook import Fields
from nascar_assets.contest.payouts import PayoutTable
from nascar_assets.contest.presets import Contest
from nascar_assets.contest.review import ContestReview, review_contest
from nascar_assets.contest.simulate import estimate, forecast_contest
from nascar_assets.contest.standings import Standings
from nascar_assets.lineups import Estimate
from nascar_assets.lineups.ownership import Rivals, kind_of_prizes
from nascar_assets.lineups.projection import project
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate


@dataclass(frozen=True, slots=True)
class Aftermath:
    """A portfolio after a contest.

    Attributes:
        entered: Numbers, from 1, of the portfolio's lineups that are in the standings.
        entered_by: Entries that hold each of those, one's own and rivals' alike.
        review: Forecast and outcome of these lineups.
        notices: What could not be compared, and why.
    """

    entered: tuple[int, ...]
    entered_by: tuple[int, ...]
    review: ContestReview
    notices: tuple[str, ...]


def contest_aftermath(
    points: npt.NDArray[np.integer],
    slate: Slate,
    lineups: npt.NDArray[np.integer],
    standings: Standings,
    *,
    unseen: Callable[[], npt.NDArray[np.integer]],
    said: Mapping[str, Any] | None = None,
    settings: PortfolioSettings | Mapping[str, Any] | None = None,
    payouts: PayoutTable | None = None,
    rivals: Rivals | None = None,
    seed: int = 1,
) -> Aftermath:
    """What was forecast for a portfolio in a contest, and what it came to.

    Lineups that are not in the standings were not entered, and count for nothing.

    Args:
        points: [S, N] points as integers, the ones that projections and the field are taken from.
        slate: The slate.
        lineups: [n, K] the portfolio, indices into `slate.everyone`.
        standings: The finished contest.
        unseen: Gives [S', N] points of scenarios that the lineups were not chosen on.
        said: What the contest's forecast said of the portfolio, where there is one: it is the
            forecast where the same lineups were entered among as many entries.
        settings: The portfolio's settings, for given ownerships and factors on points.
        payouts: The contest's prizes; returns are compared where they and its fee are known.
        rivals: What is expected of the rivals.
        seed: Seed of the rivals drawn for the forecast.
    """
    settings = PortfolioSettings.of(settings)
    rows = np.asarray(lineups, np.int64)
    counts = Counter(tuple(sorted(lineup)) for lineup in standings.lineups.tolist())
    keys = [tuple(sorted(row)) for row in rows.tolist()]
    entered = [number for number, key in enumerate(keys) if key in counts]
    own = rows[entered]
    projection = project(points, slate, settings, rivals=rivals)
    # Without its prizes a contest counts as a tournament.
    kind = "tournament" if payouts is None else kind_of_prizes(payouts.prizes_cents)
    field = projection.field_of(kind)
    notices = [*standings.notices]
    if len(entered) < len(keys):
        notices.append(
            f"{len(keys) - len(entered)} of the {len(keys)} lineups are not in the standings."
        )
    contest = simulated = None
    deviation = math.nan
    if payouts is None or payouts.entry_fee_cents is None:
        notices.append(
            "No payout table with an entry fee is known for this contest: returns are not "
            "compared. Name the table in the setting payout."
        )
    elif entered:
        entries = max(payouts.entries or 0, len(standings.entry_ids))
        max_entries = max(payouts.max_entries or 0, len(entered))
        contest = Contest("contest", entries, payouts.entry_fee_cents, max_entries, payouts)
        valued = project(unseen(), slate, settings, rivals=rivals).points
        returns = forecast_contest(
            # Who does not race may have been entered, and scores nothing.
            np.pad(valued, ((0, 0), (0, len(slate.absent)))),
            own,
            contest,
            Fields.of(projection, kind).models,
            np.random.Generator(np.random.Philox(seed)),
        )
        simulated, deviation = estimate(returns), float(returns.std())
        same = (entries, len(entered), payouts.entry_fee_cents / 100)
        if (
            entered == [*range(len(entered))]
            and said is not None
            and (same == (said["entries"], said["own_entries"], said["entry_fee_dollars"]))
        ):
            simulated = Estimate(said["roi"], said["roi_se"])
    review = review_contest(
        slate,
        standings,
        own,
        contest,
        simulated,
        field.ownership,
        projection.mean_points,
        deviation,
    )
    return Aftermath(
        entered=tuple(number + 1 for number in entered),
        entered_by=tuple(counts[keys[number]] for number in entered),
        review=review,
        notices=tuple(notices),
    )
