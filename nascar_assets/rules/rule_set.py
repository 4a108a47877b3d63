"""Contest rule sets as dated data, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nascar_assets.errors import InputError


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One contest's scoring and roster rules over a span of dates.

    All amounts are integers in units of 1 / `points_scale` of a contest point, so that every
    score of a car and every sum over a lineup is exact.

    Attributes:
        key: `{site}-{contest}`, for example `dk-classic`.
        valid_from: First race date on which the rules hold.
        valid_to: Last race date on which they hold; none for the rules of today.
        points_scale: Integer units to one contest point.
        finish: Units for finishing 1st, 2nd, ...; places beyond the tuple get nothing.
        place_differential: Units for each place gained (start minus finish).
        lap_led: Units for each lap led.
        fastest_lap: Units for each green-flag lap on which the car was the fastest.
        lap_completed: Units for each lap completed.
        roster_size: Drivers in a lineup.
        salary_cap: Dollars a lineup may cost.
    """

    key: str
    valid_from: date
    valid_to: date | None
    points_scale: int
    finish: tuple[int, ...]
    place_differential: int
    lap_led: int
    fastest_lap: int
    lap_completed: int
    roster_size: int
    salary_cap: int

    @property
    def site(self) -> str:
        """The site's short name, `dk` or `fd`."""
        return self.key.split("-", 1)[0]

    @property
    def contest(self) -> str:
        """The contest's short name, for example `classic`."""
        return self.key.split("-", 1)[1]

    def points(self, units: float) -> float:
        """Contest points of a number of units."""
        return units / self.points_scale


def _scaled(points: list[int], scale: int) -> tuple[int, ...]:
    return tuple(scale * value for value in points)


# DraftKings NASCAR Classic, 2015 to 2020: 46 for a win, 42 for second, one less per place after.
_DK_2015 = RuleSet(
    key="dk-classic",
    valid_from=date(2015, 8, 1),
    valid_to=date(2020, 12, 31),
    points_scale=20,
    finish=_scaled([46, *range(42, 0, -1)], 20),
    place_differential=20,
    lap_led=5,
    fastest_lap=10,
    lap_completed=0,
    roster_size=6,
    salary_cap=50_000,
)

# DraftKings NASCAR Classic since 2021: two points fall away after 10th, 20th and 30th place.
_DK_2021 = RuleSet(
    key="dk-classic",
    valid_from=date(2021, 1, 1),
    valid_to=None,
    points_scale=20,
    finish=_scaled(
        [45, *range(42, 33, -1), *range(32, 22, -1), *range(21, 11, -1), *range(10, 0, -1)], 20
    ),
    place_differential=20,
    lap_led=5,
    fastest_lap=9,
    lap_completed=0,
    roster_size=6,
    salary_cap=50_000,
)

# FanDuel NASCAR: 43, 40, 38, then 41 minus the place down to 40th; laps completed count.
_FD = RuleSet(
    key="fd-classic",
    valid_from=date(2018, 1, 1),
    valid_to=None,
    points_scale=20,
    finish=_scaled([43, 40, 38, *range(37, 0, -1)], 20),
    place_differential=10,
    lap_led=2,
    fastest_lap=0,
    lap_completed=2,
    roster_size=5,
    salary_cap=50_000,
)

RULE_SETS: tuple[RuleSet, ...] = (_DK_2015, _DK_2021, _FD)
"""Every rule set that the project knows."""


def rule_set(key: str, on: date) -> RuleSet:
    """The rule set of a contest on a race's date.

    Args:
        key: `{site}-{contest}`.
        on: The race's date.

    Raises:
        InputError: If the contest is unknown or had no rules on that date.
    """
    dated = [rules for rules in RULE_SETS if rules.key == key]
    if not dated:
        known = ", ".join(sorted({rules.key for rules in RULE_SETS}))
        raise InputError(f"No contest is called {key!r}.", remedy=f"Known contests: {known}.")
    for rules in dated:
        if rules.valid_from <= on and (rules.valid_to is None or on <= rules.valid_to):
            return rules
    raise InputError(f"No rules of {key} are known for {on.isoformat()}.")
