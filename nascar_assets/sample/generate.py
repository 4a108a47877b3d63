"""The sample: two invented seasons and the race after them, as files of feed and sites."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nascar_assets.rules import SITES, rule_set, score
from nascar_assets.sample import feed_files
from nascar_assets.sample.feed_files import Json, Outcome, Race
from nascar_assets.sample.practice import lap_averages
from nascar_assets.sample.race import run_race
from nascar_assets.sample.salaries import LAYOUTS, salary_file
from nascar_assets.sample.statistics import race_statistics
from nascar_assets.sample.world import (
    CALENDAR,
    FULL_TIME,
    OPEN_TEAMS,
    TYPES,
    Season,
    Track,
    build_seasons,
    track_of,
)

SEASONS: tuple[int, ...] = (2024, 2025, 2026)
"""The last of them is about to begin."""

_SITE = "dk"  # whose slate the demo runs
_SLATE_FILE = "{}_{}Cup.csv"
_FIRST_RACE_ID = 9001
_BREAK_AFTER = 10  # races before the summer exhibition
_LAP_FILES = frozenset({(2025, i) for i in (1, 2, 3, 5, 9, 10, 11, 13)})  # two of each type
_RAIN_AT_QUALIFYING = (2025, 6)
_RAIN_AT_RACE = (2024, 7)  # run on the day after
_DISQUALIFIED = (2025, 16)  # the sixth car on the road loses its place


@dataclass(frozen=True)
class Sample:
    """An invented feed with the salary files of its next race.

    Attributes:
        files: The feed's tree: path to bytes.
        salaries: Salary file name to bytes.
        readme: Says what this is, and that it is invented.
        as_of: A moment after the next race's qualifying and before its start (UTC).
        slate_file: Key in `salaries` of the file that the demo runs.
        race_id: The next race's id in the feed, as text.
    """

    files: Mapping[str, bytes]
    salaries: Mapping[str, bytes]
    readme: str
    as_of: datetime
    slate_file: str
    race_id: str


def generate_sample(seed: int = 1) -> Sample:
    """Makes up two finished seasons of 20 points races each, and the race that comes next.

    Args:
        seed: The same seed gives the same bytes; every seed gives another world.

    Returns:
        The sample.
    """
    world = np.random.default_rng([seed, 0])
    seasons = build_seasons(world, SEASONS)
    files: dict[str, bytes] = {}
    points: dict[str, dict[int, list[float]]] = {site: {} for site in LAYOUTS}
    for season in seasons[:-1]:
        files |= _finished_season(season, seed, points)
    last = seasons[-1]
    upcoming, season_files = _coming_season(last, seed)
    files |= season_files
    sheets, slate_file = _salary_files(last, upcoming, points, np.random.default_rng([seed, 3]))
    return Sample(
        files=files,
        salaries=sheets,
        readme=_readme(seed, upcoming, slate_file, len(CALENDAR) * (len(SEASONS) - 1)),
        as_of=datetime.combine(upcoming.begins.date(), datetime.min.time(), UTC)
        + timedelta(hours=14),
        slate_file=slate_file,
        race_id=str(upcoming.race_id),
    )


def write_sample(sample: Sample, folder: Path) -> None:
    """Writes `feed/`, `salaries/` and `README.md` under a folder, each file in one step.

    Args:
        sample: What to write.
        folder: Where; made if missing. Files of the same name are replaced.
    """
    contents = {f"feed/{path}": data for path, data in sample.files.items()}
    contents |= {f"salaries/{name}": data for name, data in sample.salaries.items()}
    contents["README.md"] = sample.readme.encode()
    for path, data in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        unfinished.write_bytes(data)
        os.replace(unfinished, target)


def _finished_season(
    season: Season, seed: int, points: dict[str, dict[int, list[float]]]
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    standings: dict[int, int] = {}
    rows: list[Json] = [_exhibition(season, number, seed, run=True) for number in (0, 1)]
    for index in range(len(CALENDAR)):
        rng = np.random.default_rng([seed, 1, season.year, index])
        race, level = _weekend(season, index, rng, standings)
        run = run_race(rng, race.track, level, race.start)
        sixth = int(run.order[5])
        disqualified = sixth if (season.year, index) == _DISQUALIFIED else None
        outcome = Outcome(run, race_statistics(run, race.start), disqualified)
        rows.append(feed_files.schedule_row(race, outcome, len(race.cars)))
        weekend = feed_files.weekend_feed(race, outcome, standings)
        files[f"{race.folder}/weekend-feed.json"] = feed_files.dump(weekend)
        loops = feed_files.loop_statistics(race, outcome)
        files[race.loop_statistics_path] = feed_files.dump(loops)
        if race.track.track_type != "superspeedway":
            files[f"{race.folder}/lap-averages.json"] = _practice(race, rng, level, index)
        if (season.year, index) in _LAP_FILES:
            laps = feed_files.lap_times(race, outcome)
            files[f"{race.folder}/lap-times.json"] = feed_files.dump(laps)
        _add_points(race, outcome, points)
    files[f"cacher/{season.year}/race_list_basic.json"] = _race_list(rows)
    return files


def _coming_season(season: Season, seed: int) -> tuple[Race, dict[str, bytes]]:
    """The season's list, and the weekend of its first race up to qualifying."""
    rng = np.random.default_rng([seed, 1, season.year, 0])
    upcoming, level = _weekend(season, 0, rng, {})
    rows = [
        _exhibition(season, 0, seed, run=True),
        feed_files.schedule_row(upcoming, None, len(upcoming.cars)),
    ]
    for index in range(1, len(CALENDAR)):
        # Entry lists and qualifying of later races are not known yet.
        rows.append(feed_files.schedule_row(_planned(season, index), None, 40))
    rows.append(_exhibition(season, 1, seed, run=False))
    weekend = feed_files.weekend_feed(upcoming, None, {})
    return upcoming, {
        f"cacher/{season.year}/race_list_basic.json": _race_list(rows),
        f"{upcoming.folder}/weekend-feed.json": feed_files.dump(weekend),
        f"{upcoming.folder}/lap-averages.json": _practice(upcoming, rng, level, 0),
    }


