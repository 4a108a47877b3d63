"""Columns of scores: races forecast and scored, the record of a slate, backtests and their gate."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import Column, Columns, taken
from nascar_assets.columns.feed import RACE_FACTS, RESULTS

_OUTCOME = "the race's forecast, and its outcome race_results.{}"

_FORECAST = "the forecast, made from what was known at the race's start"

_VARIABLES: dict[str, tuple[str, str, str]] = {
    "finish": ("finishing position", "positions", "finish"),
    "laps_led": ("laps led", "laps", "laps_led"),
    "fastest_laps": ("fastest laps", "laps", "fastest_laps"),
    "laps_completed": ("laps completed", "laps", "laps_completed"),
    "points": ("contest points", "points", "finish"),
}
"""What is forecast of a driver: in words, in which unit, and the outcome's column."""

_EVENTS: dict[str, tuple[str, str]] = {
    "retired": ("the driver retires", "status"),
    "win": ("the driver wins", "finish"),
    "top_5": ("he finishes in the top 5", "finish"),
    "top_10": ("he finishes in the top 10", "finish"),
    "most_laps_led": ("he leads the most laps, shared where several do", "laps_led"),
}

_WHOLE: dict[str, tuple[str, str, str]] = {
    "best_six": ("the sum of the six best drivers' points", "points", "finish"),
    "most_laps_led": ("the laps led by the driver who led most", "laps", "laps_led"),
    "leaders": ("the number of drivers who led a lap", "drivers", "laps_led"),
    "retirements": ("the number of retirements", "cars", "status"),
    "teammates": ("how alike teammates finish", "correlation", "finish"),
}
"""Numbers of a whole race that depend on how its cars hang together."""

_LEVELS = (50, 80, 95)


def _marginal(name: str) -> dict[str, Column]:
    """Scores of one variable of a driver, in the order in which they are computed."""
    what, unit, outcome = _VARIABLES[name]
    source = _OUTCOME.format(outcome)

    def score(meaning: str, unit: str) -> Column:
        return Column(pl.Float64, meaning, unit, source)

    found = {
        f"crps_{name}": score(f"CRPS of the {what}: less is better.", unit),
        f"fair_crps_{name}": score(
            f"CRPS of the {what} without the bias of few scenarios: less is better.", unit
        ),
    }
    if name == "points":
        found["log_score_points"] = score(
            "Log score of the contest points under a kernel density of the scenarios: less is "
            "better; NaN where all scenarios are alike.",
            "nats",
        )
    for level in _LEVELS:
        middle = f"the middle {level}% of the forecast {what}"
        found |= {
            f"coverage_{level}_{name}": score(
                f"Share of the outcome's probability that lies in {middle} (randomised PIT): "
                f"{level / 100:g} on average where calibrated.",
                "share",
            ),
            f"interval_coverage_{level}_{name}": score(
                f"1 where the outcome lies in the whole interval of {middle}, ends included, "
                "else 0.",
                "share",
            ),
            f"width_{level}_{name}": score(f"Width of {middle}.", unit),
            f"interval_score_{level}_{name}": score(
                f"Interval score of {middle}: width plus a penalty outside; less is better.", unit
            ),
        }
    return found


PER_DRIVER: Columns = {
    **{name: column for variable in _VARIABLES for name, column in _marginal(variable).items()},
    "rps_finish": Column(
        pl.Float64,
        "Ranked probability score of the finishing position: less is better.",
        "positions",
        _OUTCOME.format("finish"),
    ),
    "log_score_finish": Column(
        pl.Float64,
        "Log score of the finishing position, by counts of scenarios: less is better.",
        "nats",
        _OUTCOME.format("finish"),
    ),
    **{
        f"brier_{name}": Column(
            pl.Float64,
            f"Brier score of the chance that {what}: less is better.",
            "squared chance",
            _OUTCOME.format(outcome),
        )
        for name, (what, outcome) in _EVENTS.items()
    },
}
"""Scores of one driver, by metric."""

JOINT: Columns = {
    **{
        f"{kind}_{name}": Column(
            pl.Float64,
            f"{kind.capitalize()} score of all drivers' {what} together: less is better.",
            unit if kind == "energy" else "of differences",
            _OUTCOME.format(outcome),
            optional=True,
        )
        for name, (what, unit, outcome) in _VARIABLES.items()
        if name in ("finish", "points")
        for kind in ("energy", "variogram")
    },
    "rank_correlation": Column(
        pl.Float64,
        "Spearman's rank correlation of the expected with the actual finish: 1 is best.",
        "correlation",
        _OUTCOME.format("finish"),
    ),
    **{
        f"crps_{name}": Column(
            pl.Float64,
            f"CRPS of {what}: less is better.",
            unit,
            _OUTCOME.format(outcome),
            optional=name == "teammates",
        )
        for name, (what, unit, outcome) in _WHOLE.items()
    },
}
"""Scores of one whole race, by metric."""


