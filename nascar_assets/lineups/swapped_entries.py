"""A filled entries file mended after a scratch: every entry's lineup, every setting of the set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.entries_file import (
    ContestEntry,
    LockedEntry,
    locked_notices,
    read_entries,
    write_entries,
)
from nascar_assets.lineups.late_swap import late_swap
from nascar_assets.lineups.problem import CountRule, resolve
from nascar_assets.lineups.settings import DriverSettings, GroupSettings, PortfolioSettings
from nascar_assets.slates.slate import Slate

Lineup = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SwappedEntries:
    """A mended entries file.

    Attributes:
        content: The file.
        entries: Filled entries in it.
        changes: Every driver replaced and the entries that this is in, in words.
        notices: Settings that no longer apply, and why.
    """

    content: bytes
    entries: int
    changes: tuple[str, ...]
    notices: tuple[str, ...]


def swap_entries(
    content: bytes,
    slate: Slate,
    scenario_points: npt.NDArray[np.integer],
    settings: PortfolioSettings | Mapping[str, Any] | None,
    portfolio: npt.ArrayLike | Sequence[Sequence[int]],
    scratched: Sequence[str],
    *,
    vetoes: Sequence[CountRule] = (),
    file: str = "DKEntries.csv",
) -> SwappedEntries:
    """Replaces drivers who do not race in a filled entries file with the fewest changes.

    Entries that are locked stay as they are; bounds over the set count their lineups.

    Where the file's lineups are the portfolio's, or some of them, the whole portfolio is mended,
    so that exposures hold over the set they were asked for. A file with lineups of its own is
    mended by itself: settings over the set that it did not keep before are set aside with a notice.

    Args:
        content: The file.
        slate: The slate; who is absent by it is replaced.
        scenario_points: [S, N] contest points, as for `build_portfolio`.
        settings: The settings of the portfolio.
        portfolio: [n, roster_size] the slate's portfolio, indices into `slate.players`.
        scratched: Names, site ids or driver ids of drivers besides who will not race.
        vetoes: Rules on each lineup that hold besides, as for `build_portfolio`.
        file: The file's name, for messages.

    Raises:
        InputError: If no entry is filled, the file is at fault or a driver is unknown.
        InfeasiblePortfolio: If no change keeps every setting.
        LockedEntry: If every filled entry is locked.
    """
    settings = PortfolioSettings.of(settings)
    held: dict[Lineup, list[ContestEntry]] = {}
    entries = read_entries(content, slate, file=file)
    for entry in entries:
        if entry.lineup is not None:
            held.setdefault(tuple(sorted(entry.lineup)), []).append(entry)
    if not held:
        raise InputError(
            "no entry in the file is filled.", file=file, remedy="Fill it first: entries fill."
        )
    if all(entry.locked for members in held.values() for entry in members):
        raise LockedEntry(
            "every filled entry in the file is locked; no lineup can change any more.", file=file
        )
    whole = [tuple(sorted(row)) for row in np.asarray(portfolio, np.int64).tolist()]
    notices: list[str] = []
    strangers = sum(lineup not in whole for lineup in held)
    if strangers:
        whole = list(held)
        settings, notices = _kept_now(slate, settings, whole)
        notices.insert(
            0,
            f"{strangers} of the file's {len(held)} lineups are not in the slate's portfolio: "
            "the file's lineups are mended by themselves. Drivers scratched by hand before may "
            "come back in: name them too.",
        )
    movable = {
        lineup: [entry for entry in members if not entry.locked] for lineup, members in held.items()
    }
    swap = late_swap(
        scenario_points,
        slate,
        settings,
        np.array(whole),
        scratched,
        vetoes=vetoes,
        fixed=[row for row, lineup in enumerate(whole) if movable.get(lineup) == []],
    )
    after = dict(zip(whole, swap.drivers.tolist(), strict=True))
    chosen = {entry.entry_id: after[key] for key, members in movable.items() for entry in members}
    changes = []
    for change in swap.changes:
        members = movable.get(whole[change.lineup - 1], [])
        if members:
            ids = ", ".join(entry.entry_id for entry in members)
            word = "entry" if len(members) == 1 else "entries"
            changes.append(f"{word} {ids}: {change.out} out, {change.into} in")
    return SwappedEntries(
        write_entries(content, slate, chosen, file=file),
        len(chosen),
        tuple(changes),
        (*locked_notices(entries), *notices, *swap.notices),
    )


def _kept_now(
    slate: Slate, settings: PortfolioSettings, lineups: Sequence[Lineup]
) -> tuple[PortfolioSettings, list[str]]:
    """The settings without those over the set that these lineups do not keep as they stand."""
    settings = settings.model_copy(update={"lineups": len(lineups)})
    notices = []
    broken: dict[tuple[int, str], bool] = {}
    masks = [sum(1 << i for i in lineup) for lineup in lineups]
    for exposure in resolve(slate, settings).exposures:
        count = sum(bool(mask & exposure.target) for mask in masks)
        for side, label, misses in (
            ("min_exposure", exposure.lower_label, count < exposure.lower),
            ("max_exposure", exposure.upper_label, count > exposure.upper),
        ):
            if label is not None and misses:
                broken[exposure.target, side] = True
                notices.append(f"{label}: set aside, the file does not keep it as it is.")
    if settings.max_shared is not None and any(
        (one & other).bit_count() > settings.max_shared
        for place, one in enumerate(masks)
        for other in masks[:place]
    ):
        notices.append(
            f"max_shared = {settings.max_shared}: set aside, the file does not keep it as it is."
        )
        settings = settings.model_copy(update={"max_shared": None})
    if not broken:
        return settings, notices

    def loosened(part: Any, names: Sequence[str]) -> Any:
        single = PortfolioSettings(
            lineups=len(lineups),
            groups=(GroupSettings(drivers=tuple(names), min_exposure=0.0),),
        )
        target = resolve(slate, single).group_masks[0]
        sides = [side for side in ("min_exposure", "max_exposure") if (target, side) in broken]
        return part.model_copy(update=dict.fromkeys(sides))

    drivers: dict[str, DriverSettings] = {
        key: loosened(driver, (key,)) for key, driver in settings.drivers.items()
    }
    groups = tuple(loosened(group, group.drivers) for group in settings.groups)
    return settings.model_copy(update={"drivers": drivers, "groups": groups}), notices
