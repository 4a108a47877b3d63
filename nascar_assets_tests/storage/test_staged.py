"""Files of one owner change together or not at all, wherever the process is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nascar_assets.errors import EnvironmentFault
from nascar_assets.storage import DataRoot
from nascar_assets.storage import lease as leases
from nascar_assets.storage.data_root import StorageFault
from nascar_assets.storage.lease import LeaseLost, lease
from nascar_assets.storage.staged import Manifest, begin, change, in_change, settled

PATHS = ("store/lineups/s.parquet", "slates/s/upload.csv", "slates/s/report.html")

KILLED = """
import os, sys
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import change

left = int(sys.argv[2])
def counted(method):
    def call(*words, **more):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return method(*words, **more)
    return call
for name in ("write", "move", "delete"):
    setattr(DataRoot, name, counted(getattr(DataRoot, name)))
root = DataRoot.open(sys.argv[1])
with change(root, "s", lambda path: "/s" in path, lambda _: {"run_id": "new"}, "a test") as staged:
    for path in sys.argv[3:]:
        staged.write(path, b"new " + path.encode())
"""


def written(root: DataRoot, word: str, paths: tuple[str, ...] = PATHS) -> None:
    with change(
        root, "s", lambda path: "/s" in path, lambda _: {"run_id": word}, "a test"
    ) as staged:
        for path in paths:
            staged.write(path, f"{word} {path}".encode())


def found(root: DataRoot) -> set[str]:
    return {(root.read(path) or b"none").decode().split()[0] for path in PATHS}


def test_nothing_changes_until_all_does(root: DataRoot) -> None:
    written(root, "old")
    with change(
        root, "s", lambda path: "/s" in path, lambda _: {"run_id": "new"}, "a test"
    ) as staged:
        staged.write(PATHS[0], b"new lineups")
        staged.write("store/others/t.txt", b"at once")
        assert root.read("store/others/t.txt") == b"at once"
        assert found(root) == {"old"}
        assert (
            in_change(DataRoot.open(root.location, root.options)).read(PATHS[0]) == b"new lineups"
        )
        assert [item.path for item in staged.list("store/lineups")] == [PATHS[0]]
        assert staged.tag(PATHS[0]) != root.tag(PATHS[0])
    assert root.read(PATHS[0]) == b"new lineups"
    assert in_change(root) is root
    assert root.list("staged") == []


def test_a_change_that_fails_leaves_all_as_it_was(root: DataRoot) -> None:
    written(root, "old")

    def fails() -> None:
        with change(root, "s", lambda _: True, lambda _: {"run_id": "new"}, "a test") as staged:
            begin(staged, "s", "new")
            staged.write(PATHS[0], b"new")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert found(root) == {"old"}
    assert root.list("staged") == []
    after = settled(root, "s")
    assert after is not None
    assert after.begun == "new"
    written(root, "new")
    assert settled(root, "s") == Manifest(Manifest.load(root, "s").files)  # type: ignore[union-attr]


@pytest.mark.parametrize("fault", [StorageFault("away"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(len(PATHS)))
def test_a_fault_while_files_are_put_in_place_is_made_good_by_whoever_comes_next(
    at: int, fault: BaseException, root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(root, "old")
    moves = 0
    move = DataRoot.move

    def faulty(self: DataRoot, source: str, target: str) -> None:
        nonlocal moves
        moves += 1
        if moves == at + 1:
            raise fault
        move(self, source, target)

    monkeypatch.setattr(DataRoot, "move", faulty)
    with pytest.raises(type(fault)):
        written(root, "new")
    manifest = settled(root, "s")
    assert manifest is not None
    assert manifest.faults(root) == []
    assert found(root) == {"new"}


@pytest.mark.slow
def test_killed_at_any_step_all_files_are_old_or_all_are_new(tmp_path: Path) -> None:
    ends = []
    for step in range(30):
        home = tmp_path / str(step)
        root = DataRoot.open(home)
        written(root, "old")
        words = [sys.executable, "-c", KILLED, str(home), str(step), *PATHS]
        killed = subprocess.run(words, check=False).returncode == 9
        manifest = settled(root, "s")  # as every reader begins
        assert manifest is not None
        assert manifest.faults(root) == []
        (state,) = found(root)
        ends.append(state)
        written(root, "newer")
        assert found(root) == {"newer"}
        assert root.list("staged") == []
        if not killed:
            break
    assert ends == sorted(ends, reverse=True)  # old up to one step, and new from there on
    assert ends[0] == "old"
    assert ends.count("new") > 3


def test_what_does_not_belong_is_named(root: DataRoot) -> None:
    written(root, "old")
    old = root.read(PATHS[1])
    written(root, "new")
    assert old is not None
    root.write(PATHS[1], old)
    root.delete(PATHS[2])
    manifest = settled(root, "s")
    assert manifest is not None
    assert manifest.faults(root) == [
        "slates/s/report.html is gone",
        "slates/s/upload.csv is not the file that was written with the others",
    ]


@pytest.fixture
def root(any_root: DataRoot) -> DataRoot:
    return any_root


def test_one_at_a_time_and_the_other_is_told_of_whom_it_waits_for(root: DataRoot) -> None:
    inside, upper, said = 0, 0, []
    named = threading.Event()

    def work() -> None:
        nonlocal inside, upper
        with lease(root, "s", "a long job", said.append):
            named.set()
            inside += 1
            upper = max(upper, inside)
            while not said:  # the first one holds it until another one waits
                time.sleep(0.01)
            time.sleep(0.05)
            inside -= 1

    first, *others = [threading.Thread(target=work) for _ in range(5)]
    first.start()
    assert named.wait(30)
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join()
    assert upper == 1
    assert said
    assert f"a long job, process {os.getpid()} on" in " ".join(said)


def test_patience_ends_with_the_holder_s_name(root: DataRoot) -> None:
    with (
        lease(root, "s", "nascar slate run"),
        pytest.raises(EnvironmentFault, match="s is being changed: nascar slate run, process"),
        lease(root, "s", "another", patience=0.1),
    ):
        pass
    with lease(root, "s", "another", patience=0):
        pass


@pytest.mark.slow
def test_in_a_folder_a_killed_holder_frees_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from nascar_assets.storage import DataRoot;"
        "from nascar_assets.storage.lease import lease\n"
        "with lease(DataRoot.open(sys.argv[1]), 's', 'a test'):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(EnvironmentFault, match=f"process {holder.pid}"),
        lease(DataRoot.open(tmp_path), "s", "another", patience=0),
    ):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with lease(DataRoot.open(tmp_path), "s", "another", patience=1):
        pass


@pytest.mark.slow
def test_in_an_object_store_a_silent_holder_is_followed_and_learns_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.2)
    root = DataRoot.open("memory:///x")
    dead = {"id": "dead", "about": "killed long ago", "beat": 1}
    root.write("locks/s.json", json.dumps(dead).encode())
    begun = time.monotonic()
    with lease(root, "s", "a long job", patience=30) as held:
        assert time.monotonic() - begun >= 1.2
        time.sleep(1.5)  # it goes on saying that it lives
        held()
        with pytest.raises(EnvironmentFault), lease(root, "s", "another", patience=1.5):
            pass
        root.write("locks/s.json", json.dumps(dead).encode())  # another one took over
        time.sleep(1.0)
        with pytest.raises(LeaseLost):
            held()
    assert json.loads(root.read("locks/s.json") or b"") == dead
