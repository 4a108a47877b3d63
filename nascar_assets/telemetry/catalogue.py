"""The feature catalogue: every feature, its meaning, unit, source and when it becomes known."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from nascar_assets.columns.column import Column

TRACK_TYPE_RACES = 12
"""Past races of a track type that an as-of aggregate looks back on."""

HISTORY_RACES = 36
"""Past races of a driver that an as-of aggregate looks back on: a season of the Cup series."""

FORM_RACES = 5
"""Past races of a driver that count as recent form."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the catalogue.

    Attributes:
        name: Column name.
        meaning: What it says, in one sentence.
        unit: Unit, or what the numbers count.
        source: Table that it is computed from, a key of `_TABLES`.
        rated: Whether the level of a car reads it, and so the forecast moves with it.
        whole: Whether its values are whole numbers; a count of races is 0 where there is none.
    """

    name: str
    meaning: str
    unit: str
    source: str
    whole: bool = False
    rated: bool = False

    @property
    def column(self) -> Column:
        """It as a column of the tables that hold it."""
        kind = pl.Boolean if self.unit == "yes/no" else pl.Int32 if self.whole else pl.Float64
        unit = "" if kind == pl.Boolean else self.unit
        return Column(kind, self.meaning, unit, _TABLES[self.source][0])

    @property
    def known_after(self) -> str:
        """The stage of the race week after which it is known.

        `previous_race` (what is known with the entry list too: no row is there before it),
        `practice` or `qualifying`; `lap` for features of single laps, which no slate's table holds.
        """
        return _TABLES[self.source][1]


_FALLOFF = "laps (green runs)"

_TABLES = {
    "results": ("race_results", "previous_race"),
    "lap summaries": ("lap_summaries", "previous_race"),
    "practice": ("practice", "practice"),
    "entries": ("entries", "qualifying"),
    "laps": ("laps", "lap"),
    _FALLOFF: ("green runs of laps", "lap"),
}
"""Stored tables by what the catalogue calls them, and when what they say is known."""

_PAST = f"over the driver's last {HISTORY_RACES} points races of the series"
_SAME_TYPE = f"over the driver's last {TRACK_TYPE_RACES} points races on the slate's track type"

FEATURES: tuple[Feature, ...] = (
    Feature(
        "avg_finish_position", f"Mean official finishing position {_PAST}.", "position", "results"
    ),
    Feature("avg_laps_led", f"Mean laps led {_PAST}.", "laps", "results"),
    Feature("win_rate", f"Share of races won {_PAST}.", "share", "results"),
    Feature(
        "dnf_rate",
        f"Share of races that ended in an accident or a mechanical failure {_PAST}.",
        "share",
        "results",
    ),
    Feature(
        "recent_form",
        f"Mean official finishing position over the driver's last {FORM_RACES} points races of "
        "the series.",
        "position",
        "results",
    ),
    Feature(
        "past_races",
        f"Points races that the historical features rest on, {HISTORY_RACES} at most.",
        "races",
        "results",
        whole=True,
    ),
    Feature(
        "track_type_avg_finish",
        f"Mean official finishing position {_SAME_TYPE}.",
        "position",
        "results",
    ),
    Feature(
        "track_type_races",
        f"Points races on the slate's track type that it rests on, {TRACK_TYPE_RACES} at most.",
        "races",
        "results",
        whole=True,
    ),
    Feature(
        "track_type_falloff",
        f"Falloff over green runs less the race's median car, mean {_SAME_TYPE} with laps.",
        "s per lap",
        "lap summaries",
        rated=True,
    ),
    Feature(
        "track_type_falloff_se",
        "How uncertain his falloff on this type of track is, from the errors of the lines fitted.",
        "s per lap",
        "lap summaries",
    ),
    Feature(
        "track_type_long_run_speed",
        f"Long-run speed less the race's median car, mean {_SAME_TYPE} with laps.",
        "mph",
        "lap summaries",
        rated=True,
    ),
    Feature(
        "track_type_restart_gain",
        f"Places won less places lost per restart {_SAME_TYPE} with laps.",
        "positions",
        "lap summaries",
        rated=True,
    ),
    Feature(
        "track_type_green_speed_rank",
        f"Rank of green-flag speed as a share of the field, 0 the fastest, mean {_SAME_TYPE} "
        "with laps.",
        "share",
        "lap summaries",
        rated=True,
    ),
    Feature(
        "track_type_slow_lap_rate",
        f"Share of green laps that were slow {_SAME_TYPE} with laps.",
        "share",
        "lap summaries",
    ),
    Feature(
        "track_type_lap_races",
        f"Races with laps that the other columns of lap summaries rest on, {TRACK_TYPE_RACES} at "
        "most.",
        "races",
        "lap summaries",
        whole=True,
    ),
    Feature("practice_lap_time", "Best lap of practice, all sessions.", "s", "practice"),
    Feature(
        "practice_speed",
        "Speed of the best lap of practice, by the track's length.",
        "mph",
        "practice",
        rated=True,
    ),
    Feature(
        "practice_10_lap_speed",
        "Speed of the best ten laps in a row of practice, by the track's length.",
        "mph",
        "practice",
        rated=True,
    ),
    Feature(
        "practice_laps_complete",
        "Laps of practice; null where the source counts none, as the public feed's averages do.",
        "laps",
        "practice",
        whole=True,
    ),
    Feature("qualifying_position", "Position in qualifying.", "position", "entries", whole=True),
    Feature("qualifying_speed", "Speed in qualifying.", "mph", "entries"),
    Feature(
        "qualifying_gap",
        "Time behind the fastest qualifier over one lap, from the speeds and the track's length.",
        "s",
        "entries",
    ),
)
"""Features that a slate's table may hold, in the order of its columns."""

