"""Compiled kernels that choose a set of lineups from candidates under bounds over the whole set.

The worth of a set is the sum over scenarios of its best candidate's value, plus a value of each
candidate's own. Swaps are weighed as in FasterPAM (Schubert and Rousseeuw, 2021,
doi:10.1016/j.is.2021.101804): one pass over the scenarios weighs a candidate against every member
at once. All sums are integers and every kernel here runs in one order, so the answer does not
depend on threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.lineups.space_kernel import count_bits

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Ints16or32 = npt.NDArray[np.int16] | npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]


@njit(cache=True, nogil=True, inline="always")
def _bit(words: Masks, row: Any, feature: Any) -> Any:
    return (words[row, feature // 64] >> np.uint64(feature % 64)) & np.uint64(1)


@njit(cache=True, nogil=True)
def _at_bounds(counts: Ints, lower: Ints, upper: Ints, low: Masks, high: Masks) -> None:
    """Words of the features that may lose no member (`low`), and gain none (`high`)."""
    low[:] = np.uint64(0)
    high[:] = np.uint64(0)
    for feature in range(counts.shape[0]):
        one = np.uint64(1) << np.uint64(feature % 64)
        if counts[feature] <= lower[feature]:
            low[feature // 64] |= one
        if counts[feature] >= upper[feature]:
            high[feature // 64] |= one


@njit(cache=True, nogil=True)
def _count(members: Ints, features: Masks, counts: Ints) -> None:
    counts[:] = 0
    for position in range(members.shape[0]):
        if members[position] >= 0:
            for feature in range(counts.shape[0]):
                counts[feature] += np.int64(_bit(features, members[position], feature))


@njit(cache=True, nogil=True)
def _rank_scenario(
    value: Ints16or32,
    members: Ints,
    s: Any,
    first: Ints32,
    second: Ints32,
    owner: Ints,
    runner: Ints,
) -> None:
    """Finds a scenario's best and second best member afresh; a place that is empty is worth 0."""
    a = np.int32(0)
    b = np.int32(0)
    at = -1
    bt = -1
    for position in range(members.shape[0]):
        if members[position] < 0:
            continue
        v = np.int32(value[members[position], s])
        if v > a or at < 0:
            b = a
            bt = at
            a = v
            at = position
        elif v > b or bt < 0:
            b = v
            bt = position
    first[s] = a
    second[s] = b
    owner[s] = at
    runner[s] = bt


@njit(cache=True, nogil=True)
def gains_above(value: Ints16or32, price: Ints32) -> Ints:
    """[M] sums over scenarios of what each candidate is worth above the scenario's price."""
    n_candidates, n_scenarios = value.shape
    out = np.zeros(n_candidates, np.int64)
    for candidate in range(n_candidates):
        for low in range(0, n_scenarios, 1024):
            width = min(1024, n_scenarios - low)
            line = value[candidate, low : low + width]
            level = price[low : low + width]
            part = np.int32(0)
            for s in range(width):
                over = np.int32(np.int32(line[s]) - level[s])
                part = np.int32(part + max(over, np.int32(0)))
            out[candidate] += np.int64(part)
    return out


@njit(cache=True, nogil=True)
def count_above(value: Ints16or32, rows: Ints, price: Ints32) -> Ints32:
    """[S] how many of some candidates are worth more than each scenario's price."""
    n_scenarios = value.shape[1]
    out = np.zeros(n_scenarios, np.int32)
    for low in range(0, n_scenarios, 1024):
        width = min(1024, n_scenarios - low)
        part = out[low : low + width]
        level = price[low : low + width]
        for row in rows:
            line = value[row, low : low + width]
            for s in range(width):
                part[s] = np.int32(part[s] + np.int32(np.int32(line[s]) > level[s]))
    return out


