"""From laps to the state of the race after one of them, with nothing that was known later."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times, race_laps_at
from nascar_assets.telemetry.feed_values import feed_number, parse_json, race_start
from nascar_assets.telemetry.laps import STOPPED_LAP_S
from nascar_assets.telemetry.race_state import (
    GREEN,
    NEUTRAL,
    RED,
    STILL_FROM,
    YELLOW,
    RaceState,
)

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CODES = {"green": GREEN, "yellow": YELLOW, "red": RED}
LAP_SHARE = 0.95
"""The state is taken this share of a lap after the leader's line crossing: all cars of the lead
lap have crossed by then, and none has begun to be counted twice."""
STOP_COSTS_S = (9.0, 100.0)
"""Seconds over its usual lap that a stop under green costs a car; more is a visit to the garage."""
GAP_S = 0.3
"""Seconds between cars that follow each other, where no clock says it."""
FASTEST_SHARE = 0.85
"""Share of the usual lap's time below which no car can have driven a lap."""
CLOCK_TOLERANCE_S = 0.5
"""Seconds by which a car's clock may contradict the order at the line."""
CYCLE_CARS = 5
"""So many cars slow in one green run are stops for tyres and fuel; fewer are trouble."""
SETTLING_LAPS = 2
"""Laps after a restart that say nothing about pace."""
FEWEST_PACE_CARS = 8
"""Cars with a time on a green lap below which the lap says nothing about pace."""


def state_from_lap_times(
    payload: Any,
    race: Mapping[str, Any],
    lap: int | None = None,
    *,
    file: str = "lap-times.json",
) -> RaceState:
    """The state of a race after a lap of its leader, from the feed's lap times.

    The body is cut before anything in it is looked at: laps after `lap`, flags of later laps and
    the cars' final positions are never read, and no notice tells of them. What is left is cut again
    by time: a car that is laps down had not driven its lap `lap` when the leader had. So the state
    is that of a file which ends, for each car, with the last lap that it had completed.

    Args:
        payload: The body, as bytes or parsed.
        race: `race_id`, `track_id`, `start_time` (with zone) and `scheduled_laps`.
        lap: Laps that the leader has completed, from 1; the last of the file if left out.
        file: Name used in errors.

    Raises:
        RefusedFile: If the body is not of this shape.
        InputError: If no car has completed the lap.
        RaceStateError: If the laps make a state that breaks a law.
    """
    parsed = parse_json(payload, file)
    if lap is not None:
        parsed = _cut(parsed, lap)
    body, notices = clean_lap_times(parsed, file, forgiving=True)
    lap = _last_lap(body) if lap is None else lap
    body = _with_laps(_cut(body, lap))
    while True:  # a lap's flag is told by those around it: what was not driven yet is not asked
        laps = laps_from_lap_times(body, race, file=file)
        state = state_from_laps(laps, race, lap, notices=tuple(notices))
        done = dict(zip(state.driver_ids, state.laps_completed.tolist(), strict=True))
        seen = _driven(body, done)
        if seen == body:
            return state
        body = seen


def last_lap(payload: Any, file: str = "lap-times.json") -> int:
    """The last lap that any car has completed in the feed's lap times.

    Raises:
        RefusedFile: If the body is not of this shape.
    """
    body, _ = clean_lap_times(parse_json(payload, file), file, forgiving=True)
    return _last_lap(body)


def _last_lap(body: Mapping[str, Any]) -> int:
    return max(int(one["Lap"]) for car in body["laps"] for one in car["Laps"])


def _cut(body: Any, lap: int) -> Any:
    """A body of lap times as it stood when the last of its laps was driven.

    What is not of the feed's shape stays as it is: cleaning tells of it.
    """

    def later(item: Any, key: str, last: int) -> bool:
        number = feed_number(item.get(key)) if isinstance(item, Mapping) else None
        return number is not None and number > last

    def cut_car(car: Any) -> Any:
        if not isinstance(car, Mapping):
            return car
        kept = {key: car.get(key) for key in ("Number", "FullName", "NASCARDriverID", "Laps")}
        if isinstance(kept["Laps"], list):
            kept["Laps"] = [one for one in kept["Laps"] if not later(one, "Lap", lap)]
        return kept

    if not isinstance(body, Mapping):
        return body
    cut = dict(body)
    if isinstance(body.get("laps"), list):
        cut["laps"] = [cut_car(car) for car in body["laps"]]
    if isinstance(body.get("flags"), list):
        cut["flags"] = [flag for flag in body["flags"] if not later(flag, "LapsCompleted", lap - 1)]
    return cut


