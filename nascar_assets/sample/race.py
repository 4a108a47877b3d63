"""One invented race: cars against the clock, lap by lap, with cautions, pit stops and wrecks.

Every car runs its own laps and carries its own elapsed time; order, laps led, laps down, gaps
and fastest laps all follow from it, so they agree with each other by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.sample.world import Track

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

GREEN, YELLOW = 1, 2
RUNNING, ACCIDENT, MECHANICAL = 0, 1, 2

_EXTRA_LAPS = 40
"""Laps that overtime can add at most."""


@dataclass(frozen=True, slots=True)
class Process:
    """How races of one track type go; shares of a lap time unless said otherwise."""

    spread: float  # pace per unit of ability
    day: float  # sd of a car's level on the day, in units of ability
    lap_noise: float
    falloff: float  # loss on worn tyres
    clean_air: float  # gain of the leader
    grid_gap: float  # seconds between places on the grid and at restarts
    shuffle: float  # sd of a restart's reshuffle, in places
    wreck: float  # chance per green lap
    cluster: float  # chance that a wreck takes one more car
    out: float  # chance that a wrecked car is out
    debris: float  # chance per green lap
    caution_laps: int
    mechanical: float  # retirements a race
    window: float  # laps on a tank, as a share of the race
    stop: float  # seconds lost by a stop under green
    pack: float  # share of its gap to the leader that a drafting car makes up in a lap


PROCESSES: dict[str, Process] = {
    "superspeedway": Process(
        spread=0.0004, day=0.6, lap_noise=0.0022, falloff=0.004, clean_air=0.0013, grid_gap=0.09,
        shuffle=3.0, wreck=0.0175, cluster=0.80, out=0.74, debris=0.008, caution_laps=6,
        mechanical=0.8, window=0.22, stop=34.0, pack=0.05,
    ),
    "intermediate": Process(
        spread=0.0027, day=0.62, lap_noise=0.0034, falloff=0.022, clean_air=0.0016, grid_gap=0.24,
        shuffle=1.8, wreck=0.0145, cluster=0.32, out=0.68, debris=0.006, caution_laps=6,
        mechanical=1.3, window=0.19, stop=30.0, pack=0.0,
    ),
    "short": Process(
        spread=0.0032, day=0.55, lap_noise=0.0040, falloff=0.024, clean_air=0.0016, grid_gap=0.22,
        shuffle=1.3, wreck=0.013, cluster=0.30, out=0.52, debris=0.005, caution_laps=8,
        mechanical=1.2, window=0.30, stop=26.0, pack=0.0,
    ),
    "road": Process(
        spread=0.0032, day=0.62, lap_noise=0.0028, falloff=0.022, clean_air=0.0010, grid_gap=0.45,
        shuffle=1.8, wreck=0.035, cluster=0.28, out=0.75, debris=0.012, caution_laps=4,
        mechanical=1.3, window=0.34, stop=32.0, pack=0.0,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RaceRun:
    """What happened, N cars in entry order.

    Attributes:
        laps: Laps run, overtime included.
        order: Cars in finishing order on track, [N].
        laps_completed: [N].
        status: `RUNNING`, `ACCIDENT` or `MECHANICAL`, [N].
        lap_times: Seconds, [laps + 1, N]; row 0 and laps not completed are NaN.
        elapsed: Seconds since the green flag at the end of each lap, same shape; row 0 the grid.
        positions: Running positions at the end of each lap, same shape; 0 where not completed.
        flags: `GREEN` or `YELLOW` of each lap, [laps + 1]; entry 0 is unused.
        cautions: Caution periods.
        red_flag_lap: The caution lap that held a red flag, 0 where there was none.
        under_caution: Whether the race ended under yellow.
    """

    laps: int
    order: Ints
    laps_completed: Ints
    status: Ints
    lap_times: Floats
    elapsed: Floats
    positions: Ints
    flags: Ints
    cautions: int
    red_flag_lap: int
    under_caution: bool

    @property
    def leaders(self) -> Ints:
        """Car in front at the end of each lap, [laps]."""
        return np.asarray(np.argmax(self.positions[1:] == 1, axis=1), dtype=np.int64)


class _Race:
    """The state of a race while it runs."""

    def __init__(self, rng: np.random.Generator, track: Track, level: Floats, start: Ints) -> None:
        process = PROCESSES[track.track_type]
        self.rng, self.track, self.process = rng, track, process
        self.n = n = len(level)
        self.cap = cap = track.laps + _EXTRA_LAPS
        self.target = track.laps
        day = level + rng.normal(0.0, process.day, n)
        pace = track.lap_time * (1.0 - process.spread * day)
        self.pace: Floats = np.asarray(pace, np.float64)
        self.noise = rng.normal(0.0, process.lap_noise * track.lap_time, (cap + 1, n))
        drift = rng.normal(0.0, 1.0, (cap // 10 + 2, n)) * process.spread * track.lap_time * 0.45
        self.drift = np.repeat(drift, 10, axis=0)  # balance changes over a run
        self.chance = rng.random((cap + 1, 4))
        self.crew = rng.normal(0.0, 1.0, n)
        self.chaos = float(rng.gamma(3.0, 1.0 / 3.0))  # some races are wilder than others
        # Each part has its own lap of failure; most lie beyond the race's end.
        rate = process.mechanical / n / track.laps
        self.fails: Ints = np.ceil(rng.exponential(1.0 / rate, n)).astype(np.int64)
        # Laps on a tank of fuel.
        self.window = np.maximum(8, process.window * track.laps + rng.integers(-3, 4, n))
        self.active: Bools = np.ones(n, bool)
        self.out_after: Ints = np.full(n, cap + 1)  # laps completed before retirement
        self.status: Ints = np.zeros(n, np.int64)
        self.age: Floats = np.zeros(n)  # laps on these tyres
        self.clock: Floats = np.asarray(process.grid_gap * (start - 1.0), np.float64)
        self.elapsed: Floats = np.full((cap + 1, n), np.nan)
        self.elapsed[0] = self.clock
        self.flags: Ints = np.zeros(cap + 1, np.int64)
        self.cautions = 0
        self.red_flag_lap = 0
        self.restart = True
        self.overtimes = 0
        self.under_caution = False  # a wreck on the last lap freezes the field

    def run(self) -> None:
        stage_1, stage_2, _ = self.track.stages
        stops = {stage_1, stage_1 + stage_2}
        lap = yellow = yellow_lap = 0
        big = False
        while lap < self.target:
            lap += 1
            if yellow:
                yellow_lap += 1
                self._caution_lap(lap, yellow_lap, yellow, big)
                yellow -= 1
                self.restart = yellow == 0
                continue
            taken = self._green_lap(lap)
            self.under_caution = lap == self.target and taken > 0
            debris = self.chance[lap, 1] < self.process.debris
            if lap < self.target and (taken or debris or lap in stops):
                jitter = int(self.chance[lap, 2] * 3) - 1
                yellow = max(2, self.process.caution_laps + jitter)
                yellow_lap, big = 0, taken >= 12
                self.cautions += 1
                # A caution near the end puts the finish off: two green laps after it, or more
                # tries, as far as the rules of overtime go.
                if lap + yellow + 2 > self.target and self.overtimes < 3:
                    self.overtimes += 1
                    self.target = lap + yellow + 2

    def _green_lap(self, lap: int) -> int:
        """Runs one green lap; returns how many cars a wreck took, 0 where there was none."""
        process, track = self.process, self.track
        self.flags[lap] = GREEN
        failed = self.active & (self.fails == lap)
        self._retire(failed, lap, MECHANICAL)
        taken = self._wreck(lap)
        worn = process.falloff * track.lap_time * (1.0 - np.exp(-self.age / 16.0))
        time = self.pace + worn + self.noise[lap] + self.drift[lap]
        time[int(np.argmin(self.clock))] -= process.clean_air * track.lap_time
        if self.restart:
            time += 0.05 * track.lap_time
            self.restart = False
        self.age += 1.0
        pits = (self.age >= self.window) & (self.target - lap > 4)
        if pits.any():
            time[pits] += process.stop + 1.2 * np.abs(self.crew[pits])
            self.age[pits] = 0.0
        if process.pack:
            gap = self.clock - self.clock.min()
            time -= np.where((gap < 9.0) & ~pits, process.pack * gap, 0.0)
        self._finish_lap(lap, time)
        return taken

    def _wreck(self, lap: int) -> int:
        process = self.process
        late = 1.6 if lap > 0.85 * self.target else 1.0
        hazard = process.wreck * self.chaos * late * (2.0 if self.restart else 1.0)
        if lap < 2 or self.chance[lap, 0] >= hazard:
            return 0
        running = np.argsort(self.clock, kind="stable")[: int(self.active.sum())]
        size = min(int(self.rng.geometric(1.0 - process.cluster)), len(running))
        first = int(self.rng.integers(0, max(1, len(running) - size + 1)))
        struck = running[first : first + size]
        out = self.rng.random(size) < process.out
        wrecked = np.zeros(self.n, bool)
        wrecked[struck[out]] = True
        self._retire(wrecked, lap, ACCIDENT)
        for car in struck[~out]:  # damaged: repairs, then slower
            if self.rng.random() < 0.5:
                self.clock[car] += self.track.lap_time * float(self.rng.integers(1, 12))
            self.pace[car] *= 1.0 + 0.004 * float(self.rng.exponential(1.0))
        return size

    def _retire(self, cars: Bools, lap: int, why: int) -> None:
        cars = cars & self.active
        # A race never loses its whole field: the last ten cars stay in it.
        if int(self.active.sum()) - int(cars.sum()) < 10:
            return
        self.active &= ~cars
        self.status[cars] = why
        self.out_after[cars] = lap - 1
        self.clock[cars] = np.inf

    def _caution_lap(self, lap: int, number: int, left: int, big: bool) -> None:
        """Bunches the field behind the pace car; the second lap is for pit stops."""
        process, track = self.process, self.track
        self.flags[lap] = YELLOW
        gap = self.clock - self.clock.min()
        gap[~self.active] = 0.0
        down = np.floor(gap / (track.lap_time * 1.02))
        if left == 1:  # the free pass and the wave-around, just before the restart
            back = (down > 0) & (self.chance[lap, 3] + 0.1 * self.crew < 0.8)
            down[back] -= 1.0
        rank = np.empty(self.n)
        rank[np.argsort(self.clock, kind="stable")] = np.arange(self.n)
        if number == 2:
            # Most stop for tyres; some in midfield with fresh ones stay out and gain places.
            stays = (self.rng.random(self.n) < np.where(rank < 12, 0.04, 0.15)) | (self.age < 6)
            rank += np.where(stays, 0.0, self.n) + self.rng.normal(0.0, 1.6, self.n) + self.crew
            self.age[~stays] = 0.0
        elif left == 1:
            rank += self.rng.normal(0.0, process.shuffle, self.n)
        rank[~self.active] = np.inf
        place = np.empty(self.n)
        place[np.lexsort((rank, down))] = np.arange(self.n)
        # Cars that are laps down stay so, and line up behind the others.
        new_gap = down * track.lap_time * 1.02 + process.grid_gap * place
        length = track.lap_time * (1.4 if number == 1 else 2.4)
        if big and number == 2 and not self.red_flag_lap:
            self.red_flag_lap = lap
            length += 620.0 + 500.0 * float(self.chance[lap, 2])
        self._finish_lap(lap, np.asarray(length + new_gap - gap, np.float64))

    def _finish_lap(self, lap: int, time: Floats) -> None:
        clock = self.clock + np.round(np.maximum(time, 0.9 * self.track.lap_time), 3)
        self.clock = np.asarray(np.where(self.active, clock, np.inf), np.float64)
        self.elapsed[lap] = np.where(self.active, self.clock, np.nan)


def run_race(rng: np.random.Generator, track: Track, level: Floats, start: Ints) -> RaceRun:
    """Runs one race.

    Args:
        rng: Source of randomness.
        track: Where.
        level: Each car's ability at this kind of track, [N], about standard normal.
        start: Starting positions, a permutation of 1..N.

    Returns:
        The race as it went.
    """
    race = _Race(rng, track, level, start)
    race.run()
    laps, n = race.target, race.n
    elapsed = race.elapsed[: laps + 1]
    flag_time = float(np.nanmin(elapsed[laps]))
    # Whoever has begun a lap before the checkered flag falls may finish it.
    begun = np.concatenate([np.ones((1, n), bool), elapsed[:-1] < flag_time])
    done = begun & ~np.isnan(elapsed)
    completed = np.where(done, np.arange(laps + 1)[:, None], 0).max(axis=0)
    completed = np.minimum(completed, race.out_after)
    done &= np.arange(laps + 1)[:, None] <= completed
    last = elapsed[completed, np.arange(n)]
    order = np.lexsort((last, race.status != RUNNING, -completed))
    shown = np.where(done, elapsed, np.inf)
    positions = np.empty((laps + 1, n), np.int64)
    by_time = np.argsort(shown, axis=1, kind="stable")
    np.put_along_axis(positions, by_time, np.arange(1, n + 1)[None, :], axis=1)
    positions[~done] = 0
    # Repairs move a car's clock within a lap, so a lap's time is the difference of clocks.
    lap_times = np.vstack([np.full((1, n), np.nan), np.diff(elapsed, axis=0)])
    return RaceRun(
        laps=laps,
        order=np.asarray(order, dtype=np.int64),
        laps_completed=np.asarray(completed, dtype=np.int64),
        status=race.status,
        lap_times=np.where(done, np.round(lap_times, 3), np.nan),
        elapsed=np.where(done, elapsed, np.nan),
        positions=positions,
        flags=race.flags[: laps + 1],
        cautions=race.cautions,
        red_flag_lap=race.red_flag_lap,
        under_caution=race.under_caution,
    )
