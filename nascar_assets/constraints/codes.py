"""Every code that a denial may carry: what it means and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from nascar_assets.constraints.contract import Deny


@dataclass(frozen=True, slots=True)
class Code:
    """One code.

    Attributes:
        code: The stable text that programs compare.
        meaning: What is wrong.
        remedy: What to do about it.
    """

    code: str
    meaning: str
    remedy: str


CODES: dict[str, Code] = {
    item.code: item
    for item in (
        Code(
            "ROSTER_SIZE",
            "A lineup holds more or fewer drivers than the contest's roster.",
            "Give as many drivers as the contest's rules say.",
        ),
        Code(
            "DUPLICATE_DRIVER",
            "A lineup holds a driver twice.",
            "Name each driver once.",
        ),
        Code(
            "DRIVER_NOT_IN_SLATE",
            "A driver is not in the slate's salary file.",
            "Take a driver of the slate, or register the slate again with a newer salary file.",
        ),
        Code(
            "DRIVER_WITHDRAWN",
            "The salary file, the entry list or the grid says that a driver does not race.",
            "Swap the driver, or register the slate again if he races after all.",
        ),
        Code(
            "SALARY_MISSING",
            "A driver has no salary, neither in the request nor in the slate.",
            "Give a salary for each driver, or name a slate that is registered.",
        ),
        Code(
            "SALARY_CAP_EXCEEDED",
            "A lineup costs more than the salary cap.",
            "Swap in cheaper drivers, or raise the cap if the contest allows it.",
        ),
        Code(
            "DRIVER_VETOED",
            "A veto rule of the ontology keeps a driver, or a pair, out of lineups.",
            "Take another driver, or lift the veto.",
        ),
        Code(
            "TRACK_VETOED",
            "A veto rule of the track forbids the lineup.",
            "Change the lineup, or lift the veto.",
        ),
        Code(
            "SLATE_UNKNOWN",
            "No slate of this name is registered, and the request does not bring what it needs.",
            "Register the slate from its salary file, or give salaries with the request.",
        ),
        Code(
            "SLATE_LOCKED",
            "The race has begun: lineups of the slate cannot be entered any more.",
            "Take a slate that has not locked.",
        ),
        Code(
            "LAPS_LED_INFEASIBLE",
            "The bounds on laps led cannot all hold in one race of this length.",
            "Lower the least laps led, or raise the most.",
        ),
        Code(
            "EXPOSURE_INFEASIBLE",
            "No set of lineups has the exposures that were asked for.",
            "Lower the least exposures, raise the most, or lock fewer drivers.",
        ),
        Code(
            "LINEUP_INFEASIBLE",
            "The drivers that may be picked do not make one lineup under the salary cap.",
            "Allow more drivers, or raise the cap.",
        ),
        Code(
            "FEATURE_NOT_AVAILABLE",
            "A feature is not known by the slate's as-of time, or is not in its feature table.",
            "Leave the feature out, or take a later as-of time.",
        ),
    )
}
"""All codes, by code."""


def deny(code: str, reason: str) -> Deny:
    """A denial with a code of the table.

    Raises:
        KeyError: If the table does not hold the code.
    """
    return Deny(reason, CODES[code].code)
