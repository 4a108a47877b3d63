"""Ownership and exposures that people stated in views, as portfolio settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from nascar_assets.lineups.problem import find_driver
from nascar_assets.lineups.settings import DriverSettings, PortfolioSettings
from nascar_assets.slates.slate import Slate
from nascar_assets.views.in_force import in_force


def settings_with_views(
    settings: PortfolioSettings, statements: pl.DataFrame, slate: Slate, *, cash: bool = False
) -> PortfolioSettings:
    """The settings with what views say of the field's ownership and of own exposures.

    What a person set by hand stands; of several people's views the mean counts, each by its
    confidence.

    Args:
        settings: The settings.
        statements: The slate's views, a table `VIEWS`.
        slate: The slate.
        cash: Whether the field of cash games is meant, else that of tournaments.
    """
    stated = in_force(statements, "ownership", "exposures")
    if stated.is_empty():
        return settings
    own = _means(stated, ("cash_ownership" if cash else "tournament_ownership", "ownership"))
    racing = [player.driver_id for player in slate.players]
    held = {
        slate.everyone[find_driver(slate, key, field=f"drivers.{key}")].driver_id: (key, row)
        for key, row in settings.drivers.items()
    }
    by_hand = {d: row.ownership for d, (_, row) in held.items() if row.ownership is not None}
    shares = renormalised(
        {d: share for d, share in own.items() if d in racing and d not in by_hand},
        len(racing) - len(by_hand),
        slate.rules.roster_size - sum(by_hand.values()),
    )
    lower, upper = _means(stated, ("min_exposure",)), _means(stated, ("max_exposure",))
    drivers = dict(settings.drivers)
    for driver in racing:
        if not {driver} & (shares.keys() | lower.keys() | upper.keys()):
            continue
        key, row = held.get(driver, (driver, DriverSettings()))
        changes: dict[str, float] = {}
        if driver in shares:
            changes["ownership"] = shares[driver]
        if row.min_exposure is None and row.max_exposure is None and not (row.lock or row.exclude):
            changes |= {"min_exposure": lower[driver]} if driver in lower else {}
            changes |= {"max_exposure": upper[driver]} if driver in upper else {}
        drivers[key] = row.model_copy(update=changes)
    return settings.model_copy(update={"drivers": drivers})


def renormalised(shares: Mapping[str, float], drivers: int, places: float) -> dict[str, float]:
    """Ownerships scaled so that the field's lineups are full.

    Those of all drivers add up to the places of a lineup; those of some leave the others at least
    nothing and at most everything.

    Args:
        shares: Stated ownerships by driver.
        drivers: How many drivers race.
        places: Places of a lineup.
    """
    others = drivers - len(shares)
    low, high = max(0.0, places - others), places
    found = dict(shares)
    for _ in range(len(shares)):
        total = sum(found.values())
        wanted = min(max(total, low), high)
        free = sum(share for share in found.values() if share < 1.0)
        if free <= 0.0 or abs(wanted - total) < 1e-12:
            break
        factor = 1.0 + (wanted - total) / free
        found = {d: min(1.0, share * factor) if share < 1.0 else 1.0 for d, share in found.items()}
    return found


def _means(stated: pl.DataFrame, quantities: Sequence[str]) -> dict[str, float]:
    """Mean of what is stated of each driver, by the first of some quantities that is.

    Each statement counts by its confidence; one that stands alone counts whole.
    """
    found: dict[str, float] = {}
    weight = pl.col("confidence") / pl.col("confidence").max()  # equal ones are 1: a plain mean
    for quantity in reversed(quantities):
        rows = stated.filter(quantity=quantity).group_by("driver_id", maintain_order=True)
        mean = (weight * pl.col("value")).sum() / weight.sum()
        found |= dict(rows.agg(mean).iter_rows())
    return found