@njit(cache=True, nogil=True)
def greedy(
    value: Ints16or32,
    own: Ints,
    masks: Masks,
    features: Masks,
    upper: Ints,
    max_shared: Any,
    gains: Ints,
    members: Ints,
) -> None:
    """Fills the free places of `members` (-1) with the candidates that add most, lazily.

    Upper bounds on the set and shared drivers are kept where they can be; lower bounds are left to
    `repair`. What a candidate adds is the sum over scenarios of what it is worth above the best
    member so far. The best only rises as the set grows, so that gains only fall (the sum is
    submodular; Nemhauser, Wolsey and Fisher, 1978, doi:10.1007/BF01588971) and a stale gain is an
    upper bound: a candidate is weighed again only where its bound could still win (Minoux, 1978,
    doi:10.1007/BFb0006528). Among equal gains the first in the order wins.
    """
    n_candidates, n_scenarios = value.shape
    covered = np.zeros(n_scenarios, np.int32)
    counts = np.zeros(upper.shape[0], np.int64)
    _count(members, features, counts)
    taken = np.zeros(n_candidates, np.bool_)
    for position in range(members.shape[0]):
        if members[position] >= 0:
            taken[members[position]] = True
            for s in range(n_scenarios):
                covered[s] = max(covered[s], value[members[position], s])
    bound = gains + own
    fresh = np.full(n_candidates, -1, np.int64)
    order = np.argsort(-bound, kind="mergesort")
    for position in range(members.shape[0]):
        if members[position] >= 0:
            continue
        best = -1
        best_gain = np.int64(-(2**62))
        for rank in range(n_candidates):
            candidate = order[rank]
            if taken[candidate]:
                continue
            if bound[candidate] <= best_gain and best >= 0 and rank > 0:
                # The order is of first gains, which only fall: nothing later can do better.
                if gains[candidate] + own[candidate] <= best_gain:
                    break
                continue
            allowed = True
            for feature in range(upper.shape[0]):
                if counts[feature] >= upper[feature] and _bit(features, candidate, feature):
                    allowed = False
                    break
            if not allowed:
                continue
            for other in range(members.shape[0]):
                if members[other] >= 0 and (
                    count_bits(masks[members[other]] & masks[candidate]) > max_shared
                ):
                    allowed = False
                    break
            if not allowed:
                continue
            if fresh[candidate] != position:
                row = value[candidate : candidate + 1]
                bound[candidate] = own[candidate] + gains_above(row, covered)[0]
                fresh[candidate] = position
            if bound[candidate] > best_gain:
                best_gain = bound[candidate]
                best = candidate
        if best < 0:
            return
        members[position] = best
        taken[best] = True
        for feature in range(upper.shape[0]):
            counts[feature] += np.int64(_bit(features, best, feature))
        for s in range(n_scenarios):
            covered[s] = max(covered[s], value[best, s])


@njit(cache=True, nogil=True)
def _step_cost(count: Any, lower: Any, upper: Any, step: Any) -> Any:
    """How much a feature's distance from its bounds changes by one step up or down."""
    before = max(lower - count, 0) + max(count - upper, 0)
    after = max(lower - count - step, 0) + max(count + step - upper, 0)
    return after - before