LAP_FEATURES: tuple[Feature, ...] = (
    Feature("avg_position_last_<N>l", "Mean position, last N laps.", "position", "laps"),
    Feature(
        "best_position_last_<N>l", "Best position, last N laps.", "position", "laps", whole=True
    ),
    Feature("laps_led_last_<N>l", "Laps led, last N laps.", "laps", "laps", whole=True),
    Feature("avg_lap_time_last_<N>l", "Mean lap time, last N laps.", "s", "laps"),
    Feature("best_lap_time_last_<N>l", "Best lap time, last N laps.", "s", "laps"),
    Feature("avg_speed_last_<N>l", "Mean speed, last N laps.", "mph", "laps"),
    Feature("best_speed_last_<N>l", "Best speed, last N laps.", "mph", "laps"),
    Feature("n_laps_in_window", "Laps that the longest window holds.", "laps", "laps", whole=True),
    Feature("green_run", "Number of the driver's green run.", "number", _FALLOFF, whole=True),
    Feature("run_lap", "Lap within the green run, from 1.", "laps", _FALLOFF, whole=True),
    Feature("lap_time_change_s", "Lap time less the one before, same run.", "s", _FALLOFF),
    Feature(
        "falloff_s_per_lap",
        "Theil-Sen slope of lap time over the run so far.",
        "s per lap",
        _FALLOFF,
    ),
    Feature("falloff_se_s_per_lap", "Standard error of the slope.", "s per lap", _FALLOFF),
    Feature("falloff_laps", "Laps that the slope rests on.", "laps", _FALLOFF, whole=True),
    Feature("slow_lap", "Over rolling mean + 2 deviations of 10 green laps.", "yes/no", _FALLOFF),
    Feature(
        "long_run_speed_mph",
        "Mean speed from the 10th lap of runs on, so far in the race.",
        "mph",
        _FALLOFF,
    ),
    Feature(
        "restart_gained",
        "Places won by the second lap of a restart.",
        "positions",
        _FALLOFF,
        whole=True,
    ),
    Feature(
        "restart_lost",
        "Places lost by the second lap of a restart.",
        "positions",
        _FALLOFF,
        whole=True,
    ),
)
"""Features of single laps: known after the lap, so a slate sees them through past races only."""
