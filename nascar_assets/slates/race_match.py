"""The race that a salary file is for, by name, date, series and entry list; never guessed."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.rules.race_day import EASTERN, race_day
from nascar_assets.slates.salaries import SalaryFile

EXPORT_LEAD = timedelta(days=8)
"""A race is held on the date in a salary file's name or up to so long after it."""

GOOD_MATCH = 0.6
"""Least similarity of names for a race to be taken."""

SAME_NAME = 0.95
"""Similarity from which two names are the same but for a sponsor at the end."""

CLEAR_MARGIN = 0.15
"""How much more alike the best name must be than the next."""

ENTERED = 0.8
"""Least share of a file's drivers in a race's entry list for the race to be taken by it."""

ENTERED_MARGIN = 0.1
"""Races whose shares are nearer to the best than this fit alike: then their dates decide."""

Entered = Callable[[str], DriverDirectory | None]
"""From a race's key to the drivers of its entry list; none where it is not known yet."""

_HOW = (
    "put the race's key into the file's name or its folder's (2026-cup-05-DKSalaries.csv, "
    "2026-cup-05/DKSalaries.csv), or give --race"
)
_SHORTENED_FROM = 5  # letters that must be left of a name that was shortened
_LISTED = 6
_OVER = timedelta(hours=6)
_SPONSOR = re.compile(r"\b(?:presented|powered|available|sponsored|fueled)\s+(?:by|at|b)?\b.*$")
_FILLERS = frozenset({"the", "a", "at", "of", "by", "race", "nascar"})


def find_race(
    salaries: SalaryFile,
    schedule: pl.DataFrame,
    *,
    race: str | None = None,
    now: datetime,
    entered: Entered = lambda race_key: None,
) -> tuple[dict[str, Any], str | None]:
    """The race of a salary file.

    Without `race` and without a race's key in the file's name or folder, the races of the file's
    series (where its name tells it), held on the date in its name or up to 8 days after (where
    there is one; else in the year in its name, where there is one), are compared by name: the same
    name, the same but for a sponsor at its end, a name that begins the other, else by the words
    that both have. One must be a good match, and clearly better than every other. Where a race of
    that name is held in several seasons and nothing else decides, the next one that is not over is
    taken, if its season has no other of the name ahead.

    Where the name does not decide, entry lists and dates do: of these races (of a file without a
    date those that are not over and begin within 8 days) a race fits whose entry list holds 80% of
    the file's drivers; of races that fit within 10 points of the best the first is taken, if it is
    alone on its day.

    Args:
        schedule: A table `SCHEDULE`.
        race: A race id, a race key or part of a race's name, from a person; decides alone where it
            names one race, else among the races that the file's own hints leave.
        now: The time (UTC), for files without a date.
        entered: The entry lists that are known by now.

    Returns:
        The race's row of the schedule; and, where the entry list decided, what a person should
        know.

    Raises:
        InputError: If no race fits, or more than one; lists the nearest with their keys.
    """
    if schedule.is_empty():
        raise InputError(
            "The schedule is empty.", file=salaries.source.path, remedy="Run nascar sync first."
        )
    asked = (race or "").strip() or salaries.race_key
    if asked:
        return _asked(salaries, schedule, asked, now), None
    hinted = _hinted(salaries, schedule)
    try:
        if salaries.race_name:
            return _by_name(salaries, hinted, schedule, now), None
        raise InputError(
            "The file does not name its race.",
            file=salaries.source.path,
            field=salaries.site.salary_columns.get("race"),
            remedy=_choose(hinted, now),
        )
    except InputError as error:
        found, shares = _by_entries(salaries, hinted, entered, now)
        if found is not None:
            called = f", which calls it {salaries.race_name!r}," if salaries.race_name else ""
            return found, (
                f"The race of {salaries.source.path}{called} is taken to be {found['race_key']} "
                f"{found['race_name']}, by entry list and date ({shares}). If it is another, "
                f"{_HOW}."
            )
        raise InputError(
            error.message + (f" By entry lists: {shares}." if shares else ""),
            file=error.file,
            field=error.field,
            remedy=error.remedy,
        ) from error


