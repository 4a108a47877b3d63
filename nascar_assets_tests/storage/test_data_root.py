"""The data root keeps files whole, inside the root, and tells a fault from an absence."""

import os
import pickle
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from obstore.store import LocalStore

from nascar_assets.errors import ROOM, InputError
from nascar_assets.orchestration.inputs.live_forecast import live_files
from nascar_assets.storage import DataRoot, StorageFault, UnreadableFile
from nascar_assets.storage.data_root import plain_location
from nascar_assets_tests.servers import s3_server
from nascar_assets_tests.storage.killed_writers import kill_at_random


def test_what_was_written_is_read_back_listed_and_deleted(any_root):
    root = any_root
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


def test_of_many_that_create_a_file_at_once_one_does(any_root):
    root = any_root
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: root.create("a/b", b"%d" % i), range(40)))
    assert sum(made) == 1
    assert root.read("a/b") == b"%d" % made.index(True)
    assert not root.create("a/b", b"again")
    assert [item.path for item in root.list()] == ["a/b"]


def test_a_table_keeps_its_rows(any_root):
    root = any_root
    frame = pl.DataFrame({"driver_id": ["1", "2"], "finish": [2, 1]})
    root.write_frame("store/x/2026-cup-05.parquet", frame)
    assert root.scan_frame("store/x/2026-cup-05.parquet").collect().equals(frame)


def test_several_files_read_as_one_table_with_missing_columns_as_null(any_root):
    root = any_root
    root.write_frame("a.parquet", pl.DataFrame({"x": [1], "y": [2]}))
    root.write_frame("b.parquet", pl.DataFrame({"x": [3]}))
    frame = root.scan_frame(["a.parquet", "b.parquet"], insert_missing=True).collect()
    assert frame.rows() == [(1, 2), (3, None)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("AWS_ENDPOINT_URL", text) for text in ("", "s3.example", "http://", "http:/x")),
        *(("AWS_ENDPOINT_URL", text) for text in ("http://a b", "http://h:99999", "http://[::1")),
        ("AWS_ENDPOINT_URL", "http://s3.example"),  # without AWS_ALLOW_HTTP
        ("AWS_ENDPOINT", "s3.example"),
        ("AWS_ACCESS_KEY_ID", "key\n"),
        ("AWS_SECRET_ACCESS_KEY", "my secret"),
        ("AWS_SESSION_TOKEN", "t\u00f6ken"),
        ("AWS_REGION", "eu-west-1\n"),
    ],
)
def test_a_malformed_setting_of_a_store_is_named_and_not_told(name, value, monkeypatch):
    """The store's library panics over most of them, which no `except Exception` catches."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as refused:
        DataRoot.open("s3://nascar/home")
    assert refused.value.field == name
    assert not value.strip() or value.strip() not in str(refused.value)


@pytest.mark.parametrize(
    "location",
    [
        *("s3:/nascar/home", "S3:/nascar/home", "s3://", "s3:///home", "s3://nas car/home"),
        *("s3://nascar/../x", "az://x/y", "foo://x", "https://cf.nascar.com", "file:/x"),
        Path("s3://nascar/home"),  # as a path it has one slash
    ],
)
def test_a_location_that_is_none_is_no_folder_of_that_name(location):
    with pytest.raises(InputError):
        DataRoot.open(location)


def test_a_location_reads_alike_in_every_spelling(tmp_path):
    assert DataRoot.open("S3://nascar/Home/").location == "s3://nascar/Home"
    assert DataRoot.open(f"FILE://{tmp_path}").location == str(tmp_path)
    assert plain_location("C:/nascar") == "C:/nascar"  # a drive
    assert plain_location("c://nascar") == "c://nascar"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            'status code: 403 Forbidden: <?xml version="1.0"?>\n<Error><Code>NoSuch</Code>'
            "<Message>It is not.</Message><Bytes>41 57</Bytes></Error>",
            "status code: 403 Forbidden: NoSuch: It is not",
        ),
        ("status code: 502: <html><body>Bad gateway", "status code: 502"),
        ("it is away.", "it is away"),
    ],
)
def test_of_a_stores_answer_code_and_message_are_told(answer, told):
    root = DataRoot.open("memory:///")
    assert str(root._fault("Reading x", OSError(answer))).startswith(
        f"Reading x failed: {told}. See to the store"
    )


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_path_leaves_the_root(any_root, path):
    root = any_root
    with pytest.raises(InputError, match="no path inside"):
        root.write(path, b"")
    with pytest.raises(InputError, match="no path inside"):
        root.read(path)


def test_a_file_is_moved_over_another_and_folders_are_emptied(any_root):
    root = any_root
    root.write("store/a", b"new")
    root.write("store/b", b"old")
    root.move("store/a", "store/b")
    root.move("store/a", "store/b")  # was moved before
    assert root.read("store/b") == b"new"
    assert [item.path for item in root.list()] == ["store/b"]
    root.write("stored/c", b"")
    root.delete_folder("store")
    assert [item.path for item in root.list()] == ["stored/c"]


def test_a_tag_tells_another_content(any_root):
    root = any_root
    root.write("a", b"1")
    tag = root.tag("a")
    assert tag == root.tag("a") == root.list()[0].tag
    root.write("a", b"2")
    assert root.tag("a") != tag
    assert root.tag("b") is None


@pytest.fixture
def closed_file():
    """A local root with a landed file that this process may not open."""
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        root = DataRoot.open(folder)
        root.write("landing/live/5600/live-feed.json", b"{}")
        Path(folder).chmod(0o755)
        (Path(folder) / "landing/live/5600/live-feed.json").chmod(0)
        user = os.geteuid()
        if user == 0:  # who may read everything
            os.seteuid(65534)
        try:
            yield root, "landing/live/5600/live-feed.json"
        finally:
            os.seteuid(user)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_landed_file_that_cannot_be_opened_is_there_and_has_a_tag(closed_file):
    """Else one such file would stop the sensor of all the others."""
    root, path = closed_file
    with pytest.raises(UnreadableFile):
        root.read(path)
    assert root.exists(path)
    assert [*live_files(root)["5600"]] == [path]


def test_a_landed_file_has_the_tag_that_the_store_gives_it(tmp_path):
    """It is kept in sensors' cursors."""
    root = DataRoot.open(tmp_path)
    root.write("landing/live/a.json", b"{}")
    assert (
        root.tag("landing/live/a.json") == LocalStore(tmp_path).head("landing/live/a.json")["e_tag"]
    )
    assert root.tag("landing/live") is None
    assert root.tag("landing/live/b.json") is None


