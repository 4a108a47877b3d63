"""The invented world: tracks, teams, drivers, calendar. No driver, team or track here is real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TYPES: tuple[str, ...] = ("superspeedway", "intermediate", "short", "road")

FIRST_DRIVER_ID = 970_001
"""Ids of invented drivers start here, far from those of the real feed."""


@dataclass(frozen=True, slots=True)
class Track:
    """One invented track.

    Attributes:
        track_id: The feed's number, from 900 up.
        name: As the feed would say it.
        track_type: One of `TYPES`.
        length: Miles.
        laps: Scheduled laps of its races.
        speed: Green-flag speed of a good car on new tyres, miles per hour.
        stages: Laps of the three stages; they sum to `laps`.
    """

    track_id: int
    name: str
    track_type: str
    length: float
    laps: int
    speed: float
    stages: tuple[int, int, int]

    @property
    def lap_time(self) -> float:
        """Seconds of a good green-flag lap."""
        return 3600.0 * self.length / self.speed


TRACKS: tuple[Track, ...] = (
    Track(901, "Larkspur Sound Superspeedway", "superspeedway", 2.6, 188, 190.0, (60, 60, 68)),
    Track(902, "Calder Flats Superspeedway", "superspeedway", 2.5, 200, 187.0, (65, 65, 70)),
    Track(903, "Monarch Ridge Speedway", "intermediate", 1.5, 267, 180.0, (80, 85, 102)),
    Track(904, "Juniper Basin Speedway", "intermediate", 1.5, 267, 176.0, (80, 85, 102)),
    Track(905, "Harrow County Speedway", "intermediate", 2.0, 200, 179.0, (45, 75, 80)),
    Track(906, "Old Saltworks Raceway", "intermediate", 1.4, 286, 168.0, (85, 95, 106)),
    Track(907, "Tamarack Mile", "short", 1.0, 312, 130.0, (60, 125, 127)),
    Track(908, "Cobblers Gap Speedway", "short", 0.625, 400, 112.0, (80, 130, 190)),
    Track(909, "Pinfield Speedway", "short", 0.75, 320, 115.0, (70, 110, 140)),
    Track(910, "Silver Birch Road Course", "road", 2.4, 95, 93.0, (20, 25, 50)),
    Track(911, "Harborview Street Circuit", "road", 2.2, 100, 82.0, (20, 25, 55)),
    Track(912, "Quarry Lake Road Course", "road", 3.0, 80, 106.0, (20, 20, 40)),
)

CALENDAR: tuple[tuple[int, str], ...] = (
    (903, "Prairie Lantern 400"),
    (901, "Foghorn Coffee 490"),
    (907, "Wexley Hardware 312"),
    (910, "Silver Birch Grand Prix"),
    (906, "Saltworks 400"),
    (908, "Cobblers Gap 250"),
    (904, "Basin Mutual 400"),
    (905, "Harrow County 400"),
    (909, "Pinfield Nursery 240"),
    (902, "Calder Flats 500"),
    (903, "Ridgeline Tools 400"),
    (912, "Quarry Lake 240"),
    (907, "Tamarack Timber 312"),
    (904, "Juniper Basin Fall Classic"),
    (911, "Harborview Streets 220"),
    (908, "Night Market 250"),
    (906, "Old Saltworks Autumn 400"),
    (901, "Larkspur Sound 490"),
    (905, "Farrier Feeds 400"),
    (909, "Season Finale at Pinfield"),
)
"""Track and name of each of a season's twenty points races, in order."""

TEAMS: tuple[tuple[str, str, int], ...] = (
    ("Ironwood Motorsports", "Chevrolet", 4),
    ("Blue Heron Racing", "Toyota", 4),
    ("Castellan Autosport", "Ford", 4),
    ("Northgate Racing Group", "Toyota", 3),
    ("Redcliff Performance", "Ford", 3),
    ("Summit and Vale Racing", "Chevrolet", 3),
    ("Harbor Light Racing", "Ford", 3),
    ("Kestrel Motorsports", "Chevrolet", 2),
    ("Prairie Fire Racing", "Toyota", 2),
    ("Delmont Brothers Racing", "Ford", 2),
    ("Copperline Racing", "Chevrolet", 2),
    ("Stillwater Motorsports", "Ford", 2),
    ("Longleaf Racing", "Chevrolet", 1),
    ("Oxbow Racing Team", "Toyota", 1),
    ("Gravel Pike Racing", "Ford", 1),
    ("Twin Pines Motorsports", "Chevrolet", 1),
    ("Lamplight Racing", "Toyota", 1),
    ("Far Field Racing", "Chevrolet", 1),
)
"""Team, manufacturer and cars; the last four enter some races only. Makes are the feed's own."""

OPEN_TEAMS = 4

DRIVERS: tuple[str, ...] = (
    "Dalton Verrick",
    "Marcus Ellingboe",
    "Teodoro Quintanar",
    "Wade Hollisker",
    "Jonah Prewittson",
    "Colby Strandhaven",
    "Emmett Vargassen",
    "Tanner Oakenhurst",
    "Ray Dusseldine",
    "Cody Marchwood",
    "Preston Ickesley",
    "Iñaki Barragón",
    "Luc Treffaut",
    "Harlan Vosbergen",
    "Kit Ransomeer",
    "Deacon Whitlaw",
    "Brody Lanternier",
    "Silas Undergrove",
    "Griffin Tollivant",
    "Nate Bexlow",
    "Owen Carrigard",
    "Hollis Pemberwick",
    "Trace Maddingly",
    "Beau Quarrington",
    "Everett Sandizell",
    "T.K. Wollenskar",
    "J.R. Abernant",
    "Clint Farrowmere Jr.",
    "Mateo Villacrés",
    "Sterling Okonwell",
    "Abel Kristofferby",
    "Rhett Mossgrave",
    "Vance Dunmorrow",
    "Gideon Pallisard",
    "Sawyer Thackeridge",
    "Lyle Brannockson",
    "Corrie Wynsteader",
    "Jude Ellersbyrne",
    "Zane Hartenfels",
    "Micah Orvingdale",
    "Dwight Cobberley",
    "Peyton Larchmond",
    "Rory MacEwenson",
    "Stellan Brixholm",
    "Otis Grandledge",
    "Felix Amberlund",
    "Camden Roszholt",
    "Wesley Tuckahorn",
)

