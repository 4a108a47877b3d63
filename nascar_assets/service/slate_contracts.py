"""The contracts of the slates' routes: what was stored of a slate, and what is asked of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.service.contracts import (
    Contract,
    Notice,
    OptimizationStatus,
    Problem,
)
from nascar_assets.service.view_contracts import RowAtFault, ViewTaken

SlateKey = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,120}$"),
    Field(description="The slate's key.", examples=["2026-02-15-cup-dk-classic"]),
]

JobKind = Literal["optimize", "slate", "portfolio", "entries", "view"]

DataState = Literal["fresh", "stale", "missing"]


class SlateSummary(Contract, tables=("schedule",)):
    """A slate: its race, its lock, and how far it is."""

    slate: str
    race_key: str
    race_name: str
    track_name: str
    track_type: str
    series: str
    site: str = Field(description="The contest site.")
    contest: str = Field(description="The rules, such as `dk-classic`.")
    salary_file: str
    lock: datetime = Field(description="When lineups lock: the race's start.")
    locked: bool
    state: str = Field(description="`added`, `not finished`, `ready`, `upload withdrawn`, ...")
    absent: tuple[str, ...] = Field(
        default=(), description="Who of a withdrawn upload file does not race."
    )
    data: DataState = Field(
        description="`fresh`: its newest run knows everything that is known; `stale`: something "
        "came since, or a run began that has not come to its lineups; `missing`: it was never "
        "run to its players."
    )
    data_notes: tuple[str, ...] = Field(default=(), description="Why it is not fresh, in words.")
    as_of: datetime | None = Field(default=None, description="What its newest run could know.")
    run_id: str | None = Field(default=None, description="Its newest run.")


class UnreadableSlate(Contract):
    """A slate that cannot be shown, and why; the others are."""

    slate: str
    message: str
    remedy: str | None = None


class SlateList(Contract):
    """Every slate, the next to lock first, those locked after them."""

    slates: tuple[SlateSummary, ...]
    unreadable: tuple[UnreadableSlate, ...] = ()


class RunCheck(Contract):
    """A check of the slate's newest run."""

    name: str
    passed: bool
    description: str | None = None


class SlateDetail(SlateSummary, tables=("schedule", "slate_summary")):
    """A slate with its newest run."""

    scheduled_laps: int
    track_length_miles: float | None
    roster_size: int
    salary_cap: int
    teams: tuple[str, ...] = Field(default=(), description="Teams of the slate's players.")
    n_scenarios: int | None = None
    seed: int | None = None
    settings: str | None = Field(
        default=None, description="The portfolio's settings as TOML, as the command line reads it."
    )
    lineups_run_id: str | None = Field(
        default=None,
        description="The run that chose its lineups: a later one than `run_id` where the portfolio "
        "was solved again.",
    )
    checks: tuple[RunCheck, ...] = Field(
        default=(), description="The newest result of each, of both runs."
    )
    notices: tuple[Notice, ...] = Field(default=(), description="What a person should know.")


class ForecastRow(Contract, tables=("scenario_summary", "slate", "scenario_optima")):
    """The forecast of one player. Chances and shares are in [0, 1]."""

    driver_id: str
    site_id: str
    name: str
    team: str | None
    salary: int
    start: int | None = Field(description="Start; none before it is known.")
    mean_points: float
    mean_points_se: float = Field(description="Its Monte Carlo error.")
    sd_points: float
    points_p10: float
    points_p50: float
    points_p90: float
    points_per_1000: float | None = Field(description="Mean points per 1,000 dollars of salary.")
    mean_finish: float
    win: float
    top5: float
    top10: float
    dnf: float
    most_laps_led: float = Field(description="Chance to lead most laps.")
    mean_laps_led: float
    mean_fastest_laps: float
    optimal_share: float = Field(description="Share of scenarios whose best lineup holds him.")
    optimal_share_se: float
    expected_ownership: float | None = Field(
        description="Share of rivals' lineups expected to hold him."
    )
    cash_ownership: float | None = Field(default=None, description="The same in cash games.")
    leverage: float | None = Field(description="Optimal share less expected ownership.")
    own_mean_points: float | None = Field(
        default=None, description="The mean under a person's own factor, where one is set."
    )


class SlateForecast(Contract):
    """The forecast of a slate's players, best means first."""

    slate: str
    as_of: datetime
    run_id: str
    n_scenarios: int
    rows: tuple[ForecastRow, ...]


class Bar(Contract):
    """One bar of a histogram: what falls into [lower, upper), or on a whole number."""

    lower: float
    upper: float
    share: float


