"""Columns of what the feed tells: races, entry lists, results, practice, laps and their summary."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import UTC_TIME, Column, Columns, taken

RACE_FACTS: Columns = {
    "race_id": Column(pl.String, "The feed's number of the race.", "", "schedule file: race_id"),
    "race_key": Column(
        pl.String,
        "Partition key of the race: season, series and number (`2026-cup-05`; exhibitions "
        "`2026-cup-x01`). Kept when the schedule moves.",
        "",
        "numbered by date within season, series and kind",
    ),
    "series": Column(pl.String, "Series: cup, xfinity or trucks.", "", "schedule file: series_id"),
    "season": Column(pl.Int32, "Season.", "year", "the schedule file's own season"),
    "race_name": Column(
        pl.String, "Name of the race as the feed has it.", "", "schedule file: race_name"
    ),
    "race_type": Column(pl.String, "`points` or `exhibition`.", "", "schedule file: race_type_id"),
    "track_id": Column(pl.String, "The feed's number of the track.", "", "schedule file: track_id"),
    "track_name": Column(
        pl.String,
        "Name of the track.",
        "",
        "schedule file: track_name; else the track catalogue",
    ),
    "track_type": Column(
        pl.String,
        "superspeedway (drafting tracks, Atlanta since 2022 among them), intermediate, short or "
        "road.",
        "",
        "track catalogue; for a track that it lacks plate rule, words of the name and length",
    ),
    "track_length_miles": Column(
        pl.Float64,
        "Length of a lap; 0 where it is not known.",
        "miles",
        "track catalogue; else scheduled distance over scheduled laps",
    ),
    "start_time": Column(
        UTC_TIME,
        "When the race starts, which is also the lock of its slates.",
        "UTC",
        "schedule file: the race's event, else race_date, date_scheduled or tunein_date",
    ),
    "scheduled_laps": Column(
        pl.Int32, "Laps planned; null where the feed has none.", "laps", "schedule file"
    ),
}
"""What identifies and describes a race; repeated in every table of races."""

_KNOWN: Columns = {
    "entries_at": Column(
        UTC_TIME, "Since when the entry list is known: 5 days before the start.", "UTC", "the start"
    ),
    "qualifying_at": Column(
        UTC_TIME,
        "Since when practice, qualifying and starting positions are known: 2 hours after the "
        "weekend's last such event, at the latest the start.",
        "UTC",
        "schedule file: events, else qualifying_date",
    ),
    "results_at": Column(
        UTC_TIME,
        "Since when results, loop statistics and laps are known: 8 hours after the start, or after "
        "the later date of a race that was carried over.",
        "UTC",
        "the start and the schedule file's later dates",
    ),
}

SCHEDULE: Columns = {
    **RACE_FACTS,
    **_KNOWN,
    "actual_laps": Column(
        pl.Int32, "Laps run; null before the race.", "laps", "schedule file: actual_laps"
    ),
    "stage_ends": Column(
        pl.List(pl.Int32),
        "Laps on which the stages end, ascending; the race's own end is left out.",
        "lap",
        "schedule file: stage_1_laps to stage_4_laps",
    ),
    "field_size": Column(
        pl.Int32, "Cars in the field.", "cars", "schedule file: number_of_cars_in_field"
    ),
    "winner_driver_id": Column(
        pl.String, "The winner; null before the race.", "", "schedule file: winner_driver_id"
    ),
    "restrictor_plate": Column(
        pl.Boolean, "Whether the feed calls it a plate race.", "", "schedule file: restrictor_plate"
    ),
    "cautions": Column(
        pl.Int32,
        "Cautions; null before the race and where the feed counted none of its numbers.",
        "cautions",
        "schedule file: number_of_cautions",
    ),
    "caution_laps": Column(
        pl.Int32, "Laps under caution; null as `cautions`.", "laps", "schedule file"
    ),
    "lead_changes": Column(
        pl.Int32, "Changes of the lead; null as `cautions`.", "changes", "schedule file"
    ),
    "leaders": Column(
        pl.Int32, "Cars that led a lap; null as `cautions`.", "cars", "schedule file"
    ),
    "status": Column(
        pl.String,
        "`complete` where the schedule has laps run, else `scheduled`.",
        "",
        "actual_laps",
    ),
}
"""One row per race of the landed seasons."""

ENTRIES: Columns = {
    **taken("schedule", RACE_FACTS),
    "driver_id": Column(
        pl.String,
        "The feed's number of the driver; `name:<name>` for one whom the feed gives no number.",
        "",
        "weekend feed: driver_id",
    ),
    "driver_name": Column(
        pl.String,
        "Name without the feed's markers (rookie, not eligible for points).",
        "",
        "weekend feed: driver_fullname",
    ),
    "car_number": Column(pl.String, "Number on the car, as text.", "", "weekend feed: car_number"),
    "team": Column(
        pl.String,
        "Team under one name over the seasons; null where unknown.",
        "",
        "weekend feed: team_name",
    ),
    "manufacturer": Column(pl.String, "Make of the car.", "", "weekend feed: car_make"),
    "crew_chief": Column(pl.String, "Crew chief.", "", "weekend feed: crew_chief_fullname"),
    "start": Column(
        pl.Int32,
        "Starting position, from 1; null before qualifying and for a car that did not qualify.",
        "position",
        "weekend feed: starting_position",
    ),
    "qualifying_position": Column(
        pl.Int32, "Position in qualifying, from 1.", "position", "weekend feed: qualifying_position"
    ),
    "qualifying_speed_mph": Column(
        pl.Float64, "Speed in qualifying.", "mph", "weekend feed: qualifying_speed"
    ),
    **taken("schedule", _KNOWN, ("entries_at", "qualifying_at")),
}
"""One row per car of a weekend feed, with what is known before the race only."""

RESULTS: Columns = {
    **ENTRIES,
    **taken("schedule", _KNOWN, ("results_at",)),
    "actual_laps": Column(
        pl.Int32,
        "Laps run.",
        "laps",
        "weekend feed: actual_laps; else schedule.actual_laps, else the leader's laps",
    ),
    "cautions": Column(
        pl.Int32,
        "Cautions; null where the weekend feed counted no leaders either.",
        "cautions",
        "weekend feed: number_of_cautions",
    ),
    "caution_laps": Column(
        pl.Int32,
        "Laps under caution; null as `cautions`.",
        "laps",
        "weekend feed: number_of_caution_laps",
    ),
    "finish": Column(
        pl.Int32,
        "Official finishing position, from 1, after disqualification.",
        "position",
        "weekend feed: finishing_position",
    ),
    "finish_on_track": Column(
        pl.Int32,
        "Order on track at the end, before disqualification; null without loop statistics.",
        "position",
        "loop statistics: ps",
    ),
    "laps_completed": Column(
        pl.Int32,
        "Laps completed.",
        "laps",
        "weekend feed: laps_completed; else loop statistics: laps",
    ),
    "laps_led": Column(
        pl.Int32,
        "Laps led; those of the loop statistics where they add up to the race's laps and the "
        "weekend feed's do not.",
        "laps",
        "weekend feed: laps_led; loop statistics: lead_laps",
    ),
    "fastest_laps": Column(
        pl.Int32,
        "Green-flag laps on which the car was the fastest; null without loop statistics.",
        "laps",
        "loop statistics: fast_laps",
    ),
    "status": Column(
        pl.String,
        "running, accident, mechanical or disqualified.",
        "",
        "status_text and the weekend feed's mark of a disqualification",
    ),
    "status_text": Column(
        pl.String, "Status in the feed's own words.", "", "weekend feed: finishing_status"
    ),
    "mid_position": Column(
        pl.Int32, "Running position at half distance.", "position", "loop statistics: mid_ps"
    ),
    "closing_position": Column(
        pl.Int32,
        "Running position shortly before the end, as the loop statistics take it.",
        "position",
        "loop statistics: closing_ps",
    ),
    "best_position": Column(
        pl.Int32, "Best running position.", "position", "loop statistics: best_ps"
    ),
    "worst_position": Column(
        pl.Int32, "Worst running position.", "position", "loop statistics: worst_ps"
    ),
    "average_position": Column(
        pl.Float64, "Mean running position over the race.", "position", "loop statistics: avg_ps"
    ),
    "passes": Column(pl.Int32, "Passes made under green.", "passes", "loop statistics: passes_gf"),
    "passed": Column(pl.Int32, "Times passed under green.", "passes", "loop statistics: passed_gf"),
    "quality_passes": Column(
        pl.Int32,
        "Passes of cars in the top 15 under green.",
        "passes",
        "loop statistics: quality_passes",
    ),
    "top15_laps": Column(
        pl.Int32, "Laps run in the top 15.", "laps", "loop statistics: top15_laps"
    ),
    "driver_rating": Column(
        pl.Float64,
        "NASCAR's own driver rating of the race, 0 to 150.",
        "rating",
        "loop statistics: rating",
    ),
}
"""One row per race and driver who started."""

_RACE = taken("schedule", RACE_FACTS, ("race_id",))


def _best_run(laps: int) -> Column:
    return Column(
        pl.Float64,
        f"Mean time of the best {laps} laps in a row; null where the car ran no such run.",
        "s",
        f"practice averages: Con{laps}Lap",
    )


PRACTICE: Columns = {
    **_RACE,
    "session": Column(pl.String, "Title of the session.", "", "practice averages: Title"),
    "driver_id": Column(
        pl.String, "The feed's number of the driver.", "", "practice averages: NASCARDriverID"
    ),
    "best_lap_time_s": Column(
        pl.Float64, "Best lap of the session.", "s", "practice averages: BestLapTime"
    ),
    "average_lap_time_s": Column(
        pl.Float64, "Mean of all laps of the session.", "s", "practice averages: OverAllAvg"
    ),
    **{f"best_{laps}_lap_time_s": _best_run(laps) for laps in (5, 10, 15, 20, 25, 30)},
    **taken("schedule", _KNOWN, ("qualifying_at",)),
}
"""One row per race, session and driver."""

RACE_FILES: Columns = {
    "kind": Column(
        pl.String,
        "What the file is: a kind of feed file (`weekend`, `loop_stats`, ...), `laps`, `flag_data` "
        "or `live_feed`.",
        "",
        "the file's place in the landing folder",
    ),
    "path": Column(pl.String, "Where it lies under the home.", "", "landing folder"),
    "bytes": Column(pl.Int64, "Size.", "bytes", "the file"),
    "sha256": Column(pl.String, "SHA-256 of the content, hexadecimal.", "", "the file"),
}
"""One row per landed file of a race."""

LANDING_INDEX: Columns = {
    "path": Column(pl.String, "Where the file lies under the home.", "", "landing folder, store"),
    "size": Column(pl.Int64, "Size.", "bytes", "the file"),
    "modified": Column(UTC_TIME, "When it was last written.", "UTC", "the file"),
    "value": Column(
        pl.String, "What its content is known by: SHA-256, hexadecimal.", "", "the file"
    ),
    "since": Column(UTC_TIME, "Since when it has this content.", "UTC", "the first scan to see it"),
}
"""One row per file that a scan has seen: a cache, made again where it is lost."""

LAPS: Columns = {
    **taken("schedule", RACE_FACTS, ("race_id", "track_id")),
    "driver_id": Column(
        pl.String, "The feed's number of the driver.", "", "lap file: NASCARDriverID or driver_id"
    ),
    "lap": Column(pl.Int32, "Lap of the driver, from 1; 0 is the grid.", "lap", "lap file"),
    "timestamp": Column(
        UTC_TIME,
        "When the driver completed the lap: the race's start plus his own elapsed time; null "
        "where a lap time before it is unknown.",
        "UTC",
        "lap file, schedule.start_time",
    ),
    "position": Column(pl.Int32, "Running position at the end of the lap.", "position", "lap file"),
    "lap_time_s": Column(pl.Float64, "Time of the lap; null where unknown.", "s", "lap file"),
    "lap_speed_mph": Column(pl.Float64, "Speed of the lap.", "mph", "lap file"),
    "flag": Column(
        pl.String,
        "green, yellow, red, white or checkered; null where no file says.",
        "",
        "lap file; else flag data",
    ),
    "pit": Column(
        pl.Boolean,
        "Whether the car was on pit road in the lap; null where no file says.",
        "",
        "lap file; else pit data",
    ),
    "laps_led": Column(
        pl.Int32,
        "1 where the driver led the lap, else 0.",
        "laps",
        "lap file: first at the line, or its own list",
    ),
}
"""The canonical lap: one row per race, driver and lap."""

LAP_SUMMARY: Columns = {
    **taken("laps", LAPS, ("race_id", "driver_id")),
    "laps": Column(
        pl.Int32, "Laps of the driver that the source has, without the grid.", "laps", "laps.lap"
    ),
    "laps_led": Column(pl.Int32, "Laps led.", "laps", "laps.laps_led"),
    "green_laps": Column(pl.Int32, "Laps in green runs.", "laps", "laps.flag, laps.pit"),
    "green_runs": Column(
        pl.Int32,
        "Green runs: laps in a row under green that no caution or stop breaks.",
        "runs",
        "laps.flag, laps.pit",
    ),
    "falloff_s_per_lap": Column(
        pl.Float64,
        "How much slower each lap of a green run is than the one before: Theil-Sen slopes pooled "
        "over the runs of at least 5 fitted laps. Null without one.",
        "s per lap",
        "laps.lap_time_s",
    ),
    "falloff_se_s_per_lap": Column(
        pl.Float64, "Standard error of the pooled falloff.", "s per lap", "laps.lap_time_s"
    ),
    "falloff_runs": Column(pl.Int32, "Green runs with a fit.", "runs", "laps.lap_time_s"),
    "slow_laps": Column(
        pl.Int32,
        "Green laps slower than the mean of the last 10 green laps by over 2 standard deviations.",
        "laps",
        "laps.lap_time_s",
    ),
    "long_run_speed_mph": Column(
        pl.Float64,
        "Mean speed from the 10th lap of green runs on; null without such laps.",
        "mph",
        "laps.lap_speed_mph",
    ),
    "long_run_laps": Column(
        pl.Int32, "Laps that the long-run speed rests on.", "laps", "laps.lap_speed_mph"
    ),
    "green_speed_mph": Column(
        pl.Float64, "Mean speed over the laps of green runs.", "mph", "laps.lap_speed_mph"
    ),
    "green_speed_rank": Column(
        pl.Int32, "Rank of that speed in the race, 1 the fastest.", "rank", "laps.lap_speed_mph"
    ),
    "green_speed_cars": Column(pl.Int32, "Cars ranked by it.", "cars", "laps.lap_speed_mph"),
    "restarts": Column(pl.Int32, "Restarts raced through.", "restarts", "laps.flag"),
    "restart_gained": Column(
        pl.Int32,
        "Places won by the second green lap, over all restarts.",
        "positions",
        "laps.position",
    ),
    "restart_lost": Column(
        pl.Int32,
        "Places lost by the second green lap, over all restarts.",
        "positions",
        "laps.position",
    ),
    "missing_times": Column(pl.Int32, "Laps whose time is unknown.", "laps", "laps.lap_time_s"),
}
"""One row per race and driver: what `summarise_laps` gives."""

RACE_OF_SUMMARY: Columns = {
    **taken("schedule", RACE_FACTS, ("series", "race_type", "track_type", "start_time")),
    **taken("schedule", _KNOWN, ("results_at",)),
}
"""Columns of the race that a summary carries where the race is given."""