FULL_TIME = 36
"""Cars of the teams that enter every race; drivers with a lower index start out in them."""

_NUMBERS = (
    "5", "9", "24", "48", "11", "19", "20", "54", "2", "12", "22", "21", "23", "45",
    "35", "6", "17", "60", "1", "88", "97", "3", "8", "4", "10", "41", "42", "43",
    "34", "38", "7", "71", "47", "99", "51", "16", "50", "62", "66", "78",
)  # fmt: skip

_CHIEF_FIRST = ("Abe", "Burt", "Curtis", "Dale", "Ezra", "Floyd", "Gus", "Hank")
_CHIEF_LAST = ("Thornquill", "Mayhollow", "Pruette", "Stonebrink", "Ellwander")

_SPONSORS = (
    "Foghorn Coffee",
    "Wexley Hardware",
    "Basin Mutual",
    "Farrier Feeds",
    "Ridgeline Tools",
    "Prairie Lantern",
    "Tamarack Timber",
    "Night Market",
)


@dataclass(frozen=True, slots=True)
class Car:
    """One car of a season with its usual driver.

    Attributes:
        number: Car number, as text.
        team: Index into `TEAMS`.
        driver: Index into `DRIVERS`.
        crew_chief: Invented name.
        sponsor: Invented name.
    """

    number: str
    team: int
    driver: int
    crew_chief: str
    sponsor: str


@dataclass(frozen=True, slots=True)
class Season:
    """Who drives for whom in one season, and how well.

    Attributes:
        year: The season.
        cars: 36 regular cars, then the open teams' cars.
        level: Speed of driver by track type in that season, [len(DRIVERS), 4], team included,
            about standard normal; higher is faster.
        qualifying: Speed over one lap, same shape.
        rookies: Indices of the season's rookies.
    """

    year: int
    cars: tuple[Car, ...]
    level: npt.NDArray[np.float64]
    qualifying: npt.NDArray[np.float64]
    rookies: frozenset[int]


def driver_id(driver: int) -> int:
    """The feed's id of an invented driver."""
    return FIRST_DRIVER_ID + driver


def track_of(track_id: int) -> Track:
    """The track of an id."""
    return TRACKS[track_id - TRACKS[0].track_id]


def build_seasons(rng: np.random.Generator, years: tuple[int, ...]) -> tuple[Season, ...]:
    """Seasons one after the other: abilities drift, some drivers change seats, some are new.

    Args:
        rng: Source of randomness.
        years: The seasons, consecutive.

    Returns:
        One `Season` per year.
    """
    n_teams = len(TEAMS)
    # Big teams are the better ones on average; the open teams trail the field.
    sizes = np.array([size for _, _, size in TEAMS], dtype=float)
    team = 0.28 * (sizes - 2.4) + rng.normal(0.0, 0.3, n_teams)
    team[-OPEN_TEAMS:] = -1.2 + rng.normal(0.0, 0.15, OPEN_TEAMS)
    driver = rng.normal(0.0, 0.62, len(DRIVERS))
    driver[FULL_TIME:] -= 0.35
    by_type = rng.normal(0.0, 0.30, (len(DRIVERS), len(TYPES)))
    one_lap = rng.normal(0.0, 0.30, (len(DRIVERS), len(TYPES)))
    seats = list(range(FULL_TIME))
    reserve = FULL_TIME
    seasons: list[Season] = []
    for index, year in enumerate(years):
        rookies: set[int] = set()
        if index:
            team += rng.normal(0.0, 0.15, n_teams)
            driver += rng.normal(0.0, 0.12, len(DRIVERS))
            a, b = (int(i) for i in rng.choice(FULL_TIME, 2, replace=False))
            seats[a], seats[b] = seats[b], seats[a]
            for seat in rng.choice(np.arange(12, FULL_TIME), 2, replace=False):
                seats[int(seat)] = reserve
                rookies.add(reserve)
                reserve += 1
        cars = _cars(seats, reserve)
        employer = np.full(len(DRIVERS), n_teams - 1)
        for car in cars:
            employer[car.driver] = car.team
        # Nobody is far out of reach of the rest: the best are drawn in.
        level = 1.7 * np.tanh((driver[:, None] + by_type + team[employer][:, None]) / 1.7)
        seasons.append(Season(year, cars, level, level + one_lap, frozenset(rookies)))
    return tuple(seasons)


def _cars(seats: list[int], reserve: int) -> tuple[Car, ...]:
    teams = [index for index, (_, _, size) in enumerate(TEAMS) for _ in range(size)]
    drivers = [*seats, *range(reserve, reserve + OPEN_TEAMS)]
    chiefs = [f"{first} {last}" for last in _CHIEF_LAST for first in _CHIEF_FIRST]
    return tuple(
        Car(_NUMBERS[i], teams[i], drivers[i], chiefs[i], _SPONSORS[i % len(_SPONSORS)])
        for i in range(len(teams))
    )