def _pit(what: str, source: str, *, optional: bool = False) -> tuple[Column, Column]:
    below = f"Forecast probability of less than the outcome, of {what}: the PIT's lower bound."
    up_to = f"Forecast probability of at most the outcome, of {what}: the PIT's upper bound."
    return (
        Column(pl.Float64, below, "probability", source, optional),
        Column(pl.Float64, up_to, "probability", source, optional),
    )


def _sides(prefix: str, pair: tuple[Column, Column]) -> dict[str, Column]:
    return dict(zip((f"{prefix}.low", f"{prefix}.high"), pair, strict=True))


_SCORES: Columns = {
    "driver_id": RESULTS["driver_id"].of("race_results.driver_id"),
    **{f"score.{name}": column for name, column in PER_DRIVER.items()},
    **{
        name: column
        for variable, (what, _, outcome) in _VARIABLES.items()
        for name, column in _sides(
            f"pit.{variable}", _pit(f"the {what}", _OUTCOME.format(outcome))
        ).items()
    },
    **{
        name: column
        for event, (what, outcome) in _EVENTS.items()
        for name, column in {
            f"event.{event}.probability": Column(
                pl.Float64, f"Forecast chance that {what}.", "chance in [0, 1]", "the forecast"
            ),
            f"event.{event}.happened": Column(
                pl.Float64,
                f"1 where it came true that {what}, else 0; a share where several share it.",
                "share",
                f"race_results.{outcome}",
            ),
        }.items()
    },
    **taken("race_results", RACE_FACTS, ("race_id",)),
    "group.track_type": RACE_FACTS["track_type"].of("race_results.track_type"),
    "group.season": Column(pl.String, "Season, as text.", "", "race_results.season"),
    **{
        f"race.{name}": Column(
            pl.Float64,
            f"{column.meaning} The race's one number, repeated.",
            column.unit,
            column.source,
            column.optional,
        )
        for name, column in JOINT.items()
    },
    **{
        name: column
        for functional, (what, _, outcome) in _WHOLE.items()
        for name, column in _sides(
            f"race_pit.{functional}",
            _pit(
                f"{what}; repeated",
                _OUTCOME.format(outcome),
                optional=functional == "teammates",
            ),
        ).items()
    },
    "scenarios": Column(pl.Int32, "Scenarios of the forecast.", "scenarios", "the forecast"),
    "effective_scenarios": Column(
        pl.Float64,
        "How many independent scenarios they are worth: fewer where they are weighted.",
        "scenarios",
        "the forecast",
    ),
    "excluded": Column(
        pl.String,
        "Drivers left out of the scores with the reason, as a JSON object.",
        "",
        "drivers of the forecast or of the outcome alone",
    ),
}
"""One row per driver of a race's forecast; a score that does not exist is null or NaN."""

RACE_SCORES: Columns = {
    **_SCORES,
    "inputs_hash": Column(
        pl.String,
        "SHA-256 of the inputs and the code that the scores follow from, hexadecimal.",
        "",
        "race, outcome, ratings, parameters, code",
    ),
}
"""Scores kept of a past race, for the records of later slates."""

FORECAST: Columns = {
    "scenario": Column(pl.Int32, "Number of the scenario, from 0.", "number", _FORECAST),
    "driver_id": RESULTS["driver_id"].of("race_results.driver_id"),
    "start": Column(pl.Int16, "Starting position, from 1.", "position", _FORECAST),
    "finish": Column(pl.Int16, "Finishing position, from 1.", "position", _FORECAST),
    "laps_led": Column(pl.Int16, "Laps led.", "laps", _FORECAST),
    "fastest_laps": Column(pl.Int16, "Green laps on which he was fastest.", "laps", _FORECAST),
    "laps_completed": Column(pl.Int16, "Laps completed.", "laps", _FORECAST),
    "status": Column(pl.String, "running, accident or mechanical.", "", _FORECAST),
    "dk_points": Column(
        pl.Float64, "Points of the contest that is forecast.", "points", "the other columns"
    ),
}
"""One row per scenario and driver of a sealed forecast."""

_FORECASTER = Column(
    pl.String, "The forecaster: `running_order` is this model, the others are baselines.", "", "run"
)

BACKTEST: Columns = {
    "forecaster": _FORECASTER,
    "tier": Column(
        pl.String,
        "Salary tier of the driver: `top` the dearest fifth, `middle` the next two fifths, `low` "
        "the rest; by expected points where there are no salaries.",
        "",
        "salaries, else the forecast",
    ),
    "effective": Column(
        pl.Float64,
        "Share of its scenarios that the forecast is worth after tilting to the odds; null where "
        "it was not tilted.",
        "share",
        "the forecast",
    ),
    **_SCORES,
    **taken("schedule", RACE_FACTS, ("series",)),
    "model_version": Column(
        pl.String, "Version of the model: hash of its recipe and code.", "", "the run's settings"
    ),
    **taken("schedule", RACE_FACTS, ("start_time",)),
    "forecast_sha256": Column(
        pl.String,
        "SHA-256 of the forecast file that was sealed before the outcome was read.",
        "",
        "the sealed forecast",
    ),
}
"""One row per race, forecaster and driver."""

