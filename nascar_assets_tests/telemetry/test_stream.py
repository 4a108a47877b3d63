import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.telemetry import (
    compute_aggregate_features,
    enrich_with_constraints,
    iter_lap_features,
    load_telemetry_artifact,
    write_lap_features,
)
from nascar_assets_tests.telemetry.lap_frames import clean_race


@pytest.fixture
def files(tmp_path):
    paths = []
    for number in range(2):
        races = [
            clean_race(15 + race).with_columns(race_id=pl.lit(f"{number}-{race}"))
            for race in range(5)
        ]
        path = tmp_path / f"laps-{number}.parquet"
        pl.concat(races).write_parquet(path, row_group_size=40)
        paths.append(path)
    return paths


@pytest.mark.parametrize("batch_rows", [1, 100, 1_000_000])
def test_batches_give_what_the_whole_gives(files, batch_rows):
    whole = compute_aggregate_features(pl.concat([pl.read_parquet(path) for path in files]))
    batches = list(iter_lap_features(files, batch_rows=batch_rows))
    assert pl.concat(batches).equals(whole)
    # A race is never cut, and a batch is no larger than asked unless one race is.
    for batch in batches:
        assert batch.height <= batch_rows or batch["race_id"].n_unique() == 1 or batch_rows > 255
    assert len(batches) == {1: 10, 100: 8, 1_000_000: 2}[batch_rows]


def test_columns_can_be_picked(files):
    (first, _) = iter_lap_features(files, ("10l",), columns=["driver_id", "avg_speed_last_10l"])
    assert first.columns == ["driver_id", "avg_speed_last_10l"]


def test_files_are_written(files, tmp_path):
    rows = write_lap_features(files, tmp_path / "out", ("10l",), batch_rows=100)
    assert rows == pl.scan_parquet(files).select(pl.len()).collect().item()
    written = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert written.equals(pl.concat(iter_lap_features(files, ("10l",))))
    assert load_telemetry_artifact(tmp_path / "out" / "part-000000.parquet").collect().height > 0


def test_parts_of_a_longer_run_before_are_taken_away(files, tmp_path):
    write_lap_features(files, tmp_path / "out", ("10l",), batch_rows=100)
    rows = write_lap_features(files[:1], tmp_path / "out", ("10l",), batch_rows=1_000_000)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["part-000000.parquet"]
    assert pl.read_parquet(tmp_path / "out" / "*.parquet").height == rows


def test_a_batch_holds_a_row_at_least(files):
    with pytest.raises(InputError, match="batch"):
        list(iter_lap_features(files, batch_rows=0))


def test_enrichment_takes_a_plain_mapping():
    laps = clean_race(2)
    constraints = {"11": {"veto": True, "max_exposure": 0.4}, "13": {"max_exposure": 1.0}}
    out = enrich_with_constraints(laps, constraints)
    assert out.select(laps.columns).equals(laps)
    assert out["constraint_max_exposure"].to_list() == [0.4, 0.4, None, None, 1.0, 1.0]
    assert out["constraint_veto"].to_list() == [True, True, None, None, None, None]
    lazy = enrich_with_constraints(laps.lazy(), constraints)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(out)
    assert enrich_with_constraints(laps, {}).equals(laps)


def test_enrichment_refuses_what_does_not_go_together():
    with pytest.raises(InputError, match="max_exposure"):
        enrich_with_constraints(
            clean_race(2), {"11": {"max_exposure": 1.0}, "12": {"max_exposure": "a"}}
        )
    taken = clean_race(2).with_columns(constraint_veto=1)
    with pytest.raises(InputError, match="constraint_veto"):
        enrich_with_constraints(taken, {"11": {"veto": True}})