def test_of_many_that_replace_a_version_in_a_store_one_does(s3):
    """What holds a slate for one process alone rests on it."""
    root = s3.root("replaced")
    root.write("a", b"before")
    tag = root.tag("a")
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: root.replace("a", b"%d" % i, tag), range(24)))
    assert sum(done) == 1
    assert root.read("a") == b"%d" % done.index(True)
    assert not root.replace("gone", b"", tag)


@pytest.mark.slow
def test_a_store_that_is_away_is_a_fault_and_no_absence():
    """Which one, and what to do, in words; back again, it is used as if nothing had been."""
    with s3_server() as server:
        root = server.root("away")
        root.write("a", b"1")
        server("halt")
        for call in (lambda: root.list(), lambda: root.write("b", b"")):
            with pytest.raises(StorageFault, match=r"s3://nascar/away.*AWS_ENDPOINT_URL") as fault:
                call()
            assert "a-test-s-own" not in str(fault.value)
        server("resume")
        assert root.read("a") == b"1"


def test_a_fault_is_not_an_absence(tmp_path):
    root = DataRoot.open(tmp_path)
    root.write("folder/file", b"x")
    with pytest.raises(StorageFault, match="folder"):
        root.write("folder/file/below", b"y")
    assert root.read("folder/file") == b"x"
    blocked = DataRoot.open(tmp_path / "folder" / "file")
    with pytest.raises(StorageFault, match="cannot be made"):
        blocked.list()


def test_a_root_travels_to_other_processes(any_root):
    root = any_root
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
        with pytest.raises(StorageFault, match="artifact") as fault:
            root.write("artifact", b"n" * 2_000_000)
        assert str(fault.value).endswith(f"artifact failed: No space left on device. {ROOM}")
        assert root.read("artifact") == b"old"
    finally:
        subprocess.run(["umount", str(small)], check=True)
