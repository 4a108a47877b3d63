"""What the report of a slate holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from nascar_assets.files import SourceFile
from nascar_assets.reports.frames import require_columns

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
    "kind",
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
        forecast: One row per driver, as `forecast_table` makes it; `start`, `team`,
            `expected_ownership`, `cash_ownership`, `optimal_share` with its standard error and
            `leverage` may be null. Optionally `own_mean_points`: the mean under a person's factor,
            null where there is none.
        quantiles: `driver_id`, `level` and `points` for the small drawings, levels rising from near
            0 to near 1 for each driver.
        lineups: `lineup`, `drivers` (a list of names), `salary`, `mean_points` and `points_p90`.
        exposures: `driver_name`, `lineups`, `exposure`, and optionally `optimal_share`.
        calibration: How past forecasts did: `metric`, `value`, `standard_error`, `n_races`,
            `reference` (a baseline, or `nominal`) and `reference_value`; empty where there are no
            past forecasts to judge by.
        record_knew_grid: Whether those past forecasts knew the starting order, as this one does.
        regimes: How the race may go: `regime`, `frequency`, and optionally `history_frequency`.
        provenance: What it was made from.
        past_races: Races behind the regimes' `history_frequency`.
        contests: What the lineups are expected to win, `CONTEST_COLUMNS`.
        values: What each lineup is worth in each contest, `VALUE_COLUMNS`.
        track_record: How earlier slates went, in one sentence; none where there are none.
        newest_race: The newest race whose results were known at the as-of time, if any.
        newest_at: When its results were known (UTC).
        overrides: Values that people set, as `people_table` makes them; may be empty.
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
    overrides: pl.DataFrame
    contests: pl.DataFrame
    values: pl.DataFrame
    changed: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    past_races: int = 0
    track_record: str | None = None
    newest_race: str | None = None
    newest_at: datetime | None = None
    portfolio: tuple[tuple[str, str], ...] = ()
    views: ViewsShown | None = None
    record_knew_grid: bool = True

    def __post_init__(self) -> None:
        """Refuses stored tables without their columns, before anything is rendered."""
        require_columns(self.contests, "The contests", CONTEST_COLUMNS)
        require_columns(self.values, "The lineups' worths", VALUE_COLUMNS)
