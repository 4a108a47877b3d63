"""Tables that a run reads again and again: read once, and never older than their files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.orchestration.inputs.slate_run import load_scenarios
from nascar_assets.orchestration.storage.store import (
    MissingPartition,
    read_all,
    scan_all,
    table_path,
)
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.conftest import World

SCHEMA = {"race": pl.String, "value": pl.Int64}

CHANGES = st.lists(
    st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 9)), min_size=1, max_size=12
)
"""A race's table written with a value, or deleted."""


@pytest.mark.slow
@given(changes=CHANGES)
def test_what_is_read_is_what_lies_there(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int | None]]
) -> None:
    folder = tmp_path_factory.mktemp("root")
    root = DataRoot.open(folder)
    wanted: dict[str, int] = {}
    for race, value in changes:
        path = table_path("results", race)
        if value is None:
            root.delete(path)
            wanted.pop(race, None)
        else:
            root.write_frame(path, pl.DataFrame([(race, value)], SCHEMA, orient="row"))
            # The same size and time as before: only the file itself is another one.
            os.utime(folder / path, (1_700_000_000, 1_700_000_000))
            wanted[race] = value
        for _ in range(2):
            assert dict(read_all(root, "results", SCHEMA).iter_rows()) == wanted


def test_tables_of_before_a_column_was_added_are_read_beside_those_with_it(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    old, new = pl.DataFrame([("a", 1)], SCHEMA, orient="row"), {**SCHEMA, "added": pl.Float64}
    root.write_frame(table_path("results", "a"), old)
    root.write_frame(table_path("results", "b"), old.with_columns(added=pl.lit(2.0)))
    for order in (new, dict(reversed(new.items()))):
        assert read_all(root, "results", order).sort("added").rows(named=True) == [
            {"race": "a", "value": 1, "added": None},
            {"race": "a", "value": 1, "added": 2.0},
        ]
    assert scan_all(root, "results", SCHEMA).collect().columns == list(SCHEMA)


def test_structs_of_before_a_field_was_added_are_read_beside_those_with_it(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    rows: list[dict[str, int]] = [{"a": 1}, {"a": 2, "b": 3}]
    for key, row in zip("ab", rows, strict=True):
        root.write_frame(table_path("players", key), pl.DataFrame({"players": [[row]]}))
    kind = pl.List(pl.Struct({"a": pl.Int64, "b": pl.Int64}))
    found = read_all(root, "players", {"players": kind})["players"].to_list()
    assert found == [[{"a": 1, "b": None}], [{"a": 2, "b": 3}]]


def test_a_table_that_its_reader_changes_stays_as_it_is_for_others(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    root.write_frame(table_path("results", "a"), pl.DataFrame([("a", 1)], SCHEMA, orient="row"))
    first = read_all(root, "results", SCHEMA)
    first[0, "value"] = 7
    assert read_all(root, "results", SCHEMA).rows() == [("a", 1)]


def test_scenarios_are_read_once_and_again_after_they_were_written(
    home: Path, world: World
) -> None:
    root = DataRoot.open(home)
    first = load_scenarios(root, world.slate)
    assert load_scenarios(root, world.slate) is first
    path = table_path("scenarios", world.slate)
    cars = root.scan_frame(path).collect()
    root.write_frame(path, cars.with_columns(fastest_laps=pl.col("fastest_laps") + 1))
    second = load_scenarios(root, world.slate)
    assert np.array_equal(second.fastest_laps, first.fastest_laps + 1)
    root.delete(path)
    with pytest.raises(MissingPartition):
        load_scenarios(root, world.slate)
