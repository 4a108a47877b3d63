"""From a snapshot of the live feed to the state of the race, with what earlier ones had shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.telemetry.convert_live_feed import live_feed_problems, place_of, rows_of
from nascar_assets.telemetry.feed_values import MAX_LAPS, number, parse_json
from nascar_assets.telemetry.problems import Problem, RefusedFile, problem
from nascar_assets.telemetry.race_state import GREEN, NEUTRAL, RED, YELLOW, RaceState

Whole = npt.NDArray[np.int64]

OUT_STATUS = 3
"""The feed's `status` of a car that has left the race; 1 is on the track, 2 in the pits."""
USUAL_LAP = 0.02
"""Share of the race's time so far that a lap is taken to last where no car has a lap time."""


def state_from_live_feed(
    payload: Any,
    race: Mapping[str, Any],
    earlier: RaceState | None = None,
    *,
    file: str = "live-feed.json",
) -> RaceState:
    """The state of a race from one snapshot of its live feed.

    A snapshot has the order, laps led and fastest laps, and of the laps before it the mean running
    position. Where an earlier state of the same race is given, its positions and flags are kept
    and only the laps since are filled in; so polling it often is as good as laps. The flag is the
    snapshot's, which lags: a lap between two snapshots of one flag is taken to have it. Cars
    without a driver are left out; a place that is missing comes last. A car that has not crossed
    the line since the leader did, but is due to before he comes round, is on his lap.

    Args:
        payload: The body, as bytes or parsed.
        race: `race_id`, `track_id`, `start_time` (with zone) and `scheduled_laps`.
        earlier: The state that an earlier snapshot gave.
        file: Name used in errors.

    Raises:
        RefusedFile: If the body is not of this shape or belongs to another race.
        RaceStateError: If it makes a state that breaks a law.
    """
    body = parse_json(payload, file)
    problems = live_feed_problems(body, race, file) or _lap_problems(body, file)
    if problems:
        raise RefusedFile(problems)
    cars = [car for car in body["vehicles"] if _known(car)]
    lap = max(int(car["laps_completed"]) for car in cars)
    ids = tuple(str(int(car["driver"]["driver_id"])) for car in cars)
    done = np.array([int(car["laps_completed"]) for car in cars], np.int64)
    clock = _column(cars, "vehicle_elapsed_time")
    place = _place_column(cars, "running_position")
    position = np.argsort(np.lexsort((clock, place, -done))) + 1
    grid = np.argsort(_place_column(cars, "starting_position"), kind="stable")
    start = np.argsort(grid) + 1
    last_lap = _column(cars, "last_lap_time")
    now = float(number(body["elapsed_time"]) or 0.0)
    usual = last_lap[(done == lap) & (last_lap > 0.0)]
    step = float(np.median(usual)) if len(usual) else max(USUAL_LAP * now, 1.0)
    gone = np.array([car.get("status") == OUT_STATUS for car in cars])
    away = np.array([car.get("is_on_track") is False for car in cars])
    still = np.maximum((now - clock) / step - 1.0, 0.0)
    path, flags = _past(cars, lap, position, start, done, body, ids, earlier)
    led = np.array([_laps_led(car, lap) for car in cars], np.int64)
    led[int(np.argmin(position))] += max(lap - int(led.sum()), 0)  # the lap that is not listed yet
    fastest = np.minimum(_column(cars, "fastest_laps_run").astype(np.int64), done)
    stops = np.array([_last_stop(car, lap) for car in cars], np.int64)
    return RaceState(
        race_id=str(race["race_id"]),
        lap=lap,
        scheduled_laps=int(race["scheduled_laps"]),
        driver_ids=ids,
        start=start,
        position=position,
        laps_completed=done,
        out=gone & away & (position > 1),
        still=np.where(gone | away, np.maximum(still, 0.0), np.minimum(still, 2.0)),
        laps_led=led,
        fastest_laps=fastest,
        stops=np.zeros(len(cars), np.int64),
        last_stop=stops,
        behind=_behind(clock, lap - done, step, now),
        path=path,
        pace=np.full(len(cars), np.nan),
        pace_laps=np.zeros(len(cars), np.int64),
        flags=flags,
        elapsed_s=now,
    )  # fmt: skip


def _known(car: Any) -> bool:
    return (
        isinstance(car, Mapping)
        and isinstance(car.get("driver"), Mapping)
        and bool(number(car["driver"].get("driver_id")))
        and number(car.get("laps_completed")) is not None
    )


def _lap_problems(body: Mapping[str, Any], file: str) -> list[Problem]:
    """Laps that no car can have completed: the leader's lap would be theirs for good."""
    cars = [(row, car) for row, car in enumerate(body["vehicles"], 1) if _known(car)]
    if not cars:
        return [problem(file, "no car with a driver and laps", "vehicles")]
    highest = min(int(number(body["lap_number"]) or 0) + 1, MAX_LAPS)
    rows = [row for row, car in cars if not 0 <= car["laps_completed"] <= highest]
    reason = f"not from 0 to {highest}, at lap {body['lap_number']} of the race"
    return [problem(file, reason, "laps_completed", rows)] if rows else []


