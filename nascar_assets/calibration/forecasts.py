"""A race's forecast as arrays, its file, and what a forecaster is given to make it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.columns.calibration import FORECAST
from nascar_assets.columns.column import types_of
from nascar_assets.errors import InputError
from nascar_assets.feed.status import STATUSES, status_codes
from nascar_assets.rules import DEFAULT_CONTEST, RuleSet, rule_set, score
from nascar_assets.rules.race_day import race_day

Places = npt.NDArray[np.int16]

FORECAST_COLUMNS = types_of(FORECAST)
"""Columns of a forecast file: one row per scenario and driver."""

_WHOLE = ("start", "finish", "laps_led", "fastest_laps", "laps_completed")

USUAL_SCALE = 20
"""Units to the contest point where a file names no others, as for Classic contests."""


@dataclass(frozen=True, slots=True)
class RaceForecast:
    """Scenarios of one race.

    Attributes:
        driver_ids: Drivers, the order of every array's last axis.
        start: Starting positions [N] or [m, N].
        finish: Finishing places from 1 [m, N].
        laps_led: Laps led [m, N].
        fastest_laps: Fastest laps [m, N].
        laps_completed: Laps completed [m, N].
        status: Index into `STATUSES` [m, N].
        points: Contest points in units of 1 / `points_scale` [m, N].
        points_scale: Units to the point.
        joint: Whether each scenario is a race that could happen; otherwise only each driver's
            own distribution means anything.
        untilted: Where the scenarios were resampled: the probabilities of each event before [N],
            and `effective_scenarios` [1], how many independent scenarios they are worth.
    """

    driver_ids: tuple[str, ...]
    start: Places
    finish: Places
    laps_led: Places
    fastest_laps: Places
    laps_completed: Places
    status: npt.NDArray[np.int8]
    points: npt.NDArray[np.int32]
    points_scale: int = USUAL_SCALE
    joint: bool = True
    untilted: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @property
    def scenarios(self) -> int:
        """Number of scenarios."""
        return int(self.finish.shape[0])

    def scored_by(self, rules: RuleSet) -> RaceForecast:
        """The same races with the points of other rules."""
        points = score(
            rules,
            start=self.start,
            finish=self.finish,
            laps_led=self.laps_led,
            fastest_laps=self.fastest_laps,
            laps_completed=self.laps_completed,
        )
        return replace(self, points=points, points_scale=rules.points_scale)

    def content_hash(self) -> str:
        """SHA-256 of the drivers and all arrays."""
        digest = hashlib.sha256("\n".join(self.driver_ids).encode())
        for name in ("start", "finish", "laps_led", "fastest_laps", "laps_completed", "status"):
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        digest.update(np.ascontiguousarray(self.points).tobytes())
        return digest.hexdigest()

    def to_polars(self) -> pl.DataFrame:
        """One row per scenario and driver, with the columns of `FORECAST_COLUMNS`."""
        m, n = self.finish.shape
        return pl.DataFrame(
            {
                "scenario": np.repeat(np.arange(m, dtype=np.int32), n),
                "driver_id": pl.Series(list(self.driver_ids) * m, dtype=pl.String),
                "start": np.ascontiguousarray(np.broadcast_to(self.start, (m, n))).ravel(),
                "finish": self.finish.ravel(),
                "laps_led": self.laps_led.ravel(),
                "fastest_laps": self.fastest_laps.ravel(),
                "laps_completed": self.laps_completed.ravel(),
                "status": pl.Series(self.status.ravel()).replace_strict(
                    dict(enumerate(STATUSES)), return_dtype=pl.String
                ),
                "dk_points": self.points.ravel() / self.points_scale,
            },
            schema=FORECAST_COLUMNS,
        )

    def to_parquet(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The forecast file's bytes; the same forecast gives the same bytes.

        Args:
            metadata: Text kept in the file beside the rows.
        """
        buffer = io.BytesIO()
        stored = dict(metadata or {})
        if self.points_scale != USUAL_SCALE:
            stored["points_scale"] = str(self.points_scale)
        if not self.joint:
            stored["joint"] = "false"
        if self.untilted:
            untilted = {name: array.tolist() for name, array in self.untilted.items()}
            stored["untilted"] = json.dumps(untilted, sort_keys=True)
        self.to_polars().write_parquet(
            buffer, compression="zstd", compression_level=3, metadata=stored
        )
        return buffer.getvalue()

    @classmethod
    def from_parquet(cls, content: bytes, *, name: str = "forecast") -> RaceForecast:
        """A stored forecast.

        Args:
            content: The file's bytes.
            name: The file's name, for messages.

        Raises:
            InputError: If it is no forecast file or not whole.
        """
        try:
            table = pl.read_parquet(io.BytesIO(content))
            stored = pl.read_parquet_metadata(io.BytesIO(content))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"The file is no Parquet file: {error}.", file=name) from error
        missing = [column for column in FORECAST_COLUMNS if column not in table.columns]
        if missing:
            raise InputError("The forecast lacks a column.", file=name, field=missing[0])
        drivers = tuple(table["driver_id"].unique(maintain_order=True))
        m, n = table["scenario"].n_unique(), len(drivers)
        if m * n != table.height or n == 0:
            raise InputError(f"{table.height} rows are not {m} scenarios of {n} cars.", file=name)

        scale = int(stored.get("points_scale", USUAL_SCALE))
        return cls(
            driver_ids=drivers,
            **{name: table[name].to_numpy().reshape(m, n).astype(np.int16) for name in _WHOLE},
            status=status_codes(table["status"], file=name).reshape(m, n),
            points=np.rint(table["dk_points"].to_numpy().reshape(m, n) * scale).astype(np.int32),
            points_scale=scale,
            joint=stored.get("joint") != "false",
            untilted={
                name: np.array(values, np.float64)
                for name, values in json.loads(stored.get("untilted", "{}")).items()
            },
        )


