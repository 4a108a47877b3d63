"""Contest presets: the usual shapes of cash games and tournaments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nascar_assets.contest.payouts import PayoutTable, payout_table
from nascar_assets.errors import InputError

PresetName = Literal["cash", "single-entry", "20-max", "150-max"]

PRESETS: tuple[str, ...] = get_args(PresetName)
"""Names of the presets."""


@dataclass(frozen=True, slots=True)
class Contest:
    """A contest to enter.

    Attributes:
        name: What to call it.
        entries: Entries that it takes.
        entry_fee_cents: Price of an entry.
        max_entries: Most entries of one person.
        payouts: Prizes.
    """

    name: str
    entries: int
    entry_fee_cents: int
    max_entries: int
    payouts: PayoutTable


@dataclass(frozen=True, slots=True)
class _Shape:
    """Entries, fee, entries a person, rake, share of places paid, first prize's share of pool."""

    entries: int
    fee: int
    max_entries: int
    rake: float
    paid: float
    first: float


# Typical shapes of the site's lobby, none of them one contest's own table: about 15% rake, a fifth
# to a quarter of the places paid, a tenth to a fifth of the pool for the winner.
_SHAPES: dict[str, _Shape] = {
    "single-entry": _Shape(2_000, 1_200, 1, 0.15, 0.24, 0.10),
    "20-max": _Shape(5_000, 500, 20, 0.15, 0.23, 0.15),
    "150-max": _Shape(20_000, 1_000, 150, 0.15, 0.21, 0.20),
}


def preset(name: str, *, entries: int | None = None) -> Contest:
    """A preset contest, its size changed where wanted.

    Args:
        name: `cash` (a double-up), `single-entry`, `20-max` or `150-max`.
        entries: Entries of the contest.

    Raises:
        InputError: If there is no such preset or the numbers allow no prizes.
    """
    if name == "cash":
        return _double_up(entries or 100, 500)
    if name not in _SHAPES:
        known = ", ".join(PRESETS)
        raise InputError(f"no preset is called {name!r}.", remedy=f"There are {known}.")
    shape = _SHAPES[name]
    entries, fee = entries or shape.entries, shape.fee
    paid = max(int(entries * shape.paid), 1)
    pool = int(entries * fee * (1 - shape.rake))
    prizes = power_prizes(pool, paid, first=int(pool * shape.first), lower=int(1.5 * fee))
    table = payout_table(
        prizes, entries=entries, entry_fee_cents=fee, max_entries=shape.max_entries
    )
    return Contest(name, entries, fee, shape.max_entries, table)


def power_prizes(pool_cents: int, paid: int, *, first: int, lower: int) -> list[int]:
    """Prizes that fall with place like a power, from `first` to about `lower`, and add up.

    prize(i) = lower + (first - lower) i**-b with b such that the sum is the pool; rounded down to
    cents, what is left over to the winner.

    Raises:
        InputError: If the pool is too small for the paid places.
    """
    if paid < 1 or pool_cents < paid * lower or first < lower or first > pool_cents:
        raise InputError(
            f"a pool of {pool_cents} cents does not pay {paid} places of {lower} cents or more "
            f"with {first} for the first.",
            field="prize_pool",
        )
    places = np.arange(1, paid + 1, dtype=np.float64)
    low, high = 0.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        total = float((lower + (first - lower) * places**-middle).sum())
        low, high = (middle, high) if total > pool_cents else (low, middle)
    prizes = np.floor(lower + (first - lower) * places**-high).astype(np.int64)
    prizes[0] += pool_cents - int(prizes.sum())
    return [int(p) for p in prizes]


def _double_up(entries: int, fee: int) -> Contest:
    """Doubles the money of as many places as a tenth of rake allows."""
    paid = max(int(entries * 0.9 / 2), 1)
    table = payout_table([2 * fee] * paid, entries=entries, entry_fee_cents=fee, max_entries=1)
    return Contest("cash", entries, fee, 1, table)
