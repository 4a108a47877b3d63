"""A slate from a salary file: drivers resolved to the feed's, who may be picked, and notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.grid import known_grid
from nascar_assets.feed.names import DriverDirectory, Resolution
from nascar_assets.rules import RuleSet, site_of
from nascar_assets.rules.race_day import race_day
from nascar_assets.slates.salaries import SalaryFile, SalaryRow
from nascar_assets.slates.slate import Slate, SlatePlayer

_EXACT = "exact"


def slate_key(
    race: Mapping[str, Any],
    rules: RuleSet,
    schedule: pl.DataFrame | None = None,
    taken: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """The slate's partition key: `{date of the race, Eastern}-{series}-{site}-{contest}`.

    A race that has a slate keeps its key, wherever the schedule moves it. A new key has the number
    of the race's own key at its end (`-x02`) where the series has two races on the day, or where
    the key is another race's; that number never changes.

    Args:
        race: The race's row of `SCHEDULE`.
        schedule: A table `SCHEDULE`, to see the day's other races.
        taken: Race id and contest of every slate there is, by key.
    """
    taken, own = taken or {}, (race["race_id"], rules.key)
    day = race_day(race["start_time"])
    key = f"{day.isoformat()}-{race['series']}-{rules.key}"
    for known in (key, *taken):
        if taken.get(known) == own:
            return known
    if schedule is not None:
        starts = schedule.filter(series=race["series"])["start_time"]
        several = sum(race_day(start) == day for start in starts) > 1
        if several or key in taken:
            return f"{key}-{race['race_key'].rsplit('-', 1)[-1]}"
    return key


def build_slate(
    salaries: SalaryFile,
    race: Mapping[str, Any],
    entries: pl.DataFrame | None,
    directory: DriverDirectory,
    rules: RuleSet,
    *,
    slate_id: str | None = None,
    earlier: Sequence[SlatePlayer] = (),
    last_teams: Mapping[str, str | None] | None = None,
) -> Slate:
    """The players of one contest on one race.

    - A driver whose status says that he is out is left out.
    - With an entry list, names are resolved among its drivers first, then in the directory; who is
      not in the list, or did not qualify, is left out, a name that fits several drivers too.
    - Without one, a name that no feed knows, or that fits several drivers, is carried as a
      newcomer, `new:{site id}`.
    - Where two rows are one driver, the one whose name is the same is kept, else the first.

    Each of these is reported in a notice; who is left out is kept in `absent`. A driver's id is the
    one of the entry list, also where that is a placeholder.

    Args:
        race: The race's row of `SCHEDULE`.
        entries: The race's `ENTRIES`; none or empty where there is no entry list yet.
        directory: Every driver the feed knows.
        slate_id: The slate's key where it is not that of the race's date.
        earlier: Rows of the slate's salary file of before; those that are gone from it are absent.
        last_teams: Teams by driver id as of their last races, for slates without an entry list.

    Raises:
        InputError: If the file is of another site than the contest, or the players left allow no
            legal lineup.
    """
    columns = salaries.site.salary_columns
    if salaries.site is not site_of(rules.key):
        raise InputError(
            f"The file is from {salaries.site.name} and the contest {rules.key} is not.",
            file=salaries.source.path,
            remedy="Name a contest of the file's site.",
        )
    listed = entries if entries is not None and not entries.is_empty() else None
    notices = list(salaries.notices)
    resolved: dict[str, tuple[SalaryRow, Resolution]] = {}
    absent: list[SlatePlayer] = []
    local = None if listed is None else DriverDirectory.from_frames(listed)
    unqualified = set() if listed is None else set(known_grid(listed)[1]["driver_id"])
    teams = (
        dict(last_teams or {})
        if listed is None
        else dict(
            listed.select("driver_id", "team")
            .unique("driver_id", keep="first", maintain_order=True)
            .iter_rows()
        )
    )

    def who(row: SalaryRow) -> str:
        return f"{row.name} ({salaries.source.path}, row {row.row}, {columns['name']})"

    teams_before = {player.site_id: player.team for player in earlier}

    def player(row: SalaryRow, driver_id: str, reason: str | None = None) -> SlatePlayer:
        return SlatePlayer(
            driver_id=driver_id,
            name=row.name,
            site_id=row.site_id,
            salary=row.salary,
            team=teams.get(driver_id) or (teams_before.get(row.site_id) if reason else None),
            average_points=row.average_points,
            status=row.status,
            reason=reason,
        )

    for row in salaries.rows:
        found, reason, said = _resolve(row, who(row), local, directory)
        driver_id = found.driver_id or f"new:{row.site_id}"
        if row.out:
            reason = f"marked {row.status} in the salary file"
            said = [f"{who(row)} is {row.status} and left out."]
        elif reason is None and driver_id in unqualified:
            reason = "did not qualify"
            said = [f"{who(row)} did not qualify (the grid has no place for him) and is left out."]
        notices += said
        if reason is not None:
            absent.append(player(row, driver_id, reason))
            continue
        before = resolved.setdefault(driver_id, (row, found))
        if before[0] is not row:
            dropped = row
            if found.how == _EXACT and before[1].how != _EXACT:
                resolved[driver_id], dropped = (row, found), before[0]
            kept = resolved[driver_id][0]
            absent.append(player(dropped, driver_id, f"a second row of {kept.name}"))
            notices.append(
                f"{who(dropped)} is the same driver as {kept.name} (row {kept.row}) and left out."
            )
    players = tuple(
        player(row, driver_id)
        for driver_id, (row, _) in sorted(resolved.items(), key=lambda item: item[1][0].row)
    )
    _check_lineup_exists(players, rules, salaries)
    if local is not None:
        reported = {player.driver_id for player in absent}
        notices += _not_priced(local, {*resolved, *unqualified, *reported})
    known = {name for row in (*players, *absent) for name in (row.driver_id, row.site_id)}
    for row_before in earlier:
        if not {row_before.driver_id, row_before.site_id} & known:
            absent.append(replace(row_before, reason="no longer in the salary file"))
            notices.append(f"{row_before.name} is no longer in the salary file and left out.")
    return Slate(
        slate_id=slate_id or slate_key(race, rules),
        race_id=race["race_id"],
        race_key=race["race_key"],
        rules=rules,
        lock=race["start_time"],
        players=players,
        source=salaries.source,
        notices=tuple(notices),
        absent=tuple(absent),
    )


def _resolve(
    row: SalaryRow, who: str, local: DriverDirectory | None, directory: DriverDirectory
) -> tuple[Resolution, str | None, list[str]]:
    """The driver of a row, why he is left out (none where he is not), and notices."""
    known = directory.resolve(row.name)
    if local is None:
        if known.driver_id is not None:
            return known, None, _notices(who, known, directory)
        hint = f" Nearest: {', '.join(known.candidates)}." if known.candidates else ""
        what = "fits several drivers" if known.how == "ambiguous" else "is not known to the feed"
        notice = (
            f"{who} {what} and is carried as a newcomer with a wide prior.{hint} If he is one of "
            "the feed's drivers, write the name as the feed does."
        )
        return Resolution(f"new:{row.site_id}", (), "newcomer"), None, [notice]
    found = local.resolve(row.name)
    if found.driver_id is not None and not _someone_else(found, known, directory):
        return found, None, _notices(who, found, local)
    entered = [i for i in local.names if directory.canonical(i) == known.driver_id]
    if known.driver_id is not None and entered:
        known = Resolution(entered[-1], (), known.how)
        return known, None, _notices(who, known, local)
    hint = f" Nearest in the entry list: {', '.join(found.candidates)}." if found.candidates else ""
    several = found.how == "ambiguous"
    what = "fits several drivers" if several else "is not in the entry list"
    notice = (
        f"{who} {what} and is left out.{hint} If he races, sync the feed again, or write the "
        "name as the entry list does."
    )
    reason = "a name of several drivers" if several else "not in the entry list"
    return known, reason, [notice]


def _someone_else(found: Resolution, known: Resolution, directory: DriverDirectory) -> bool:
    """Whether a name that is only much like an entrant's is another driver's own name."""
    return (
        found.how != _EXACT
        and found.driver_id is not None
        and known.how == _EXACT
        and known.driver_id != directory.canonical(found.driver_id)
    )


def _notices(who: str, found: Resolution, directory: DriverDirectory) -> list[str]:
    """A notice where a name was resolved by more than its own spelling."""
    if found.how == _EXACT or found.driver_id is None:
        return []
    name = directory.names.get(found.driver_id, found.driver_id)
    return [f"{who} is taken for {name} ({found.driver_id}) by {found.how}."]


def _not_priced(local: DriverDirectory, priced: Any) -> list[str]:
    return [
        f"{name} ({driver_id}) is in the entry list and has no salary."
        for driver_id, name in sorted(local.names.items())
        if driver_id not in priced
    ]


def _check_lineup_exists(
    players: tuple[SlatePlayer, ...], rules: RuleSet, salaries: SalaryFile
) -> None:
    columns = salaries.site.salary_columns
    if len(players) < rules.roster_size:
        raise InputError(
            f"{len(players)} drivers can be picked and a lineup has {rules.roster_size}.",
            file=salaries.source.path,
            field=columns["name"],
            remedy="See the notices for drivers that were left out; the file must be of this race.",
        )
    lower = sum(sorted(player.salary for player in players)[: rules.roster_size])
    if lower > rules.salary_cap:
        raise InputError(
            f"The {rules.roster_size} cheapest drivers cost ${lower:,}, above the cap of "
            f"${rules.salary_cap:,}: no legal lineup exists.",
            file=salaries.source.path,
            field=columns["salary"],
            remedy="Check the salaries, and that the file is of the contest type that it seems.",
        )