class Quantile(Contract):
    """What so many of the scenarios stay below."""

    level: float
    value: float


class Spread(Contract):
    """A distribution over the scenarios."""

    mean: float
    quantiles: tuple[Quantile, ...]
    bars: tuple[Bar, ...]


class RegimeShare(Contract):
    """A course that races take: its share of the scenarios, and of past races of the kind."""

    regime: str
    share: float
    past_share: float | None


class RaceCount(Contract):
    """A number that every race has: in the scenarios, and in past races at this track."""

    name: str
    words: str
    scenarios: Spread
    past_mean: float | None
    past_races: int


class TrackRace(Contract, tables=("race_results",)):
    """A past race at this track."""

    race_key: str
    race_name: str
    date: str
    winner: str | None
    cautions: int | None
    caution_laps: int | None
    leaders: int | None
    accidents: int
    mechanical: int


class RaceSummary(Contract):
    """The race as the scenarios have it, beside what was."""

    slate: str
    n_scenarios: int
    regimes: tuple[RegimeShare, ...]
    regimes_past_races: int = Field(
        description="Points races on this type of track in this series, known by the as-of time."
    )
    counts: tuple[RaceCount, ...]
    track_races: tuple[TrackRace, ...] = Field(description="Races at this track, newest first.")


class DriverFeature(Contract):
    """Something known of a driver before the race, and his place in the field by it."""

    name: str
    meaning: str
    unit: str
    value: float
    field_mean: float
    rank: int = Field(description="His place in the field, 1 for the largest value.")
    of: int = Field(description="Cars of which it is known.")
    moves: bool = Field(description="Whether the forecast moves with it.")


class DriverRating(Contract, tables=("slate_ratings",)):
    """How good he is expected to be, in normal scores within the field: 0 is its mean."""

    rating: float = Field(description="From past races.")
    rating_sd: float
    level: float = Field(description="With all that is known of the weekend: what is simulated.")
    level_sd: float
    moved: float = Field(description="What start, qualifying and practice add to the rating.")
    rank: int = Field(description="His place in the field by the level, 1 for the best.")
    of: int
    races: int = Field(description="Past races that the rating rests on.")
    newcomer: bool


class PastResult(Contract, tables=("race_results",)):
    """One past race of a driver."""

    race_key: str
    race_name: str
    date: str
    track_name: str
    track_type: str
    start: int | None
    finish: int | None
    laps_led: int | None
    fastest_laps: int | None
    status: str | None
    points: float | None = Field(description="Contest points by this slate's rules.")


class DriverDetail(Contract):
    """One player: what may happen, what drives the forecast, and what was."""

    slate: str
    forecast: ForecastRow
    points: Spread
    finish: Spread
    laps_led: Spread
    rating: DriverRating | None
    features: tuple[DriverFeature, ...]
    history: tuple[PastResult, ...]


class LineupDriver(Contract, tables=("slate",)):
    """A driver in a lineup."""

    driver_id: str
    name: str
    site_id: str
    salary: int


class LineupRow(Contract, tables=("lineups",)):
    """One lineup of a portfolio."""

    lineup: int
    drivers: tuple[LineupDriver, ...]
    salary: int
    mean_points: float
    points_p10: float
    points_p25: float
    points_p50: float
    points_p75: float
    points_p90: float


class Overlap(Contract):
    """How many pairs of lineups share so many drivers."""

    shared: int
    pairs: int


class Exposure(Contract, tables=("slate", "scenario_optima")):
    """Share of a portfolio's lineups with one driver, beside his bounds."""

    driver_id: str
    name: str
    lineups: int
    exposure: float
    min_exposure: float | None
    max_exposure: float | None
    optimal_share: float | None
    expected_ownership: float | None


class ContestRow(Contract, tables=("contest_forecast",)):
    """What lineups are expected to win in one contest, each with its standard error."""

    contest: str
    entries: int
    own_entries: int
    entry_fee_dollars: float
    roi: float
    roi_se: float
    profit_dollars: float
    profit_dollars_se: float
    cash_rate: float
    cash_rate_se: float
    win_rate: float
    win_rate_se: float
    top_rate: float
    top_rate_se: float
    any_top_rate: float
    any_top_rate_se: float
    duplicates: float = Field(description="Rivals expected to enter one of these lineups, each.")
    kind: str | None = Field(default=None, description="`cash` or `tournament`.")
    roi_low: float | None = Field(
        default=None, description="The return against a sharp field; not always the lower one."
    )
    roi_high: float | None = Field(
        default=None, description="The return against a dull field; not always the higher one."
    )
    won_dollars: float | None = Field(default=None, description="Won together, in whole cents.")
    cash_line_points: float | None = Field(default=None, description="Points that win a prize.")
    field_contests: int | None = Field(
        default=None, description="Contests that the field was fitted on; 0: it is assumed."
    )


