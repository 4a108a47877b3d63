"""Dollars at risk: fees of entries by driver and group, held to their limits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nascar_assets.errors import InputError
from nascar_assets.lineups.entries_file import ContestEntry
from nascar_assets.lineups.problem import find_driver
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Dollars of fees on entries that hold a driver, or one of a group.

    Attributes:
        name: The driver or group.
        dollars: Fees of the entries with him.
        entries: Those entries.
        limit: The setting `max_dollars`; none where there is none.
    """

    name: str
    dollars: float
    entries: int
    limit: float | None


class Book:
    """Fees on entries by driver and group, against their limits.

    Args:
        slate: The slate.
        settings: The settings, of drivers and groups with their `max_dollars`.
    """

    def __init__(self, slate: Slate, settings: PortfolioSettings) -> None:
        self.slate = slate
        self.cents = [0] * len(slate.everyone)
        self.count = [0] * len(slate.everyone)
        self.limits: dict[str, tuple[frozenset[int], float]] = {}
        self.names: dict[str, str] = {}
        for key, driver in settings.drivers.items():
            if driver.max_dollars is not None:
                at = find_driver(slate, key, field=f"drivers.{key}")
                self.limits[key] = frozenset({at}), driver.max_dollars
                self.names[key] = slate.everyone[at].name
        for place, group in enumerate(settings.groups):
            if group.max_dollars is not None:
                members = frozenset(
                    find_driver(slate, name, field=f"groups.{place}.drivers")
                    for name in group.drivers
                )
                self.limits[f"groups.{place}"] = members, group.max_dollars
                self.names[f"groups.{place}"] = group.name or ", ".join(group.drivers)
        self.spent = {key: [0, 0] for key in self.limits}

    def enter(self, lineup: Sequence[int], fee: int, times: int = 1) -> None:
        """Counts an entry's fee for its drivers, in cents; with `times` of -1 it is taken back."""
        for driver in set(lineup):
            self.cents[driver] += fee * times
            self.count[driver] += times
        for key, (members, _) in self.limits.items():
            if members & set(lineup):
                self.spent[key][0] += fee * times
                self.spent[key][1] += times

    def check_fees(self, entries: Iterable[ContestEntry], file: str) -> tuple[str, ...]:
        """What to say of entries whose fees count as nothing because the file has no amount.

        Args:
            entries: The entries whose fees are counted.
            file: The file's name.

        Raises:
            InputError: If there are limits, and a fee is given that is no amount: they would be
                passed unseen.
        """
        without = [entry for entry in entries if entry.fee_cents is None]
        said = next((entry for entry in without if entry.entry_fee), None)
        if not without or (said is None and not self.limits):
            return ()
        if said is not None and self.limits:
            raise InputError(
                f"{said.entry_fee!r} is no fee in dollars, and max_dollars limits them.",
                file=file,
                row=said.row,
                field=self.slate.site.entry_columns["entry_fee"],
                remedy="Write it as 5.00 or $5.00, or Free, or take max_dollars out.",
            )
        ids = ", ".join(entry.entry_id for entry in without)
        return (f"Without a fee in dollars, and not in the dollars at risk: {ids}.",)

    def bounded(
        self,
        settings: PortfolioSettings,
        fee: int,
        share: float = 1.0,
        held: Sequence[Sequence[int]] = (),
        locked: Collection[Sequence[int]] = (),
    ) -> PortfolioSettings:
        """Settings of some lineups with what dollars are left as bounds on exposures.

        Args:
            settings: The settings of those lineups.
            fee: Cents that a lineup costs at most, over all of its entries.
            share: The share that these lineups have of what is left.
            held: The lineups as they stand: what they hold of a driver now they may go on holding.
            locked: Lineups among them whose fees are spent already, out of what is left.
        """
        if not fee or not self.limits:
            return settings
        drivers, groups = dict(settings.drivers), list(settings.groups)
        for key, (members, limit) in self.limits.items():
            room = max(round(100 * limit) - self.spent[key][0], 0) * share
            now = sum(bool(members & set(lineup)) for lineup in held)
            more = int(room // fee) + sum(bool(members & set(lineup)) for lineup in locked)
            upper = min(max(more, now), settings.lineups) / settings.lineups
            if key.startswith("groups."):
                place = int(key.split(".")[1])
                one = groups[place]
                groups[place] = one.model_copy(update={"max_exposure": _less(one, upper)})
            else:
                row = drivers[key]
                drivers[key] = row.model_copy(update={"max_exposure": _less(row, upper)})
        return settings.model_copy(update={"drivers": drivers, "groups": tuple(groups)})

    def over(self) -> dict[str, int]:
        """The limits that do not hold, by key, with the cents that are spent."""
        return {
            key: self.spent[key][0]
            for key, (_, limit) in self.limits.items()
            if self.spent[key][0] > round(100 * limit)
        }

    def check(self, file: str, before: Mapping[str, int] | None = None) -> None:
        """Refuses a file in which a limit does not hold.

        Args:
            file: The file's name.
            before: What `over` said of it before it was changed: that much may stay.

        Raises:
            InputError: If more is spent on a driver or group than it may be.
        """
        for key, spent in self.over().items():
            limit = self.limits[key][1]
            if spent > (before or {}).get(key, 0):
                raise InputError(
                    f"{self.names[key]} would be in entries of "
                    f"${self.spent[key][0] / 100:,.2f}, above max_dollars = {limit:,.2f}.",
                    file=file,
                    field=key if key.startswith("groups.") else f"drivers.{key}",
                    remedy="Give the contests sections of their own in the settings ([[contests]]),"
                    " which keep it, or lower max_exposure.",
                )

    def at_risk(self) -> tuple[AtRisk, ...]:
        """Drivers and groups by dollars."""
        own = {next(iter(m)): limit for k, (m, limit) in self.limits.items() if len(m) == 1}
        rows = [
            AtRisk(player.name, self.cents[at] / 100, self.count[at], own.get(at))
            for at, player in enumerate(self.slate.everyone)
            if self.count[at]
        ]
        rows += [
            AtRisk(self.names[key], self.spent[key][0] / 100, self.spent[key][1], limit)
            for key, (_, limit) in self.limits.items()
            if key.startswith("groups.")
        ]
        return tuple(sorted(rows, key=lambda row: (-row.dollars, row.name)))


def _less(row: object, upper: float) -> float:
    before = getattr(row, "max_exposure", None)
    return upper if before is None else min(before, upper)
