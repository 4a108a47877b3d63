"""A slate from a salary file: drivers resolved to the feed's, who may be picked, and notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory, Resolution
from nascar_assets.rules import RuleSet
from nascar_assets.rules.race_day import race_day
from nascar_assets.slates.salaries import SalaryFile, SalaryRow
from nascar_assets.slates.slate import Slate, SlatePlayer

_EXACT = "exact"

_NAME_FIELD = {"dk": "Name", "fd": "Nickname"}


def slate_key(race: Mapping[str, Any], rules: RuleSet) -> str:
    """The slate's partition key: `{date of the race, Eastern}-{series}-{site}-{contest}`."""
    return f"{race_day(race['start_time']).isoformat()}-{race['series']}-{rules.key}"


def build_slate(
    salaries: SalaryFile,
    race: Mapping[str, Any],
    entries: pl.DataFrame | None,
    directory: DriverDirectory,
    rules: RuleSet,
) -> Slate:
    """The players of one contest on one race.

    - A driver whose status says that he is out is left out.
    - With an entry list, names are resolved among its drivers first, then in the directory; who is
      not in the list is left out, a name that fits several drivers too.
    - Without one, a name that no feed knows, or that fits several drivers, is carried as a
      newcomer, `new:{site id}`.
    - Where two rows are one driver, the one whose name is the same is kept, else the first.

    Each of these is told in a notice. A driver's id is the one of the entry list, also where that
    is a placeholder.

    Args:
        salaries: The salary file.
        race: The race's row of `SCHEDULE`.
        entries: The race's `ENTRIES`; none or empty where there is no entry list yet.
        directory: Every driver the feed knows.
        rules: The contest's rules.

    Raises:
        InputError: If the file is of another site than the contest, or the players left allow no
            legal lineup.
    """
    if salaries.site != rules.site:
        raise InputError(
            f"The file is from {salaries.site} and the contest {rules.key} is not.",
            file=salaries.filename,
            remedy="Name a contest of the file's site.",
        )
    listed = entries if entries is not None and not entries.is_empty() else None
    notices = list(salaries.notices)
    resolved: dict[str, tuple[SalaryRow, Resolution]] = {}
    local = None if listed is None else DriverDirectory.from_frames(listed)
    by_canonical = (
        {} if listed is None else {directory.canonical(i): i for i in listed["driver_id"].unique()}
    )

    def who(row: SalaryRow) -> str:
        return f"{row.name} ({salaries.filename}, row {row.row}, {_NAME_FIELD[salaries.site]})"

    for row in salaries.rows:
        if row.out:
            notices.append(f"{who(row)} is {row.status} and left out.")
            continue
        found = _resolve(row, who(row), local, by_canonical, directory, notices)
        if found is None:
            continue
        driver_id = found.driver_id
        assert driver_id is not None
        before = resolved.get(driver_id)
        if before is not None:
            dropped = row
            if found.how == _EXACT and before[1].how != _EXACT:
                resolved[driver_id], dropped = (row, found), before[0]
            notices.append(
                f"{who(dropped)} is the same driver as {resolved[driver_id][0].name} "
                f"(row {resolved[driver_id][0].row}) and left out."
            )
            continue
        resolved[driver_id] = (row, found)
    teams = (
        {}
        if listed is None
        else dict(listed.select("driver_id", "team").unique("driver_id").iter_rows())
    )
    players = tuple(
        SlatePlayer(
            driver_id=driver_id,
            name=row.name,
            site_id=row.site_id,
            salary=row.salary,
            team=teams.get(driver_id),
            average_points=row.average_points,
            status=row.status,
        )
        for driver_id, (row, _) in sorted(resolved.items(), key=lambda item: item[1][0].row)
    )
    _check_lineup_exists(players, rules, salaries.filename)
    if local is not None:
        notices += _not_priced(local, resolved.keys())
    return Slate(
        slate_id=slate_key(race, rules),
        race_id=race["race_id"],
        race_key=race["race_key"],
        rules=rules,
        lock=race["start_time"],
        players=players,
        source=salaries.filename,
        source_hash=salaries.sha256,
        notices=tuple(notices),
    )


def _resolve(
    row: SalaryRow,
    who: str,
    local: DriverDirectory | None,
    by_canonical: Mapping[str, str],
    directory: DriverDirectory,
    notices: list[str],
) -> Resolution | None:
    """The driver of a row; none where he is left out, with a notice that says `who` he is."""
    if local is not None:
        found = local.resolve(row.name)
        known = directory.resolve(row.name)
        if found.driver_id is not None and not _someone_else(found, known, directory):
            _told(who, found, local, notices)
            return found
        entered = by_canonical.get(known.driver_id) if known.driver_id is not None else None
        if entered is not None:
            known = Resolution(entered, (), known.how)
            _told(who, known, local, notices)
            return known
        nearest = found.candidates
        hint = f" Nearest in the entry list: {', '.join(nearest)}." if nearest else ""
        what = "fits several drivers" if found.how == "ambiguous" else "is not in the entry list"
        notices.append(
            f"{who} {what} and is left out.{hint} If he races, sync the feed again, or write the "
            "name as the entry list does."
        )
        return None
    found = directory.resolve(row.name)
    if found.driver_id is not None:
        _told(who, found, directory, notices)
        return found
    hint = f" Nearest: {', '.join(found.candidates)}." if found.candidates else ""
    what = "fits several drivers" if found.how == "ambiguous" else "is not known to the feed"
    notices.append(
        f"{who} {what} and is carried as a newcomer with a wide prior.{hint} If he is one of the "
        "feed's drivers, write the name as the feed does."
    )
    return Resolution(f"new:{row.site_id}", (), "newcomer")


def _someone_else(found: Resolution, known: Resolution, directory: DriverDirectory) -> bool:
    """Whether a name that is only much like an entrant's is another driver's own name."""
    return (
        found.how != _EXACT
        and found.driver_id is not None
        and known.how == _EXACT
        and known.driver_id != directory.canonical(found.driver_id)
    )


def _told(who: str, found: Resolution, directory: DriverDirectory, notices: list[str]) -> None:
    """A notice where a name was resolved by more than its own spelling."""
    if found.how != _EXACT and found.driver_id is not None:
        name = directory.names.get(found.driver_id, found.driver_id)
        notices.append(f"{who} is taken for {name} ({found.driver_id}) by {found.how}.")


def _not_priced(local: DriverDirectory, priced: Any) -> list[str]:
    return [
        f"{name} ({driver_id}) is in the entry list and has no salary."
        for driver_id, name in sorted(local.names.items())
        if driver_id not in priced
    ]


def _check_lineup_exists(players: tuple[SlatePlayer, ...], rules: RuleSet, file: str) -> None:
    if len(players) < rules.roster_size:
        raise InputError(
            f"{len(players)} drivers can be picked and a lineup has {rules.roster_size}.",
            file=file,
            field="Name",
            remedy="See the notices for drivers that were left out; the file must be of this race.",
        )
    least = sum(sorted(player.salary for player in players)[: rules.roster_size])
    if least > rules.salary_cap:
        raise InputError(
            f"The {rules.roster_size} cheapest drivers cost ${least:,}, above the cap of "
            f"${rules.salary_cap:,}: no legal lineup exists.",
            file=file,
            field="Salary",
            remedy="Check the salaries, and that the file is of the contest type that it seems.",
        )
