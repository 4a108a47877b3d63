"""Which of the embedded graphs answers where no slate's compiled spec is at hand."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from nascar_assets.ontology import build_state, open_embedded, stored_hash
from nascar_assets.ontology.load import embedded_path
from nascar_assets.orchestration.resources import Platform
from nascar_assets.service.known_graph import GraphReader
from nascar_assets_tests.ontology.made_up import AS_OF, driver_values, schedule, track_values


@pytest.fixture
def reader(tmp_path):
    made = GraphReader(Platform(home=str(tmp_path), local=str(tmp_path)))
    yield made
    made.close()


def build(tmp_path, days, *, built):
    """A graph with the state as of some days later, written at a second."""
    as_of = AS_OF + timedelta(days=days)
    state = build_state(driver_values(), track_values(), schedule(), (), as_of)
    open_embedded(tmp_path / "graph", state).close()
    path = embedded_path(tmp_path / "graph", state)
    os.utime(path, (built, built))
    return state, path


def test_the_newest_state_answers_not_the_one_that_was_built_last(tmp_path, reader):
    newest, _ = build(tmp_path, 5, built=1_000)
    build(tmp_path, 1, built=2_000)
    assert stored_hash(reader._opened()) == newest.hash
    newer, _ = build(tmp_path, 6, built=1_500)
    assert stored_hash(reader._opened()) == newer.hash


def test_a_file_that_does_not_open_is_passed_over_until_it_is_built_again(tmp_path, reader):
    older, _ = build(tmp_path, 1, built=1_000)
    newer, path = build(tmp_path, 5, built=2_000)
    path.write_bytes(b"not a graph" * 1000)
    assert reader.state() == "ok"
    assert stored_hash(reader._opened()) == older.hash
    path.unlink()
    build(tmp_path, 5, built=3_000)
    assert stored_hash(reader._opened()) == newer.hash


def test_with_no_file_that_opens_the_graph_does_not_answer(tmp_path, reader):
    _, path = build(tmp_path, 1, built=1_000)
    path.write_bytes(b"not a graph" * 1000)
    assert "does not answer" in reader.state()
