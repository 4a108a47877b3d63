"""The experiment, on the real builder, and on six leaks that are planted."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed.sources import Knowledge
from nascar_assets.history.features import build_features
from nascar_assets.telemetry import FeatureAvailabilityContract
from nascar_assets.telemetry.contract import ForbiddenFeature
from nascar_assets.telemetry.leakage import KNOWLEDGE, moved_columns, prove_no_leakage
from nascar_assets.telemetry.leakage_changes import alter
from nascar_assets_tests.telemetry.seasons import race_row, season

RACE = race_row(8)
AS_OF = {
    "before entries": RACE["start_time"] - timedelta(days=6),
    "before qualifying": RACE["start_time"] - timedelta(days=3),
    "at lock": RACE["start_time"],
    "after the race": RACE["start_time"] + timedelta(hours=20),
}


def with_column(name, column):
    """The real features and one more, of `column(sources, race, as_of)`: driver id to value."""

    def builder(sources, race, as_of):
        extra = column(sources, race, as_of).select("driver_id", pl.col("value").alias(name))
        extra = extra.unique("driver_id", keep="first", maintain_order=True)
        return build_features(sources, race, as_of).join(
            extra, on="driver_id", how="left", maintain_order="left"
        )

    return builder


def known(sources, as_of):
    return sources["results"].filter(pl.col("results_at") <= as_of)


def mean_finish(results):
    return results.group_by("driver_id").agg(pl.col("finish").mean().alias("value"))


def known_entries(sources, race, as_of):
    return sources["entries"].filter(
        pl.col("race_id") == race["race_id"], pl.col("entries_at") <= as_of
    )


def honest(sources, race, as_of):
    return mean_finish(known(sources, as_of))


def leak_by_name(sources, race, as_of):
    """The race's own result under its plain name."""
    own = sources["results"].filter(pl.col("race_id") == race["race_id"])
    return own.select("driver_id", pl.col("finish").alias("value"))


def leak_by_timestamp(sources, race, as_of):
    """Races that had begun by the as-of time, though their results came later."""
    return mean_finish(sources["results"].filter(pl.col("start_time") <= as_of))


def leak_by_whole_season(sources, race, as_of):
    """A mean over the whole season, races to come among them."""
    return mean_finish(sources["results"])


def leak_by_target_encoding(sources, race, as_of):
    """The team's mean finish, this race's own finishes among them."""
    until = sources["results"].filter(pl.col("start_time") <= race["start_time"])
    encoded = until.group_by("team").agg(pl.col("finish").mean().alias("value"))
    return known_entries(sources, race, as_of).join(encoded, on="team")


def leak_by_rating(sources, race, as_of):
    """A rating whose weights are fitted to all races, applied to known ones only."""
    every = sources["results"]
    fit = np.polyfit(every["qualifying_position"].to_numpy(), every["finish"].to_numpy(), 1)
    slope = pl.lit(float(fit[0]))
    return (
        known(sources, as_of)
        .group_by("driver_id")
        .agg((pl.col("finish") - slope * pl.col("qualifying_position")).mean().alias("value"))
    )


def leak_by_correction(sources, race, as_of):
    """Of several versions of a past result, the last one, whenever it was published."""
    latest = (
        sources["results"]
        .filter(pl.col("start_time") < race["start_time"] - timedelta(days=1))
        .sort("results_at")
        .unique(["race_id", "driver_id"], keep="last", maintain_order=True)
    )
    return mean_finish(latest)


