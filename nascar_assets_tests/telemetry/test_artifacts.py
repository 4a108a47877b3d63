import os
import signal
import subprocess
import sys
import time

import numpy as np
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


_WRITER = """
import sys
import polars as pl
from nascar_assets.telemetry.artifacts import persist_telemetry_artifact
path, lazy = sys.argv[1], sys.argv[2] == "lazy"
frames = [pl.DataFrame({"a": pl.int_range(400_000, eager=True) + n}) for n in (1, 2)]
print("ready", flush=True)
turn = 0
while True:
    frame = frames[turn % 2]
    given = frame.lazy() if lazy else frame
    persist_telemetry_artifact(given, path, sources={"turn": str(turn % 2)})
    turn += 1
"""


@pytest.mark.faults
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path):
    """Writers of two files in turn are killed at random; what is there is one of the two."""
    rounds = max(10, int(os.environ.get("NASCAR_FAULT_ROUNDS", "10")))
    path = tmp_path / "9100.parquet"
    persist_telemetry_artifact(
        pl.DataFrame({"a": pl.int_range(400_000, eager=True) + 1}), path, sources={"turn": "0"}
    )
    rng = np.random.default_rng(5)
    left_aside = 0
    for number in range(rounds):
        command = [sys.executable, "-c", _WRITER, str(path), ("lazy", "eager")[number % 2]]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(float(rng.uniform(0.0, 0.12)))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        turn = int(artifact_info(path).sources["turn"])
        column = load_telemetry_artifact(path).collect()["a"]
        assert (column.min(), column.max(), len(column)) == (turn + 1, 400_000 + turn, 400_000)
        left_aside += len(os.listdir(tmp_path)) - 1
        for name in os.listdir(tmp_path):
            if name != path.name:
                assert name.startswith(".9100.parquet.")
                (tmp_path / name).unlink()
    # Some kills must have hit a write under way, else the test shows nothing.
    assert left_aside > 0