TABLE_METRICS = (
    "rps_finish",
    "log_score_finish",
    "brier_win",
    "brier_top_5",
    "brier_top_10",
    "brier_most_laps_led",
    "rank_correlation",
    "crps_points",
    *(f"coverage_{level}_{name}" for name in ("finish", "points") for level in _LEVELS),
)
"""Metrics by which forecasters are compared, in the order of the tables' columns."""

JOINT_METRICS = (
    *(f"crps_{name}" for name in _WHOLE),
    "energy_finish",
    "energy_points",
    "variogram_finish",
    "variogram_points",
)
"""Scores of the joint forecast; forecasters of margins alone have none of the last five."""


def _metric_means(over: str, source: str) -> dict[str, Column]:
    columns = {**PER_DRIVER, **JOINT}
    return {
        name: Column(
            pl.Float64,
            f"{columns[name].meaning} {over}; null for a forecaster that has none.",
            columns[name].unit,
            source if name in JOINT else f"backtest.score.{name}",
        )
        for name in (*TABLE_METRICS, *JOINT_METRICS)
    }


CALIBRATION_REPORT: Columns = {
    "forecaster": _FORECASTER.of("backtest.forecaster"),
    "races": Column(pl.Int64, "Races scored.", "races", "backtest.race_id"),
    **_metric_means("Mean over the backtest's races", "backtest"),
}
"""One row per forecaster, one column per metric."""

BACKTEST_RACES: Columns = {
    **taken("race_results", RACE_FACTS, ("race_id",)),
    "race_number": Column(pl.Int64, "Place of the race in the backtest, from 1.", "number", "run"),
    "forecaster": _FORECASTER,
    "drivers": Column(pl.Int64, "Drivers scored.", "drivers", "the forecast and its outcome"),
    "track_type": RACE_FACTS["track_type"].of("race_results.track_type"),
    "season": Column(pl.String, "Season, as text.", "", "race_results.season"),
    **_metric_means("The race's mean over drivers", "the forecast and its outcome"),
}
"""One row per race and forecaster of a backtest run."""

CALIBRATION_RECORD: Columns = {
    "group": Column(
        pl.String, "What the races are grouped by: `all`, `track_type` or `season`.", "", "races"
    ),
    "label": Column(pl.String, "Label of the group, `all` for all races.", "", "races"),
    "metric": Column(
        pl.String,
        "Name of the metric, as in the columns `score.` and `race.` of race_scores; `crps`, "
        "`log_score` and `coverage_...` are the headline numbers.",
        "",
        "race_scores",
    ),
    "value": Column(
        pl.Float64, "Mean over the races of the group.", "the metric's own", "race_scores"
    ),
    "standard_error": Column(
        pl.Float64,
        "Standard error, clustered by race; null with fewer than two races.",
        "the metric's own",
        "race_scores",
    ),
    "lower": Column(
        pl.Float64, "Lower end of the 95% interval.", "the metric's own", "race_scores"
    ),
    "upper": Column(
        pl.Float64, "Upper end of the 95% interval.", "the metric's own", "race_scores"
    ),
    "races": Column(pl.Int32, "Races that have the metric.", "races", "race_scores.race_id"),
}
"""One row per group, label and metric of a slate's record."""

RECALIBRATION: Columns = {
    "track_type": Column(
        pl.String, "superspeedway, intermediate, short or road.", "", "races of the fit"
    ),
    "kappa_factor": Column(
        pl.Float64, "Factor on kappa, how much ratings count.", "factor", "fit on past races"
    ),
    "extra_variance": Column(
        pl.Float64,
        "Added to the variance of the race-day spread of levels; negative narrows it.",
        "level squared",
        "fit on past races",
    ),
    "omega_factor": Column(
        pl.Float64,
        "Factor on omega, how much the running order wanders.",
        "factor",
        "fit on past races",
    ),
    "races": Column(pl.Int64, "Races of the fit.", "races", "race_results.race_id"),
    "gain": Column(
        pl.Float64,
        "Mean gain in the log score of the finish on the races held back.",
        "nats",
        "races held back from the fit",
    ),
    "standard_error": Column(
        pl.Float64, "Standard error of the gain.", "nats", "races held back from the fit"
    ),
    "kept": Column(
        pl.Boolean,
        "Whether the gain passed the rule; only then the correction acts.",
        "",
        "gain, standard_error",
    ),
}
"""One row per track type with races enough."""

MODEL_VERSION: Columns = {
    "criterion": Column(pl.String, "What the release gate asks.", "", "the gate"),
    "found": Column(
        pl.Float64,
        "What the backtest measured; null where it could not be measured.",
        "the criterion's own",
        "backtest",
    ),
    "asked": Column(pl.String, "What must hold, in words.", "", "the gate's limits"),
    "passed": Column(pl.Boolean, "Whether it holds.", "", "found, asked"),
}
"""One row per criterion of the release gate."""
