"""The embedded graph: one file per state, whole or not there, read-only ever after."""

import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from nascar_assets.constraints import ConstraintCompiler
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.ontology import (
    GraphFault,
    build_state,
    load,
    open_embedded,
    open_graph,
    stored_hash,
)
from nascar_assets.ontology.load import embedded_path
from nascar_assets_tests.ontology.made_up import AS_OF, driver_values, schedule, track_values


def state_of(days=0):
    return build_state(
        driver_values(), track_values(), schedule(), (), AS_OF + timedelta(days=days)
    )


def test_a_graph_is_built_once_and_read_only(tmp_path):
    state = state_of()
    graph = open_embedded(tmp_path, state)
    made = embedded_path(tmp_path, state).stat()
    assert [path.name for path in tmp_path.iterdir()] == [f"ontology-{state.hash[:16]}.lbug"]
    again = open_embedded(tmp_path, state)
    after = embedded_path(tmp_path, state).stat()
    assert (made.st_ino, made.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    with pytest.raises(GraphFault, match="read-only"):
        again.write("MATCH (d:Driver) SET d.skill = 0.1")
    for engine in (graph, again):
        assert stored_hash(engine) == state.hash
        engine.close()


@pytest.mark.slow
def test_other_processes_read_beside_this_one(tmp_path):
    state = state_of()
    with_this = open_embedded(tmp_path, state)
    program = (
        "import sys; from pathlib import Path; from nascar_assets.ontology import *;"
        "print(stored_hash(open_graph(None, embedded_path=Path(sys.argv[1]), read_only=True)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(embedded_path(tmp_path, state))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == state.hash == stored_hash(with_this)
    with_this.close()


def test_a_damaged_file_is_built_again(tmp_path):
    state = state_of()
    open_embedded(tmp_path, state).close()
    embedded_path(tmp_path, state).write_bytes(b"not a graph" * 1000)
    graph = open_embedded(tmp_path, state)
    spec = ConstraintCompiler(graph, state).compile_spec("s", ["101"], ["1"], now=AS_OF)
    assert spec.drivers["101"].skill == 1.5 / 8
    graph.close()


def test_a_half_built_graph_is_never_opened(tmp_path):
    # What processes leave behind that were killed while building, a moment and a day ago.
    for name, seconds in ((".building-new", 0), (".building-old", 86_400)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"ontology-{state_of().hash[:16]}.lbug").write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - seconds,) * 2)
    graph = open_embedded(tmp_path, state_of())
    assert stored_hash(graph) == state_of().hash
    assert [path.name for path in tmp_path.glob(".building-*")] == [".building-new"]
    graph.close()


@pytest.mark.slow
def test_old_graphs_are_removed_beyond_what_is_kept(tmp_path):
    states = [state_of(days) for days in range(4)]
    for state in states:
        open_embedded(tmp_path, state, keep=2).close()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {embedded_path(tmp_path, state).name for state in states[1:]}


def test_a_folder_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="folder of graphs"):
        open_embedded(tmp_path / "file", state_of())


def test_without_room_no_graph_is_begun(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    short = usage._replace(free=load.BUILDING_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: short)
    with pytest.raises(EnvironmentFault, match=r"disk is full: a graph needs 32 MB.*has 31"):
        open_embedded(tmp_path, state_of())
    assert not list(tmp_path.iterdir())


def test_the_oldest_graphs_make_room_for_one_more(tmp_path, monkeypatch):
    others = [tmp_path / f"ontology-{name}.lbug" for name in "abcd"]
    for at, path in enumerate(others):
        path.touch()
        os.utime(path, (at, at))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda _: usage._replace(free=load.BUILDING_BYTES - others[1].exists()),
    )
    open_embedded(tmp_path, state_of()).close()
    assert [path.exists() for path in others] == [False, False, True, True]


def test_a_graph_that_was_not_written_whole_is_not_put_in_place(tmp_path, monkeypatch):
    # As a full disk leaves it: a file that opens, without what was to be in it.
    monkeypatch.setattr(load, "load_state", lambda *_: None)
    with pytest.raises(EnvironmentFault, match="disk may be full"):
        open_embedded(tmp_path, state_of())
    assert not list(tmp_path.iterdir())


def test_one_setting_chooses_the_engine(tmp_path):
    from nascar_assets.ontology.neo4j_engine import Neo4jEngine

    embedded = open_graph("", embedded_path=tmp_path / "graph.lbug")
    assert embedded.description == "Ladybug graph graph.lbug"
    embedded.close()
    for scheme in ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"):
        engine = open_graph(f"{scheme}://graph.example:7687", user="neo4j", password="pw-very-long")
        assert isinstance(engine, Neo4jEngine)
        assert engine.description == f"Neo4j at {scheme}://graph.example:7687"
        assert "pw-very-long" not in f"{engine!r} {vars(engine)}"
        engine.close()


@pytest.mark.parametrize("setting", ["http://localhost:7474", "localhost:7687", "bolt://"])
def test_a_setting_that_is_no_graph_is_refused(setting):
    with pytest.raises(InputError, match=r"bolt://host:port"):
        open_graph(setting)


def test_credentials_in_the_address_are_refused_and_not_shown():
    with pytest.raises(InputError, match="NASCAR_GRAPH_PASSWORD") as caught:
        open_graph("bolt://ada:hunter2-long@localhost")
    assert "hunter2" not in str(caught.value)


def test_a_missing_or_damaged_file_is_a_clear_fault(tmp_path):
    with pytest.raises(GraphFault, match=r"missing\.lbug.*'open'"):
        open_graph(None, embedded_path=tmp_path / "missing.lbug", read_only=True)
    (tmp_path / "junk.lbug").write_bytes(b"junk" * 1000)
    with pytest.raises(GraphFault, match="not a valid"):
        open_graph(None, embedded_path=tmp_path / "junk.lbug", read_only=True)