class LineupValue(Contract):
    """What one lineup is worth in one contest, in races that it was not chosen on."""

    contest: str
    lineup: int
    mean_points: float
    mean_points_se: float | None
    points_p90: float
    points_p90_se: float | None
    won_dollars: float = Field(description="Whole cents; they add up to the contest's.")
    won_dollars_se: float | None
    roi: float
    roi_se: float | None
    win_rate: float
    win_rate_se: float | None
    top_rate: float = Field(description="Chance of the first hundredth.")
    top_rate_se: float | None
    top10_rate: float
    top10_rate_se: float | None
    top50_rate: float
    top50_rate_se: float | None
    cash_rate: float
    cash_rate_se: float | None
    duplicates: float
    correlation: float | None = Field(description="With the other own lineups' sum.")
    correlation_se: float | None


class SlateLineups(Contract):
    """A portfolio."""

    slate: str
    run_id: str = Field(description="The run that chose it.")
    objective: str
    objective_words: str
    unit: str
    value: float = Field(description="On scenarios that were not searched.")
    standard_error: float | None
    value_text: str = Field(
        default="", description="Both for people, in the objective's own form: dollars, per cent."
    )
    rows: tuple[LineupRow, ...]
    overlap: tuple[Overlap, ...]
    best: Spread = Field(description="The best lineup's points in each scenario.")
    notices: tuple[Notice, ...] = ()


class SlateExposures(Contract):
    """Exposures of the stored portfolio against their bounds, the greatest first."""

    slate: str
    run_id: str = Field(description="The run that chose it.")
    rows: tuple[Exposure, ...]


class SlateContests(Contract):
    """What the stored portfolio is expected to win in contests of the usual shapes."""

    slate: str
    run_id: str = Field(description="The run that chose it.")
    rows: tuple[ContestRow, ...]
    values: tuple[LineupValue, ...] = Field(
        default=(), description="What each lineup is worth in each contest."
    )
    caution: str


class RecordMetric(Contract, tables=("calibration_record",)):
    """One score of past forecasts."""

    group: str = Field(description="`all`, `track_type` or `season`.")
    label: str
    metric: str
    value: float
    standard_error: float | None
    lower: float | None
    upper: float | None
    races: int
    nominal: float | None = Field(description="What it is for a calibrated forecast, if known.")


class Histogram(Contract):
    """Shares of equal bins from 0 to 1; flat for a calibrated forecast."""

    name: str
    shares: tuple[float, ...]


class ReliabilityBin(Contract):
    """Forecast chances of an event near each other, and how often it happened."""

    event: str
    lower: float
    upper: float
    forecasts: int
    said: float
    happened: float
    standard_error: float


class MissedDriver(Contract, tables=("slate",)):
    """The result that the forecast had least expected."""

    driver_id: str
    name: str
    said_win: float
    percentile: float = Field(description="Where his points fell among those forecast, 0 to 100.")
    surprise_bits: float = Field(description="-log2 of the two-sided tail probability.")
    points: float | None


class RecordRace(Contract, tables=("schedule",)):
    """One past race: how its forecast did, and the worst miss in it."""

    race_key: str
    race_name: str
    date: str
    track_type: str
    drivers: int
    crps: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    worst: MissedDriver


class Sentence(Contract):
    """Something that a person should know of how far to trust the forecast, and its evidence."""

    text: str
    evidence: str = Field(description="A name within this answer: `metrics`, `races`, `gate`, ...")
    good: bool | None = Field(description="Whether it speaks for the forecast; none: neither.")


class GateLine(Contract):
    """One criterion of the release gate of the model in use."""

    criterion: str
    found: float | None
    asked: str
    passed: bool


class SlateRecord(Contract):
    """How past forecasts kept their word, as of the slate's as-of time."""

    slate: str
    races: int
    reason: str | None = Field(description="Why there are no scores, where there are none.")
    as_of: datetime
    measured: str = Field(description="What was measured: which forecasts, known when.")
    data_through: datetime | None = Field(description="When the newest result became known.")
    sentences: tuple[Sentence, ...] = Field(description="The record in words.")
    metrics: tuple[RecordMetric, ...]
    pit: tuple[Histogram, ...]
    reliability: tuple[ReliabilityBin, ...]
    recent: tuple[RecordRace, ...] = Field(description="The races measured, the newest first.")
    model: str = Field(description="The model version, and what the release gate says of it.")
    gate: tuple[GateLine, ...]


