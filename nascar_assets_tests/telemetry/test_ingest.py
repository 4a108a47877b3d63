import logging

import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.telemetry import (
    FeatureAvailabilityContract,
    TelemetryIngestor,
    compute_aggregate_features,
    ingest_lap_by_lap_telemetry,
)
from nascar_assets.telemetry.contract import ForbiddenFeature
from nascar_assets.telemetry.problems import RefusedFile
from nascar_assets_tests.telemetry.lap_frames import clean_race


@pytest.fixture
def landed(tmp_path):
    path = tmp_path / "9100.parquet"
    clean_race().with_columns(throttle=pl.lit(0.5)).write_parquet(path)
    return path


def test_requested_drivers_come_through(landed, caplog):
    with caplog.at_level(logging.INFO):
        out = ingest_lap_by_lap_telemetry(landed, ["11", "13"], FeatureAvailabilityContract())
    assert isinstance(out, pl.LazyFrame)
    assert out.collect().equals(clean_race().filter(pl.col("driver_id").is_in(["11", "13"])))
    assert "24 rows" in caplog.text
    assert "throttle" in caplog.text


def test_without_drivers_all_come_through(landed):
    assert ingest_lap_by_lap_telemetry(landed).collect().equals(clean_race())


def test_filter_and_columns_are_pushed_into_the_scan(landed):
    laps = TelemetryIngestor().ingest_parquet(landed, ["11"])
    plan = (
        compute_aggregate_features(laps, ("10l",)).select("lap", "avg_lap_time_last_10l").explain()
    )
    scan = plan[plan.index("Parquet SCAN") :]
    assert 'SELECTION: col("driver_id")' in scan
    # lap_time_s, lap, flag, driver_id, race_id: nothing of position, speed, pit or the rest.
    assert "PROJECT 5/12 COLUMNS" in scan
    assert "FILTER" not in plan


def test_a_missing_path_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.parquet"):
        ingest_lap_by_lap_telemetry(
            tmp_path / "nowhere.parquet", ["11"], FeatureAvailabilityContract
        )


def test_missing_metadata_columns_are_all_listed(tmp_path):
    path = tmp_path / "x.parquet"
    clean_race().drop("lap", "track_id").write_parquet(path)
    with pytest.raises(ValueError, match="lap, track_id") as caught:
        ingest_lap_by_lap_telemetry(path, ["11"], FeatureAvailabilityContract())
    assert isinstance(caught.value, InputError)


def test_forbidden_columns_are_all_named(tmp_path):
    path = tmp_path / "x.parquet"
    names = sorted(FeatureAvailabilityContract.FORBIDDEN)
    clean_race().with_columns(pl.lit(1).alias(name) for name in names).write_parquet(path)
    with pytest.raises(ForbiddenFeature) as caught:
        ingest_lap_by_lap_telemetry(path, ["11"], FeatureAvailabilityContract())
    assert all(name in str(caught.value) for name in names)


def test_no_row_for_any_requested_driver_is_a_warning_and_an_empty_frame(landed, caplog):
    with caplog.at_level(logging.WARNING):
        out = ingest_lap_by_lap_telemetry(landed, ["98", "99"], FeatureAvailabilityContract())
    assert out.collect().is_empty()
    assert [r.levelname for r in caplog.records if "98, 99" in r.getMessage()] == ["WARNING"]


def test_metadata_columns_are_enough(tmp_path):
    path = tmp_path / "x.parquet"
    small = clean_race().select("lap", "driver_id", "timestamp", "track_id")
    small.write_parquet(path)
    out = ingest_lap_by_lap_telemetry(path, ["12"])
    assert out.collect_schema().names() == ["track_id", "driver_id", "lap", "timestamp"]


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"not parquet at all")
    with pytest.raises(RefusedFile, match=r"x\.parquet"):
        ingest_lap_by_lap_telemetry(path)


def test_number_ids_are_matched_as_they_are_stored(tmp_path):
    path = tmp_path / "x.parquet"
    clean_race().with_columns(pl.col("driver_id").cast(pl.Int64)).write_parquet(path)
    assert ingest_lap_by_lap_telemetry(path, ["12", "nobody"]).collect().height == 12
