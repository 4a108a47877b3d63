"""NASCAR's own odds: the feed of the fantasy games, as public code describes it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from nascar_assets.errors import InputError
from nascar_assets.files import SourceFile
from nascar_assets.views.columns import MARKETS, folded
from nascar_assets.views.statement import Stated, ViewFile, once

_OVER = 0.99
"""A probability at which an option is of a race that is over."""


_NAME = re.compile(r"(?P<race>[0-9]+)-(?P<at>[0-9]{8}T[0-9]{6}Z)\.json")
_TIME = "%Y%m%dT%H%M%SZ"


class BoardNotOpen(InputError):
    """The feed has no odds of the race yet: nothing is wrong."""


def board_name(race_id: str, at: datetime) -> str:
    """The name under which a board is kept: `5601-20260315T181500Z.json`."""
    return f"{race_id}-{at.astimezone(UTC):{_TIME}}.json"


def board_of(name: str) -> tuple[str, datetime] | None:
    """Race and time of a board that is kept under `board_name`; none for other names."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return found["race"], datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC)


def feed_board(data: bytes, source: SourceFile, race_id: str) -> ViewFile:
    """NASCAR's own odds: markets of options with a probability each.

    An option of a race that is over stays in the next one's board at .99; it is left out. The file
    is otherwise taken as public code describes it, and what surprises refuses all of it.

    Raises:
        BoardNotOpen: If it states nothing of the race.
        InputError: If it has another form.
    """

    def surprised(what: str) -> InputError:
        return InputError(
            f"The odds feed has another form than is known: {what}.",
            file=source.path,
            remedy='Expected {"markets": [{"market_type", "race_id", "options": [...]}]}.',
        )  # fmt: skip

    try:
        content: Any = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise surprised("it is no JSON") from error
    markets = content.get("markets") if isinstance(content, dict) else None
    if not isinstance(markets, list) or not all(isinstance(item, dict) for item in markets):
        raise surprised("it has no list of markets")
    rows: list[Stated] = []
    notices = []
    for number, market in enumerate(markets, 1):
        quantity = MARKETS.get(folded(str(market.get("market_type", ""))))
        if str(market.get("race_id")) != race_id or quantity is None:
            notices.append(f"Market {number} is of another race or another kind and left out.")
            continue
        options = market.get("options")
        if not isinstance(options, list):
            raise surprised(f"market {number} has no list of options")
        for option in options:
            odds = option.get("odds") if isinstance(option, dict) else None
            chance = odds.get("probability") if isinstance(odds, dict) else None
            if (
                isinstance(chance, bool)
                or not isinstance(chance, int | float)
                or not 0.0 <= chance <= 1.0
            ):
                raise surprised(f"an option of market {number} has no probability")
            who = str(option.get("name") or "")
            if chance >= _OVER:
                notices.append(f"{who} stands at {chance:g}, as of a race that is over: left out.")
            elif chance > 0.0:
                driver = str(option.get("driver_id") or "")
                rows.append(Stated(number, who, quantity, 1.0 / chance, driver_id=driver))
    if not rows:
        raise BoardNotOpen(
            f"The odds feed states nothing of race {race_id}.",
            file=source.path,
            remedy="It is empty until a board opens; try again nearer to the race.",
        )
    return ViewFile(source, once(rows, source.path), tuple(dict.fromkeys(notices)))
