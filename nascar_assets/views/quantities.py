"""What a view may state of a driver: the quantities, their families and their default weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from nascar_assets.feed.schemas import PRACTICE

Family = Literal["projections", "chances", "ownership", "exposures", "odds", "rear", "practice"]

DEFAULT_CONFIDENCE = 0.5
"""How far a view moves the forecast towards itself where nobody says otherwise."""

ODDS_CONFIDENCE = 0.0
"""The same of odds: no weight that was measured is distinguishable from nought (docs/views.md)."""

CEILING_CHANCE = 0.10
"""Chance that a driver's points reach his ceiling: it is read as the 90% quantile."""

TOPS: Mapping[str, int] = MappingProxyType({"win": 1, "top3": 3, "top5": 5, "top10": 10})
"""Places that count for each chance of a finish."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that a column of a view says of each driver.

    Attributes:
        name: What it is called in tables and JSON.
        family: The kind of view that it makes.
        words: What it is called in messages.
        unit: `points`, `share`, `odds` (decimal), `seconds` or `place`.
        moves: Whether scenarios are tilted towards it.
    """

    name: str
    family: Family
    words: str
    unit: Literal["points", "share", "odds", "seconds", "place"]
    moves: bool = False

    @property
    def confidence(self) -> float:
        """Its weight where the person gives none."""
        return ODDS_CONFIDENCE if self.family == "odds" else DEFAULT_CONFIDENCE


def _quantities() -> dict[str, Quantity]:
    made = [
        Quantity("mean_points", "projections", "mean points", "points", moves=True),
        Quantity("sd_points", "projections", "standard deviation of points", "points", moves=True),
        Quantity("ceiling_points", "projections", "ceiling of points", "points", moves=True),
        *(
            Quantity(name, "chances", f"{words} chance", "share", moves=True)
            for name, words in zip(TOPS, ("win", "top 3", "top 5", "top 10"), strict=True)
        ),
        Quantity("ownership", "ownership", "ownership", "share"),
        Quantity("cash_ownership", "ownership", "ownership in cash games", "share"),
        Quantity("tournament_ownership", "ownership", "ownership in tournaments", "share"),
        Quantity("min_exposure", "exposures", "least exposure", "share"),
        Quantity("max_exposure", "exposures", "greatest exposure", "share"),
        *(
            Quantity(f"odds_{name}", "odds", f"{words} odds", "odds", moves=True)
            for name, words in zip(TOPS, ("win", "top 3", "top 5", "top 10"), strict=True)
        ),
        Quantity("rear_start", "rear", "start at the rear", "place"),
        *(
            Quantity(name, "practice", name.removesuffix("_s").replace("_", " "), "seconds")
            for name in PRACTICE
            if name.endswith("_lap_time_s")
        ),
    ]
    return {quantity.name: quantity for quantity in made}


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(_quantities())
"""Every quantity by name."""

REAR_SCORED: tuple[str, ...] = ("grid", "rear")
"""How a start at the rear is scored: from the qualified place, or from the rear; by its code."""