def _by_entries(
    salaries: SalaryFile, hinted: pl.DataFrame, entered: Entered, now: datetime
) -> tuple[dict[str, Any] | None, str]:
    """The race that entry lists and dates tell, if they do; and how many drivers are in which."""
    if salaries.date is None:
        hinted = hinted.filter(pl.col("start_time").is_between(now - _OVER, now + EXPORT_LEAD))
    names = [row.name for row in salaries.rows if not row.out]
    fits: list[tuple[float, dict[str, Any]]] = []
    reasons = []
    for row in hinted.sort("start_time", "race_id").iter_rows(named=True):
        known = entered(row["race_key"])
        if known is None:
            reasons.append(f"the entry list of {row['race_key']} is not known yet")
        elif names:
            there = sum(known.resolve(name).driver_id is not None for name in names)
            reasons.append(f"{there} of its {len(names)} drivers are entered in {row['race_key']}")
            if there >= ENTERED * len(names):
                fits.append((there / len(names), row))
    best = max((share for share, _ in fits), default=0.0)
    near = [row for share, row in fits if share > best - ENTERED_MARGIN]
    same_day = [
        row for row in near if race_day(row["start_time"]) == race_day(near[0]["start_time"])
    ]
    return same_day[0] if len(same_day) == 1 else None, "; ".join(reasons[:_LISTED])


def name_similarity(one: str, other: str) -> float:
    """How alike two names of races are, from 0 to 1.

    1 for the same words, 0.95 for the same but for a sponsor at the end, 0.9 where one name begins
    the other (a name cut off), else at most 0.85 by the words that both have.
    """
    first, second = _plain(one), _plain(other)
    if not first or not second:
        return 0.0
    if first == second:
        return 1.0
    if _without_sponsor(first) == _without_sponsor(second):
        return SAME_NAME
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) >= _SHORTENED_FROM and longer.startswith(shorter):
        return 0.9
    return 0.85 * max(_word_overlap(first, second), _word_overlap(_without_sponsor(first), second))


def _asked(
    salaries: SalaryFile, schedule: pl.DataFrame, race: str, now: datetime
) -> dict[str, Any]:
    named = races_called(schedule, race)
    for found in (named, _hinted(salaries, named)):
        if found.height == 1:
            return found.row(0, named=True)
    hinted = _hinted(salaries, named)
    if named.is_empty():
        raise InputError(
            f"No race is called {race!r}.",
            file=salaries.source.path if race == salaries.race_key else None,
            field="--race",
            remedy=_choose(nearest_races(race, _hinted(salaries, schedule)), now),
        )
    raise InputError(
        f"{race!r} names several races.",
        field="--race",
        remedy=_choose(named if hinted.is_empty() else hinted, now),
    )


def _by_name(
    salaries: SalaryFile, hinted: pl.DataFrame, schedule: pl.DataFrame, now: datetime
) -> dict[str, Any]:
    scored = sorted(
        (
            (name_similarity(salaries.race_name, row["race_name"]), row)
            for row in hinted.iter_rows(named=True)
        ),
        key=lambda item: -item[0],
    )
    good = [(score, row) for score, row in scored if score >= GOOD_MATCH]
    if not good:
        raise InputError(
            f"No race {_when(salaries)} is called {salaries.race_name!r} or much like it.",
            file=salaries.source.path,
            field=salaries.site.salary_columns.get("race"),
            remedy=_choose(
                nearest_races(salaries.race_name, hinted if not hinted.is_empty() else schedule),
                now,
            ),
        )
    best = good[0][0]
    # The same name is not rivalled by one that is only much like it.
    lower = SAME_NAME if best >= SAME_NAME else best - CLEAR_MARGIN
    rivals = [row for score, row in good if score >= lower]
    if len(rivals) > 1 and salaries.date is None:
        ahead = _next_of_one_name(rivals, now)
        if ahead is not None:
            return ahead
    if len(rivals) == 1:
        return rivals[0]
    raise InputError(
        f"More than one race {_when(salaries)} fits {salaries.race_name!r}.",
        file=salaries.source.path,
        field=salaries.site.salary_columns.get("race"),
        remedy=_choose(pl.DataFrame(rivals, schema=schedule.schema, orient="row"), now),
    )


