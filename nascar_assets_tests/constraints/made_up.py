"""A made-up slate with its constraints, and random ones for property tests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from nascar_assets.constraints import (
    ConstraintSpec,
    DriverConstraints,
    RaceFact,
    TrackConstraints,
)
from nascar_assets.files import SourceFile
from nascar_assets.rules import rule_set
from nascar_assets.slates.slate import Slate, SlatePlayer

LOCK = datetime(2031, 3, 2, 19, tzinfo=UTC)
SLATE_ID = "2031-03-02-cup-dk-classic"
RACE = RaceFact("5001", "9", 200)
RULES = rule_set("dk-classic", date(2031, 3, 2))


def player(driver_id, salary, team="Team A", status=None):
    return SlatePlayer(
        driver_id, f"Driver {driver_id}", f"s{driver_id}", salary, team, None, status
    )


def slate(players, rules=RULES):
    return Slate(
        slate_id=SLATE_ID,
        race_id=RACE.race_id,
        race_key="2031-cup-02",
        rules=rules,
        lock=LOCK,
        players=tuple(players),
        source=SourceFile("DKSalaries.csv", "0" * 64),
    )


def spec(drivers, track_rules=()):
    return ConstraintSpec(
        SLATE_ID,
        LOCK - timedelta(days=1),
        drivers,
        [TrackConstraints("9", 0.5, 0.5, 0.5, (40, 80), veto_rules=track_rules)],
    )


def driver(driver_id, *vetoes, low=0, high=None):
    return DriverConstraints(driver_id, 0.5, 0.5, 0.5, low, high, vetoes)


NAMES = [str(number) for number in range(10)]

_DRIVER_VETOES = st.sampled_from(
    [
        "not-in-lineups",
        "leads-no-laps",
        "leads-at-most:laps=20",
        "leads-at-least:laps=60",
        "does-not-retire",
        *(f"not-together-in-lineups:other={name}" for name in NAMES[:3]),
    ]
)
_TRACK_VETOES = st.sampled_from(
    [
        (),
        ("team-in-lineup-at-most:drivers=1",),
        ("team-in-lineup-at-most:drivers=1,team=Team B",),
        ("accidents-at-most:cars=9",),
    ]
)


@st.composite
def slates(draw):
    """A slate, its spec and its race: small, so that every constraint bites now and then."""
    rules = replace(
        RULES,
        roster_size=draw(st.integers(1, 4)),
        salary_cap=draw(st.sampled_from([9_000, 20_000, 30_000])),
    )
    players = [
        player(
            name,
            draw(st.integers(40, 110)) * 100,
            draw(st.sampled_from(["Team A", "Team A", "Team B", None])),
            draw(st.sampled_from([None, None, None, "OUT", "IN"])),
        )
        for name in draw(st.sets(st.sampled_from(NAMES), min_size=1))
    ]
    drivers = [
        driver(
            name,
            *draw(st.lists(_DRIVER_VETOES, max_size=2)),
            low=draw(st.sampled_from([0, 0, 0, 30])),
            high=draw(st.sampled_from([None, None, 30, 250])),
        )
        for name in NAMES
    ]
    return slate(players, rules), spec(drivers, draw(_TRACK_VETOES))


@st.composite
def arguments(draw):
    """What a lineup and a request may bring."""
    ids = st.sampled_from(NAMES)
    exposure = st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.sampled_from([0.3, 0.5, 1.0]))
    args = {
        "drivers": tuple(draw(st.lists(ids, min_size=1, max_size=4))),
        "pool": tuple(draw(st.lists(ids, min_size=1, unique=True))),
    }
    optional = {
        "field": st.permutations(NAMES),
        "salary_cap": st.sampled_from([10_000, 50_000]),
        "roster_size": st.integers(1, 4),
        "race_laps": st.sampled_from([50, 200]),
        "lineups": st.integers(1, 20),
        "exposures": st.dictionaries(ids, exposure, max_size=4),
        "laps_led": st.dictionaries(
            ids, st.tuples(st.integers(0, 60), st.none() | st.integers(0, 90)), max_size=3
        ),
        "features": st.lists(st.sampled_from(["win_rate", "recent_form", "qualifying_speed"])),
        "salaries": st.fixed_dictionaries({name: st.integers(4_000, 9_000) for name in NAMES}),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            args[name] = draw(values)
    return args
