"""From a bookmaker's odds to chances: the margin taken out, of a whole board or of a part of one.

The market that a backtest is compared with quotes whole fields: `calibration/market.py` has the
same method for it, and two others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nascar_assets.views.quantities import TOPS

Floats = npt.NDArray[np.float64]

MARKET = 0.8
"""Share of a market's chances, by our forecast, from which on a board's margin is taken as known:
it is then what is left beside our own chances of the others, at most a fifth of the market."""
MARGIN_POWER = 1.1
"""Power of the quoted chances that takes out a typical margin, where a board does not say what its
own is. Of 51 win boards of Cup races from 2022 to 2026 with 14 drivers or more it was 1.01 to 1.15,
in the middle 1.09."""


def margin_is_known(own: Floats, quoted: Sequence[int], market: str) -> bool:
    """Whether a board quotes so much of a market that its overround says what the margin is.

    Args:
        own: Our chances of all drivers [N].
        quoted: Places of the quoted drivers.
        market: Key of `TOPS`.
    """
    places = TOPS[market]
    return len(quoted) > places and float(own[list(quoted)].sum()) >= MARKET * places


def chances_of_odds(odds: Floats, own: Floats, quoted: Sequence[int], market: str) -> Floats:
    """Chances of the quoted drivers, the margin taken out by the power method.

    Of a board that quotes most of the market (`margin_is_known`) they add up to what its places
    leave beside our own chances of the drivers who are not quoted. Of a shorter one each is what
    is quoted less a typical margin, whatever we think of him, as long as they do not add up to
    more than the places.

    Args:
        odds: Decimal odds of the quoted drivers.
        own: Our chances of all drivers [N].
        quoted: Places of the quoted drivers.
        market: Key of `TOPS`.
    """
    inverse = np.log(1.0 / np.asarray(odds, np.float64))
    if margin_is_known(own, quoted, market):
        total = TOPS[market] - float(own.sum() - own[list(quoted)].sum())
    else:
        usual = np.asarray(np.exp(MARGIN_POWER * inverse), np.float64)
        if usual.sum() <= TOPS[market]:
            return usual
        total = float(TOPS[market])
    low, high = 0.0, 1.0
    while np.exp(high * inverse).sum() > total:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if np.exp(middle * inverse).sum() > total:
            low = middle
        else:
            high = middle
    return np.asarray(np.exp(high * inverse), np.float64)
