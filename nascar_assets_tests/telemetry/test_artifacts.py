import os

import polars as pl
import pyarrow.parquet as pq
import pytest

from nascar_assets.errors import InputError
from nascar_assets.telemetry import (
    compute_aggregate_features,
    load_telemetry_artifact,
    persist_telemetry_artifact,
    telemetry_artifact_bytes,
)
from nascar_assets.telemetry.artifacts import artifact_info
from nascar_assets_tests.storage.killed_writers import kill_at_random
from nascar_assets_tests.telemetry.lap_frames import clean_race

SOURCES = {"lap-times.json": "ab" * 32}


@pytest.mark.parametrize("lazy", [False, True])
def test_round_trip(tmp_path, lazy):
    features = compute_aggregate_features(clean_race(30))
    given = features.lazy() if lazy else features
    path = persist_telemetry_artifact(given, tmp_path / "store" / "9100.parquet", sources=SOURCES)
    loaded = load_telemetry_artifact(path)
    assert isinstance(loaded, pl.LazyFrame)
    assert loaded.collect().equals(features)
    info = artifact_info(path)
    assert (info.schema_version, info.sources, info.rows) == (1, SOURCES, 90)
    codecs = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    assert codecs == "SNAPPY"
    assert os.listdir(path.parent) == ["9100.parquet"]


def test_bytes_are_the_same_artifact(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(telemetry_artifact_bytes(clean_race(), sources=SOURCES, extra={"race": "r"}))
    assert load_telemetry_artifact(path).collect().equals(clean_race())
    assert artifact_info(path).extra == {"race": "r"}


def test_the_same_input_gives_the_same_bytes(tmp_path):
    one = persist_telemetry_artifact(clean_race(), tmp_path / "1.parquet", sources=SOURCES)
    two = persist_telemetry_artifact(clean_race(), tmp_path / "2.parquet", sources=SOURCES)
    assert one.read_bytes() == two.read_bytes()


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = persist_telemetry_artifact(clean_race(), tmp_path / "x.parquet")
    before = path.read_bytes()

    reads = []

    def fails(batch):
        reads.append(batch.height)
        if len(reads) > 1:  # the first read counts the rows, the second one writes them
            raise RuntimeError("the disk is on fire")
        return batch

    bad = clean_race(50).lazy().map_batches(fails, schema=clean_race().schema)
    with pytest.raises(RuntimeError, match="fire"):
        persist_telemetry_artifact(bad, path)
    assert len(reads) == 2
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.parquet"]


def test_what_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_telemetry_artifact(tmp_path / "nowhere.parquet")
    plain = tmp_path / "plain.parquet"
    clean_race().write_parquet(plain)
    with pytest.raises(InputError, match=r"plain\.parquet"):
        load_telemetry_artifact(plain)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(telemetry_artifact_bytes(clean_race())[:-30])
    with pytest.raises(InputError, match=r"cut\.parquet"):
        load_telemetry_artifact(cut)
    wrong = tmp_path / "wrong.parquet"
    key = "nascar_assets."
    clean_race().write_parquet(
        wrong, metadata={f"{key}schema_version": "1", f"{key}sources": "{}", f"{key}rows": "7"}
    )
    with pytest.raises(InputError, match=r"36 rows, its writer wrote 7"):
        load_telemetry_artifact(wrong)
    clean_race().write_parquet(
        wrong, metadata={f"{key}schema_version": "99", f"{key}sources": "{}", f"{key}rows": "36"}
    )
    with pytest.raises(InputError, match="version 99"):
        load_telemetry_artifact(wrong)


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["lazy", "eager"])
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path, kind):
    """Writers of two files in turn are killed at random; what is there is one of the two."""
    path = tmp_path / "9100.parquet"
    persist_telemetry_artifact(
        pl.DataFrame({"a": pl.int_range(400_000, eager=True) + 1}), path, sources={"turn": "0"}
    )
    under_way = 0

    def check(number):
        nonlocal under_way
        turn = int(artifact_info(path).sources["turn"])
        column = load_telemetry_artifact(path).collect()["a"]
        assert (column.min(), column.max(), len(column)) == (turn + 1, 400_000 + turn, 400_000)
        left = [name for name in os.listdir(tmp_path) if name != path.name]
        under_way += bool(left)
        for name in left:
            assert name.startswith(".9100.parquet.")
            (tmp_path / name).unlink()

    kill_at_random(
        """
import polars as pl
from nascar_assets.telemetry.artifacts import persist_telemetry_artifact
""",
        """
frames = [pl.DataFrame({"a": pl.int_range(400_000, eager=True) + n}) for n in (1, 2)]
while True:
    for turn in (1, 0):
        given = frames[turn].lazy() if sys.argv[2] == "lazy" else frames[turn]
        persist_telemetry_artifact(given, sys.argv[1], sources={"turn": str(turn)})
""",
        [str(path), kind],
        50,
        check,
        longest_s=0.06,
        seed=5,
    )
    # Some kills must have hit a write under way, else the test shows nothing.
    assert under_way > 0
