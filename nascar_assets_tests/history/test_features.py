from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed.sources import SOURCES
from nascar_assets.history.features import FEATURE_TABLE, build_features
from nascar_assets.telemetry import FeatureAvailabilityContract
from nascar_assets.telemetry.catalogue import FEATURES
from nascar_assets_tests.telemetry.seasons import race_row, season

RACE = race_row(8)  # the third race on an intermediate track, after races 0 and 4
LOCK = RACE["start_time"]


def row(table, driver="102"):
    return table.row(by_predicate=pl.col("driver_id") == driver, named=True)


def past(table, driver="102", races=range(8)):
    """A driver's rows of earlier points races; race 3 is an exhibition."""
    ids = [race_row(number)["race_id"] for number in races if number != 3]
    return table.filter(pl.col("race_id").is_in(ids), pl.col("driver_id") == driver)


def test_one_row_per_entrant_with_every_catalogued_feature():
    out = build_features(season(), RACE, LOCK)
    assert dict(out.schema) == FEATURE_TABLE
    assert out["driver_id"].to_list() == [str(100 + car) for car in range(8)]
    assert FeatureAvailabilityContract.validate_dataframe(out, LOCK).equals(out)
    assert out["practice_laps_complete"].null_count() == 8
    held = {source.table for source in SOURCES if source.name in season()}
    told = [item.name for item in FEATURES if item.column.source in held]
    assert sum(out.select(told).drop("practice_laps_complete").null_count().row(0)) == 0


def test_historical_features_by_hand():
    sources = season()
    out = row(build_features(sources, RACE, LOCK))
    mine = past(sources["results"])
    finishes = mine["finish"].to_list()
    assert out["past_races"] == 7
    assert out["avg_finish_position"] == pytest.approx(sum(finishes) / 7)
    assert out["recent_form"] == pytest.approx(sum(finishes[-5:]) / 5)
    assert out["avg_laps_led"] == pytest.approx(mine["laps_led"].sum() / 7)
    assert out["win_rate"] == pytest.approx(finishes.count(1) / 7)
    failed = sum(status in ("accident", "mechanical") for status in mine["status"])
    assert out["dnf_rate"] == pytest.approx(failed / 7)
    assert out["track_type_races"] == 2
    assert out["track_type_avg_finish"] == pytest.approx((finishes[0] + finishes[3]) / 2)


def test_features_of_laps_by_hand():
    sources = season()
    out = row(build_features(sources, RACE, LOCK))
    laps = sources["lap_summaries"]
    mine = past(laps, races=(0, 4))
    for name, feature in (
        ("falloff_s_per_lap", "track_type_falloff"),
        ("long_run_speed_mph", "track_type_long_run_speed"),
    ):
        # Less the median of the eight cars of the same race, mean over the two races.
        relative = [
            value - np.median(laps.filter(pl.col("race_id") == race_id)[name].to_numpy())
            for race_id, value in mine.select("race_id", name).iter_rows()
        ]
        assert out[feature] == pytest.approx(np.mean(relative))
    # Two fits with errors of 0.002: their mean's is 0.002 / sqrt(2).
    assert out["track_type_falloff_se"] == pytest.approx(0.002 / 2**0.5)
    won = mine["restart_gained"].sum() - mine["restart_lost"].sum()
    assert out["track_type_restart_gain"] == pytest.approx(won / 10)
    ranks = mine["green_speed_rank"].to_list()
    assert out["track_type_green_speed_rank"] == pytest.approx(sum((r - 1) / 7 for r in ranks) / 2)
    assert out["track_type_slow_lap_rate"] == pytest.approx(mine["slow_laps"].sum() / 300)
    assert out["track_type_lap_races"] == 2


def test_weekend_features_by_hand():
    sources = season()
    out = build_features(sources, RACE, LOCK)
    own = sources["entries"].filter(pl.col("race_id") == RACE["race_id"]).sort("driver_id")
    speeds = own["qualifying_speed_mph"].to_list()
    assert out["qualifying_speed"].to_list() == speeds
    # Seconds over one lap of 1.5 miles behind the fastest.
    gaps = [5400 / speed - 5400 / max(speeds) for speed in speeds]
    assert out["qualifying_gap"].to_list() == pytest.approx(gaps, abs=1e-12)
    best = sources["practice"].filter(pl.col("race_id") == RACE["race_id"]).sort("driver_id")
    assert out["practice_lap_time"].to_list() == best["best_lap_time_s"].to_list()
    speeds = [5400 / time for time in best["best_lap_time_s"]]
    assert out["practice_speed"].to_list() == pytest.approx(speeds)
    tens = [5400 / time for time in best["best_10_lap_time_s"]]
    assert out["practice_10_lap_speed"].to_list() == pytest.approx(tens)


def test_the_best_of_several_practice_sessions_and_their_laps():
    sources = season()
    more = sources["practice"].with_columns(
        session=pl.lit("Practice 1"), best_lap_time_s=pl.lit(29.0), laps_complete=pl.lit(12)
    )
    first = sources["practice"].with_columns(laps_complete=pl.lit(20))
    out = build_features({**sources, "practice": pl.concat([first, more])}, RACE, LOCK)
    assert out["practice_lap_time"].unique().to_list() == [29.0]
    assert out["practice_laps_complete"].unique().to_list() == [32]


@pytest.mark.parametrize(
    ("before_start", "rows", "qualifying"),
    [(timedelta(days=6), 0, 0), (timedelta(days=5), 8, 0), (timedelta(days=1), 8, 8)],
)
def test_what_is_known_grows_through_the_week(before_start, rows, qualifying):
    as_of = LOCK - before_start
    out = build_features(season(), RACE, as_of)
    assert out.height == rows
    for name in ("qualifying_position", "qualifying_speed", "qualifying_gap", "practice_lap_time"):
        assert out[name].count() == qualifying
    assert (out["available_at"] <= as_of).all()


