"""The data root keeps files whole, inside the root, and tells a fault from an absence."""

import pickle
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot, StorageFault
from nascar_assets_tests.storage.killed_writers import kill_at_random


def test_what_was_written_is_read_back_listed_and_deleted(tmp_path):
    root = DataRoot.open(tmp_path / "data")
    assert root.list() == []
    root.write("landing/feed/a.json", b"{}")
    root.write("landing/feed/b c.json", b"[1]")
    assert root.read("landing/feed/b c.json") == b"[1]"
    assert [item.path for item in root.list("landing")] == [
        "landing/feed/a.json",
        "landing/feed/b c.json",
    ]
    assert [item.size for item in root.list("landing/feed")] == [2, 3]
    root.delete("landing/feed/a.json")
    root.delete("landing/feed/a.json")
    assert root.read("landing/feed/a.json") is None
    assert not root.exists("landing/feed/a.json")
    assert root.exists("landing/feed/b c.json")


def test_of_many_that_create_a_file_at_once_one_does(tmp_path):
    root = DataRoot.open(tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: root.create("a/b", b"%d" % i), range(40)))
    assert sum(made) == 1
    assert root.read("a/b") == b"%d" % made.index(True)
    assert not root.create("a/b", b"again")
    assert [item.path for item in root.list()] == ["a/b"]


def test_a_table_keeps_its_rows_and_its_metadata(tmp_path):
    root = DataRoot.open(tmp_path)
    frame = pl.DataFrame({"driver_id": ["1", "2"], "finish": [2, 1]})
    root.write_frame("store/x/2026-cup-05.parquet", frame, {"as_of": "2026-03-15T20:00:00Z"})
    assert root.scan_frame("store/x/2026-cup-05.parquet").collect().equals(frame)
    kept = pl.read_parquet_metadata(root.local_path("store/x/2026-cup-05.parquet"))
    assert kept["as_of"] == "2026-03-15T20:00:00Z"


def test_several_files_read_as_one_table_with_missing_columns_as_null(tmp_path):
    root = DataRoot.open(tmp_path)
    root.write_frame("a.parquet", pl.DataFrame({"x": [1], "y": [2]}))
    root.write_frame("b.parquet", pl.DataFrame({"x": [3]}))
    frame = root.scan_frame(["a.parquet", "b.parquet"], insert_missing=True).collect()
    assert frame.rows() == [(1, 2), (3, None)]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_path_leaves_the_root(tmp_path, path):
    root = DataRoot.open(tmp_path)
    with pytest.raises(InputError, match="no path inside"):
        root.write(path, b"")
    with pytest.raises(InputError, match="no path inside"):
        root.read(path)


def test_a_fault_is_not_an_absence(tmp_path):
    root = DataRoot.open(tmp_path)
    root.write("folder/file", b"x")
    with pytest.raises(StorageFault, match="folder"):
        root.write("folder/file/below", b"y")
    assert root.read("folder/file") == b"x"
    blocked = DataRoot.open(tmp_path / "folder" / "file")
    with pytest.raises(StorageFault, match="cannot be made"):
        blocked.list()


def test_a_root_travels_to_other_processes(tmp_path):
    root = DataRoot.open(tmp_path)
    root.write("x", b"1")
    assert pickle.loads(pickle.dumps(root)).read("x") == b"1"


@pytest.mark.faults
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path):
    """Writers are killed at 50 random moments; what is there is one of the two files, whole."""
    root = DataRoot.open(tmp_path)
    root.write("artifact", b"a" * 3_000_000)
    under_way = 0

    def check(number):
        nonlocal under_way
        assert root.read("artifact") in (b"a" * 3_000_000, b"b" * 3_000_000)
        assert [item.path for item in root.list()] == ["artifact"]
        left = [path for path in tmp_path.iterdir() if path.name != "artifact"]
        under_way += bool(left)
        for path in left:
            path.unlink()

    kill_at_random(
        "from nascar_assets.storage import DataRoot",
        """
root = DataRoot.open(sys.argv[1])
while True:
    for letter in (b"b", b"a"):
        root.write("artifact", letter * 3_000_000)
""",
        [str(tmp_path)],
        50,
        check,
        longest_s=0.06,
        seed=3,
    )
    # Some kills must have hit a write under way, else the test shows nothing.
    assert under_way > 0


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_is_a_fault_that_leaves_the_old_file(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small file system")
    try:
        root = DataRoot.open(small)
        root.write("artifact", b"old")
        with pytest.raises(StorageFault, match="artifact"):
            root.write("artifact", b"n" * 2_000_000)
        assert root.read("artifact") == b"old"
    finally:
        subprocess.run(["umount", str(small)], check=True)
