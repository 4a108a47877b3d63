"""From a race as it went to the statistics that the feed publishes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.sample.race import GREEN, RUNNING, RaceRun

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RaceStatistics:
    """Per car, N cars in entry order; all [N] unless said otherwise.

    Attributes:
        finish: Finishing position on track.
        laps_led: Laps on which the car was in front at the line.
        times_led: Spells in front.
        fastest_laps: Green laps on which the car was the fastest.
        mid, closing: Positions at half and at nine tenths of the race.
        best, worst: Running positions.
        average: Mean running position.
        passes, passed: Green-flag passes made and suffered.
        quality_passes: Passes of cars that ran in the first fifteen.
        top15_laps: Laps in the first fifteen.
        rating: 0 to 150, in the manner of the feed's driver rating.
        lead_changes: Changes of the leader at the line.
    """

    finish: Ints
    laps_led: Ints
    times_led: Ints
    fastest_laps: Ints
    mid: Ints
    closing: Ints
    best: Ints
    worst: Ints
    average: Floats
    passes: Ints
    passed: Ints
    quality_passes: Ints
    top15_laps: Ints
    rating: Floats
    lead_changes: int


def race_statistics(run: RaceRun, start: Ints) -> RaceStatistics:
    """Counts what the feed's loop statistics count.

    Args:
        run: The race.
        start: Starting positions, [N].

    Returns:
        The statistics; laps led sum to the race's laps.
    """
    n, laps = len(start), run.laps
    finish = np.empty(n, np.int64)
    finish[run.order] = np.arange(1, n + 1)
    leaders = run.leaders
    changes = np.flatnonzero(np.diff(leaders)) + 1
    green = np.flatnonzero(run.flags == GREEN)
    times = np.where(np.isnan(run.lap_times[green]), np.inf, run.lap_times[green])
    fastest = np.bincount(np.argmin(times, axis=1), minlength=n)
    position = run.positions[1:]
    on_track = position > 0
    completed = np.maximum(run.laps_completed, 1)
    # A car that has not completed a lap has its starting position and no other.
    none = run.laps_completed == 0
    best = np.where(on_track, position, n + 1).min(axis=0)
    average = position.sum(axis=0) / completed
    passes, passed, quality = _passes(run, green)
    top15 = (on_track & (position <= 15)).sum(axis=0)
    led = np.bincount(leaders, minlength=n)
    average = np.where(none, start, average)
    return RaceStatistics(
        finish=finish,
        laps_led=led,
        times_led=np.bincount(leaders[np.r_[0, changes]], minlength=n),
        fastest_laps=fastest,
        mid=_position_at(run, laps // 2, finish),
        closing=_position_at(run, laps - laps // 10, finish),
        best=np.where(none, start, best),
        worst=np.where(none, finish, position.max(axis=0)),
        average=average,
        passes=passes,
        passed=passed,
        quality_passes=quality,
        top15_laps=top15,
        rating=_rating(run, finish, average, led, fastest, top15),
        lead_changes=len(changes),
    )


def _position_at(run: RaceRun, lap: int, finish: Ints) -> Ints:
    # A car that is out by then has the place that it finished in.
    position = run.positions[lap]
    return np.asarray(np.where(position > 0, position, finish), dtype=np.int64)


def _passes(run: RaceRun, green: Ints) -> tuple[Ints, Ints, Ints]:
    """Passes made, suffered, and made on cars in the first fifteen, line to line under green."""
    green = green[green > 1]
    n = run.positions.shape[1]
    made = np.zeros(n, np.int64)
    suffered = np.zeros(n, np.int64)
    quality = np.zeros(n, np.int64)
    before = run.positions[green - 1].astype(np.int16)
    after = run.positions[green].astype(np.int16)
    both = (before > 0) & (after > 0)
    for car in range(n):
        seen = both & both[:, car : car + 1]
        gained = (
            seen & (before < before[:, car : car + 1]) & (after > after[:, car : car + 1])
        )  # cars that it was behind and now leads
        lost = seen & (before > before[:, car : car + 1]) & (after < after[:, car : car + 1])
        made[car] = gained.sum()
        suffered[car] = lost.sum()
        quality[car] = (gained & (before <= 15)).sum()
    return made, suffered, quality


def _rating(
    run: RaceRun, finish: Ints, average: Floats, led: Ints, fastest: Ints, top15: Ints
) -> Floats:
    """A rating of 0 to 150 from finish, running position, laps led, speed and laps up front."""
    n, laps = len(finish), run.laps
    on_lead_lap = (run.status == RUNNING) & (run.laps_completed == laps)
    parts = (
        45.0 * (n - finish) / (n - 1)
        + 45.0 * (n - average) / (n - 1)
        + 15.0 * top15 / laps
        + 20.0 * led / max(1, led.max())
        + 15.0 * fastest / max(1, fastest.max())
        + 5.0 * (finish == 1)
        + 5.0 * on_lead_lap
    )
    return np.asarray(np.clip(parts, 0.0, 150.0), dtype=np.float64)
