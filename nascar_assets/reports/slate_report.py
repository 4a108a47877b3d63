"""What the report of a slate holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from nascar_assets.files import SourceFile
from nascar_assets.reports.frames import require_columns

FORECAST_COLUMNS: tuple[str, ...] = (
    "driver_id",
    "driver_name",
    "salary",
    "start",
    "mean_points",
    "sd_points",
    "points_p10",
    "points_p50",
    "points_p90",
    "mean_finish",
    "win",
    "top5",
    "top10",
    "mean_laps_led",
    "mean_fastest_laps",
    "dnf",
    "optimal_share",
    "optimal_share_se",
    "team",
    "expected_ownership",
    "cash_ownership",
    "leverage",
)
QUANTILE_COLUMNS: tuple[str, ...] = ("driver_id", "level", "points")
LINEUP_COLUMNS: tuple[str, ...] = ("lineup", "drivers", "salary", "mean_points", "points_p90")
EXPOSURE_COLUMNS: tuple[str, ...] = ("driver_name", "lineups", "exposure")
CALIBRATION_COLUMNS: tuple[str, ...] = (
    "metric",
    "value",
    "standard_error",
    "n_races",
    "reference",
    "reference_value",
)
OVERRIDE_COLUMNS: tuple[str, ...] = ("subject", "field", "value", "why", "who", "at")
REGIME_COLUMNS: tuple[str, ...] = ("regime", "frequency")
EFFECT_COLUMNS: tuple[str, ...] = (
    "name",
    "start",
    "scored_start",
    "mean_points_before",
    "mean_points",
    "win_before",
    "win",
    "optimal_share_before",
    "optimal_share",
)
CONTEST_COLUMNS: tuple[str, ...] = (
    "contest",
    "entries",
    "own_entries",
    "entry_fee_dollars",
    "roi",
    "roi_se",
    "roi_low",
    "roi_high",
    "cash_rate",
    "win_rate",
    "any_top_rate",
    "duplicates",
    "field_contests",
)
VALUE_COLUMNS: tuple[str, ...] = (
    "contest",
    "lineup",
    "mean_points",
    "points_p90",
    "won_dollars",
    "won_dollars_se",
    "roi",
    "win_rate",
    "top_rate",
    "cash_rate",
    "cash_rate_se",
    "duplicates",
    "correlation",
)


@dataclass(frozen=True, slots=True)
class RaceFacts:
    """The race that the slate is about.

    Attributes:
        name: The race's name.
        track: The track's name.
        track_type: `superspeedway`, `intermediate`, `short` or `road`.
        series: `cup`, `xfinity` or `trucks`.
        laps: Scheduled laps.
        start: Scheduled start (UTC).
        lock: When lineups lock (UTC).
        as_of: The as-of time: nothing that became known later is in the forecast (UTC).
    """

    name: str
    track: str
    track_type: str
    series: str
    laps: int
    start: datetime
    lock: datetime
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Provenance:
    """What it takes to make the same report again.

    Attributes:
        inputs: The inputs with their hashes.
        code_version: Version of the code.
        seed: Seed of the scenarios.
        n_scenarios: How many scenarios.
        spec_hash: Hash of the compiled constraint specification.
        run_config_hash: Hash of the run's configuration.
        run_id: The run that made the forecast.
        lineups_run_id: The run that chose the lineups.
    """

    inputs: tuple[SourceFile, ...]
    code_version: str
    seed: int
    n_scenarios: int
    spec_hash: str
    run_config_hash: str
    run_id: str
    lineups_run_id: str


@dataclass(frozen=True)
class ViewsShown:
    """What people stated in views, and what it did.

    Attributes:
        views: One row a view: `author`, `file`, `landed_at`, `states`, `drivers`, `confidence`,
            `counts` and `why`, all for people.
        effects: `EFFECT_COLUMNS`, those moved furthest first; empty where nothing moved.
        effective: Equal scenarios that the tilted ones are worth; none where none were tilted.
        share: Share of the views' confidence that was reached.
        record: How views did in earlier slates, in a sentence; empty where there is none.
    """

    views: tuple[Mapping[str, str], ...]
    effects: pl.DataFrame
    effective: float | None
    share: float | None
    record: str = ""

    def __post_init__(self) -> None:
        """Refuses a frame without its columns."""
        require_columns(self.effects, "The effects of views", EFFECT_COLUMNS)


@dataclass(frozen=True)
class SlateReport:
    """Everything that the report of a slate shows, as plain values and frames.

    Shares and probabilities lie between 0 and 1; points are contest points; salaries dollars.

    Attributes:
        title: Heading, usually the slate's key.
        race: The race.
        forecast: One row per driver, `FORECAST_COLUMNS`; `start`, `team`, `expected_ownership`,
            `cash_ownership`, `optimal_share` with its standard error and `leverage` may be null.
            Optionally `own_mean_points`: the mean under a person's factor, null where there is
            none.
        quantiles: Points quantiles for the small drawings, `QUANTILE_COLUMNS`, levels rising
            from near 0 to near 1 for each driver.
        lineups: `LINEUP_COLUMNS`; `drivers` is a list of names.
        exposures: `EXPOSURE_COLUMNS`, and optionally `optimal_share`.
        calibration: How past forecasts did, `CALIBRATION_COLUMNS`: `reference` names a baseline
            or `nominal`; empty where there are no past forecasts to judge by.
        record_knew_grid: Whether those past forecasts knew the starting order, as this one does.
        regimes: How the race may go, `REGIME_COLUMNS`, and optionally `history_frequency`.
        provenance: What it was made from.
        past_races: Races behind the regimes' `history_frequency`.
        contests: What the lineups are expected to win, `CONTEST_COLUMNS`; none where not known.
        values: What each lineup is worth in each contest, `VALUE_COLUMNS`.
        track_record: How earlier slates went, in one sentence; none where there are none.
        newest_race: The newest race whose results were known at the as-of time, if any.
        newest_at: When its results were known (UTC).
        overrides: Values that people set, `OVERRIDE_COLUMNS`; may be empty.
        changed: What people changed beside them, in sentences.
        notices: What a person should know.
        portfolio: Label and value of what is to be said of the lineups as a whole.
        views: What people stated in views; none where nobody did.
    """

    title: str
    race: RaceFacts
    forecast: pl.DataFrame
    quantiles: pl.DataFrame
    lineups: pl.DataFrame
    exposures: pl.DataFrame
    calibration: pl.DataFrame
    regimes: pl.DataFrame
    provenance: Provenance
    overrides: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema=dict.fromkeys(OVERRIDE_COLUMNS, pl.String))
    )
    changed: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    past_races: int = 0
    contests: pl.DataFrame | None = None
    values: pl.DataFrame | None = None
    track_record: str | None = None
    newest_race: str | None = None
    newest_at: datetime | None = None
    portfolio: tuple[tuple[str, str], ...] = ()
    views: ViewsShown | None = None
    record_knew_grid: bool = True

    def __post_init__(self) -> None:
        """Refuses frames without their columns, before anything is rendered."""
        expected: tuple[tuple[str, pl.DataFrame | None, Iterable[str]], ...] = (
            ("The forecast", self.forecast, FORECAST_COLUMNS),
            ("The quantiles", self.quantiles, QUANTILE_COLUMNS),
            ("The lineups", self.lineups, LINEUP_COLUMNS),
            ("The exposures", self.exposures, EXPOSURE_COLUMNS),
            ("The calibration record", self.calibration, CALIBRATION_COLUMNS),
            ("The regimes", self.regimes, REGIME_COLUMNS),
            ("The overrides", self.overrides, OVERRIDE_COLUMNS),
            ("The contests", self.contests, CONTEST_COLUMNS),
            ("The lineups' worths", self.values, VALUE_COLUMNS),
        )
        for what, frame, columns in expected:
            if frame is not None:
                require_columns(frame, what, columns)
