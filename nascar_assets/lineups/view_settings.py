"""Ownership and exposures that people stated in views, as portfolio settings."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from nascar_assets.lineups.problem import find_driver
from nascar_assets.lineups.settings import DriverSettings, PortfolioSettings
from nascar_assets.slates.slate import Slate
from nascar_assets.views.in_force import in_force, sources_of, weighted_means


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
    racing = [player.driver_id for player in slate.players]
    held = _held(settings, slate)
    by_hand = _by_hand(held)
    own = _ownerships(stated, by_hand, slate, cash)
    shares = renormalised(
        own if _fill_lineups(own, by_hand, slate) else {d: own[d] for d in own if own[d] > 0.0},
        len(racing) - len(by_hand.keys() & set(racing)),
        max(0.0, slate.rules.roster_size - sum(by_hand.get(d, 0.0) for d in racing)),
    )
    lower, upper = (weighted_means(stated, name) for name in ("min_exposure", "max_exposure"))
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


def ownerships_left_out(
    settings: PortfolioSettings, statements: pl.DataFrame, slate: Slate
) -> tuple[str, ...]:
    """Where ownerships of 0% leave the field no lineup, so that the model's stand for them.

    Args:
        settings: The settings.
        statements: The slate's views, a table `VIEWS`.
        slate: The slate.
    """
    stated, said = in_force(statements, "ownership"), []
    by_hand = _by_hand(_held(settings, slate))
    for cash in (False, True):
        own = _ownerships(stated, by_hand, slate, cash)
        none = [driver for driver, share in own.items() if share == 0.0]
        if none and not _fill_lineups(own, by_hand, slate):
            whose = sources_of(stated.filter(pl.col("driver_id").is_in(none)))
            said.append(
                f"Ownerships of 0% leave the field no lineup to play ({len(none)} drivers, by "
                f"{whose}): the model's stand for them."
            )
    return tuple(dict.fromkeys(said))


def _held(settings: PortfolioSettings, slate: Slate) -> dict[str, tuple[str, DriverSettings]]:
    """What the settings call each driver that they name and say of him, by his id."""
    return {
        slate.everyone[find_driver(slate, key, field=f"drivers.{key}")].driver_id: (key, row)
        for key, row in settings.drivers.items()
    }


def _by_hand(held: Mapping[str, tuple[str, DriverSettings]]) -> dict[str, float]:
    """Ownerships that the settings give."""
    return {d: row.ownership for d, (_, row) in held.items() if row.ownership is not None}


def _ownerships(
    stated: pl.DataFrame, by_hand: Mapping[str, float], slate: Slate, cash: bool
) -> dict[str, float]:
    """Ownerships that views state of who races and has none by hand."""
    kind = "cash_ownership" if cash else "tournament_ownership"
    own = weighted_means(stated, kind, "ownership")
    racing = {player.driver_id for player in slate.players}
    return {d: share for d, share in own.items() if d in racing and d not in by_hand}


def _fill_lineups(own: Mapping[str, float], by_hand: Mapping[str, float], slate: Slate) -> bool:
    """Whether a field that plays nobody of ownership 0 can fill its lineups under the cap.

    A driver of whom views state more than nothing may be scaled up to be in every lineup.
    """
    size, places = slate.rules.roster_size, 0.0
    salaries = []
    for player in slate.players:
        driver = player.driver_id
        share = by_hand[driver] if driver in by_hand else float(own.get(driver, 1.0) > 0.0)
        places += share
        salaries += [player.salary] if share > 0.0 else []
    return places >= size - 1e-9 and sum(sorted(salaries)[:size]) <= slate.rules.salary_cap


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
        if total > high:
            return {d: share * high / total for d, share in found.items()}
        wanted = max(total, low)
        free = sum(share for share in found.values() if share < 1.0)
        if free <= 0.0 or abs(wanted - total) < 1e-12:
            break
        factor = 1.0 + (wanted - total) / free
        found = {d: min(1.0, share * factor) if share < 1.0 else 1.0 for d, share in found.items()}
    return found