def _race_list(rows: list[Json]) -> bytes:
    rows = sorted(rows, key=lambda row: (str(row["date_scheduled"]), int(row["race_id"])))
    return feed_files.dump({"series_1": rows, "series_2": [], "series_3": []})


def _race_id(year: int, number: int) -> int:
    return _FIRST_RACE_ID + 100 * (year - SEASONS[0]) + number


def _date(year: int, index: int) -> datetime:
    """Start of a points race: Sundays from mid-February, some on Saturday nights."""
    first = date(year, 2, 15)
    sunday = first + timedelta(days=(6 - first.weekday()) % 7)
    day = sunday + timedelta(weeks=index + (index >= _BREAK_AFTER))
    if index in (5, 15):
        return datetime(day.year, day.month, day.day, 19, 30) - timedelta(days=1)  # noqa: DTZ001
    return datetime(day.year, day.month, day.day, 15, 0)  # noqa: DTZ001


def _planned(season: Season, index: int) -> Race:
    """A points race as the season's list has it, with nothing known of its field."""
    track_id, name = CALENDAR[index]
    scheduled = _date(season.year, index)
    begins = scheduled
    if (season.year, index) == _RAIN_AT_RACE:
        begins = scheduled + timedelta(days=1)
    nothing = np.zeros(0, np.int64)
    return Race(
        race_id=_race_id(season.year, index + 2),
        season=season.year,
        name=name,
        race_type=1,
        track=track_of(track_id),
        scheduled=scheduled,
        begins=begins,
        qualifying=scheduled - timedelta(hours=26),
        cars=(),
        rookies=season.rookies,
        start=nothing,
        qualifying_order=nothing,
        qualifying_speed=np.zeros(0),
    )


def _weekend(
    season: Season, index: int, rng: np.random.Generator, standings: Mapping[int, int]
) -> tuple[Race, npt.NDArray[np.float64]]:
    """A race weekend up to qualifying, and each car's ability there, [N]."""
    race = _planned(season, index)
    kind = TYPES.index(race.track.track_type)
    opens = int(rng.integers(1, OPEN_TEAMS))  # never all of them
    extra = sorted(rng.choice(np.arange(FULL_TIME, FULL_TIME + OPEN_TEAMS), opens, replace=False))
    cars = (*season.cars[:FULL_TIME], *(season.cars[int(i)] for i in extra))
    drivers = np.array([car.driver for car in cars])
    n = len(cars)
    # At superspeedways the clock says little about who runs in front.
    blur = 1.5 if race.track.track_type == "superspeedway" else 0.55
    lap = season.qualifying[drivers, kind] + rng.normal(0.0, blur, n)
    gain = 0.0004 if race.track.track_type == "superspeedway" else 0.0035
    speed = np.round(race.track.speed * (1.004 + gain * lap), 3)
    if (season.year, index) == _RAIN_AT_QUALIFYING:
        lap = np.array([float(standings.get(int(driver), 0)) for driver in drivers])
        speed = np.zeros(n)
    start = np.empty(n, np.int64)
    start[np.argsort(-lap, kind="stable")] = np.arange(1, n + 1)
    weekend = dataclasses.replace(
        race,
        cars=cars,
        start=start,
        qualifying_order=rng.permutation(n) + 1,
        qualifying_speed=speed,
    )
    return weekend, season.level[drivers, kind]


