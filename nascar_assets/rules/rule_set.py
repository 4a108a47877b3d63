"""The rules of one contest over a span of dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


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

    def points(self, units: float) -> float:
        """Contest points of a number of units."""
        return units / self.points_scale
