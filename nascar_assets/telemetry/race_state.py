"""The state of a race after some of its laps: who runs where, who is out, what was led."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GREEN, YELLOW, RED = 1, 2, 3
"""Flags of laps by the feed's numbers; 0 where the flag is not known."""

NEUTRAL = (YELLOW, RED)
"""Flags under which nobody races: a red flag stops a caution, which then goes on."""

OVERTIME_LAPS = 2
"""Laps under green that end a race which a caution held up at its scheduled end."""
STILL_FROM = 2.5
"""Laps without a crossing of the line from which a car stands still: a stop takes less."""


_BY_CAR = (
    "start", "position", "laps_completed", "out", "still", "laps_led", "fastest_laps",
    "stops", "last_stop", "behind", "pace", "pace_laps",
)  # fmt: skip


class RaceStateError(InputError):
    """A state that no race can be in."""


@dataclass(frozen=True, slots=True, eq=False)
class RaceState:
    """A race after `lap` laps of its leader. Nothing of it was known later than that.

    Arrays over cars are in the order of `driver_ids`. On construction the state's laws are checked.

    Attributes:
        race_id: The feed's id.
        lap: Laps that the leader has completed; 0 before the race.
        scheduled_laps: Laps by the schedule.
        driver_ids: The cars.
        start: [N] starting position from 1.
        position: [N] running order from 1, cars that are out or stand still where they were left.
        laps_completed: [N].
        out: [N] whether a car is known to be out of the race.
        still: [N] for how many laps a car has not crossed the line; below `STILL_FROM` it moves.
        laps_led: [N].
        fastest_laps: [N] green laps on which the car was the fastest.
        stops: [N] green-flag stops since the last caution.
        last_stop: [N] lap of the last stop that was seen or is to be supposed, 0 for none.
        behind: [N] laps behind the leader, as if every car had stopped as often as he has.
        path: [N, lap + 1] running position after each lap from the grid on, 0 where not known.
        pace: [N] how much faster than the field the car's green laps were, in robust standard
            deviations over cars; NaN where it has too few.
        pace_laps: [N] green laps that `pace` is made of.
        flags: [lap + 1] flag of each lap.
        elapsed_s: Race time at which the leader completed the lap; NaN where not known.
        notices: What was odd in the laps, and what was made of it.

    Raises:
        RaceStateError: If the state breaks a law, which the message names.
    """

    race_id: str
    lap: int
    scheduled_laps: int
    driver_ids: tuple[str, ...]
    start: Whole
    position: Whole
    laps_completed: Whole
    out: npt.NDArray[np.bool_]
    still: Floats
    laps_led: Whole
    fastest_laps: Whole
    stops: Whole
    last_stop: Whole
    behind: Floats
    path: Whole
    pace: Floats
    pace_laps: Whole
    flags: Whole
    elapsed_s: float = float("nan")
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        problem = self._broken_law()
        if problem is not None:
            raise RaceStateError(
                f"Race {self.race_id} after lap {self.lap}: {problem}.",
                field="state",
                remedy="Wait for the next feed, or check the file of laps.",
            )

    def _broken_law(self) -> str | None:
        """What no race can be, in words; none where all laws hold."""
        size, lap = len(self.driver_ids), self.lap
        for name in _BY_CAR:
            if getattr(self, name).shape != (size,):
                return f"{name} does not hold one value for each of {size} cars"
        if self.path.shape != (size, lap + 1) or self.flags.shape != (lap + 1,):
            return "path and flags do not reach from the grid to the lap"
        if lap < 0 or len(set(self.driver_ids)) != size or size == 0:
            return "a driver stands twice, there is none, or the lap is negative"
        if sorted(self.position) != list(range(1, size + 1)):
            return "the running order is no permutation of the cars"
        if sorted(self.start) != list(range(1, size + 1)):
            return "the starting order is no permutation of the cars"
        done = self.laps_completed
        if (done < 0).any() or (done > lap).any() or done.max() != lap:
            return "a car has completed more laps than the leader, or none has completed his"
        if (np.diff(done[np.argsort(self.position)]) > 0).any():
            return "a car runs ahead of one that has completed more laps"
        if (self.laps_led < 0).any() or int(self.laps_led.sum()) != lap:
            return f"{int(self.laps_led.sum())} laps were led, not {lap}"
        if (self.laps_led > done).any() or (self.fastest_laps > done).any():
            return "a car has led, or run fastest, more laps than it has completed"
        if (self.fastest_laps < 0).any() or self.fastest_laps.sum() > self.green_laps:
            return "there are more fastest laps than green laps"
        if (self.out & (self.position == 1)).any() and lap < self.scheduled_laps:
            return "the leader is out of the race"
        return None

    @property
    def green_laps(self) -> int:
        """Laps so far that were not under caution."""
        return self.lap - int(self.neutral.sum())

    @property
    def neutral(self) -> npt.NDArray[np.bool_]:
        """[lap + 1] laps under caution, those of a red flag included."""
        return np.isin(self.flags, NEUTRAL)

    @property
    def caution_lap(self) -> int:
        """How many laps the caution has lasted that the race is under; 0 under green."""
        green = np.flatnonzero(~self.neutral[1:])
        return self.lap - (int(green[-1]) + 1 if len(green) else 0)

    @property
    def over(self) -> bool:
        """Whether the leader has finished: the scheduled laps or an overtime's two, under green.

        A caution that came out on the last lap, the scheduled one or an overtime's second, ended
        it, too.
        """
        if self.lap < self.scheduled_laps:
            return False
        if self.caution_lap > 0:
            second = self.lap == self.scheduled_laps or bool(self.neutral[self.lap - 2])
            return self.caution_lap == 1 and second
        return self.lap - self.run_start >= OVERTIME_LAPS

    @property
    def run_start(self) -> int:
        """The lap after which the green run began; `lap` under caution."""
        yellow = np.flatnonzero(self.neutral[1:])
        return int(yellow[-1]) + 1 if len(yellow) else 0

    @property
    def caution_starts(self) -> Whole:
        """Laps on which cautions began."""
        shown = self.neutral
        return np.flatnonzero(shown[1:] & ~shown[:-1]) + 1

    @property
    def laps_down(self) -> Whole:
        """[N] laps down; a car that has only not come to the line yet is on the leader's."""
        down = self.lap - self.laps_completed
        exact = np.minimum(down, np.floor(self.behind).astype(np.int64))
        return np.where(self.moving & (self.stops == 0), exact, down)

    @property
    def moving(self) -> npt.NDArray[np.bool_]:
        """[N] cars that are in the race and do not stand still."""
        return ~self.out & (self.still < STILL_FROM)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RaceState):
            return NotImplemented
        return all(_same(getattr(self, item.name), getattr(other, item.name))
                   for item in fields(self))  # fmt: skip

    __hash__ = None  # type: ignore[assignment]


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, np.ndarray):
        return bool(np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"))
    return bool(mine == theirs or (mine != mine and theirs != theirs))