def _next_of_one_name(rivals: list[dict[str, Any]], now: datetime) -> dict[str, Any] | None:
    """The next race that is not over, where all bear one name and one only is in its season."""
    names = {(_without_sponsor(_plain(row["race_name"])), row["series"]) for row in rivals}
    ahead = sorted(
        (row for row in rivals if row["start_time"] > now - _OVER),
        key=lambda row: row["start_time"],
    )
    if len(names) > 1 or not ahead:
        return None
    same_season = [row for row in ahead if row["season"] == ahead[0]["season"]]
    return ahead[0] if len(same_season) == 1 else None


def _hinted(salaries: SalaryFile, schedule: pl.DataFrame) -> pl.DataFrame:
    """The races that the file's name leaves: its series, its date or else its year."""
    found = schedule
    if salaries.series is not None:
        found = found.filter(pl.col("series") == salaries.series)
    held = pl.col("start_time").dt.convert_time_zone(EASTERN.key).dt.date()
    if salaries.date is not None:
        found = found.filter(held.is_between(salaries.date, salaries.date + EXPORT_LEAD))
    elif salaries.season is not None:
        found = found.filter(pl.col("season") == salaries.season)
    return found


def races_called(schedule: pl.DataFrame, race: str) -> pl.DataFrame:
    """The race of an id or a key, else those with these words as a part of their names.

    Args:
        schedule: A table `SCHEDULE`.
        race: What a person calls it.
    """
    exact = schedule.filter(
        (pl.col("race_id") == race) | (pl.col("race_key").str.to_lowercase() == race.casefold())
    )
    if exact.height == 1:
        return exact
    part = _plain(race)
    return schedule.filter(
        pl.Series([part in _plain(name) for name in schedule["race_name"]], dtype=pl.Boolean)
    )


def nearest_races(name: str, races: pl.DataFrame) -> pl.DataFrame:
    """The races whose names are most like a name."""
    plain = _plain(name)
    ratios = [
        difflib.SequenceMatcher(None, plain, _plain(other)).ratio() for other in races["race_name"]
    ]
    return (
        races.with_columns(pl.Series("_ratio", ratios, dtype=pl.Float64))
        .sort("_ratio", "start_time", descending=True)
        .head(_LISTED)
        .drop("_ratio")
    )


def _choose(races: pl.DataFrame, now: datetime) -> str:
    """Says how a person names the race, and lists races, those nearest in time first."""
    if races.is_empty():
        return f"Bring in the schedule with nascar sync, or {_HOW}."
    return f"Choose one: {_HOW}. Nearest: {listed_races(races, now)}."


def listed_races(races: pl.DataFrame, now: datetime) -> str:
    """Some races for people, with their keys, those nearest in time first."""
    rows = sorted(races.iter_rows(named=True), key=lambda row: abs(row["start_time"] - now))
    return "; ".join(
        f"{row['race_key']} {row['race_name']} "
        f"({row['start_time'].astimezone(EASTERN):%Y-%m-%d}, {row['track_name']})"
        for row in rows[:_LISTED]
    )


def _when(salaries: SalaryFile) -> str:
    parts = []
    if salaries.series is not None:
        parts.append(f"of the {salaries.series} series")
    if salaries.date is not None:
        parts.append(f"from {salaries.date} to {salaries.date + EXPORT_LEAD}")
    elif salaries.season is not None:
        parts.append(f"of {salaries.season}")
    return " ".join(parts) or "of the schedule"


def _plain(name: str) -> str:
    """Small letters and digits, words parted by one blank, without `the` at the front."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(letter for letter in folded if not unicodedata.combining(letter))
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", re.sub(r"['’.]", "", kept)).split())
    return plain.removeprefix("the ")


def _without_sponsor(plain: str) -> str:
    return _SPONSOR.sub("", plain).strip() or plain


def _words(plain: str) -> set[str]:
    return {word for word in plain.split() if word not in _FILLERS} or set(plain.split())


def _word_overlap(one: str, other: str) -> float:
    """Words in common over all words; distances such as `400` count like any word."""
    first, second = _words(one), _words(other)
    return len(first & second) / len(first | second)