LEAKS = {
    "race_finish_position": (leak_by_name, "at lock"),
    "by_timestamp": (leak_by_timestamp, "at lock"),
    "by_whole_season": (leak_by_whole_season, "at lock"),
    "by_target_encoding": (leak_by_target_encoding, "at lock"),
    "by_rating": (leak_by_rating, "at lock"),
    "by_correction": (leak_by_correction, "at lock"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_caught(name):
    leak, when = LEAKS[name]
    report = prove_no_leakage(with_column(name, leak), RACE, AS_OF[when], season())
    assert not report.passed
    # It names the leaking feature, that one alone, and where it came from.
    assert report.by_feature() == {name: ("results",)}
    assert name in str(report)
    assert "results" in str(report)


@pytest.mark.slow
def test_a_late_correction_in_the_data_itself_is_caught_when_it_is_dropped():
    sources = season()
    past = sources["results"].filter(pl.col("race_id") == race_row(6)["race_id"]).head(1)
    correction = past.with_columns(
        finish=pl.lit(40, pl.Int32), results_at=pl.lit(RACE["start_time"] + timedelta(days=2))
    ).cast(sources["results"].schema)
    sources["results"] = pl.concat([sources["results"], correction])
    report = prove_no_leakage(
        with_column("x", leak_by_correction), RACE, RACE["start_time"], sources
    )
    assert {leak.change for leak in report.leaks} == {"change", "drop", "add"}
    assert prove_no_leakage(build_features, RACE, RACE["start_time"], sources).passed


def test_a_leak_by_name_is_caught_by_name_too():
    table = with_column("race_finish_position", leak_by_name)(season(), RACE, RACE["start_time"])
    with pytest.raises(ForbiddenFeature, match="race_finish_position"):
        FeatureAvailabilityContract.validate_dataframe(table, RACE["start_time"])


@pytest.mark.slow
@pytest.mark.parametrize("when", AS_OF)
def test_the_features_do_not_leak(when):
    report = prove_no_leakage(build_features, RACE, AS_OF[when], season(), rounds=3)
    assert report.passed, str(report)
    assert report.trials >= 24
    assert report.untested == ()
    assert prove_no_leakage(with_column("x", honest), RACE, AS_OF[when], season()).passed


@pytest.mark.slow
def test_a_leak_from_qualifying_before_it_is_known():
    def peeks(sources, race, as_of):
        return known_entries(sources, race, as_of).select(
            "driver_id", pl.col("start").alias("value")
        )

    builder = with_column("start_position", peeks)
    early = prove_no_leakage(builder, RACE, AS_OF["before qualifying"], season())
    assert early.by_feature() == {"start_position": ("entries",)}
    assert prove_no_leakage(builder, RACE, AS_OF["at lock"], season()).passed


@pytest.mark.slow
def test_a_leak_through_practice_and_lap_summaries():
    def later_practice(sources, race, as_of):
        return (
            sources["practice"]
            .group_by("driver_id")
            .agg(pl.col("best_lap_time_s").min().alias("value"))
        )

    def later_laps(sources, race, as_of):
        return (
            sources["lap_summaries"]
            .group_by("driver_id")
            .agg(pl.col("falloff_s_per_lap").mean().alias("value"))
        )

    for column, source in ((later_practice, "practice"), (later_laps, "lap_summaries")):
        report = prove_no_leakage(with_column("x", column), RACE, RACE["start_time"], season())
        assert report.by_feature() == {"x": (source,)}


@pytest.mark.slow
def test_a_leak_through_the_race_itself():
    def winner(sources, race, as_of):
        return (
            sources["entries"].select("driver_id", pl.lit(race["winner"]).alias("value")).unique()
        )

    race = {**RACE, "winner": "100"}
    builder = with_column("x", winner)
    assert prove_no_leakage(builder, race, RACE["start_time"], season()).passed
    report = prove_no_leakage(
        builder, race, RACE["start_time"], season(), race_facts_after=["winner"]
    )
    assert report.by_feature() == {"x": ("race",)}


@pytest.mark.slow
def test_a_leak_that_needs_two_sources_is_found_when_all_change():
    def both_late(sources, race, as_of):
        """Speaks only where later results and later laps are both gone."""
        late = [
            sources[name].filter(pl.col("results_at") > as_of).height
            for name in ("results", "lap_summaries")
        ]
        value = float(late == [0, 0])
        return known_entries(sources, race, as_of).select("driver_id", pl.lit(value).alias("value"))

    report = prove_no_leakage(
        with_column("x", both_late), RACE, RACE["start_time"], season(), rounds=6
    )
    (sources,) = report.by_feature()["x"]
    assert sources == "entries, lap_summaries, practice, results"


@pytest.mark.slow
def test_all_sources_together_find_the_same_source_in_fewer_trials():
    builder = with_column("x", leak_by_whole_season)
    quick = prove_no_leakage(builder, RACE, RACE["start_time"], season(), thorough=False)
    assert quick.by_feature() == {"x": ("results",)}
    clean = prove_no_leakage(build_features, RACE, RACE["start_time"], season(), thorough=False)
    assert (clean.passed, clean.trials) == (True, 6)


@pytest.mark.slow
def test_rows_that_come_and_go_are_a_leak():
    def peeks(sources, race, as_of):
        runners = sources["results"].filter(pl.col("race_id") == race["race_id"])
        return build_features(sources, race, as_of).join(runners, on="driver_id", how="semi")

    report = prove_no_leakage(peeks, RACE, RACE["start_time"], season())
    assert "<rows>" in report.by_feature()


@pytest.mark.slow
def test_a_builder_that_fails_on_another_future_leaks():
    def strict(sources, race, as_of):
        """Refuses results that another table of the future contradicts."""
        if sources["results"].filter(pl.col("results_at") > as_of)["finish"].max() > 8:
            raise InputError("a place beyond the field")
        return build_features(sources, race, as_of)

    report = prove_no_leakage(strict, RACE, RACE["start_time"], season())
    assert report.by_feature() == {"<failed>": ("results",)}


@pytest.mark.slow
def test_a_builder_that_differs_from_run_to_run_is_refused():
    rng = np.random.default_rng(0)

    def dice(sources, race, as_of):
        return build_features(sources, race, as_of).with_columns(x=pl.lit(float(rng.random())))

    with pytest.raises(InputError, match="x"):
        prove_no_leakage(dice, RACE, RACE["start_time"], season())


def test_sources_must_say_when_they_are_known():
    with pytest.raises(InputError, match="weather"):
        prove_no_leakage(
            build_features, RACE, RACE["start_time"], {**season(), "weather": pl.DataFrame()}
        )
    for broken in (
        season()["results"].drop("results_at"),
        season()["results"].with_columns(results_at=pl.lit(None, pl.Datetime("us", "UTC"))),
    ):
        with pytest.raises(InputError, match="results_at"):
            prove_no_leakage(
                build_features, RACE, RACE["start_time"], {**season(), "results": broken}
            )


@pytest.mark.slow
def test_a_source_without_later_records_is_reported_as_untested():
    sources = season()
    sources["practice"] = sources["practice"].filter(pl.col("qualifying_at") <= RACE["start_time"])
    report = prove_no_leakage(build_features, RACE, RACE["start_time"], sources)
    assert report.untested == ("practice",)
    assert report.records["practice"] == 0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report():
    builder = with_column("x", leak_by_whole_season)
    one, two = (prove_no_leakage(builder, RACE, RACE["start_time"], season(), seed=4) for _ in "12")
    assert one == two


@pytest.mark.parametrize("change", ["change", "drop", "add"])
@pytest.mark.parametrize("source", sorted(KNOWLEDGE))
def test_changes_leave_the_past_as_it_was(change, source):
    """What was known by the as-of time is the same afterwards, in value and order."""
    as_of = AS_OF["before qualifying"]
    knowledge = KNOWLEDGE[source]
    table = season()[source]

    def past(frame):
        known_rows = frame.filter(pl.col(knowledge.time_column) <= as_of)
        return known_rows.with_columns(
            pl.when(pl.col(time) <= as_of).then(pl.col(name)).alias(name)
            for time, names in knowledge.later.items()
            for name in sorted(names)
        )

    rng = np.random.default_rng(1)
    for _ in range(5):
        other = alter(table, knowledge, as_of, change, rng)
        assert other.schema == table.schema
        assert past(other).equals(past(table))
        assert not other.equals(table)


def test_changing_changes_every_later_value():
    table = season()["results"]
    as_of = RACE["start_time"]
    other = alter(table, KNOWLEDGE["results"], as_of, "change", np.random.default_rng(0))
    late = table["results_at"] > as_of
    for name in ("finish", "laps_led", "team", "status"):
        assert (table[name] != other[name]).filter(late).all()


def test_bytes_are_compared_not_values():
    a = pl.DataFrame({"x": [0.0, 1.0, None], "y": ["a", None, "c"]})
    assert moved_columns(a, a) == {}
    assert moved_columns(a, a.with_columns(x=pl.Series([-0.0, 1.0, None]))) == {"x": 1}
    assert moved_columns(a, a.with_columns(x=pl.Series([0.0, 1.0, float("nan")]))) == {"x": 1}
    nan = a.with_columns(x=pl.Series([float("nan")] * 3))
    assert moved_columns(nan, nan.clone()) == {}
    assert moved_columns(a, a.reverse()) == {"x": 2, "y": 2}
    assert moved_columns(a, a.drop("y")) == {"y": 3}
    assert moved_columns(a, a.head(2)) == {"<rows>": 1}
    assert moved_columns(a, a.cast({"x": pl.Float32})) == {"x": 3}


def test_an_unknown_change_is_refused():
    with pytest.raises(InputError, match="shake"):
        alter(
            season()["practice"],
            Knowledge("qualifying_at"),
            RACE["start_time"],
            "shake",
            np.random.default_rng(0),
        )