def _exhibition(season: Season, number: int, seed: int, *, run: bool) -> Json:
    """An exhibition's row in the season's list; the feed has no further files of it."""
    rng = np.random.default_rng([seed, 2, season.year, number])
    track: Track = dataclasses.replace(
        track_of(909 if number == 0 else 906), laps=(120, 160)[number], stages=(60, 30, 30)
    )
    cars = season.cars[:23]
    drivers = np.array([car.driver for car in cars])
    planned = _planned(season, 0 if number == 0 else _BREAK_AFTER)
    begins = planned.begins - timedelta(days=7) + timedelta(hours=4)
    race = dataclasses.replace(
        planned,
        race_id=_race_id(season.year, number),
        name=("Winter Clash at Pinfield", "Saltworks All-Star Night")[number],
        race_type=2,
        track=track,
        scheduled=begins,
        begins=begins,
        qualifying=begins,
        cars=cars,
        start=rng.permutation(len(cars)) + 1,
        qualifying_speed=np.zeros(len(cars)),
    )
    if not run:
        return feed_files.schedule_row(race, None, len(cars))
    level = season.level[drivers, TYPES.index(track.track_type)]
    course = run_race(rng, track, level, race.start)
    outcome = Outcome(course, race_statistics(course, race.start), None)
    return feed_files.schedule_row(race, outcome, len(cars))


def _practice(
    race: Race, rng: np.random.Generator, level: npt.NDArray[np.float64], index: int
) -> bytes:
    title = "NCS Final Practice" if index % 2 else "Final Practice"
    return feed_files.dump(lap_averages(race, rng, level, title))


def _add_points(race: Race, outcome: Outcome, points: dict[str, dict[int, list[float]]]) -> None:
    finish = np.empty(len(race.cars), np.int64)
    finish[outcome.official] = np.arange(1, len(race.cars) + 1)
    for site, by_driver in points.items():
        rules = rule_set(SITES[site].contest, race.begins.date())
        units = score(
            rules,
            start=race.start,
            finish=finish,
            laps_led=outcome.statistics.laps_led,
            fastest_laps=outcome.statistics.fastest_laps,
            laps_completed=outcome.run.laps_completed,
        )
        for car, earned in zip(race.cars, units, strict=True):
            by_driver.setdefault(car.driver, []).append(rules.points(float(earned)))


def _salary_files(
    season: Season,
    race: Race,
    points: dict[str, dict[int, list[float]]],
    rng: np.random.Generator,
) -> tuple[dict[str, bytes], str]:
    """Every site's file; they list a driver who has withdrawn, as real ones do."""
    entered = {car.driver for car in race.cars}
    withdrawn = next(car.driver for car in season.cars if car.driver not in entered)
    drivers = [*(car.driver for car in race.cars), withdrawn]
    kind = TYPES.index(race.track.track_type)
    # Sites know the drivers well but not perfectly, and set salaries before qualifying.
    value = season.level[drivers, kind] + rng.normal(0.0, 0.3, len(drivers))
    day = race.begins.date().isoformat()
    recent = len(CALENDAR)
    averages = {
        site: {
            driver: round(float(np.mean(earned[-recent:])), 2)
            for driver, earned in by_driver.items()
        }
        for site, by_driver in points.items()
    }
    played = {driver: len(earned[-recent:]) for driver, earned in points[_SITE].items()}
    return {
        _SLATE_FILE.format(day, site.upper()): salary_file(
            site, drivers, value, race.name, averages[site], played
        )
        for site in LAYOUTS
    }, _SLATE_FILE.format(day, _SITE.upper())


def _readme(seed: int, race: Race, slate_file: str, races: int) -> str:
    return f"""# Sample data: everything here is invented

No driver, team, track, sponsor, race or result in this folder is real, and none of it says
anything about a real one. It was made by `nascar_assets.sample` with seed {seed}; the same seed
gives the same files, byte for byte. Only the makers' names and the file formats are those of the
real feed.

- `feed/` has the paths and keys of the public NASCAR feed: {races} finished points races of
  {SEASONS[0]} and {SEASONS[1]}, two exhibitions a season, lap by lap files of {len(_LAP_FILES)}
  races, and the first race of {SEASONS[2]}, the {race.name}, up to its qualifying.
- `salaries/` has that race's salary file of each site. `{slate_file}` is {SITES[_SITE].name}'s.

Some quirks of real files are in it on purpose: speeds as text, 999 for averages that were not
run, marks on names, a race moved by rain, a qualifying rained out, a disqualification, laps of
many minutes, and a driver in the salary files who has withdrawn.
"""
