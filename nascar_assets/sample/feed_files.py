"""The feed's JSON documents of invented races, with the feed's own keys, types and quirks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.sample.race import ACCIDENT, MECHANICAL, YELLOW, RaceRun
from nascar_assets.sample.statistics import RaceStatistics
from nascar_assets.sample.world import DRIVERS, OPEN_TEAMS, TEAMS, Car, Track, driver_id

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Json = dict[str, Any]

MAKES = {"Chevrolet": "Chv", "Ford": "Frd", "Toyota": "Tyt"}
_FAILURES = ("Engine", "Engine", "Engine", "Transmission", "Suspension", "Brakes", "Electrical")


@dataclass(frozen=True, slots=True)
class Race:
    """One race of the calendar and its entry list, before anything has happened.

    Attributes:
        race_id: The feed's number.
        season: Year.
        name: The race's name.
        race_type: 1 for points, 2 for an exhibition.
        track: Where.
        scheduled: Start as first planned, US Eastern; rain may move it.
        begins: Start, US Eastern.
        qualifying: When qualifying begins, US Eastern.
        cars: The entry list; empty while unknown.
        rookies: Indices of the season's rookies.
        start: Starting positions, [N]; empty while unknown.
        qualifying_order: Order of the qualifying attempts, from 1, [N].
        qualifying_speed: Miles per hour, [N]; 0 where it rained.
    """

    race_id: int
    season: int
    name: str
    race_type: int
    track: Track
    scheduled: datetime
    begins: datetime
    qualifying: datetime
    cars: tuple[Car, ...]
    rookies: frozenset[int]
    start: Ints
    qualifying_order: Ints
    qualifying_speed: Floats

    @property
    def folder(self) -> str:
        """Folder of the race's files in the feed."""
        return f"cacher/{self.season}/1/{self.race_id}"

    @property
    def loop_statistics_path(self) -> str:
        """Where the feed keeps loop statistics, outside `cacher/`."""
        return f"loopstats/prod/{self.season}/1/{self.race_id}.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a race ended: its course, its statistics, and the stewards' decision.

    Attributes:
        run: The race as it went.
        statistics: Its statistics, order on track.
        disqualified: Index of the car that lost its place afterwards, if any.
    """

    run: RaceRun
    statistics: RaceStatistics
    disqualified: int | None

    @property
    def official(self) -> Ints:
        """Cars in official order: a disqualified one last, [N]."""
        order = self.run.order
        if self.disqualified is None:
            return order
        return np.r_[order[order != self.disqualified], self.disqualified]


def dump(document: object) -> bytes:
    """A document's bytes as the feed sends them."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def number(value: float, digits: int = 3) -> float | int:
    """A number as the feed writes it: 30 rather than 30.0."""
    rounded = round(float(value), digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def schedule_row(race: Race, outcome: Outcome | None, cars: int) -> Json:
    """A race's row in the season's list; zeros and nulls where it has not been run.

    Args:
        race: The race.
        outcome: How it ended, if it has been run.
        cars: Cars in the field, or expected in it.
    """
    track, laps = race.track, race.track.laps
    pole = winner = total = margin = None
    lead_changes = leaders = cautions = caution_laps = actual = 0
    pole_speed: float | int = 0
    speed: float | int = 0
    comments = ""
    if outcome is not None:
        run, statistics = outcome.run, outcome.statistics
        on_pole = int(np.flatnonzero(race.start == 1)[0])
        first = int(outcome.official[0])
        pole, winner = driver_id(race.cars[on_pole].driver), driver_id(race.cars[first].driver)
        pole_speed = number(float(race.qualifying_speed[on_pole]))
        actual, cautions = run.laps, run.cautions
        caution_laps = int((run.flags == YELLOW).sum())
        lead_changes, leaders = statistics.lead_changes, int((statistics.laps_led > 0).sum())
        seconds = float(run.elapsed[run.laps, first])
        total = f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
        speed = number(3600.0 * track.length * run.laps / seconds)
        gap = f"{run.elapsed[run.laps, int(run.order[1])] - seconds:.3f}"
        margin = "Under Caution" if run.under_caution else gap.removeprefix("0")
        name = DRIVERS[race.cars[first].driver]
        comments = f"{name} won the {race.name} at {track.name}. This race is invented."
    first_stage, second_stage, last_stage = track.stages if race.race_type == 1 else (0, 0, 0)
    return {
        "race_id": race.race_id,
        "series_id": 1,
        "race_season": race.season,
        "race_name": race.name,
        "race_type_id": race.race_type,
        "restrictor_plate": track.track_type == "superspeedway",
        "track_id": track.track_id,
        "track_name": track.name,
        "date_scheduled": _time(race.scheduled),
        "race_date": _time(race.begins),
        "qualifying_date": _time(race.qualifying),
        "tunein_date": _time(race.begins),
        "scheduled_distance": number(track.length * laps, 2),
        "actual_distance": number(track.length * actual, 2),
        "scheduled_laps": laps,
        "actual_laps": actual,
        "stage_1_laps": first_stage,
        "stage_2_laps": second_stage,
        "stage_3_laps": last_stage,
        "number_of_cars_in_field": cars,
        "pole_winner_driver_id": pole,
        "pole_winner_speed": pole_speed,
        "number_of_lead_changes": lead_changes,
        "number_of_leaders": leaders,
        "number_of_cautions": cautions,
        "number_of_caution_laps": caution_laps,
        "average_speed": speed,
        "total_race_time": total,
        "margin_of_victory": margin,
        "race_purse": 0,
        "race_comments": comments,
        "attendance": 0,
        "radio_broadcaster": "",
        "television_broadcaster": "",
        "satellite_radio_broadcaster": "",
        "master_race_id": race.race_id,
        "inspection_complete": outcome is not None,
        "playoff_round": 0,
        "is_qualifying_race": 0,
        "qualifying_race_no": 0,
        "qualifying_race_id": -1,
        "has_qualifying": 0,
        "winner_driver_id": winner,
        "pole_winner_laptime": None,
        "stage_4_laps": None,
        "timing_run_id": None,
    }


def _status(run: RaceRun, car: int) -> str:
    if run.status[car] == ACCIDENT:
        # The damaged-vehicle policy ends the race of some cars that could have gone on.
        return "DVP" if run.laps_completed[car] % 12 == 5 else "Accident"
    if run.status[car] == MECHANICAL:
        return _FAILURES[int(run.laps_completed[car]) % len(_FAILURES)]
    return "Running"


def finish_points(place: int) -> int:
    """Championship points of a place: 40, then 35 and one less for each place, at least 1."""
    return 40 if place == 1 else max(1, 37 - place)


def stage_tops(race: Race, run: RaceRun) -> list[Ints]:
    """The ten first cars at the end of each stage but the last."""
    ends = np.cumsum(race.track.stages)[:2]
    at_end = (np.where(run.positions[end] > 0, run.positions[end], 999) for end in ends)
    return [np.argsort(positions, kind="stable")[:10] for positions in at_end]


def weekend_feed(race: Race, outcome: Outcome | None, standings: dict[int, int]) -> Json:
    """The weekend feed: the entry list before the race, results after it.

    Args:
        race: The race.
        outcome: How it ended, if it has been run.
        standings: Championship points by driver before the race; the race's own are added.
    """
    n = len(race.cars)
    order = np.argsort(race.start) if outcome is None else outcome.official
    stages: list[Json] = []
    earned = np.zeros(n, np.int64)
    if outcome is not None:
        for place, car in enumerate(outcome.official, start=1):
            earned[car] = finish_points(place)
        for number, cars in enumerate(stage_tops(race, outcome.run), start=1):
            results = []
            for place, car in enumerate(cars, start=1):
                earned[car] += 11 - place
                results.append(
                    {
                        "driver_fullname": DRIVERS[race.cars[car].driver],
                        "driver_id": driver_id(race.cars[car].driver),
                        "car_number": race.cars[car].number,
                        "finishing_position": place,
                        "stage_points": 11 - place,
                    }
                )
            stages.append({"stage_number": number, "results": results})
        if outcome.disqualified is not None:
            earned[outcome.disqualified] = 1
        for car in range(n):
            driver = race.cars[car].driver
            standings[driver] = standings.get(driver, 0) + int(earned[car])
    ranking = sorted(standings, key=lambda driver: (-standings[driver], driver))
    places = {driver: place for place, driver in enumerate(ranking, start=1)}
    rows = [
        _result(race, outcome, int(car), place, int(earned[car]), places)
        for place, car in enumerate(order, start=1)
    ]
    weekend = schedule_row(race, outcome, n) | {"results": rows, "stage_results": stages}
    return {"weekend_race": [weekend], "weekend_runs": []}


def _result(
    race: Race,
    outcome: Outcome | None,
    car: int,
    place: int,
    earned: int,
    places: dict[int, int],
) -> Json:
    entry = race.cars[car]
    team, make, _ = TEAMS[entry.team]
    completed = led = times_led = diff_laps = diff_time = 0
    status = None
    if outcome is not None:
        run = outcome.run
        completed = int(run.laps_completed[car])
        led = int(outcome.statistics.laps_led[car])
        times_led = int(outcome.statistics.times_led[car])
        diff_laps = run.laps - completed
        status = _status(run, car)
        if diff_laps == 0:
            winner = run.elapsed[run.laps, int(run.order[0])]
            diff_time = round(1000 * float(run.elapsed[run.laps, car] - winner))
    return {
        "race_id": race.race_id,
        "race_season": race.season,
        "finishing_position": place if outcome is not None else 0,
        "starting_position": int(race.start[car]),
        "car_number": entry.number,
        "driver_fullname": DRIVERS[entry.driver],
        "driver_id": driver_id(entry.driver),
        "team_name": team,
        "car_make": make,
        "sponsor": entry.sponsor,
        "crew_chief_fullname": entry.crew_chief,
        "laps_completed": completed,
        "finishing_status": status,
        "laps_led": led,
        "times_led": times_led,
        "points_earned": earned,
        "diff_laps": diff_laps,
        "diff_time": diff_time,
        "playoff_points_earned": 5 if outcome is not None and place == 1 else 0,
        "points_position": places.get(entry.driver, 0),
        "points_delta": 0,
        "disqualified": outcome is not None and car == outcome.disqualified,
        "qualifying_order": int(race.qualifying_order[car]),
        "qualifying_position": int(race.start[car]),
        "qualifying_speed": number(float(race.qualifying_speed[car])),
        "series_id": 1,
    }


def loop_statistics(race: Race, outcome: Outcome) -> list[Json]:
    """Loop statistics, in the order on track."""
    run, s = outcome.run, outcome.statistics
    drivers = [
        {
            "driver_id": driver_id(race.cars[car].driver),
            "start_ps": int(race.start[car]),
            "mid_ps": int(s.mid[car]),
            "ps": int(s.finish[car]),
            "closing_ps": int(s.closing[car]),
            "closing_laps_diff": int(s.closing[car] - s.finish[car]),
            "best_ps": int(s.best[car]),
            "worst_ps": int(s.worst[car]),
            "avg_ps": number(float(s.average[car]), 2),
            "passes_gf": int(s.passes[car]),
            "passing_diff": int(s.passes[car] - s.passed[car]),
            "passed_gf": int(s.passed[car]),
            "quality_passes": int(s.quality_passes[car]),
            "fast_laps": int(s.fastest_laps[car]),
            "top15_laps": int(s.top15_laps[car]),
            "lead_laps": int(s.laps_led[car]),
            "laps": int(run.laps_completed[car]),
            "rating": number(float(s.rating[car]), 2),
        }
        for car in run.order
    ]
    return [
        {
            "race_id": race.race_id,
            "race_name": race.name,
            "series_id": 1,
            "sch_laps": race.track.laps,
            "act_laps": run.laps,
            "drivers": drivers,
        }
    ]


def marked_name(race: Race, car: int) -> str:
    """A name with the marks of the timing system: `#` a rookie, `*` and `(i)` an open entry."""
    entry = race.cars[car]
    name = DRIVERS[entry.driver]
    if entry.driver in race.rookies:
        return f"{name} #"
    return f"* {name}(i)" if entry.team >= len(TEAMS) - OPEN_TEAMS else name


def lap_times(race: Race, outcome: Outcome) -> Json:
    """Lap by lap: lap 0 is the grid, speeds are text, flags count completed laps."""
    run = outcome.run
    cars = []
    for place, car in enumerate(run.order, start=1):
        rows: list[Json] = [
            {"Lap": 0, "LapTime": None, "LapSpeed": None, "RunningPos": int(race.start[car])}
        ]
        done = int(run.laps_completed[car])
        times = run.lap_times[1 : done + 1, car].tolist()
        positions = run.positions[1 : done + 1, car].tolist()
        miles = 3600.0 * race.track.length
        rows += [
            {
                "Lap": lap,
                "LapTime": number(time),
                "LapSpeed": f"{miles / time:.3f}",
                "RunningPos": position,
            }
            for lap, (time, position) in enumerate(zip(times, positions, strict=True), start=1)
        ]
        cars.append(
            {
                "Number": race.cars[car].number,
                "FullName": marked_name(race, int(car)),
                "Manufacturer": MAKES[TEAMS[race.cars[car].team][1]],
                "RunningPos": place,
                "NASCARDriverID": driver_id(race.cars[car].driver),
                "Laps": rows,
            }
        )
    # The flag of lap n stands at n - 1 completed laps; 8 before the start, 4 at the end.
    states = [8, *(int(flag) for flag in run.flags[2:]), 4]
    flags = [{"LapsCompleted": lap, "FlagState": state} for lap, state in enumerate(states)]
    return {"laps": cars, "flags": flags}
