"""Constraints on a request: the slate is open and known, and what is asked for can be met at all.

They read the arguments `pool` (ids that may be picked), `field` (ids that race; the pool where it
is not given), `salaries`, `salary_cap`, `roster_size`, `race_laps`, `laps_led` ((least, most or
none) by id), `exposures` ((least, most) by id), `lineups` (how many) and `features` (names).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nascar_assets.constraints.codes import deny
from nascar_assets.constraints.contract import (
    Allow,
    ConstraintContext,
    ConstraintResult,
    RequirementKey,
    StateView,
    fact,
)
from nascar_assets.constraints.facts import SlateFact
from nascar_assets.constraints.models import DriverConstraints
from nascar_assets.constraints.rules_lineup import given_ids, own_numbers, slate_key
from nascar_assets.ontology.vetoes import parse_veto

POOL = RequirementKey("arg", "pool")
NOW = RequirementKey("env", "now")
LOCK_TIME = RequirementKey("env", "lock_time")


@dataclass(frozen=True, slots=True)
class SlateOpen:
    """The slate has not locked. The clock's time comes in as `env:now`."""

    name: ClassVar[str] = "slate open"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The time, and the lock: from the surroundings where they give it, else the slate's."""
        return (NOW, LOCK_TIME if "lock_time" in context.env else slate_key(context))

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Compares."""
        now = fact(NOW, context, view)
        if "lock_time" in context.env:
            lock = fact(LOCK_TIME, context, view)
        else:
            lock = fact(slate_key(context), context, view).lock
        if now < lock:
            return Allow()
        return deny(
            "SLATE_LOCKED",
            f"Slate {context.slate_id} locked at {lock.isoformat()}; it is {now.isoformat()}.",
        )


@dataclass(frozen=True, slots=True)
class SalariesKnown:
    """Every driver of the pool has a salary."""

    name: ClassVar[str] = "salaries known"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The pool, and the slate unless the request brings the salaries of all of it."""
        return (POOL,) if _all_salaries(context) else (POOL, slate_key(context))

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Looks each one up."""
        salaries = _salaries(context, view)
        without = sorted({id_ for id_ in fact(POOL, context, view) if id_ not in salaries})
        if not without:
            return Allow()
        return deny(
            "SALARY_MISSING",
            f"Neither the request nor slate {context.slate_id} has a salary for "
            f"{', '.join(without)}.",
        )


@dataclass(frozen=True, slots=True)
class LineupFeasible:
    """The pool makes at least one lineup under the cap."""

    name: ClassVar[str] = "lineup feasible"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The pool, its vetoes, and the slate unless the request brings every number."""
        own = _all_salaries(context) and own_numbers(context, "salary_cap", "roster_size")
        drivers = (RequirementKey("driver", id_) for id_ in given_ids(context, "pool"))
        return (POOL, *drivers) if own else (POOL, slate_key(context), *drivers)

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Prices the cheapest roster of those who may be picked."""
        salaries = _racing(context, view)
        size, cap = _rules(context, view)
        pool = [id_ for id_ in salaries if _may_be_picked(id_, context, view)]
        if len(pool) < size:
            return deny(
                "LINEUP_INFEASIBLE",
                f"{len(pool)} drivers may be picked; a lineup holds {size}.",
            )
        cost = sum(sorted(salaries[id_] for id_ in pool)[:size])
        if cost <= cap:
            return Allow()
        return deny(
            "LINEUP_INFEASIBLE",
            f"The cheapest lineup costs {cost:,}; the cap is {cap:,}.",
        )


@dataclass(frozen=True, slots=True)
class LapsLedFeasible:
    """The bounds on laps led can hold together: every lap has one leader."""

    name: ClassVar[str] = "laps led feasible"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The race's length, and the bounds of every driver: the request's or compiled ones."""
        keys = [RequirementKey("driver", id_) for id_ in self._asked(context)]
        if "race_laps" in context.args:
            return tuple(keys)
        race = RequirementKey("race", context.race_id) if context.race_id else None
        return (*keys, race or RequirementKey("arg", "race_laps"))

    @staticmethod
    def _asked(context: ConstraintContext) -> tuple[str, ...]:
        own = context.args.get("laps_led") or {}
        field = given_ids(context, "field") or given_ids(context, "pool")
        return tuple(id_ for id_ in field if id_ not in own)

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Adds up the least and the most."""
        if "race_laps" in context.args:
            laps = int(context.args["race_laps"])
        elif context.race_id:
            laps = fact(RequirementKey("race", context.race_id), context, view).scheduled_laps
        else:
            laps = int(fact(RequirementKey("arg", "race_laps"), context, view))
        bounds = {
            id_: (int(low or 0), high)
            for id_, (low, high) in (context.args.get("laps_led") or {}).items()
        }
        for id_ in self._asked(context):
            driver: DriverConstraints = fact(RequirementKey("driver", id_), context, view)
            bounds[id_] = _with_vetoes(driver)
        code = "LAPS_LED_INFEASIBLE"
        for id_, (low, high) in sorted(bounds.items()):
            if high is not None and low > high:
                return deny(code, f"Driver {id_} must lead at least {low} and at most {high} laps.")
        lower = sum(low for low, _ in bounds.values())
        if lower > laps:
            return deny(
                code, f"The least laps led add up to {lower}; the race has {laps} laps to lead."
            )
        # Only a bound on everybody who races leaves a lap without a leader.
        whole = "field" in context.args and bounds.keys() >= set(given_ids(context, "field"))
        upper = sum(laps if high is None else high for _, high in bounds.values())
        if whole and bounds and upper < laps:
            return deny(
                code, f"The most laps led add up to {upper}; somebody leads each of {laps} laps."
            )
        return Allow()


@dataclass(frozen=True, slots=True)
class ExposureFeasible:
    """Some set of lineups has the exposures that were asked for."""

    name: ClassVar[str] = "exposure feasible"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The pool and the slate's rules; nothing where no exposure was asked for."""
        if not context.args.get("exposures"):
            return ()
        own = _all_salaries(context) and own_numbers(context, "salary_cap", "roster_size")
        return (POOL,) if own else (POOL, slate_key(context))

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Counts the places that the bounds need and allow, in whole lineups."""
        asked: Mapping[str, tuple[float, float]] = context.args.get("exposures") or {}
        if not asked:
            return Allow()
        code, count = "EXPOSURE_INFEASIBLE", int(context.args.get("lineups", 1))
        size, cap = _rules(context, view)
        salaries = _racing(context, view)
        lower, upper = dict.fromkeys(salaries, 0), dict.fromkeys(salaries, count)
        for id_, (low, high) in sorted(asked.items()):
            low_count, high_count = _ceil(low * count), _floor(high * count)
            if low_count > high_count:
                return deny(
                    code,
                    f"No whole number of {count} lineups is between {low:.1%} and {high:.1%} "
                    f"(driver {id_}).",
                )
            if id_ not in upper and low_count > 0:
                return deny(code, f"Driver {id_} has a least exposure and may not be picked.")
            if id_ in upper:
                lower[id_], upper[id_] = low_count, high_count
        places = size * count
        if sum(lower.values()) > places:
            return deny(
                code,
                f"The least exposures need {sum(lower.values())} places; {count} lineups of "
                f"{size} have {places}.",
            )
        if sum(upper.values()) < places:
            return deny(
                code,
                f"The most exposures allow {sum(upper.values())} places; {count} lineups of "
                f"{size} have {places}.",
            )
        return self._affordable(lower, upper, salaries, size, cap, count)

    @staticmethod
    def _affordable(
        lower: Mapping[str, int],
        upper: Mapping[str, int],
        salaries: Mapping[str, int],
        size: int,
        cap: int,
        count: int,
    ) -> ConstraintResult:
        """The cheapest filling of all places against all of the caps together."""
        priced = sorted((price, id_) for id_, price in salaries.items())
        cost = sum(price * lower[id_] for price, id_ in priced)
        left = size * count - sum(lower[id_] for _, id_ in priced)
        for price, id_ in priced:
            more = min(left, upper[id_] - lower[id_])
            cost, left = cost + price * more, left - more
        if cost <= cap * count:
            return Allow()
        return deny(
            "EXPOSURE_INFEASIBLE",
            f"With these exposures the cheapest {count} lineups cost {cost:,} together; the caps "
            f"add up to {cap * count:,}.",
        )


@dataclass(frozen=True, slots=True)
class FeaturesAvailable:
    """Every feature that is asked for is known by the slate's as-of time."""

    name: ClassVar[str] = "features available"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The slate, where features are asked for."""
        return (slate_key(context),) if context.args.get("features") else ()

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Looks each one up."""
        asked = context.args.get("features") or ()
        if not asked:
            return Allow()
        slate: SlateFact = fact(slate_key(context), context, view)
        missing = sorted(set(asked) - set(slate.features))
        if not missing:
            return Allow()
        return deny(
            "FEATURE_NOT_AVAILABLE",
            f"Slate {context.slate_id} has no feature {', '.join(missing)} by its as-of time.",
        )