def _driven(body: Mapping[str, Any], done: Mapping[str, int]) -> dict[str, Any]:
    """A body of lap times without the laps that cars had not completed."""
    cars = []
    for car in body["laps"]:
        last = done.get(str(car["NASCARDriverID"]), 0)
        cars.append({**car, "Laps": [one for one in car["Laps"] if one["Lap"] <= last]})
    return _with_laps({**body, "laps": cars})


def _with_laps(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body of lap times without the cars that have no lap in it."""
    return {**body, "laps": [car for car in body["laps"] if car["Laps"]]}


def state_from_laps(
    laps: pl.DataFrame, race: Mapping[str, Any], lap: int, *, notices: tuple[str, ...] = ()
) -> RaceState:
    """The state of a race after a lap of its leader, from canonical laps.

    Args:
        laps: `LAPS` of the race; those after `lap` are not read.
        race: `race_id`, `start_time` (with zone) and `scheduled_laps`.
        lap: Laps that the leader has completed, from 1.
        notices: What was odd in the laps' file.

    Raises:
        InputError: If no car has completed the lap.
        RaceStateError: If the laps make a state that breaks a law.
    """
    known = laps.filter(pl.col("lap") <= lap)
    race_id, scheduled = str(race["race_id"]), int(race["scheduled_laps"])
    if lap < 1 or known.is_empty() or int(known["lap"].max() or 0) < lap:  # type: ignore[arg-type]
        reached = max(known["lap"].to_list(), default=0)
        raise InputError(
            f"Race {race_id} has no lap {lap}; its laps reach to {reached}.",
            field="lap",
            remedy="Name an earlier lap, or wait for it.",
        )
    # Clocks are set right by the order at each line, which cars a lap down cross later: laps that
    # turn out not to have been driven yet are taken away, until only those are left that were.
    while True:
        table = _Table(known, race, lap)
        moment, step = table.moment()
        done, last = table.crossings(moment)
        until = pl.col("driver_id").replace_strict(list(table.driver_ids), done)
        seen_laps = known.filter(pl.col("lap") <= until)
        if seen_laps.height == known.height:
            break
        known = seen_laps
    flags = table.race_flags()
    yellow = np.isin(flags, NEUTRAL)
    start = _ranks(table.position[:, 0], np.arange(len(done)))
    order = np.lexsort((start, table.position[np.arange(len(done)), done], last, -done))
    position = np.argsort(order) + 1
    run_start = int(np.flatnonzero(yellow)[-1]) if yellow.any() else 0
    seen = np.arange(lap + 1)[None, :] <= done[:, None]
    slow, cost = table.stops(flags, seen)
    stops, last_stop, behind = _stops(
        slow, cost, done, last, moment, step, lap, run_start, yellow, position
    )
    led, fastest = table.led(), table.fastest(flags)
    path = np.where(seen, table.position, 0)
    path[:, lap] = np.where(done == lap, position, path[:, lap])
    pace, pace_laps = table.pace(flags, seen & ~slow)
    return RaceState(
        race_id=race_id,
        lap=lap,
        scheduled_laps=scheduled,
        driver_ids=table.driver_ids,
        start=start,
        position=position,
        laps_completed=done,
        out=np.zeros(len(done), np.bool_),
        still=np.maximum((moment - last) / step - LAP_SHARE, 0.0),
        laps_led=led,
        fastest_laps=np.minimum(fastest, done),
        stops=stops,
        last_stop=last_stop,
        behind=behind,
        path=path,
        pace=pace,
        pace_laps=pace_laps,
        flags=flags,
        elapsed_s=moment - LAP_SHARE * step,
        notices=notices,
    )


def _ranks(values: Whole, fallback: Whole) -> Whole:
    """Places from 1 in order of the values; unknown ones (0) last, by their fallback."""
    return np.argsort(np.lexsort((fallback, values, values == 0))) + 1


def _longest_rising(values: Floats) -> Whole:
    """Places of a longest part of the values that never falls; unknown values are left out."""
    tails: list[float] = []
    ends: list[int] = []
    before = [-1] * len(values)
    for place, value in enumerate(values.tolist()):
        if value != value:
            continue
        spot = bisect_right(tails, value)
        before[place] = ends[spot - 1] if spot else -1
        if spot == len(tails):
            tails.append(value)
            ends.append(place)
        else:
            tails[spot], ends[spot] = value, place
    found: list[int] = []
    place = ends[-1] if ends else -1
    while place >= 0:
        found.append(place)
        place = before[place]
    return np.array(found[::-1], np.int64)


def _stops(
    slow: Bools,
    cost: Floats,
    done: Whole,
    last: Floats,
    moment: float,
    step: float,
    lap: int,
    run_start: int,
    yellow: Bools,
    position: Whole,
) -> tuple[Whole, Whole, Floats]:
    """Green stops since the last caution, the lap of the last stop, and laps behind without them.

    Who has stopped more often than others of the lead lap runs behind those, by a lap or so;
    `behind` gives him back what that cost, so that it compares like with like. Once all have
    stopped nothing is given back, and cars that have stopped as often are in their order: a
    stop's cost is measured too roughly to tell who runs ahead, and some stops are not seen.
    """
    size = len(done)
    in_run = np.zeros_like(slow)
    in_run[:, run_start + 1 :] = slow[:, run_start + 1 :]
    begins = in_run & ~np.pad(in_run, ((0, 0), (1, 0)))[:, :-1]
    stops = begins.sum(axis=1)
    lost = np.where(in_run, cost, 0.0).sum(axis=1)
    if int((stops > 0).sum()) < CYCLE_CARS:
        stops, lost = np.zeros(size, np.int64), np.zeros(size)
    # Under caution nearly all stop when the pits open, on its second lap.
    caution = np.flatnonzero(yellow)
    opened = 0
    if len(caution):
        first = int(caution[-1])
        while first > 1 and yellow[first - 1]:
            first -= 1
        opened = min(first + 1, lap)
    place = np.arange(slow.shape[1])
    last_stop = np.where(slow, place, 0).max(axis=1)
    last_stop = np.maximum(last_stop, opened)
    since = (moment - last) / step
    moves = since < STILL_FROM + LAP_SHARE
    whole = (lap - done).astype(np.float64)
    for _ in range(2):  # a stop that was not seen looks, at first, as if the cycle were not over
        fewest = int(stops[(moves & (done == lap)) | (position == 1)].min())
        more = lost * np.maximum(stops - fewest, 0) / np.maximum(stops, 1)
        progress = np.where(moves, done + since + more / step, -np.inf)
        # A car that is not in a cycle is as far behind as its laps say, to the lap.
        exact = np.maximum(progress.max() - progress, 0.0)
        behind = np.where(
            more > 0.0, np.minimum(exact, whole + 0.99), np.clip(exact, whole, whole + 0.99)
        )
        behind = np.where(moves, behind, whole)
        for laps in np.unique(np.floor(behind[moves])):
            cars = np.flatnonzero(moves & (np.floor(behind) == laps))
            cars = cars[np.argsort(position[cars])]
            stops[cars] = _never_falling(stops[cars])
            for count in np.unique(stops[cars]):
                alike = cars[stops[cars] == count]
                ahead = np.maximum.accumulate(behind[alike])
                after = np.minimum.accumulate(behind[alike][::-1])[::-1]
                behind[alike] = (ahead + after) / 2.0
    return stops.astype(np.int64), np.minimum(last_stop, lap).astype(np.int64), behind


def _never_falling(counts: Whole) -> Whole:
    """The counts that never fall and differ least from these, in sum (isotonic regression, L1)."""
    levels = np.arange(int(counts.max()) + 1)
    cost = np.zeros(len(levels))
    came = np.empty((len(counts), len(levels)), np.int64)
    for place, count in enumerate(counts):
        best = np.minimum.accumulate(cost)
        came[place] = np.maximum.accumulate(np.where(cost == best, levels, 0))
        cost = best + np.abs(levels - count)
    found = np.empty(len(counts), np.int64)
    level = int(np.argmin(cost))
    for place in range(len(counts) - 1, -1, -1):
        found[place] = level
        level = int(came[place, level])
    return found


class _Table:
    """Laps of a race as matrices [N, lap + 1], NaN or 0 where a lap is not there."""

    def __init__(self, laps: pl.DataFrame, race: Mapping[str, Any], lap: int) -> None:
        rows = laps.sort("driver_id", "lap").unique(["driver_id", "lap"], maintain_order=True)
        ids = rows["driver_id"].unique(maintain_order=True)
        self.driver_ids: tuple[str, ...] = tuple(ids.to_list())
        driver = rows["driver_id"].replace_strict(
            ids, np.arange(len(ids)), return_dtype=pl.Int64
        ).to_numpy()  # fmt: skip
        number = rows["lap"].cast(pl.Int64).to_numpy()
        start = race_start(race).astimezone(UTC)
        since = (rows["timestamp"] - start).dt.total_microseconds().cast(pl.Float64) / 1e6

        def matrix(values: npt.NDArray[Any], empty: float) -> npt.NDArray[Any]:
            made = np.full((len(ids), lap + 1), empty, values.dtype)
            made[driver, number] = values
            return made

        self.lap = lap
        time = rows["lap_time_s"].cast(pl.Float64).to_numpy()
        self.time: Floats = matrix(time, np.nan)
        self.position: Whole = matrix(rows["position"].fill_null(0).cast(pl.Int64).to_numpy(), 0)
        codes = rows["flag"].replace_strict(CODES, default=0, return_dtype=pl.Int64)
        self.flag: Whole = matrix(codes.to_numpy(), 0)
        # A pause that the whole field shares (a red flag) is no lap's length.
        self.usual = np.nanmedian(np.where(self.time < STOPPED_LAP_S, self.time, np.nan))
        self.there: Bools = matrix(np.ones(rows.height, np.bool_), 0)
        self.elapsed = self._clocks(matrix(since.to_numpy().astype(np.float64), np.nan))
        self.was_led: Whole = matrix(rows["laps_led"].fill_null(0).cast(pl.Int64).to_numpy(), 0)

    def _clocks(self, elapsed: Floats) -> Floats:
        """The cars' clocks, set again after a stoppage so long that the feed's field was full.

        It halted the whole field: all go on from it at once, in their order.
        """
        elapsed = elapsed.copy()
        known = np.flatnonzero(~np.isnan(self.time).all(axis=0))
        middle = dict(zip(known, np.nanmedian(self.time[:, known], axis=0), strict=True))
        fastest = FASTEST_SHARE * min(middle.values(), default=0.0)
        for car, lap in zip(*np.nonzero(self.time < fastest), strict=True):
            elapsed[car, lap:] += middle[lap] - self.time[car, lap]
        while True:
            unknown = self.there & np.isnan(elapsed)
            halted_cars = np.flatnonzero(unknown.any(axis=1))
            if 2 * len(halted_cars) < max(len(unknown), 1):
                break
            halted = unknown.argmax(axis=1)
            base = float(np.nanmax(elapsed, initial=0.0)) + GAP_S * len(unknown)
            for car in halted_cars:
                lap = int(halted[car])
                rest = self.time[car, lap + 1 :]
                elapsed[car, lap] = base + GAP_S * self.position[car, lap]
                elapsed[car, lap + 1 :] = elapsed[car, lap] + np.cumsum(rest)
        # A lap's time that was taken wrongly moves a car's clock for the rest of the race. The
        # order at each line does not: the cars that contradict the fewest others keep their
        # clocks, the others are set between their neighbours.
        for lap in range(1, self.lap + 1):
            cars = np.flatnonzero(self.there[:, lap] & (self.position[:, lap] > 0))
            cars = cars[np.argsort(self.position[cars, lap], kind="stable")]
            at = elapsed[cars, lap]
            kept = _longest_rising(at)
            wrong = np.ones(len(cars), np.bool_)
            wrong[kept] = False
            if not wrong.any() or len(kept) < 2:
                continue
            places = np.flatnonzero(wrong)
            fitted = np.interp(places, kept, at[kept])
            for place, time in zip(places, fitted, strict=True):
                car = cars[place]
                if np.isnan(at[place]):
                    if place < kept[-1]:
                        rest = self.time[car, lap + 1 :]
                        elapsed[car, lap] = time
                        elapsed[car, lap + 1 :] = time + np.cumsum(rest)
                elif abs(at[place] - time) > CLOCK_TOLERANCE_S:
                    elapsed[car, lap:] += time - at[place]
        return elapsed

    def moment(self) -> tuple[float, float]:
        """The race time that the state is of, and the length of a lap at that pace."""
        lap = self.lap
        at = self.elapsed[:, lap]
        if np.isnan(at).all():
            raise InputError(
                f"No car's clock can be followed to lap {lap}.",
                field="LapTime",
                remedy="Name another lap; times before this one are missing.",
            )
        leader = int(np.nanargmin(at))
        step = self.time[leader, lap]
        if np.isnan(step) or step > STOPPED_LAP_S:
            step = self.usual
        return float(at[leader] + LAP_SHARE * step), float(step)

    def crossings(self, moment: float) -> tuple[Whole, Floats]:
        """Laps completed by the moment, and when the last of them ended."""
        place = np.arange(self.lap + 1)
        crossed = self.there & (self.elapsed <= moment)
        done = np.where(crossed, place, 0).max(axis=1)
        last = np.where(crossed, self.elapsed, -np.inf).max(axis=1)
        return done, np.where(np.isfinite(last), last, 0.0)

    def race_flags(self) -> Whole:
        """The flag of each lap: that of the cars which lead it, of the most where they differ."""
        flags = np.zeros(self.lap + 1, np.int64)
        counts = np.stack([(self.flag == code).sum(axis=0) for code in (GREEN, YELLOW, RED)])
        flags[1:] = np.where(counts.max(axis=0) > 0, counts.argmax(axis=0) + 1, GREEN)[1:]
        return flags

    def led(self) -> Whole:
        """Laps led; a lap whose leader the source does not give goes to the first at its line."""
        led = self.was_led.copy()
        led[:, 0] = 0
        for lap in np.flatnonzero(led.sum(axis=0) != 1):
            if lap == 0:
                continue
            at = np.where(self.there[:, lap], self.elapsed[:, lap], np.inf)
            led[:, lap] = 0
            led[int(np.argmin(np.where(np.isnan(at), np.inf, at))), lap] = 1
        return np.asarray(led.sum(axis=1))

    def fastest(self, flags: Whole) -> Whole:
        """Green laps of the race, those of its leader, on which each car was the fastest.

        A car that is laps down is compared with those that it runs among, not with the laps of the
        same number, which they drove on other tyres.
        """
        counts = np.zeros(len(self.driver_ids), np.int64)
        crossing = np.where(np.isnan(self.elapsed), np.inf, self.elapsed).min(axis=0)
        own = np.arange(1, self.lap + 1)[None, :]
        race_lap = race_laps_at(crossing, self.elapsed[:, :-1], own)
        cars, laps = np.nonzero(~np.isnan(self.time[:, 1:]) & (race_lap <= self.lap))
        race_lap = race_lap[cars, laps]
        order = np.lexsort((cars, self.time[cars, laps + 1], race_lap))
        numbers, first = np.unique(race_lap[order], return_index=True)
        np.add.at(counts, cars[order][first[flags[numbers] == GREEN]], 1)
        return counts

    def stops(self, flags: Whole, seen: Bools) -> tuple[Bools, Floats]:
        """Green laps slow enough for a stop, and what they cost in seconds."""
        green = (flags == GREEN)[None, :] & seen
        usual = np.full(self.lap + 1, self.usual)
        for lap in np.flatnonzero(flags == GREEN):
            times = self.time[green[:, lap], lap]
            if not np.isnan(times).all():
                usual[lap] = min(float(np.nanmedian(times)), 1.2 * self.usual)
        cost = np.where(green, self.time - usual[None, :], np.nan)
        low, high = STOP_COSTS_S
        slow = (cost > low) & (cost < high)
        slow[:, :2] = False
        return slow, np.where(slow, cost, 0.0)

    def pace(self, flags: Whole, usable: Bools) -> tuple[Floats, Whole]:
        """How much faster than the field each car's green laps were."""
        settled = flags == GREEN
        for lap in np.flatnonzero(np.isin(flags, NEUTRAL)):
            settled[lap : lap + 1 + SETTLING_LAPS] = False
        settled[: 1 + SETTLING_LAPS] = False
        total = np.zeros(len(self.driver_ids))
        count = np.zeros(len(self.driver_ids), np.int64)
        for lap in np.flatnonzero(settled):
            times = np.where(usable[:, lap], self.time[:, lap], np.nan)
            times = np.where(times > 1.2 * self.usual, np.nan, times)
            known = ~np.isnan(times)
            if known.sum() < FEWEST_PACE_CARS:
                continue
            middle = np.median(times[known])
            spread = 1.4826 * np.median(np.abs(times[known] - middle))
            if spread <= 0.0:
                continue
            gain = np.clip((middle - times[known]) / spread, -3.0, 3.0)
            total[known] += gain
            count[known] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan), count
