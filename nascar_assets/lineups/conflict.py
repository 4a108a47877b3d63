"""Why settings cannot hold together: the smallest conflicting set, in the user's own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.candidates import features_of
from nascar_assets.lineups.mix import feasible_mix, kinds_of
from nascar_assets.lineups.problem import (
    MAX_RULES,
    CountRule,
    Exposure,
    Problem,
    SumRule,
    rule_arrays,
)
from nascar_assets.lineups.set_search import find_set

Masks = npt.NDArray[np.uint64]

_NONE = np.empty(0, np.uint64)
# What a proof by search may be tried again for with fewer settings: tests, and deterministic
# seconds of each. A test that ends undecided keeps a setting that might be left out.
_TESTS = 16
_TEST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Conflict:
    """Settings that cannot hold together.

    Attributes:
        reason: Why, in one sentence.
        settings: The settings, in plain words; without any one of them the proof fails.
        proven: False where no portfolio was found but none was proven impossible.
    """

    reason: str
    settings: tuple[str, ...]
    proven: bool = True


def barred(
    problem: Problem, masks: Masks, taken: Masks, held: Masks
) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """What lineups that stand bar, in words, and which of some lineups that is.

    Args:
        problem: The settings.
        masks: The lineups.
        taken: Lineups that none of them may be.
        held: Lineups of the same set that stay.
    """
    found = []
    if taken.shape[0]:
        label = "no lineup that another contest has (repeat = true in its section allows them)"
        found.append((label, np.isin(masks, taken)))
    if held.shape[0]:
        shares = np.zeros(masks.shape[0], np.bool_)
        for one in held:
            shares |= np.bitwise_count(masks & one) > problem.max_shared
        label = f"lineups of locked entries share at most {problem.max_shared} drivers with others"
        found.append((label, shares))
    return found


def find_conflict(
    problem: Problem,
    sum_rules: tuple[SumRule, ...],
    taken: Masks = _NONE,
    held: Masks = _NONE,
) -> Conflict | None:
    """The smallest conflicting set that can be proven; none where no proof is found.

    Args:
        problem: The settings.
        sum_rules: Rules on each lineup that add up weights, that on ownership among them.
        taken: Lineups that may not be in the set.
        held: Lineups that the set is chosen beside, and shares drivers with.
    """
    arrays = rule_arrays(problem.count_rules, sum_rules, problem.salary.shape[0])
    masks, broken = space_kernel.enumerate_space(
        np.minimum(problem.salary, problem.cap + 1),
        problem.cap,
        problem.roster_size,
        arrays,
        True,
    )
    labels = [rule.label for rule in problem.count_rules]
    labels += [rule.label for rule in sum_rules]
    for label, out in barred(problem, masks, taken, held)[: MAX_RULES - len(labels)]:
        broken = broken | out.astype(np.uint64) << np.uint64(len(labels))
        labels.append(label)
    legal = masks[broken == 0]
    wanted = f"lineups = {problem.lineups}"
    if legal.shape[0] == 0:
        kept = _needed(range(len(labels)), lambda rules: not _some_keep(broken, rules))
        reason = (
            f"no lineup of {problem.roster_size} under the salary cap of {problem.cap:,} keeps "
            "these settings"
        )
        return Conflict(reason, tuple(labels[r] for r in kept))
    if legal.shape[0] < problem.lineups:
        kept = _needed(
            range(len(labels)),
            lambda rules: int((broken & _bits(rules) == 0).sum()) < problem.lineups,
        )
        count = int((broken & _bits(kept) == 0).sum())
        reason = f"only {count:,} lineups keep these settings; {problem.lineups:,} are wanted"
        return Conflict(reason, (wanted, *(labels[r] for r in kept)))
    return (
        _rounding(problem)
        or _places(problem, wanted)
        or _sharing(problem, masks, broken, labels, wanted)
        or _mixing(problem, masks, broken, labels, wanted)
    )


def explain(
    problem: Problem,
    sum_rules: tuple[SumRule, ...],
    taken: Masks = _NONE,
    held: Masks = _NONE,
    *,
    proven: bool = False,
) -> Conflict:
    """Why no portfolio was found: the smallest conflicting set, else all settings together.

    Args:
        problem: The settings.
        sum_rules: Rules on each lineup that add up weights, that on ownership among them.
        taken: Lineups that may not be in the set.
        held: Lineups that the set is chosen beside, and shares drivers with.
        proven: Whether `find_set`, which leaves nothing out, found that there is none. Then those
            are left out that the proof holds without, as far as it can be found again quickly.
    """
    found = find_conflict(problem, sum_rules, taken, held)
    if found is not None:
        return found
    besides = [] if proven else [label for label, _ in barred(problem, _NONE, taken, held)]
    # Likeliest needed first: a conflict without sharing was looked for before.
    shares = [_shared_label(problem)] * (problem.settings.max_shared is not None)
    bounds = _bounds(problem)
    rules: list[CountRule | SumRule] = [*problem.count_rules, *sum_rules]
    words = [*shares, *(_words(bound) for bound in bounds), *(rule.label for rule in rules)]
    tests = 0

    def conflicting(kept: list[int]) -> bool:
        nonlocal tests
        tests += 1
        if tests > _TESTS:
            return False
        at = set(kept)
        first, then = len(shares), len(shares) + len(bounds)
        asked = [rule for place, rule in enumerate(rules, then) if place in at]
        part = replace(
            problem,
            max_shared=problem.max_shared if shares and 0 in at else problem.roster_size - 1,
            exposures=_restricted(problem, [b for i, b in enumerate(bounds, first) if i in at]),
            count_rules=tuple(rule for rule in asked if isinstance(rule, CountRule)),
        )
        sums = tuple(rule for rule in asked if isinstance(rule, SumRule))
        return find_set(part, features_of(part), sums, _TEST_SECONDS)[1]

    kept = list(range(len(words)))
    if proven:
        kept = _quickly_needed(kept, conflicting)
    reason = (
        "no set of legal lineups keeps these settings together"
        if proven
        else "no portfolio was found that keeps these settings, though none was proven impossible"
    )
    return Conflict(
        reason,
        (f"lineups = {problem.lineups}", *(words[i] for i in kept), *besides),
        proven=proven,
    )


def _shared_label(problem: Problem) -> str:
    return f"no two lineups share more than {problem.max_shared} drivers"


def _bits(rules: Sequence[int]) -> np.uint64:
    word = 0
    for rule in rules:
        word |= 1 << rule
    return np.uint64(word)


def _some_keep(broken: Masks, rules: Sequence[int]) -> bool:
    return bool((broken & _bits(rules) == 0).any())


def _needed(items: Sequence[int], conflicting: Callable[[list[int]], bool]) -> list[int]:
    """Deletion filter: items without any one of which the rest no longer conflict."""
    kept = list(items)
    for item in list(items):
        rest = [other for other in kept if other != item]
        if conflicting(rest):
            kept = rest
    return kept


def _rounding(problem: Problem) -> Conflict | None:
    """Bounds between which no whole number of lineups lies."""
    for exposure in problem.exposures:
        if exposure.lower > exposure.upper:
            labels = tuple(x for x in (exposure.lower_label, exposure.upper_label) if x)
            reason = (
                f"no whole number of {problem.lineups} lineups lies between the exposures of "
                f"{exposure.name}"
            )
            return Conflict(reason, (f"lineups = {problem.lineups}", *labels))
    return None


def _places(problem: Problem, wanted: str) -> Conflict | None:
    """More places asked for than the lineups have, or fewer allowed."""
    places = problem.lineups * problem.roster_size
    single = [e for e in problem.exposures if e.target.bit_count() == 1]
    # Of a driver who is bounded twice, by a group of his own for one, the tightest bounds count.
    minimums = {e.target: e for e in sorted(single, key=lambda e: e.lower)}.values()
    maximums = {e.target: e for e in sorted(single, key=lambda e: -e.upper)}.values()
    total = 0
    kept: list[Exposure] = []
    for exposure in sorted(minimums, key=lambda e: (-e.lower, e.target)):
        kept.append(exposure)
        total += exposure.lower
        if total > places:
            labels = [e.lower_label for e in kept if e.lower_label]
            over = total - places
            reason = (
                f"minimum exposures of {len(kept)} drivers add up to {over:,} lineup places more "
                f"than {problem.lineups} lineups of {problem.roster_size} have"
            )
            return Conflict(reason, (wanted, *labels))
    upper = problem.lineups * problem.salary.shape[0]
    kept = []
    for exposure in sorted(maximums, key=lambda e: (e.upper, e.target)):
        kept.append(exposure)
        upper -= problem.lineups - exposure.upper
        if upper < places:
            labels = [e.upper_label for e in kept if e.upper_label]
            reason = (
                f"maximum exposures of {len(kept)} drivers leave {places - upper:,} lineup places "
                f"empty of the {places:,} that {problem.lineups} lineups of {problem.roster_size} "
                "have"
            )
            return Conflict(reason, (wanted, *labels))
    return None


def most_lineups(problem: Problem, legal: Masks) -> int:
    """Lineups that can differ from each other as much as wanted, at most (Johnson's bound).

    Args:
        problem: The settings.
        legal: Every legal lineup; there is one.
    """
    core = int(np.bitwise_and.reduce(legal)).bit_count()
    n = int(np.bitwise_or.reduce(legal)).bit_count() - core
    k = problem.roster_size - core
    limit = 1
    for step in range(problem.max_shared - core, -1, -1):
        limit = limit * (n - step) // (k - step)
    return limit


def _sharing(
    problem: Problem, masks: Masks, broken: Masks, labels: list[str], wanted: str
) -> Conflict | None:
    """More lineups than can differ from each other as much as wanted."""

    def conflicting(rules: list[int]) -> bool:
        return most_lineups(problem, masks[broken & _bits(rules) == 0]) < problem.lineups

    rules = list(range(len(labels)))
    if not conflicting(rules):
        return None
    rules = _quickly_needed(rules, conflicting)
    legal = masks[broken & _bits(rules) == 0]
    asked = (_shared_label(problem), *(labels[r] for r in rules))
    core = int(np.bitwise_and.reduce(legal)).bit_count()
    if core > problem.max_shared:
        return Conflict(f"every legal lineup holds the same {core} drivers", asked)
    used = int(np.bitwise_or.reduce(legal)).bit_count()
    reason = (
        f"of the {used} drivers that may be picked at most {most_lineups(problem, legal):,} "
        f"lineups can be made that share no more than {problem.max_shared} drivers two by two"
    )
    return Conflict(reason, (wanted, *asked))


def _mixing(
    problem: Problem, masks: Masks, broken: Masks, labels: list[str], wanted: str
) -> Conflict | None:
    """Bounds over the set that no mix of legal lineups meets, by linear programming duality."""
    if not problem.exposures:
        return None
    bounds = _bounds(problem)
    kinds = kinds_of(features_of(problem), problem.lineups, masks, broken)
    start = np.empty(0, np.uint64)

    def certificate(rules: list[int], sides: list[int]) -> bool:
        nonlocal start
        chosen = [bounds[side] for side in sides]
        if not chosen:
            return False
        legal = kinds.keeping(_bits(rules))
        features = features_of(replace(problem, exposures=_restricted(problem, chosen)))
        known = start[np.isin(start, legal.masks)]
        mix = feasible_mix(features, legal, problem.lineups, known)
        start = np.union1d(start, mix.columns)
        return mix.certificate is not None

    rules = list(range(len(labels)))
    sides = list(range(len(bounds)))
    if not certificate(rules, sides):
        return None
    if certificate([], sides):
        rules = []
    sides = _quickly_needed(sides, lambda kept: certificate(rules, kept))
    rules = _quickly_needed(rules, lambda kept: certificate(kept, sides))
    words = [_words(bounds[side]) for side in sides]
    reason = "no mix of legal lineups meets these exposures"
    return Conflict(reason, (wanted, *words, *(labels[r] for r in rules)))


def _bounds(problem: Problem) -> list[tuple[Exposure, str]]:
    """The sides of exposures that can bind."""
    bounds = [(e, "lower") for e in problem.exposures if e.lower > 0]
    return bounds + [(e, "upper") for e in problem.exposures if e.upper < problem.lineups]


def _words(bound: tuple[Exposure, str]) -> str:
    exposure, which = bound
    return (exposure.lower_label if which == "lower" else exposure.upper_label) or exposure.name


def _restricted(problem: Problem, chosen: list[tuple[Exposure, str]]) -> tuple[Exposure, ...]:
    out = []
    for exposure in problem.exposures:
        lower = exposure.lower if (exposure, "lower") in chosen else 0
        upper = exposure.upper if (exposure, "upper") in chosen else problem.lineups
        out.append(replace(exposure, lower=lower, upper=upper))
    return tuple(out)


def _quickly_needed(items: list[int], conflicting: Callable[[list[int]], bool]) -> list[int]:
    """Deletion filter by halves (QuickXplain; Junker, 2004): few tests where few are needed."""

    def explain(fixed: list[int], candidates: list[int], changed: bool) -> list[int]:
        if changed and conflicting(fixed):
            return []
        if len(candidates) == 1:
            return candidates
        half = len(candidates) // 2
        left, right = candidates[:half], candidates[half:]
        second = explain(fixed + left, right, True)
        first = explain(fixed + second, left, bool(second))
        return first + second

    if not items or conflicting([]):
        return []
    return sorted(explain([], items, False))