@njit(cache=True, nogil=True)
def repair(
    own: Ints,
    masks: Masks,
    features: Masks,
    lower: Ints,
    upper: Ints,
    max_shared: Any,
    members: Ints,
    max_steps: Any,
) -> Any:
    """Swaps members until every bound over the set holds; what is left of the violation.

    Each step takes the swap that mends most, and among those the one that keeps most of `own`. The
    violation is the sum of the distances of all counts from their bounds: it falls by one at least
    in each step, so the search ends. A candidate that shares too many drivers with one member may
    only take that member's place, and with two members none.
    """
    n_candidates = masks.shape[0]
    n = members.shape[0]
    n_features = lower.shape[0]
    counts = np.zeros(n_features, np.int64)
    conflicts = np.zeros(n_candidates, np.int64)
    partner = np.full(n_candidates, -1, np.int64)
    wanted = np.zeros(features.shape[1], np.uint64)
    excess = np.zeros(features.shape[1], np.uint64)
    _count(members, features, counts)
    violation = np.int64(0)
    for feature in range(n_features):
        violation += max(lower[feature] - counts[feature], 0)
        violation += max(counts[feature] - upper[feature], 0)
    for _ in range(max_steps):
        if violation == 0:
            return violation
        best_change = np.int64(0)
        best_loss = np.int64(2**62)
        best_member = -1
        best_candidate = -1
        for candidate in range(n_candidates):
            conflicts[candidate] = 0
            for position in range(n):
                if count_bits(masks[members[position]] & masks[candidate]) > max_shared:
                    conflicts[candidate] += 1
                    partner[candidate] = position
                    if conflicts[candidate] > 1:
                        break
        for feature in range(n_features):
            one = np.uint64(1) << np.uint64(feature % 64)
            if feature % 64 == 0:
                wanted[feature // 64] = np.uint64(0)
                excess[feature // 64] = np.uint64(0)
            if counts[feature] < lower[feature]:
                wanted[feature // 64] |= one
            if counts[feature] > upper[feature]:
                excess[feature // 64] |= one
        for candidate in range(n_candidates):
            if conflicts[candidate] > 1:
                continue
            for position in range(n):
                if conflicts[candidate] == 1 and partner[candidate] != position:
                    continue
                member = members[position]
                # Only what changes a count for the better can lessen the violation: a bit test
                # over whole words spares most pairs the exact sum below.
                mends = False
                for word in range(features.shape[1]):
                    mine = features[member, word]
                    theirs = features[candidate, word]
                    if (theirs & ~mine & wanted[word]) or (mine & ~theirs & excess[word]):
                        mends = True
                if not mends:
                    continue
                change = np.int64(0)
                for word in range(features.shape[1]):
                    mine = features[member, word]
                    theirs = features[candidate, word]
                    differ = mine ^ theirs
                    feature = 64 * word
                    while differ:
                        if differ & np.uint64(1):
                            if (mine >> np.uint64(feature % 64)) & np.uint64(1):
                                change += _step_cost(
                                    counts[feature], lower[feature], upper[feature], -1
                                )
                            else:
                                change += _step_cost(
                                    counts[feature], lower[feature], upper[feature], 1
                                )
                        differ >>= np.uint64(1)
                        feature += 1
                loss = own[member] - own[candidate]
                if change < best_change or (
                    change == best_change and change < 0 and loss < best_loss
                ):
                    best_change = change
                    best_loss = loss
                    best_member = position
                    best_candidate = candidate
        if best_candidate < 0:
            return violation
        for feature in range(n_features):
            counts[feature] -= np.int64(_bit(features, members[best_member], feature))
            counts[feature] += np.int64(_bit(features, best_candidate, feature))
        members[best_member] = best_candidate
        violation += best_change
    return violation


@njit(cache=True, nogil=True)
def improve(
    value: Ints16or32,
    own: Ints,
    masks: Masks,
    features: Masks,
    lower: Ints,
    upper: Ints,
    max_shared: Any,
    members: Ints,
    max_passes: Any,
) -> tuple[Any, Any]:
    """Swaps members for candidates while the set's worth rises and no bound gets worse.

    A scenario is worth its best member's value, `first`; `second` is what is left if that member,
    the `owner`, goes. So member m takes `loss[m]`, the sum of first - second over the scenarios it
    owns, with it. Candidate c in m's place changes the worth by

        gain(c) + kept(c, m) - loss[m],   gain(c) = sum over scenarios of max(0, v - first),
        kept(c, m) = sum over m's scenarios of (min(v, first) - second) where v > second,

    since there c is what is left instead of `second`. `kept` of all members comes out of the one
    pass that `gain` takes (FastPAM's shared accumulator). A swap is made at once where it helps,
    and the search ends after a whole pass without one: a local optimum.

    Args:
        value: [M, S] value of each candidate in each scenario, not negative.
        own: [M] value of each candidate by itself.
        masks: [M] candidates' drivers.
        features: [M, W] words of the features that are counted over the set.
        least: [F] least members with each feature.
        most: [F] most.
        max_shared: Most drivers in common.
        members: [n] candidates in the set; changed in place.
        max_passes: Passes over the candidates.

    Returns:
        The set's worth and the number of swaps made.
    """
    n_candidates, n_scenarios = value.shape
    n = members.shape[0]
    n_words = features.shape[1]
    first = np.empty(n_scenarios, np.int32)
    second = np.empty(n_scenarios, np.int32)
    owner = np.empty(n_scenarios, np.int64)
    runner = np.empty(n_scenarios, np.int64)
    worth = np.int64(0)
    loss = np.empty(n, np.int64)
    kept = np.zeros(n, np.int64)
    counts = np.zeros(lower.shape[0], np.int64)
    low = np.zeros(n_words, np.uint64)
    high = np.zeros(n_words, np.uint64)
    _count(members, features, counts)
    _at_bounds(counts, lower, upper, low, high)
    loss[:] = 0
    for s in range(n_scenarios):
        _rank_scenario(value, members, s, first, second, owner, runner)
        worth += first[s]
        loss[owner[s]] += first[s] - second[s]
    for position in range(n):
        worth += own[members[position]]
    swaps = 0
    idle = 0
    for _ in range(max_passes):
        for candidate in range(n_candidates):
            idle += 1
            if idle > n_candidates:
                return worth, swaps
            conflicts = 0
            partner = -1
            for position in range(n):
                if count_bits(masks[members[position]] & masks[candidate]) > max_shared:
                    conflicts += 1
                    partner = position
                    if conflicts > 1:
                        break
            if conflicts > 1 or (conflicts == 1 and members[partner] == candidate):
                continue
            gain = own[candidate]
            row = value[candidate]
            for position in range(n):
                kept[position] = 0
            for s in range(n_scenarios):
                v = row[s]
                if v > second[s]:
                    if v > first[s]:
                        gain += v - first[s]
                        kept[owner[s]] += first[s] - second[s]
                    else:
                        kept[owner[s]] += v - second[s]
            best = -1
            best_change = np.int64(0)
            for position in range(n):
                if conflicts == 1 and partner != position:
                    continue
                change = gain - own[members[position]] - loss[position] + kept[position]
                if change <= best_change:
                    continue
                allowed = True
                # A count at its lower bound may lose no member, one at its upper gain none.
                for word in range(n_words):
                    mine = features[members[position], word]
                    theirs = features[candidate, word]
                    if (mine & ~theirs & low[word]) or (theirs & ~mine & high[word]):
                        allowed = False
                        break
                if allowed:
                    best = position
                    best_change = change
            if best < 0:
                continue
            for feature in range(lower.shape[0]):
                counts[feature] -= np.int64(_bit(features, members[best], feature))
                counts[feature] += np.int64(_bit(features, candidate, feature))
            _at_bounds(counts, lower, upper, low, high)
            members[best] = candidate
            worth += best_change
            swaps += 1
            idle = 0
            loss[:] = 0
            # Only where the one who went was best or second best are all members looked at again.
            for s in range(n_scenarios):
                if owner[s] == best or runner[s] == best:
                    _rank_scenario(value, members, s, first, second, owner, runner)
                elif row[s] > first[s]:
                    second[s] = first[s]
                    runner[s] = owner[s]
                    first[s] = row[s]
                    owner[s] = best
                elif row[s] > second[s]:
                    second[s] = row[s]
                    runner[s] = best
                loss[owner[s]] += first[s] - second[s]
    return worth, swaps