def _all_salaries(context: ConstraintContext) -> bool:
    salaries = context.args.get("salaries") or {}
    return "pool" in context.args and all(id_ in salaries for id_ in context.args["pool"])


def _salaries(context: ConstraintContext, view: StateView) -> dict[str, int]:
    own: dict[str, int] = dict(context.args.get("salaries") or {})
    if _all_salaries(context):
        return own
    slate: SlateFact = fact(slate_key(context), context, view)
    return {id_: player.salary for id_, player in slate.players.items()} | own


def _racing(context: ConstraintContext, view: StateView) -> dict[str, int]:
    """Salaries of those in the pool whom the salary file does not list as out."""
    salaries, pool = _salaries(context, view), given_ids(context, "pool")
    if _all_salaries(context):
        return {id_: salaries[id_] for id_ in pool}
    players = fact(slate_key(context), context, view).players
    out = {id_ for id_, player in players.items() if player.withdrawn}
    return {id_: salaries[id_] for id_ in pool if id_ in salaries and id_ not in out}


def _rules(context: ConstraintContext, view: StateView) -> tuple[int, int]:
    """Roster size and cap in dollars."""
    own = own_numbers(context, "salary_cap", "roster_size")
    if own and _all_salaries(context):
        return int(context.args["roster_size"]), int(context.args["salary_cap"])
    slate: SlateFact = fact(slate_key(context), context, view)
    return (
        int(context.args.get("roster_size", slate.roster_size)),
        int(context.args.get("salary_cap", slate.salary_cap)),
    )


def _may_be_picked(id_: str, context: ConstraintContext, view: StateView) -> bool:
    driver: DriverConstraints = fact(RequirementKey("driver", id_), context, view)
    return all(parse_veto(code).name != "not-in-lineups" for code in driver.veto_rules)


def _with_vetoes(driver: DriverConstraints) -> tuple[int, int | None]:
    """The bounds with what veto rules on laps led say besides."""
    low, high = driver.min_laps_led, driver.max_laps_led
    for code in driver.veto_rules:
        rule = parse_veto(code, subject="driver")
        if rule.name == "leads-at-least":
            low = max(low, rule.count("laps"))
        elif rule.name in ("leads-no-laps", "leads-at-most"):
            laps = rule.count("laps") if rule.arguments else 0
            high = laps if high is None else min(high, laps)
    return low, high


def _ceil(value: float) -> int:
    # A share such as 0.3 of 10 lineups is 3, whatever its last bit says.
    return math.ceil(value - 1e-9)


def _floor(value: float) -> int:
    return math.floor(value + 1e-9)