class ProvenanceFile(Contract):
    """A file or table that the run read, with the hash of its bytes."""

    path: str
    sha256: str


class SlateProvenance(Contract):
    """Where every number of the slate's newest run comes from."""

    slate: str
    run_id: str
    lineups_run_id: str | None = Field(
        description="The run that chose the lineups; none before there are any."
    )
    as_of: datetime
    code_version: str
    seed: int
    n_scenarios: int
    constraint_spec_hash: str
    run_config_hash: str
    inputs: tuple[ProvenanceFile, ...]


class RaceChoice(Contract, tables=("schedule",)):
    """A race that a salary file may be for."""

    race_key: str
    race_name: str
    track_name: str
    start_time: datetime


class SlateProblem(Problem):
    """Why a request about a slate was not answered."""

    conflict: tuple[str, ...] = Field(
        default=(), description="The settings that cannot hold together, in words."
    )
    settings: tuple[str, ...] = Field(
        default=(), description="Where they stand: `drivers.Kyle Larson.min_exposure`, ..."
    )
    races: tuple[RaceChoice, ...] = Field(
        default=(), description="The races that a salary file may be for."
    )
    rows: tuple[RowAtFault, ...] = Field(
        default=(), description="The rows of a view's file that cannot be used, all of them."
    )


class SlateJob(OptimizationStatus):
    """A job about a slate."""

    kind: JobKind
    result: str | None = Field(default=None, description="Where its result is, once it has one.")


class SettingsText(Contract):
    """Portfolio settings, as values or as the TOML that the command line reads."""

    settings: PortfolioSettings | None = Field(default=None, description="As values.")
    toml: Annotated[str, StringConstraints(max_length=200_000)] | None = Field(
        default=None, description="As TOML. Neither: the slate's own."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.settings is not None and self.toml is not None:
            raise ValueError("settings and toml are both given; one of them says what is wanted")
        return self


class PortfolioRequest(SettingsText):
    """A portfolio to choose on a slate's stored scenarios."""

    keep: bool = Field(
        default=False,
        strict=True,
        description="Whether it takes the place of the slate's own portfolio, with its upload "
        "file and report.",
    )


class SettingsChecked(Contract):
    """Portfolio settings that were found sound: every driver and team in them is known."""

    settings: PortfolioSettings
    toml: str = Field(description="As the command line reads them.")


class RunRequest(Contract):
    """A slate to run again. What is not given is as in the run before."""

    as_of: Annotated[str, StringConstraints(max_length=60)] | None = Field(
        default=None, description="As-of time as ISO time with zone; none: now."
    )
    n_scenarios: Annotated[int, Field(ge=10, le=200_000, strict=True)] | None = None
    seed: Annotated[int, Field(ge=1, le=2**63 - 1, strict=True)] | None = None
    without_views: bool = Field(
        default=False, strict=True, description="Whether what people stated in views is left out."
    )


class PortfolioResult(Contract):
    """A portfolio chosen on stored scenarios."""

    kind: Literal["portfolio"] = "portfolio"
    slate: str
    run_id: str
    slate_run_id: str | None = Field(
        default=None,
        description="The slate's run on whose scenarios it was chosen; none of earlier versions.",
    )
    settings: PortfolioSettings
    toml: str
    lineups: SlateLineups
    exposures: tuple[Exposure, ...]
    contests: tuple[ContestRow, ...] | None = Field(
        description="None while they are worked out: the lineups are there before."
    )
    caution: str
    effective_lineups: float | None = Field(
        description="How many independent lineups would vary as much."
    )
    kept: bool = Field(description="Whether it is the slate's own now.")


class EntriesResult(Contract):
    """An entries file that was filled or mended."""

    kind: Literal["entries"] = "entries"
    slate: str
    run_id: str
    filename: str
    entries: int
    changes: tuple[str, ...] = Field(description="Which driver was replaced by whom.")
    notices: tuple[Notice, ...]


class SlateRunResult(Contract):
    """A slate that was run to its end."""

    kind: Literal["slate"] = "slate"
    slate: str
    run_id: str
    notices: tuple[Notice, ...]


JobResult = Annotated[
    PortfolioResult | EntriesResult | SlateRunResult | ViewTaken, Field(discriminator="kind")
]
