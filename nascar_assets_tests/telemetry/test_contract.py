import logging
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import LAPS
from nascar_assets.history.features import FEATURE_TABLE
from nascar_assets.telemetry import (
    FeatureAvailabilityContract,
    compute_aggregate_features,
    compute_falloff_metrics,
    validate_features,
)
from nascar_assets.telemetry.catalogue import FEATURES, LAP_FEATURES
from nascar_assets.telemetry.catalogue_page import catalogue_page
from nascar_assets.telemetry.contract import STAGES, ForbiddenFeature, LateRow
from nascar_assets_tests.telemetry.lap_frames import START, clean_race


def table(**columns):
    rows = {"race_id": ["1", "1"], "driver_id": ["a", "b"], "available_at": [START, START]}
    return pl.DataFrame(rows | columns)


def test_the_contracts_sets():
    contract = FeatureAvailabilityContract
    assert {
        "avg_finish_position",
        "avg_laps_led",
        "win_rate",
        "dnf_rate",
        "recent_form",
    } == contract.HISTORICAL
    assert {"practice_lap_time", "practice_speed", "practice_laps_complete"} == contract.PRACTICE
    assert {"qualifying_position", "qualifying_speed", "qualifying_gap"} == contract.QUALIFYING
    assert {
        "race_laps_led",
        "race_finish_position",
        "race_incidents",
        "race_dnf_lap",
    } == contract.FORBIDDEN
    for name in ("HISTORICAL", "PRACTICE", "QUALIFYING", "FORBIDDEN"):
        assert isinstance(getattr(contract, name), frozenset)
        with pytest.raises(AttributeError):
            setattr(contract(), name, frozenset())
        with pytest.raises(AttributeError, match=name):
            setattr(contract, name, frozenset())
        with pytest.raises(AttributeError, match=name):
            delattr(contract, name)


def test_forbidden_names_are_all_listed():
    with pytest.raises(ForbiddenFeature) as caught:
        validate_features(["win_rate", "race_laps_led", "race_dnf_lap"])
    assert caught.value.names == ("race_dnf_lap", "race_laps_led")
    assert "race_dnf_lap, race_laps_led" in str(caught.value)


def test_unknown_names_are_a_warning_and_left_out(caplog):
    with caplog.at_level(logging.WARNING):
        assert validate_features(["win_rate", "moon_phase", "qualifying_gap"]) == (
            "win_rate",
            "qualifying_gap",
        )
    assert "moon_phase" in caplog.text
    assert "win_rate" not in caplog.text


def test_stages_open_one_after_the_other():
    contract = FeatureAvailabilityContract()
    open_by = [contract.get_allowed_features(stage) for stage in STAGES]
    assert open_by[0] < open_by[1] < open_by[2] == contract.get_allowed_features()
    assert open_by[0] >= contract.HISTORICAL
    assert not contract.PRACTICE & open_by[0]
    assert open_by[1] >= contract.PRACTICE
    assert not contract.QUALIFYING & open_by[1]
    assert open_by[2] >= contract.QUALIFYING
    with pytest.raises(InputError, match="after_race"):
        contract.get_allowed_features("after_race")


def test_the_names_that_are_given_are_filtered():
    allowed = FeatureAvailabilityContract.get_allowed_features
    given = ["qualifying_gap", "race_laps_led", "win_rate", "moon_phase", "practice_speed"]
    assert allowed(given) == ["qualifying_gap", "win_rate", "practice_speed"]
    assert allowed(tuple(given), "practice") == ("win_rate", "practice_speed")
    assert allowed(set(given), known_after="previous_race") == {"win_rate"}
    assert allowed(name for name in given) == allowed(given)
    assert allowed([]) == []
    with pytest.raises(InputError, match="after_race"):
        allowed(given, "after_race")