def _behind(
    clock: npt.NDArray[np.float64], down: Whole, step: float, now: float
) -> npt.NDArray[np.float64]:
    """Laps behind the leader, by the moments at which the cars cross the line next.

    A snapshot that is taken while the field crosses shows cars a lap down which have only not come
    to the line yet: what they are behind is less than a lap.

    Args:
        clock: [N] race time of each car's last crossing, 0 where not known.
        down: [N] laps that it has completed fewer than the leader.
        step: Length of a lap in seconds.
        now: Race time of the snapshot.
    """
    known = clock > 0.0
    leader = clock.min(where=known & (down == 0), initial=np.inf)
    if not np.isfinite(leader):
        return down.astype(np.float64)
    exact = down + (np.maximum(clock + step, now) - max(leader + step, now)) / step
    low = np.maximum(down - 1.0, 0.0)
    return np.where(known, np.clip(exact, low, down + 0.99), down.astype(np.float64))


def _column(cars: Sequence[Mapping[str, Any]], key: str) -> npt.NDArray[np.float64]:
    return np.array([number(car.get(key)) or 0.0 for car in cars])


def _place_column(cars: Sequence[Mapping[str, Any]], key: str) -> npt.NDArray[np.float64]:
    return np.array([place_of(car, key) or np.inf for car in cars])


def _laps_led(car: Mapping[str, Any], lap: int) -> int:
    """Laps of the car's stints in the lead; the feed begins the first at lap 0."""
    total = 0
    for stint in rows_of(car.get("laps_led")):
        first, last = number(stint.get("start_lap")), number(stint.get("end_lap"))
        if first is not None and last is not None:
            total += max(0, min(int(last), lap) - max(int(first), 1) + 1)
    return total


def _last_stop(car: Mapping[str, Any], lap: int) -> int:
    laps = [number(stop.get("pit_in_leader_lap")) or 0 for stop in rows_of(car.get("pit_stops"))]
    return min(int(max(laps, default=0)), lap)


def _past(
    cars: Sequence[Mapping[str, Any]],
    lap: int,
    position: Whole,
    start: Whole,
    done: Whole,
    body: Mapping[str, Any],
    ids: tuple[str, ...],
    earlier: RaceState | None,
) -> tuple[Whole, Whole]:
    """Positions and flags by lap: of an earlier state, the snapshot's own, and means between."""
    shown = {2: YELLOW, 3: RED}.get(int(body["flag_state"]), GREEN)
    flags = np.full(lap + 1, GREEN, np.int64)
    flags[0] = 0
    path = np.zeros((len(cars), lap + 1), np.int64)
    known = 0
    if earlier is not None and earlier.lap <= lap:
        known = earlier.lap
        rows = {driver: row for row, driver in enumerate(earlier.driver_ids)}
        for car, driver in enumerate(ids):
            if driver in rows:
                path[car, : known + 1] = earlier.path[rows[driver]]
        flags[1 : known + 1] = earlier.flags[1:]
        if lap > known and shown in NEUTRAL and known and flags[known] in NEUTRAL:
            flags[known + 1 :] = YELLOW
    # The laps that no snapshot showed: the order of the mean positions, which has the same mean.
    mean = _column(cars, "average_running_position")
    order = np.argsort(np.argsort(np.where(mean > 0, mean, np.inf), kind="stable")) + 1
    for number_ in range(known + 1, lap):
        path[:, number_] = np.where(done >= number_, order, 0)
    path[:, 0] = np.where(path[:, 0] > 0, path[:, 0], start)
    if lap:
        path[:, lap] = np.where(done == lap, position, 0)
        flags[lap] = shown
    if known == 0 and lap > 1:
        _spread_cautions(flags, body, shown)
    return path, flags


def _spread_cautions(flags: Whole, body: Mapping[str, Any], shown: int) -> None:
    """Cautions of which only their number and length is known, evenly over the laps so far."""
    laps = int(number(body.get("number_of_caution_laps")) or 0) - (shown == YELLOW)
    segments = int(number(body.get("number_of_caution_segments")) or 0) - (shown == YELLOW)
    last = len(flags) - 2
    if laps <= 0 or segments <= 0 or laps >= last:
        return
    each = np.diff(np.linspace(0, laps, segments + 1).astype(int))
    begins = np.linspace(1, max(last - int(each.max()) - 1, 1), segments + 1).astype(int)[:-1]
    for begin, length in zip(begins, each, strict=True):
        flags[begin : min(begin + int(length), last)] = YELLOW