def test_available_at_is_when_the_last_used_value_was_known():
    table = season()
    assert set(build_features(table, RACE, LOCK)["available_at"]) == {RACE["qualifying_at"]}
    # Race 7 became known 8 hours after its start, long before the entry list of race 8 + 2 days.
    week = build_features(table, RACE, LOCK - timedelta(days=4))
    assert set(week["available_at"]) == {max(RACE["entries_at"], race_row(7)["results_at"])}
    early = {**RACE, "entries_at": RACE["start_time"] - timedelta(days=9)}
    entries = table["entries"].with_columns(pl.col("entries_at") - timedelta(days=4))
    between = race_row(7)["results_at"] - timedelta(hours=1)
    first = build_features({**table, "entries": entries}, early, between)
    assert set(first["available_at"]) == {LOCK - timedelta(days=9)}
    assert row(first)["past_races"] == 6


def test_a_result_counts_from_the_moment_it_is_known():
    known = race_row(7)["results_at"]
    entries = season()["entries"].with_columns(pl.col("entries_at") - timedelta(days=9))
    sources = {**season(), "entries": entries}
    assert row(build_features(sources, RACE, known))["past_races"] == 7
    just_before = known - timedelta(microseconds=1)
    assert row(build_features(sources, RACE, just_before))["past_races"] == 6


def test_a_disqualification_days_later_counts_once_it_is_published():
    sources = season()
    driver = past(sources["results"], races=[6])
    published = LOCK - timedelta(hours=3)
    corrected = driver.with_columns(
        finish=pl.lit(8, pl.Int32),
        status=pl.lit("disqualified"),
        results_at=pl.lit(published).cast(driver.schema["results_at"]),
    )
    both = {**sources, "results": pl.concat([corrected, sources["results"]])}
    was, now = driver["finish"][0], 8
    before = row(build_features(both, RACE, published - timedelta(minutes=1)))
    after = row(build_features(both, RACE, published))
    assert before["past_races"] == after["past_races"] == 7
    moved = after["avg_finish_position"] - before["avg_finish_position"]
    assert moved == pytest.approx((now - was) / 7)
    assert after["available_at"] == published


def test_only_the_last_races_count():
    sources = season(races=60, cars=4)
    race = race_row(59)
    out = row(build_features(sources, race, race["start_time"]))
    assert (out["past_races"], out["track_type_races"], out["track_type_lap_races"]) == (36, 12, 12)
    mine = sources["results"].filter(
        pl.col("driver_id") == "102",
        pl.col("start_time") < race["start_time"],
        pl.col("race_type") == "points",
    )
    assert out["avg_finish_position"] == pytest.approx(mine["finish"].tail(36).mean())


def test_other_series_do_not_count():
    sources = season()
    trucks = sources["results"].with_columns(
        series=pl.lit("trucks"), race_id=pl.col("race_id") + "t", finish=pl.lit(40, pl.Int32)
    )
    both = {**sources, "results": pl.concat([sources["results"], trucks])}
    assert build_features(both, RACE, LOCK).equals(build_features(sources, RACE, LOCK))


def test_a_newcomer_has_a_row_without_history():
    sources = season()
    new = (
        sources["entries"]
        .filter(pl.col("race_id") == RACE["race_id"], pl.col("driver_id") == "100")
        .with_columns(driver_id=pl.lit("999"), qualifying_speed_mph=None, qualifying_position=None)
    )
    both = {
        **sources,
        "entries": pl.concat([sources["entries"], new.cast(sources["entries"].schema)]),
    }
    out = row(build_features(both, RACE, LOCK), "999")
    assert (out["past_races"], out["track_type_races"], out["track_type_lap_races"]) == (0, 0, 0)
    assert out["avg_finish_position"] is None
    assert out["qualifying_gap"] is None
    assert out["available_at"] == RACE["entries_at"]


def test_the_order_of_the_sources_does_not_matter():
    sources = season()
    shuffled = {
        name: table.sample(fraction=1.0, shuffle=True, seed=2) for name, table in sources.items()
    }
    assert build_features(shuffled, RACE, LOCK).equals(build_features(sources, RACE, LOCK))
    lazy = {name: table.lazy() for name, table in sources.items()}
    assert build_features(lazy, RACE, LOCK).equals(build_features(sources, RACE, LOCK))


def test_sources_may_be_absent():
    sources = season()
    out = build_features({"entries": sources["entries"]}, RACE, LOCK)
    assert dict(out.schema) == FEATURE_TABLE
    assert out["past_races"].to_list() == [0] * 8
    assert out["avg_finish_position"].null_count() == 8
    assert out["qualifying_speed"].null_count() == 0


def test_summaries_without_their_races_take_them_from_the_results():
    sources = season()
    bare = sources["lap_summaries"].drop(
        "series", "race_type", "track_type", "start_time", "results_at"
    )
    out = build_features({**sources, "lap_summaries": bare}, RACE, LOCK)
    assert out.equals(build_features(sources, RACE, LOCK))
    alone = build_features({"entries": sources["entries"], "lap_summaries": bare}, RACE, LOCK)
    assert alone["track_type_falloff"].null_count() == 8


def test_bad_input_is_refused():
    sources = season()
    with pytest.raises(InputError, match="entries"):
        build_features({"results": sources["results"]}, RACE, LOCK)
    with pytest.raises(InputError, match="track_type"):
        build_features(sources, {**RACE, "track_type": None}, LOCK)
    with pytest.raises(InputError, match="time zone"):
        build_features(sources, RACE, datetime(2030, 5, 1))  # noqa: DTZ001