def test_a_list_of_columns_is_checked_like_a_table(caplog):
    check = FeatureAvailabilityContract.validate_dataframe
    kept = ["race_id", "driver_id", "available_at", "win_rate"]
    assert check([*kept, "moon_phase"]) == check(table(win_rate=[1, 2])).columns == kept
    assert "moon_phase" in caplog.text
    with pytest.raises(ForbiddenFeature, match="race_dnf_lap, race_incidents"):
        check(["race_incidents", "win_rate", "race_dnf_lap"])
    with pytest.raises(InputError, match="single laps"):
        check(("driver_id", "lap_time_s"))
    with pytest.raises(InputError, match="table itself"):
        check(kept, START)


def test_no_feature_table_holds_a_lap_column():
    for name in set(LAPS) - {"race_id", "driver_id"}:
        with pytest.raises(InputError, match=name):
            FeatureAvailabilityContract.validate_dataframe(table(**{name: [1, 2]}))
    assert not set(LAPS) & FeatureAvailabilityContract.get_allowed_features()


def test_a_forbidden_column_in_a_table():
    with pytest.raises(ForbiddenFeature, match="race_incidents"):
        FeatureAvailabilityContract.validate_dataframe(table(race_incidents=[1, 2]).lazy())


def test_unknown_columns_are_dropped_from_a_table(caplog):
    given = table(win_rate=[0.1, 0.2], moon_phase=[1, 2])
    out = FeatureAvailabilityContract.validate_dataframe(given, START)
    assert out.columns == ["race_id", "driver_id", "available_at", "win_rate"]
    assert "moon_phase" in caplog.text
    lazy = FeatureAvailabilityContract.validate_dataframe(given.lazy(), START)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(out)


def test_rows_after_the_as_of_time_are_an_error():
    late = table(win_rate=[0.1, 0.2]).with_columns(
        available_at=pl.Series([START, START + timedelta(microseconds=1)])
    )
    check = FeatureAvailabilityContract.validate_dataframe
    assert check(late).height == 2
    assert check(late, START + timedelta(seconds=1)).height == 2
    with pytest.raises(LateRow, match=r"1 rows.*row 2 \(b"):
        check(late, START)
    with pytest.raises(LateRow, match="2 rows"):
        check(late, START - timedelta(days=1))
    with pytest.raises(LateRow):
        check(late.with_columns(available_at=pl.lit(None, late.schema["available_at"])), START)


def test_a_as_of_needs_times_with_a_zone():
    check = FeatureAvailabilityContract.validate_dataframe
    with pytest.raises(InputError, match="available_at"):
        check(table().drop("available_at"), START)
    with pytest.raises(InputError, match="time zone"):
        check(table(), datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InputError, match="available_at"):
        check(table().with_columns(pl.col("available_at").dt.replace_time_zone(None)), START)


def test_the_catalogue_and_the_contract_agree():
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    by_stage = {stage: {f.name for f in FEATURES if f.known_after == stage} for stage in STAGES}
    contract = FeatureAvailabilityContract
    assert by_stage["previous_race"] >= contract.HISTORICAL
    assert by_stage["practice"] >= contract.PRACTICE
    assert by_stage["qualifying"] == contract.QUALIFYING
    assert not contract.FORBIDDEN & set(names)
    assert [
        name for name in FEATURE_TABLE if name not in ("race_id", "driver_id", "available_at")
    ] == names
    for feature in (*FEATURES, *LAP_FEATURES):
        assert feature.meaning
        assert feature.unit
        assert feature.source


def test_the_catalogue_lists_every_lap_feature_that_is_computed():
    laps = compute_falloff_metrics(compute_aggregate_features(clean_race(), ("10l",)))
    computed = [name.replace("10l", "<N>l") for name in laps.columns if name not in LAPS]
    assert computed == [feature.name for feature in LAP_FEATURES]


def test_the_page_is_made_from_the_code():
    page = Path(__file__).parents[2] / "docs" / "features.md"
    assert page.read_text() == catalogue_page(), (
        "run: python -m nascar_assets.telemetry.catalogue_page > docs/features.md"
    )
    for feature in (*FEATURES, *LAP_FEATURES):
        assert f"`{feature.name}`" in catalogue_page()