@dataclass(frozen=True, slots=True)
class RaceToForecast:
    """A race to come, with nothing that was not known by its as-of time.

    Attributes:
        race_id: The feed's id.
        race_key: The race's partition key.
        series: cup, xfinity or trucks.
        season: Year.
        track_id: The feed's id of the track.
        track_type: One of the four types.
        track_length_miles: Length of a lap; none where unknown.
        scheduled_laps: Laps by the schedule.
        stage_ends: Laps on which the stages end, the last one left out.
        start_time: Scheduled start (UTC).
        as_of: Nothing later than this may be used (UTC).
        entries: ENTRIES rows, one per car.
        ratings: RATINGS rows of the same drivers as of the as-of time.
        drivers: DRIVER_VALUES as of the as-of time; empty where there is no past.
        tracks: TRACK_VALUES as of the as-of time; empty where there is no past.
    """

    race_id: str
    race_key: str
    series: str
    season: int
    track_id: str
    track_type: str
    track_length_miles: float | None
    scheduled_laps: int
    stage_ends: tuple[int, ...]
    start_time: datetime
    as_of: datetime
    entries: pl.DataFrame
    ratings: pl.DataFrame
    drivers: pl.DataFrame
    tracks: pl.DataFrame

    @property
    def driver_ids(self) -> tuple[str, ...]:
        """Drivers in the order of the entries."""
        return tuple(self.entries["driver_id"].to_list())

    @property
    def starts(self) -> Places:
        """Official starting positions [N]; drivers without one follow in the entries' order."""
        order = self.entries["start"].cast(pl.Float64).to_numpy()
        known = np.isfinite(order)
        last = int(np.nanmax(order)) if known.any() else 0
        filled = order.copy()
        filled[~known] = last + 1 + np.arange(int((~known).sum()))
        return filled.astype(np.int16)

    @property
    def levels(self) -> npt.NDArray[np.float64]:
        """Expected normal score of each entrant's finish [N]; 0 without ratings."""
        if self.ratings.is_empty():
            return np.zeros(self.entries.height)
        level = dict(zip(self.ratings["driver_id"], self.ratings["level"], strict=True))
        return np.array([level.get(driver) or 0.0 for driver in self.driver_ids])

    @property
    def rules(self) -> RuleSet:
        """DraftKings Classic on the race's date."""
        return rule_set(DEFAULT_CONTEST, race_day(self.start_time))


@dataclass(frozen=True, slots=True)
class KnownHistory:
    """What was known by an as-of time.

    Attributes:
        as_of: The as-of time (UTC).
        results: RESULTS rows of the race's series whose `results_at` is not after it.
        ratings: RATINGS of past races, each as of its own start: out of sample.
    """

    as_of: datetime
    results: pl.DataFrame
    ratings: pl.DataFrame


class Forecaster(Protocol):
    """Anything that forecasts a race from what was known before it."""

    @property
    def name(self) -> str:
        """Short name, the key in every table."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same inputs would give another forecast."""
        ...

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """Scenarios of a race; the same arguments give the same scenarios."""
        ...


def assemble(
    race: RaceToForecast,
    *,
    finish: npt.NDArray[np.integer],
    laps_led: npt.NDArray[np.integer],
    fastest_laps: npt.NDArray[np.integer],
    laps_completed: npt.NDArray[np.integer],
    status: npt.NDArray[np.integer],
    start: npt.NDArray[np.integer] | None = None,
    joint: bool = True,
) -> RaceForecast:
    """A forecast with its contest points.

    Args:
        race: The race; starting positions and rules come from it.
        finish: Places from 1 [m, N], drivers in the order of the race's entries.
        laps_led: Laps led [m, N].
        fastest_laps: Fastest laps [m, N].
        laps_completed: Laps completed [m, N].
        status: Index into `STATUSES` [m, N].
        start: Starting positions drawn by the forecaster [m, N], where none were known.
        joint: Whether each scenario is a race that could happen.
    """
    starts = race.starts if start is None else start.astype(np.int16)
    points = score(
        race.rules,
        start=starts,
        finish=finish,
        laps_led=laps_led,
        fastest_laps=fastest_laps,
        laps_completed=laps_completed,
    )
    return RaceForecast(
        driver_ids=race.driver_ids,
        start=starts,
        finish=finish.astype(np.int16),
        laps_led=laps_led.astype(np.int16),
        fastest_laps=fastest_laps.astype(np.int16),
        laps_completed=laps_completed.astype(np.int16),
        status=status.astype(np.int8),
        points=points,
        points_scale=race.rules.points_scale,
        joint=joint,
    )


def race_seed(seed: int, race_id: str, name: str) -> int:
    """A seed of its own for every race and forecaster, whatever the order in which they run."""
    digest = hashlib.sha256(f"{seed}/{race_id}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
