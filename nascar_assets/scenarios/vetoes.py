"""Veto rules and bounds on laps led as predicates over whole sets of scenarios."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nascar_assets.constraints.models import ConstraintSpec
from nascar_assets.errors import InputError
from nascar_assets.ontology.vetoes import VetoRule, parse_veto
from nascar_assets.scenarios.result import STATUS, Scenarios
from nascar_assets.scenarios.setup import RaceSetup

Mask = npt.NDArray[np.bool_]
Rule = Callable[[Scenarios], Mask]
"""Marks with True the scenarios ([n]) that it rejects."""

_ACCIDENT = STATUS.index("accident")


def soft_rules(
    spec: ConstraintSpec | None, race_setup: RaceSetup, vetoes: Sequence[str] = ()
) -> dict[str, Rule]:
    """Every rule that may reject a scenario, by its code.

    A rule on a driver is named `{code} (driver {id})`; a bound on laps led `min_laps_led` or
    `max_laps_led` in the same form. Rules for lineups reject no scenario and are left out.
    A rule about a second driver who is not entered, or a team without a car, rejects nothing.

    Args:
        spec: Compiled constraints; none for none.
        race_setup: The race.
        vetoes: Codes of further rules on the race (rules for a track).

    Raises:
        UnknownVetoRule: If a code is not in the vocabulary.
    """
    rules = dict(_race_rules(vetoes, race_setup))
    if spec is None:
        return rules
    rules |= dict(
        _race_rules(spec.get_track_constraints(race_setup.track_id).veto_rules, race_setup)
    )
    for index, driver_id in enumerate(race_setup.driver_ids):
        driver = spec.get_driver_constraints(driver_id)
        named = f"(driver {driver_id})"
        if driver.min_laps_led > 0:
            rules[f"min_laps_led={driver.min_laps_led} {named}"] = _led_below(
                index, driver.min_laps_led
            )
        if driver.max_laps_led is not None:
            rules[f"max_laps_led={driver.max_laps_led} {named}"] = _led_above(
                index, driver.max_laps_led
            )
        for code in driver.veto_rules:
            rule = parse_veto(code, subject="driver")
            if rule.kind.scope == "scenario":
                rules[f"{rule.code} {named}"] = _driver_rule(rule, index, race_setup)
    return rules


def _race_rules(codes: Sequence[str], setup: RaceSetup) -> Iterator[tuple[str, Rule]]:
    for code in codes:
        rule = parse_veto(code, subject="track")
        if rule.kind.scope == "scenario":
            yield rule.code, _track_rule(rule, setup)


def _led_below(index: int, laps: int) -> Rule:
    return lambda made: made.laps_led[:, index] < laps


def _led_above(index: int, laps: int) -> Rule:
    return lambda made: made.laps_led[:, index] > laps


def _driver_rule(rule: VetoRule, car: int, setup: RaceSetup) -> Rule:
    match rule.name:
        case "leads-no-laps":
            return _led_above(car, 0)
        case "leads-at-most":
            return _led_above(car, rule.count("laps"))
        case "leads-at-least":
            return _led_below(car, rule.count("laps"))
        case "finishes-no-better-than":
            best = rule.count("place")
            return lambda made: made.finish[:, car] < best
        case "finishes-no-worse-than":
            worst = rule.count("place")
            return lambda made: made.finish[:, car] > worst
        case "not-both-in-top":
            places, other = rule.count("places"), _other(rule, setup)
            if other is None:
                return _never
            return lambda made: (made.finish[:, car] <= places) & (made.finish[:, other] <= places)
        case "finishes-behind":
            other = _other(rule, setup)
            if other is None:
                return _never
            return lambda made: made.finish[:, car] < made.finish[:, other]
        case "does-not-retire":
            return lambda made: made.status[:, car] != 0
    raise InputError(f"The veto rule {rule.code!r} has no meaning for a scenario.")


def _track_rule(rule: VetoRule, setup: RaceSetup) -> Rule:
    match rule.name:
        case "team-accidents-at-most":
            return _team_accidents(rule.count("cars"), rule.text("team"), setup)
        case "accidents-at-most":
            cars = rule.count("cars")
            return lambda made: (made.status == _ACCIDENT).sum(axis=1) > cars
        case "cautions-at-most":
            cautions = rule.count("cautions")
            return lambda made: made.cautions > cautions
        case "cautions-at-least":
            cautions = rule.count("cautions")
            return lambda made: made.cautions < cautions
        case "winner-starts-no-worse-than":
            place = rule.count("place")
            return lambda made: ((made.finish == 1) & (made.start > place)).any(axis=1)
        case "leaders-at-most":
            drivers = rule.count("drivers")
            return lambda made: (made.laps_led > 0).sum(axis=1) > drivers
    raise InputError(f"The veto rule {rule.code!r} has no meaning for a scenario.")


def _team_accidents(cars: int, team: str | None, setup: RaceSetup) -> Rule:
    teams = [entry.team for entry in setup.entries]
    wanted = sorted({name for name in teams if name}) if team is None else [team]
    members = np.array([[name == one for name in teams] for one in wanted], np.int64)

    def rejects(made: Scenarios) -> Mask:
        wrecked = (made.status == _ACCIDENT).astype(np.int64)
        return (wrecked @ members.T > cars).any(axis=1)

    return rejects


def _other(rule: VetoRule, setup: RaceSetup) -> int | None:
    other = rule.text("other")
    return setup.driver_ids.index(other) if other in setup.driver_ids else None


def _never(made: Scenarios) -> Mask:
    return np.zeros(len(made), np.bool_)
