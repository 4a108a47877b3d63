"""The tables that parsers make and every other package reads: names, types, units."""

from __future__ import annotations

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")

SERIES: dict[int, str] = {1: "cup", 2: "xfinity", 3: "trucks"}
"""Series names by the feed's own number."""

TRACK_TYPES: tuple[str, ...] = ("superspeedway", "intermediate", "short", "road")

RACE_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "race_id": pl.String,
    "race_key": pl.String,  # 2026-cup-05
    "series": pl.String,
    "season": pl.Int32,
    "race_name": pl.String,
    "race_type": pl.String,  # points | exhibition
    "track_id": pl.String,
    "track_name": pl.String,
    "track_type": pl.String,
    "track_length_miles": pl.Float64,
    "start_time": UTC_TIME,  # also the lock of the race's slates
    "scheduled_laps": pl.Int32,
}
"""What identifies and describes a race; repeated in every table of races."""

SCHEDULE: dict[str, pl.DataType | type[pl.DataType]] = {
    **RACE_COLUMNS,
    "entries_at": UTC_TIME,  # when the entry list is known
    "qualifying_at": UTC_TIME,  # when practice, qualifying and starting positions are known
    "results_at": UTC_TIME,  # when everything else is known
    "actual_laps": pl.Int32,  # null before the race
    "stage_ends": pl.List(pl.Int32),  # laps on which the stages end, the last one left out
    "field_size": pl.Int32,
    "winner_driver_id": pl.String,  # null before the race
    "restrictor_plate": pl.Boolean,
    "cautions": pl.Int32,
    "caution_laps": pl.Int32,
    "lead_changes": pl.Int32,
    "leaders": pl.Int32,
    "status": pl.String,  # scheduled | complete
}

ENTRIES: dict[str, pl.DataType | type[pl.DataType]] = {
    **RACE_COLUMNS,
    "driver_id": pl.String,
    "driver_name": pl.String,  # without the feed's markers
    "car_number": pl.String,
    "team": pl.String,
    "manufacturer": pl.String,
    "crew_chief": pl.String,
    "start": pl.Int32,  # null before qualifying
    "qualifying_position": pl.Int32,
    "qualifying_speed_mph": pl.Float64,
    "entries_at": UTC_TIME,
    "qualifying_at": UTC_TIME,
}

RESULTS: dict[str, pl.DataType | type[pl.DataType]] = {
    **ENTRIES,
    "results_at": UTC_TIME,
    "actual_laps": pl.Int32,
    "cautions": pl.Int32,
    "caution_laps": pl.Int32,
    "finish": pl.Int32,  # official, after disqualification
    "finish_on_track": pl.Int32,  # loop statistics' order
    "laps_completed": pl.Int32,
    "laps_led": pl.Int32,
    "fastest_laps": pl.Int32,  # green laps on which the car was fastest
    "status": pl.String,  # running | accident | mechanical | disqualified
    "status_text": pl.String,  # as the feed says it
    "mid_position": pl.Int32,
    "closing_position": pl.Int32,
    "best_position": pl.Int32,
    "worst_position": pl.Int32,
    "average_position": pl.Float64,
    "passes": pl.Int32,  # green-flag passes made
    "passed": pl.Int32,  # green-flag times passed
    "quality_passes": pl.Int32,
    "top15_laps": pl.Int32,
    "driver_rating": pl.Float64,  # loop statistics' rating, 0 to 150
}

PRACTICE: dict[str, pl.DataType | type[pl.DataType]] = {
    "race_id": pl.String,
    "session": pl.String,
    "driver_id": pl.String,
    "best_lap_time_s": pl.Float64,
    "average_lap_time_s": pl.Float64,
    "best_5_lap_time_s": pl.Float64,  # mean of 5 laps in a row; null for 999
    "best_10_lap_time_s": pl.Float64,
    "best_15_lap_time_s": pl.Float64,
    "best_20_lap_time_s": pl.Float64,
    "best_25_lap_time_s": pl.Float64,
    "best_30_lap_time_s": pl.Float64,
    "qualifying_at": UTC_TIME,
}

LAPS: dict[str, pl.DataType | type[pl.DataType]] = {
    "race_id": pl.String,
    "track_id": pl.String,
    "driver_id": pl.String,
    "lap": pl.Int32,
    "timestamp": UTC_TIME,  # race start plus the car's own elapsed time; null where unknown
    "position": pl.Int32,
    "lap_time_s": pl.Float64,
    "lap_speed_mph": pl.Float64,
    "flag": pl.String,  # green | yellow | red | white | checkered | null
    "pit": pl.Boolean,  # null where the source does not say
    "laps_led": pl.Int32,  # 1 where the driver led this lap
}

LAP_SUMMARY: dict[str, pl.DataType | type[pl.DataType]] = {
    "race_id": pl.String,
    "driver_id": pl.String,
    "laps": pl.Int32,  # laps of the driver that the source has, the grid not among them
    "laps_led": pl.Int32,
    "green_laps": pl.Int32,  # laps in green runs
    "green_runs": pl.Int32,
    "falloff_s_per_lap": pl.Float64,  # pooled over the green runs with a fit
    "falloff_se_s_per_lap": pl.Float64,
    "falloff_runs": pl.Int32,  # runs with a fit
    "slow_laps": pl.Int32,
    "long_run_speed_mph": pl.Float64,
    "long_run_laps": pl.Int32,
    "green_speed_mph": pl.Float64,  # mean over the laps of green runs
    "green_speed_rank": pl.Int32,  # 1 is the fastest of the race
    "green_speed_cars": pl.Int32,  # cars ranked
    "restarts": pl.Int32,  # restarts raced through
    "restart_gained": pl.Int32,
    "restart_lost": pl.Int32,
    "missing_times": pl.Int32,  # laps whose time is unknown
}
"""What `summarise_laps` gives; times in seconds, speeds in miles per hour."""

RACE_OF_SUMMARY: dict[str, pl.DataType | type[pl.DataType]] = {
    "series": pl.String,
    "race_type": pl.String,
    "track_type": pl.String,
    "start_time": UTC_TIME,
    "results_at": UTC_TIME,  # when the laps, and so the summary, are known
}
"""Columns of the race that a summary carries where the race is given."""
