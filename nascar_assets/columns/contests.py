"""Columns of what is kept of contests: finished ones, and a person's own entries over the years."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import UTC_TIME, Column, Columns

_FILE = "standings file"

_DRIVER: dict[str, pl.DataType | type[pl.DataType]] = {
    "driver_id": pl.String,
    "name": pl.String,
    "salary": pl.Int64,
    "mean_points": pl.Float64,
    "expected_ownership": pl.Float64,
    "ownership": pl.Float64,
    "points": pl.Float64,
}
_OWN: dict[str, pl.DataType | type[pl.DataType]] = {
    "entry_id": pl.String,
    "driver_ids": pl.List(pl.String),
    "points": pl.Float64,
    "place": pl.Int64,
    "won_cents": pl.Int64,
}

CONTESTS: Columns = {
    "contest_id": Column(
        pl.String,
        "The site's number of the contest, from an entries file or the file's name, else its hash.",
        "",
        _FILE,
    ),
    "slate_id": Column(pl.String, "The slate that it was of.", "", "the slates' drivers"),
    "race_key": Column(pl.String, "Its race.", "", "schedule.race_key"),
    "rules": Column(pl.String, "Key of its rules.", "", "slate.rules"),
    "lock": Column(UTC_TIME, "When lineups locked.", "UTC", "schedule.start_time"),
    "name": Column(pl.String, "Its name; empty where not known.", "", "entries file"),
    "kind": Column(
        pl.String,
        "`cash` or `tournament`: as a person said, else by its prizes, else by its name.",
        "",
        "payout table",
    ),
    "state": Column(
        pl.String, "`final`, or `live` where entries had time left.", "", f"{_FILE}, TimeRemaining"
    ),
    "entries": Column(pl.Int64, "Entries.", "entries", _FILE),
    "entry_fee_cents": Column(
        pl.Int64, "Price of an entry; null where not known.", "cents", "entries file, payout table"
    ),
    "prizes_cents": Column(
        pl.List(pl.Int64), "Prizes by place; null where not known.", "cents", "payout table"
    ),
    "paid": Column(pl.Int64, "Places that win; null where not known.", "places", "payout table"),
    "cash_line_points": Column(
        pl.Float64, "Points of the last place that wins; null where not known.", "points", _FILE
    ),
    "winning_points": Column(pl.Float64, "Points of the first place.", "points", _FILE),
    "file": Column(pl.String, "The file's name.", "", _FILE),
    "sha256": Column(pl.String, "Hash of its bytes.", "", _FILE),
    "known_at": Column(
        UTC_TIME, "When it was added, or when more of it was said or known.", "UTC", "the clock"
    ),
    "drivers": Column(
        pl.List(pl.Struct(_DRIVER)),
        "Every row of the salary file: projection and ownership as they were said before the race "
        "(null where they were not), share of the entries, points.",
        "dollars, points, shares",
        "standings file and the slate's lineups",
    ),
    "scores": Column(pl.List(pl.Float64), "All entries' points, best first.", "points", _FILE),
    "own": Column(
        pl.List(pl.Struct(_OWN)),
        "Own entries: those whose number an entries file of ours had.",
        "points, places, cents",
        "standings file and entries files",
    ),
    "notices": Column(pl.List(pl.String), "What a person should know.", "", _FILE),
}
"""One row per contest. Money is whole cents."""

_HISTORY = "entry history"

LEDGER: Columns = {
    "entry_key": Column(pl.String, "The site's number of the entry.", "", _HISTORY),
    "contest_key": Column(pl.String, "The site's number of the contest.", "", _HISTORY),
    "name": Column(pl.String, "The contest's name.", "", _HISTORY),
    "day": Column(pl.Date, "Its day, US Eastern.", "date", _HISTORY),
    "season": Column(pl.Int32, "The day's year.", "year", _HISTORY),
    "series": Column(
        pl.String,
        "By the contest's name, else the series that raced on its day; empty where neither tells.",
        "",
        "entry history and schedule.series",
    ),
    "kind": Column(
        pl.String,
        "`cash` by its name or where 35% of the entries and more, but not all, are paid, else "
        "`tournament`.",
        "",
        _HISTORY,
    ),
    "state": Column(
        pl.String,
        "`settled`; without a place `refunded` where the fee came back, else `cancelled`.",
        "",
        _HISTORY,
    ),
    "place": Column(pl.Int64, "Place; null where there is none.", "places", _HISTORY),
    "points": Column(pl.Float64, "Points; null where there are none.", "points", _HISTORY),
    "entries": Column(pl.Int64, "Entries of the contest.", "entries", _HISTORY),
    "paid": Column(pl.Int64, "Places paid.", "places", _HISTORY),
    "fee_cents": Column(pl.Int64, "Fee.", "cents", _HISTORY),
    "won_cents": Column(pl.Int64, "Winnings without tickets.", "cents", _HISTORY),
    "ticket_cents": Column(pl.Int64, "Worth of tickets won.", "cents", _HISTORY),
}
"""One row per entry of a person. Money is whole cents."""
