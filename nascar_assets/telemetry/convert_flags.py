"""Flag data of the public feed (`live-flag-data.json`): the flag under which each lap was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from nascar_assets.telemetry.feed_values import FLAG_NAMES, feed_number, parse_json, race_seconds
from nascar_assets.telemetry.laps import Frame, is_racing_lap, on_lazy
from nascar_assets.telemetry.problems import RefusedFile, problem


class FlagState(NamedTuple):
    """One change of the flag.

    Attributes:
        since: Seconds of race time at which it was shown.
        after_lap: Laps that the leader had completed then.
        state: The feed's number of the flag.
    """

    since: float
    after_lap: int
    state: int


def read_flag_states(payload: Any, file: str, notes: list[str] | None = None) -> list[FlagState]:
    """The changes of the flag in a body of flag data.

    One without a time, a lap or a state (null, negative, 999 as a state, no number) is left out.

    Args:
        payload: The body, as bytes or parsed.
        file: Name used in notes and errors.
        notes: Gets a sentence where changes are left out.

    Raises:
        RefusedFile: If the body is not of this shape, or no change in it is known.
    """
    body = parse_json(payload, file)
    states = body.get("FlagStates") if isinstance(body, dict) else body  # a bare list since 2024
    if not isinstance(states, list) or not states:
        raise RefusedFile([problem(file, "no list `FlagStates` of flags", "FlagStates")])
    found: list[FlagState] = []
    wrong: list[int] = []
    for row, item in enumerate(states, 1):
        since, after, state = (
            feed_number(item.get(key)) if isinstance(item, dict) else None
            for key in ("elapsed_time", "lap_number", "flag_state")
        )
        if (
            since is None
            or after is None
            or state is None
            or min(since, after, state, 998 - state) < 0
        ):
            wrong.append(row)
        else:
            found.append(FlagState(since, int(after), int(state)))
    if not found:
        raise RefusedFile([problem(file, "a flag without numbers", "FlagStates", wrong)])
    if wrong and notes is not None:
        why = "a flag without a time, a lap or a state is left out"
        notes.append(str(problem(file, why, "FlagStates", wrong)))
    return found


def mark_flags(
    laps: Frame,
    payload: Any,
    race: Mapping[str, Any],
    *,
    file: str = "live-flag-data.json",
) -> Frame:
    """Fill the column `flag` of a race's laps from the feed's flag data.

    A lap's flag is the one shown when the car began the lap, by race time, so it is right for cars
    that are laps down too; a lap during which a red flag was shown is red. Where a lap's time is
    unknown, the last flag before its number in the leader's count is taken.

    Args:
        laps: Canonical laps of one race.
        payload: The body, as bytes or parsed.
        race: The race's `start_time` (with zone).
        file: Name used in errors.

    Returns:
        The laps with `flag` set, null on the grid; lazy where the laps are.

    Raises:
        RefusedFile: If the body is not of this shape.
    """
    table = (
        pl.LazyFrame(
            read_flag_states(payload, file), schema=["since", "after_lap", "state"], orient="row"
        )
        .with_row_index()
        .sort("since", "index")
        .with_columns(pl.col("state").replace_strict(FLAG_NAMES, default=None).alias("shown"))
    )
    ended = race_seconds(race)

    def marked(frame: pl.LazyFrame) -> pl.LazyFrame:
        columns = frame.collect_schema().names()
        began = ended.shift(1).over("driver_id", order_by="lap")
        # The first lap of a driver's own has nothing before it and begins with the race.
        began = pl.when(pl.col("lap") == 1).then(0.0).otherwise(began)
        placed = frame.with_row_index("row").with_columns(
            began.alias("began"), ended.alias("ended"), (pl.col("lap") - 1).alias("done")
        )
        by_time = (
            placed.filter(pl.col("began").is_not_null())
            .sort("began")
            .join_asof(
                table.select("since", "shown").unique("since", keep="last", maintain_order=True),
                left_on="began",
                right_on="since",
                strategy="backward",
            )
            .select("row", pl.col("shown").alias("by_time"))
        )
        by_lap = (
            placed.sort("done")
            .with_columns(pl.col("done").cast(pl.Int64))
            .join_asof(
                table.sort("after_lap", "index")
                .select("after_lap", "shown")
                .unique("after_lap", keep="last", maintain_order=True),
                left_on="done",
                right_on="after_lap",
                strategy="backward",
            )
            .select("row", pl.col("shown").alias("by_lap"))
        )
        stopped = (
            placed.select("row", "began", "ended")
            .join_where(
                _red_spans(table),
                pl.col("red_since") < pl.col("ended"),
                pl.col("red_until") > pl.col("began"),
            )
            .select("row", pl.lit("red").alias("red"))
            .unique("row")
        )
        joined = (
            placed.join(by_time, on="row", how="left")
            .join(by_lap, on="row", how="left")
            .join(stopped, on="row", how="left")
            .sort("row")
        )
        known = pl.when(pl.col("began").is_not_null()).then("by_time").otherwise("by_lap")
        flag = pl.when(is_racing_lap()).then(pl.coalesce("red", known)).alias("flag")
        return joined.with_columns(flag).select(columns)

    return on_lazy(laps, marked)


def _red_spans(table: pl.LazyFrame) -> pl.LazyFrame:
    until = pl.col("since").shift(-1).fill_null(float("inf"))
    return (
        table.with_columns(until.alias("until"))
        .filter(pl.col("shown") == "red")
        .select(pl.col("since").alias("red_since"), pl.col("until").alias("red_until"))
    )
