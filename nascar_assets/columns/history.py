"""Columns of what past races say: ratings, values of drivers and tracks, profiles, rules."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import UTC_TIME, Column, Columns, taken
from nascar_assets.columns.feed import ENTRIES, RACE_FACTS

DRIVER_ID = ENTRIES["driver_id"].of("entries.driver_id")

EQUIPMENT_CHANCE = Column(
    pl.Float64,
    "Chance that the driver's team, car and make are those of the row, which he had in his last "
    "race. A column of fields that were made before there was an entry list.",
    "share",
    "share of drivers who stayed after as long a pause, in past races known by then",
    optional=True,
)

RATINGS: Columns = {
    **taken("schedule", RACE_FACTS, ("race_id",)),
    "driver_id": DRIVER_ID,
    "as_of": Column(UTC_TIME, "Nothing later than this was used.", "UTC", "the run"),
    "rating": Column(
        pl.Float64,
        "What past races say of driver, car and team on this kind of track: the expected normal "
        "score of the finish within the race. The field's mean is 0, higher is better.",
        "normal score",
        "race_results.finish, race_results.status",
    ),
    "rating_sd": Column(
        pl.Float64, "Posterior standard deviation of the rating.", "normal score", "the rating"
    ),
    "level": Column(
        pl.Float64,
        "Expected normal score of the finish with all that was known by the as-of time, practice, "
        "qualifying and laps of past races among it.",
        "normal score",
        "the rating and the features that the catalogue marks as rated",
    ),
    "level_sd": Column(pl.Float64, "Standard deviation of the level.", "normal score", "the level"),
    "races": Column(
        pl.Int32,
        "Past races of the driver that the rating used, all series.",
        "races",
        "race_results.race_id",
    ),
    "newcomer": Column(
        pl.Boolean, "Whether he was rated from team, equipment and series alone.", "", "races"
    ),
}
"""One row per entrant of a race to come."""


def _error(name: str, what: str) -> Column:
    return Column(pl.Float64, f"Standard error of {what}.", "value in [0, 1]", name)


DRIVER_VALUES: Columns = {
    "driver_id": ENTRIES["driver_id"].of("race_results.driver_id"),
    "name": ENTRIES["driver_name"].of("race_results.driver_name"),
    "team": Column(
        pl.String, "Team of his last race; null where unknown.", "", "race_results.team"
    ),
    "manufacturer": Column(
        pl.String, "Make of the car of his last race.", "", "race_results.manufacturer"
    ),
    "series": Column(pl.String, "Series of his last race.", "", "race_results.series"),
    "skill": Column(
        pl.Float64,
        "Rating of driver, team and car, averaged over the track types of his series, standardised "
        "over the starts of the last year and put through the normal distribution function; 0.5 "
        "is the average start.",
        "value in [0, 1]",
        "race_results.finish",
    ),
    "skill_se": _error("the rating's spread", "skill"),
    "psyche_aggression": Column(
        pl.Float64,
        "Accidents against those expected of a driver of his skill in his series and at his track "
        "types; 0.5 is as expected.",
        "value in [0, 1]",
        "race_results.status",
    ),
    "psyche_aggression_se": _error("race_results.status", "psyche_aggression"),
    "shadow_risk": Column(
        pl.Float64,
        "Mechanical failures against those expected, and the spread of his finishes against the "
        "usual one; 0.5 is as expected.",
        "value in [0, 1]",
        "race_results.status, race_results.finish",
    ),
    "shadow_risk_se": _error("race_results.status", "shadow_risk"),
    "realpolitik_pos": Column(
        pl.Float64,
        "What his team and car alone are worth, on the scale of skill: the skill expected of a "
        "driver without a past in them.",
        "value in [0, 1]",
        "race_results.team, race_results.manufacturer, race_results.finish",
    ),
    "realpolitik_pos_se": _error("the team's rating", "realpolitik_pos"),
    "races": Column(
        pl.Int32, "Past races of the driver that his rating used.", "races", "race_results.race_id"
    ),
    "data_through": Column(
        UTC_TIME, "Start of the last race that was used.", "UTC", "race_results.start_time"
    ),
}
"""One row per driver: what the ontology graph stores."""

TRACK_VALUES: Columns = {
    "track_id": RACE_FACTS["track_id"].of("schedule.track_id"),
    "name": RACE_FACTS["track_name"].of("schedule.track_name"),
    "track_type": RACE_FACTS["track_type"].of("schedule.track_type"),
    "length_miles": RACE_FACTS["track_length_miles"].of("schedule.track_length_miles"),
    "difficulty": Column(
        pl.Float64,
        "How slowly the running order changes: rank correlation of start with mid-race and of that "
        "with the finish; 0.5 for the average track of its series and type.",
        "value in [0, 1]",
        "race_results.start, race_results.mid_position, race_results.finish",
    ),
    "difficulty_se": _error("the races that were used", "difficulty"),
    "aggression_factor": Column(
        pl.Float64,
        "Cars that retired by accident for each caution beyond the stage ends; 0.5 for the average "
        "track of its series and type.",
        "value in [0, 1]",
        "race_results.status, race_results.cautions, schedule.stage_ends",
    ),
    "aggression_factor_se": _error("the races that were used", "aggression_factor"),
    "caution_rate": Column(
        pl.Float64,
        "Cautions beyond the stage ends for each mile; 0.5 for the average track of its series and "
        "type.",
        "value in [0, 1]",
        "race_results.cautions, schedule.stage_ends",
    ),
    "caution_rate_se": _error("the races that were used", "caution_rate"),
    "pit_window_laps": Column(
        pl.List(pl.Int32),
        "Laps by which one tank after another is used up under green, ascending; from an assumed "
        "range by track type, for the feed has no fuel.",
        "lap",
        "schedule.scheduled_laps, schedule.track_length_miles, schedule.track_type",
    ),
    "races": Column(
        pl.Int32,
        "Past races under the track's present type that were used.",
        "races",
        "race_results.race_id",
    ),
    "data_through": DRIVER_VALUES["data_through"],
}
"""One row per track."""

TRACK_PROFILES: Columns = {
    **taken(
        "race_results",
        RACE_FACTS,
        ("track_id", "track_name", "track_type", "track_length_miles"),
    ),
    "races": Column(
        pl.Int32,
        "Points races on the track, under its latest type, known by the as-of time.",
        "races",
        "race_results.race_id",
    ),
    "laps": Column(pl.Float64, "Mean laps of a race.", "laps", "race_results.actual_laps"),
    "miles": Column(
        pl.Float64,
        "Mean length of a race.",
        "miles",
        "race_results.actual_laps, race_results.track_length_miles",
    ),
    "cars": Column(pl.Float64, "Mean cars that started.", "cars", "race_results.driver_id"),
    "cautions": Column(
        pl.Float64,
        "Mean cautions of a race; null where no race counted them.",
        "cautions",
        "race_results.cautions",
    ),
    "cautions_per_100_miles": Column(
        pl.Float64, "Cautions in 100 miles.", "cautions", "race_results.cautions"
    ),
    "caution_share": Column(
        pl.Float64, "Share of laps under caution.", "share", "race_results.caution_laps"
    ),
    "leaders": Column(pl.Float64, "Mean cars that led a lap.", "cars", "race_results.laps_led"),
    "lead_changes": Column(
        pl.Float64, "Mean changes of the lead.", "changes", "schedule.lead_changes"
    ),
    "start_finish_correlation": Column(
        pl.Float64,
        "Spearman's rank correlation of start and finish within a race, mean over the races.",
        "correlation",
        "race_results.start, race_results.finish",
    ),
    "accident_share": Column(
        pl.Float64, "Share of cars that retired by accident.", "share", "race_results.status"
    ),
    "mechanical_share": Column(
        pl.Float64, "Share of cars that retired by a failure.", "share", "race_results.status"
    ),
    "data_through": DRIVER_VALUES["data_through"],
}
"""One row per track that was raced before."""

VETO_RULES: Columns = {
    "subject": Column(pl.String, "`driver` or `track`.", "", "a person's statement"),
    "subject_id": Column(
        pl.String, "The feed's number of the driver or track.", "", "a person's statement"
    ),
    "code": Column(
        pl.String, "Code of the rule, as docs/ontology.md lists them.", "", "a person's statement"
    ),
    "author": Column(pl.String, "Who entered it.", "", "a person's statement"),
    "reason": Column(pl.String, "Why, in the author's words.", "", "a person's statement"),
    "at": Column(UTC_TIME, "When it was entered.", "UTC", "a person's statement"),
}
"""One row per veto rule in force."""
