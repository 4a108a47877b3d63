"""Constraints on one lineup: roster, salary, slate membership, vetoes.

They read the argument `drivers` (ids), and where the request
brings its own numbers `salaries` (dollars by id), `salary_cap` and `roster_size`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

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
from nascar_assets.constraints.models import DriverConstraints, TrackConstraints
from nascar_assets.ontology.vetoes import parse_veto

DRIVERS = RequirementKey("arg", "drivers")


def slate_key(context: ConstraintContext) -> RequirementKey:
    """The requirement of the context's slate."""
    return RequirementKey("slate", context.slate_id)


def own_numbers(context: ConstraintContext, *names: str) -> bool:
    """Whether the request brings all of these itself, so that no slate is needed for them."""
    return all(name in context.args for name in names)


def given_ids(context: ConstraintContext, name: str = "drivers") -> tuple[str, ...]:
    """Ids of an argument, each once; empty while it is not known."""
    return tuple(dict.fromkeys(context.args.get(name) or ()))


def _drivers(context: ConstraintContext, view: StateView) -> tuple[str, ...]:
    return tuple(fact(DRIVERS, context, view))


def _named(ids: list[str] | tuple[str, ...]) -> str:
    return f"driver{'s' if len(ids) > 1 else ''} {', '.join(ids)}"


@dataclass(frozen=True, slots=True)
class _OfSlate:
    """A constraint on a lineup by numbers that the request brings itself, or the slate has."""

    brought: ClassVar[tuple[str, ...]]
    """What the request must bring for no slate to be needed."""

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The lineup, and the slate unless the request brings the numbers."""
        own = own_numbers(context, *self.brought)
        return (DRIVERS,) if own else (DRIVERS, slate_key(context))


@dataclass(frozen=True, slots=True)
class RosterSize(_OfSlate):
    """A lineup holds as many drivers as the roster."""

    name: ClassVar[str] = "roster size"
    brought: ClassVar[tuple[str, ...]] = ("roster_size",)

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Counts."""
        size = context.args.get("roster_size")
        if size is None:
            size = fact(slate_key(context), context, view).roster_size
        count = len(_drivers(context, view))
        if count == size:
            return Allow()
        return deny("ROSTER_SIZE", f"The lineup holds {count} drivers; the roster has {size}.")


@dataclass(frozen=True, slots=True)
class NoDuplicates:
    """A lineup names each driver once."""

    name: ClassVar[str] = "no duplicates"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The lineup."""
        return (DRIVERS,)

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Looks for repetition."""
        times = Counter(_drivers(context, view))
        doubles = sorted(id_ for id_, count in times.items() if count > 1)
        if not doubles:
            return Allow()
        return deny("DUPLICATE_DRIVER", f"The lineup holds {_named(doubles)} more than once.")


@dataclass(frozen=True, slots=True)
class DriversInSlate(_OfSlate):
    """Every driver of a lineup is in the slate."""

    name: ClassVar[str] = "drivers in slate"
    brought: ClassVar[tuple[str, ...]] = ("salaries",)

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Looks each one up."""
        pool: Mapping[str, Any]
        if own_numbers(context, "salaries"):
            pool, place = context.args["salaries"], "the request's salaries"
        else:
            pool = fact(slate_key(context), context, view).players
            place = f"slate {context.slate_id}"
        strangers = sorted({id_ for id_ in _drivers(context, view) if id_ not in pool})
        if not strangers:
            return Allow()
        return deny("DRIVER_NOT_IN_SLATE", f"Not in {place}: {_named(strangers)}.")


@dataclass(frozen=True, slots=True)
class NobodyWithdrawn(_OfSlate):
    """No driver of a lineup has withdrawn."""

    name: ClassVar[str] = "nobody withdrawn"
    brought: ClassVar[tuple[str, ...]] = ("salaries",)

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Looks at the salary file's status."""
        if own_numbers(context, "salaries"):
            return Allow()
        slate: SlateFact = fact(slate_key(context), context, view)
        out = sorted(
            {
                id_
                for id_ in _drivers(context, view)
                if id_ in slate.players and slate.players[id_].withdrawn
            }
        )
        if not out:
            return Allow()
        return deny("DRIVER_WITHDRAWN", f"Out by salary file or entry list: {_named(out)}.")


@dataclass(frozen=True, slots=True)
class SalaryCap(_OfSlate):
    """A lineup costs no more than the cap."""

    name: ClassVar[str] = "salary cap"
    brought: ClassVar[tuple[str, ...]] = ("salaries", "salary_cap")

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Adds up the salaries."""
        own = own_numbers(context, *self.brought)
        slate: SlateFact | None = None if own else fact(slate_key(context), context, view)
        cap = context.args.get("salary_cap", slate.salary_cap if slate else None)
        drivers = _drivers(context, view)
        salaries: Mapping[str, int] | None = context.args.get("salaries")
        if salaries is None and slate is not None:
            salaries = {id_: player.salary for id_, player in slate.players.items()}
        without = sorted({id_ for id_ in drivers if id_ not in (salaries or {})})
        if without or salaries is None or cap is None:
            return deny("SALARY_MISSING", f"No salary is known for {_named(without)}.")
        cost = sum(salaries[id_] for id_ in drivers)
        if cost <= cap:
            return Allow()
        return deny("SALARY_CAP_EXCEEDED", f"The lineup costs {cost:,}; the cap is {cap:,}.")


@dataclass(frozen=True, slots=True)
class DriverVetoes:
    """No veto rule of a driver forbids the lineup."""

    name: ClassVar[str] = "vetoes on drivers"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The lineup and each of its drivers' constraints."""
        return (DRIVERS, *(RequirementKey("driver", id_) for id_ in given_ids(context)))

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Applies the rules for lineups; those for scenarios are the simulation's."""
        ids = dict.fromkeys(_drivers(context, view))
        for id_ in ids:
            driver: DriverConstraints = fact(RequirementKey("driver", id_), context, view)
            for code in driver.veto_rules:
                rule = parse_veto(code, subject="driver")
                pair = rule.name == "not-together-in-lineups" and rule.text("other") in ids
                if rule.name == "not-in-lineups" or pair:
                    return deny(
                        "DRIVER_VETOED", f"Driver {id_} has the veto {code}: {rule.meaning}"
                    )
        return Allow()


@dataclass(frozen=True, slots=True)
class TrackVetoes:
    """No veto rule of the track forbids the lineup."""

    name: ClassVar[str] = "vetoes on the track"

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """The lineup, the slate's teams, and the track where the context names one."""
        if context.track_id is None:
            return ()
        return (DRIVERS, slate_key(context), RequirementKey("track", context.track_id))

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """Applies the rules for lineups; those for scenarios are the simulation's."""
        if context.track_id is None:
            return Allow()
        track: TrackConstraints = fact(RequirementKey("track", context.track_id), context, view)
        slate: SlateFact = fact(slate_key(context), context, view)
        ids = dict.fromkeys(_drivers(context, view))
        teams = Counter(
            slate.players[id_].team
            for id_ in ids
            if id_ in slate.players and slate.players[id_].team
        )
        for code in track.veto_rules:
            rule = parse_veto(code, subject="track")
            if rule.name != "team-in-lineup-at-most":
                continue
            team, allowed = rule.text("team"), rule.count("drivers")
            counts = teams if team is None else {team: teams[team]}
            over = sorted(name for name, count in counts.items() if name and count > allowed)
            if over:
                return deny(
                    "TRACK_VETOED",
                    f"Track {context.track_id} has the veto {code}, and the lineup holds more "
                    f"drivers of {', '.join(over)}.",
                )
        return Allow()
