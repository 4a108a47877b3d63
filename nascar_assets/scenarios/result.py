"""A set of scenarios as a value: arrays, tables, points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.status import STATUSES
from nascar_assets.rules import RuleSet, score
from nascar_assets.scenarios.diagnostics import Diagnostics
from nascar_assets.scenarios.regimes import REGIMES, RaceFlowRegime
from nascar_assets.scenarios.strategies import STRATEGIES

STATUS = STATUSES
"""Names of the status codes."""

CAR_ARRAYS: dict[str, type[np.signedinteger[Any]]] = {
    "start": np.int8,
    "finish": np.int8,
    "laps_led": np.int16,
    "fastest_laps": np.int16,
    "laps_completed": np.int16,
    "status": np.int8,
    "dnf_lap": np.int16,
    "mid_position": np.int8,
}
"""Arrays [n, N] and their types."""

RACE_ARRAYS: dict[str, type[np.signedinteger[Any]]] = {
    "regime": np.int8,
    "cautions": np.int8,
    "green_laps": np.int16,
    "race_laps": np.int16,
    "late_cautions": np.int8,
    "strategy": np.int8,
    "fuel_gambles": np.int8,
    "last_leader": np.int8,
}
"""Arrays [n] and their types."""

_LABELS: dict[str, tuple[str, ...]] = {
    "status": tuple(STATUS),
    "regime": tuple(REGIMES),
    "strategy": tuple(strategy.value for strategy in STRATEGIES),
}
"""Labels of the codes of an array, by its name."""


def _labelled(name: str) -> pl.Expr:
    """A column of codes as labels."""
    labels = _LABELS[name]
    return pl.col(name).replace_strict(range(len(labels)), labels, return_dtype=pl.Enum(labels))


def _coded(name: str) -> pl.Expr:
    """A column of labels as codes."""
    labels = _LABELS[name]
    texts = pl.col(name).cast(pl.String)
    return texts.replace_strict(labels, range(len(labels)), return_dtype=pl.Int8)


@dataclass(frozen=True, eq=False)
class Scenarios:
    """`n` complete races of `N` cars; arrays are read-only.

    Attributes:
        driver_ids: [N] ids, the order of the second axis.
        start: [n, N] places in which the cars run off, from 1.
        finish: [n, N] finishing positions, from 1.
        laps_led: [n, N].
        fastest_laps: [n, N] green laps on which the car was the fastest.
        laps_completed: [n, N].
        status: [n, N] codes, places in `STATUS`.
        dnf_lap: [n, N] lap on which a car retired, which it did not complete; 0 for none.
        mid_position: [n, N] running position after half of the scheduled laps; 0 if retired.
        regime: [n] codes, places in `REGIMES`.
        cautions: [n] cautions, stage ends included.
        green_laps: [n] laps not under caution.
        race_laps: [n] laps run, overtime included.
        late_cautions: [n] cautions in the last fifth and in overtime.
        strategy: [n] codes, places in `STRATEGIES`.
        fuel_gambles: [n] cars that stretched their fuel to the end.
        last_leader: [n] index of the car that led the last lap.
        diagnostics: How the set came about; none where it was loaded without them.
        scored_start: [N] starts that contest points count from; none where they are `start`.
        trace: [n, K, N] positions after each of K laps that were asked for, cars that are out by
            the laps that they completed; not stored.
    """

    driver_ids: tuple[str, ...]
    start: npt.NDArray[np.int8]
    finish: npt.NDArray[np.int8]
    laps_led: npt.NDArray[np.int16]
    fastest_laps: npt.NDArray[np.int16]
    laps_completed: npt.NDArray[np.int16]
    status: npt.NDArray[np.int8]
    dnf_lap: npt.NDArray[np.int16]
    mid_position: npt.NDArray[np.int8]
    regime: npt.NDArray[np.int8]
    cautions: npt.NDArray[np.int8]
    green_laps: npt.NDArray[np.int16]
    race_laps: npt.NDArray[np.int16]
    late_cautions: npt.NDArray[np.int8]
    strategy: npt.NDArray[np.int8]
    fuel_gambles: npt.NDArray[np.int8]
    last_leader: npt.NDArray[np.int8]
    diagnostics: Diagnostics | None = None
    scored_start: tuple[int, ...] | None = None
    trace: npt.NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        n, size = len(self.race_laps), len(self.driver_ids)
        for shape, arrays in (((n, size), CAR_ARRAYS), ((n,), RACE_ARRAYS)):
            for name, kind in arrays.items():
                array = np.ascontiguousarray(getattr(self, name), dtype=kind)
                if array.shape != shape:
                    raise ValueError(f"{name} has the shape {array.shape}, expected {shape}.")
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.race_laps)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scenarios):
            return NotImplemented
        same = self.driver_ids == other.driver_ids and self.scored_start == other.scored_start
        return same and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in (*CAR_ARRAYS, *RACE_ARRAYS)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def field_size(self) -> int:
        """Number of cars."""
        return len(self.driver_ids)

    @property
    def points_start(self) -> npt.NDArray[np.integer[Any]]:
        """Starts that contest points count from: [n, N], or [N] where they are not `start`."""
        return self.start if self.scored_start is None else np.array(self.scored_start, np.int8)

    def flow(self, scenario: int) -> RaceFlowRegime:
        """The skeleton of one scenario."""
        return RaceFlowRegime(
            label=REGIMES[self.regime[scenario]],
            cautions=int(self.cautions[scenario]),
            pit_strategy=STRATEGIES[self.strategy[scenario]],
            fuel_window_risk=int(self.fuel_gambles[scenario]) / self.field_size,
            late_race_chaos=int(self.late_cautions[scenario]),
        )

    def points(self, rule_set: RuleSet) -> npt.NDArray[np.int32]:
        """[n, N] contest points in units of 1 / `rule_set.points_scale`."""
        return score(
            rule_set,
            start=self.points_start,
            finish=self.finish,
            laps_led=self.laps_led,
            fastest_laps=self.fastest_laps,
            laps_completed=self.laps_completed,
        )

    def take(self, rows: npt.NDArray[Any]) -> Scenarios:
        """The scenarios of some rows, in that order, without diagnostics."""
        arrays = {name: getattr(self, name)[rows] for name in (*CAR_ARRAYS, *RACE_ARRAYS)}
        trace = None if self.trace is None else self.trace[rows]
        return Scenarios(
            driver_ids=self.driver_ids, scored_start=self.scored_start, trace=trace, **arrays
        )

    def to_polars(self, rule_sets: Sequence[RuleSet] = ()) -> pl.DataFrame:
        """One row per scenario and driver, scenario by scenario in the order of `driver_ids`.

        Args:
            rule_sets: Contests whose points are added as `points_{key}`, dashes as underscores,
                in units of 1 / `points_scale`.

        Returns:
            scenario (Int32), driver_id, start, finish, laps_led, fastest_laps, laps_completed,
            status (Enum), dnf_lap (null where the car ran to the end), mid_position (null where
            the car had retired), scored_start where it is not the start, points columns.
        """
        n, size = self.finish.shape
        columns: dict[str, Any] = {
            "scenario": np.repeat(np.arange(n, dtype=np.int32), size),
            "driver_id": pl.Series(np.tile(np.arange(size, dtype=np.int64), n)).replace_strict(
                range(size), self.driver_ids, return_dtype=pl.String
            ),
        }
        columns |= {name: getattr(self, name).reshape(-1) for name in CAR_ARRAYS}
        if self.scored_start is not None:
            columns["scored_start"] = np.tile(np.array(self.scored_start, np.int8), n)
        columns |= {
            f"points_{rules.key.replace('-', '_')}": self.points(rules).reshape(-1)
            for rules in rule_sets
        }
        return pl.DataFrame(columns).with_columns(
            _labelled("status"),
            pl.when(pl.col("dnf_lap", "mid_position") > 0).then(pl.col("dnf_lap", "mid_position")),
        )

    def races_to_polars(self) -> pl.DataFrame:
        """One row per scenario: scenario and the arrays [n], codes as labels."""
        columns = {name: getattr(self, name) for name in RACE_ARRAYS}
        return pl.DataFrame(
            {"scenario": np.arange(len(self), dtype=np.int32), **columns}
        ).with_columns(
            _labelled("regime"),
            _labelled("strategy"),
            pl.col("last_leader").replace_strict(
                range(self.field_size), self.driver_ids, return_dtype=pl.String
            ),
        )

    @classmethod
    def from_polars(cls, cars: pl.DataFrame, races: pl.DataFrame) -> Scenarios:
        """The scenarios that `to_polars` and `races_to_polars` wrote, rows in any order.

        Raises:
            InputError: If the tables do not hold every driver of every scenario exactly once.
        """
        missing = [c for c in ("scenario", "driver_id", *CAR_ARRAYS) if c not in cars.columns]
        missing += [c for c in ("scenario", *RACE_ARRAYS) if c not in races.columns]
        if missing:
            raise InputError(f"The stored scenarios lack the columns {', '.join(missing)}.")
        races = races.sort("scenario")
        n = races.height
        first = races["scenario"][0] if n else 0
        driver_ids = tuple(cars.filter(pl.col("scenario") == first)["driver_id"].to_list())
        place = {driver: index for index, driver in enumerate(driver_ids)}
        size = len(driver_ids)
        known = cars["driver_id"].is_in(list(driver_ids)).all()
        if not known or len(place) != size or cars.height != n * size:
            raise InputError(
                f"The stored scenarios hold {cars.height} rows for {n} scenarios of {size} "
                "drivers, or drivers that differ from scenario to scenario."
            )
        ordered = cars.with_columns(
            pl.col("driver_id")
            .replace_strict(list(place), list(place.values()), return_dtype=pl.Int32)
            .alias("_car"),
            _coded("status"),
            pl.col("dnf_lap", "mid_position").fill_null(0),
        ).sort("scenario", "_car")
        if not (
            ordered["_car"].to_numpy().reshape(n, size) == np.arange(size)
        ).all() or not np.array_equal(
            ordered["scenario"].to_numpy().reshape(n, size)[:, 0], races["scenario"].to_numpy()
        ):
            raise InputError("The stored scenarios do not hold every driver exactly once.")
        coded = races.with_columns(
            _coded("regime"),
            _coded("strategy"),
            pl.col("last_leader").replace_strict(
                list(place), list(place.values()), return_dtype=pl.Int8
            ),
        )
        arrays: dict[str, Any] = {}
        for column in CAR_ARRAYS:
            arrays[column] = ordered[column].to_numpy().reshape(n, size)
        for column in RACE_ARRAYS:
            arrays[column] = coded[column].to_numpy()
        if "scored_start" in cars.columns:
            arrays["scored_start"] = tuple(ordered["scored_start"][:size].to_list())
        return cls(driver_ids=driver_ids, **arrays)


def concatenate(parts: Sequence[Scenarios]) -> Scenarios:
    """Scenarios of several sets of the same field, one after the other."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*CAR_ARRAYS, *RACE_ARRAYS)
    }
    traces = [part.trace for part in parts if part.trace is not None]
    return Scenarios(
        driver_ids=parts[0].driver_ids,
        scored_start=parts[0].scored_start,
        trace=np.concatenate(traces) if len(traces) == len(parts) else None,
        **arrays,
    )
