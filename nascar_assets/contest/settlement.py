"""Exact settlement: places, ties and prizes in whole cents, and what own entries earn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.contest import settlement_kernel
from nascar_assets.contest.payouts import PayoutTable
from nascar_assets.errors import InputError
from nascar_assets.lineups.prize_kernel import pair_codes, summed_prizes

Integers = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What own entries win in every scenario.

    Attributes:
        cents: [S, n] prizes.
        place: [S, n] place, the best one where it is shared.
        level: [S, n] entries that share the place.
        entries: Entries in the contest, own ones included.
    """

    cents: npt.NDArray[np.int64]
    place: npt.NDArray[np.int32]
    level: npt.NDArray[np.int32]
    entries: int


def settle_scores(scores: Integers, payouts: PayoutTable) -> npt.NDArray[np.int64]:
    """[E] cents that every entry of one finished contest wins.

    Args:
        scores: [E] points in any exact unit.
        payouts: Prizes; places beyond the entries are not paid.
    """
    values = np.asarray(scores, np.int64)
    return settlement_kernel.share_out(values, summed_prizes(payouts.prizes_cents, values.shape[0]))


def settle(points: Integers, own: Integers, rivals: Integers, payouts: PayoutTable) -> Settlement:
    """Settles a contest of own entries and rivals in every scenario.

    Own entries take places from the rivals and from each other; lineups of equal score share the
    prizes of their places whether or not they are the same lineup.

    Args:
        points: [S, N] points as integers.
        own: [n, K] own lineups, driver indices.
        rivals: [F, K] the others' lineups.
        payouts: Prizes.

    Raises:
        InputError: If there are no own lineups, or more entries than the contest takes.
    """
    mine = np.ascontiguousarray(own, dtype=np.int32)
    theirs = np.ascontiguousarray(rivals, dtype=np.int32).reshape(-1, mine.shape[1])
    entries = mine.shape[0] + theirs.shape[0]
    if mine.shape[0] == 0:
        raise InputError("there are no own lineups to settle.")
    if payouts.entries is not None and entries > payouts.entries:
        raise InputError(
            f"{entries} entries, but the contest takes {payouts.entries}.", field="entries"
        )
    table = np.ascontiguousarray(points, dtype=np.int32)
    cents, place, level = settlement_kernel.settle(
        table,
        pair_codes(theirs, table.shape[1]),
        pair_codes(mine, table.shape[1]),
        summed_prizes(payouts.prizes_cents, entries),
    )
    return Settlement(cents, place, level, entries)


def returns_of(settlement: Settlement, entry_fee_cents: int) -> npt.NDArray[np.float64]:
    """[S] profit of the own entries per dollar of their fees.

    Args:
        settlement: Own entries' prizes and places.
        entry_fee_cents: Price of an entry.

    Raises:
        InputError: If the fee is not positive.
    """
    if entry_fee_cents <= 0:
        raise InputError(f"the entry fee is {entry_fee_cents} cents.", field="entry_fee")
    spent = settlement.cents.shape[1] * entry_fee_cents
    return np.asarray((settlement.cents.sum(axis=1) - spent) / spent, np.float64)
