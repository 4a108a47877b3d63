"""A set that keeps tight bounds, built evenly: each lineup holds whom the set so far lacks most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.candidates import Features
from nascar_assets.lineups.problem import Problem

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint64]

# How much more a driver with a minimum counts than one without, attempt by attempt.
_URGENCIES = (4.0, 10.0, 10.0, 30.0, 30.0, 60.0)
_SEED = 6  # of the first attempt, one more for each further: fixed, so that runs repeat
_SCALE = 1_000  # units of price to a lineup that a driver is behind: prices are whole numbers
_JITTER = 100  # most units by which chance moves a price, a tenth of a lineup: attempts differ
_NEVER = -1_000_000  # price of a driver at his maximum, a thousand lineups ahead


def balanced_set(problem: Problem, features: Features, space: Masks) -> Masks | None:
    """A set that keeps every bound; none where no attempt finds one, which proves nothing.

    Lineups that share few drivers have to spread over all of them, and candidates of high worth
    do not. Here lineups are taken one at a time out of the whole space, always the one whose
    drivers are furthest behind an even filling of their bounds, and whatever shares too much with
    it is left out. A few attempts weigh minimums differently; their random numbers are fixed.

    Args:
        problem: Bounds.
        features: What is counted over the set.
        space: Every legal lineup.

    Returns:
        [lineups] masks, ascending.
    """
    target = _even_filling(problem, features, space)
    for attempt, urgency in enumerate(_URGENCIES):
        rng = np.random.Generator(np.random.Philox(_SEED + attempt))
        taken = _attempt(problem, features, space, target, urgency, rng)
        if taken is not None and _keeps_bounds(features, taken):
            return np.sort(taken)
    return None


def _even_filling(problem: Problem, features: Features, space: Masks) -> Floats:
    """[N] lineups that each driver would be in if all had the same share within their bounds."""
    n = problem.salary.shape[0]
    used = int(np.bitwise_or.reduce(space))
    able = np.array([bool(used >> i & 1) for i in range(n)])
    lower, upper = features.lower[:n], features.upper[:n]
    places = problem.lineups * problem.roster_size
    low, high = 0.0, float(problem.lineups)
    for _ in range(50):
        level = (low + high) / 2
        short = float((np.clip(level, lower, upper) * able).sum()) < places
        low, high = (level, high) if short else (low, level)
    return np.asarray(np.clip(high, lower, upper) * able, np.float64)


def _attempt(
    problem: Problem,
    features: Features,
    space: Masks,
    target: Floats,
    urgency: float,
    rng: np.random.Generator,
) -> Masks | None:
    n = problem.salary.shape[0]
    lower, upper = features.lower[:n], features.upper[:n]
    count = np.zeros(n, np.int64)
    bits = np.arange(n, dtype=np.uint64)
    taken = np.zeros(problem.lineups, np.uint64)
    left = space
    for turn in range(problem.lineups):
        if left.shape[0] == 0:
            return None
        behind = target * (turn + 1) / problem.lineups - count
        behind = np.where(lower > 0, behind * urgency, behind)
        done = (lower > 0) & (count >= lower)
        behind = np.where(done, np.minimum(behind, -0.5), behind)
        price = np.zeros(64, np.int64)
        price[:n] = np.rint(behind * _SCALE).astype(np.int64) + rng.integers(-_JITTER, _JITTER, n)
        price[:n][count >= upper] = _NEVER
        taken[turn] = left[int(space_kernel.additive(left, price).argmax())]
        count += ((taken[turn] >> bits) & np.uint64(1)).astype(np.int64)
        left = left[np.bitwise_count(left & taken[turn]) <= problem.max_shared]
    return taken


def _keeps_bounds(features: Features, masks: Masks) -> bool:
    words = features.words(masks)
    place = np.arange(features.lower.shape[0])
    held = (words[:, place // 64] >> (place % 64).astype(np.uint64)) & np.uint64(1)
    count = held.sum(axis=0).astype(np.int64)
    return bool(((count >= features.lower) & (count <= features.upper)).all())
