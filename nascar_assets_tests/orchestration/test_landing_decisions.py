"""Decisions over what landed: by content, in few runs, each once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.orchestration.automation.landing_index import INDEX, scan
from nascar_assets.orchestration.automation.race_decisions import (
    SINGLE_RUNS,
    LandedRace,
    batches,
    content_of,
    landed_races,
    singles,
    stale_as_of,
    stale_races,
)
from nascar_assets.orchestration.partitions import stretches
from nascar_assets.storage import DataRoot, StorageFault

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
LATER = timedelta(minutes=1)


def files(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [(path, value, NOW + minute * LATER) for path, value, minute in rows],
        schema={"path": pl.String, "value": pl.String, "since": INDEX["since"]},
        orient="row",
    )


def race(key: str, content: str = "x") -> LandedRace:
    return LandedRace(key, content, f"race:{key}:{content}")


def test_only_what_differs_is_stale() -> None:
    landed, unknown = landed_races(
        files(("a/1", "h1", 0), ("a/2", "h2", 0), ("b/1", "h3", 0), ("c/1", "h4", 0)),
        {"a/1": "A", "a/2": "A", "b/1": "B"},
    )
    assert unknown == ["c/1"]
    made = {"A": content_of([("a/2", "h2"), ("a/1", "h1")])}  # in any order
    assert [item.race_key for item in stale_races(landed, made)] == ["B"]
    assert [item.race_key for item in stale_races(landed, {})] == ["A", "B"]
    assert stale_races({}, made) == []


def test_content_that_comes_back_is_run_again_and_one_that_stays_is_not() -> None:
    first, _ = landed_races(files(("a", "h", 0)), {"a": "A"})
    again, _ = landed_races(files(("a", "h", 0)), {"a": "A"})
    back, _ = landed_races(files(("a", "h", 7)), {"a": "A"})
    assert first["A"].run_key == again["A"].run_key != back["A"].run_key
    assert first["A"].content == back["A"].content


@given(st.sets(st.integers(0, 60)), st.integers(1, 61))
def test_stretches_are_neighbours_and_hold_each_once(chosen: set[int], count: int) -> None:
    order = [f"{number:02d}" for number in range(count)]
    wanted = {f"{number:02d}" for number in chosen}
    found = stretches(wanted, order)
    assert [key for keys in found for key in keys] == [key for key in order if key in wanted]
    for keys in found:
        start = order.index(keys[0])
        assert tuple(order[start : start + len(keys)]) == keys
    for left, right in pairwise(found):
        assert order.index(right[0]) > order.index(left[-1]) + 1


def test_few_races_get_a_run_each_and_many_share() -> None:
    order = [f"r{number}" for number in range(9)]
    few = [race(key) for key in order[:SINGLE_RUNS]]
    assert [item.keys for item in batches(few, order)] == [(key,) for key in order[:SINGLE_RUNS]]
    many = [race(key) for key in order if key != "r4"]
    shared = batches(many, order)
    assert [item.keys for item in shared] == [tuple(order[:4]), tuple(order[5:])]
    assert [item.keys for item in singles(shared[0], many)] == [(key,) for key in order[:4]]
    assert batches(many, order) == shared
    changed = [*many[:-1], race("r8", "y")]
    assert batches(changed, order)[1].run_key != shared[1].run_key


def _schedule(*keys: str) -> pl.DataFrame:
    starts = [NOW + number * timedelta(days=7) for number in range(len(keys))]
    return pl.DataFrame({"race_key": keys, "start_time": starts})


def test_a_correction_moves_its_race_and_those_after_it_and_no_others() -> None:
    schedule = _schedule("a", "b", "c", "d")
    made = dict.fromkeys("abcd", NOW + 10 * LATER)
    since = dict.fromkeys("abcd", NOW)
    assert stale_as_of(schedule, since, made) == {}
    corrected = {**since, "b": NOW + 20 * LATER}
    assert list(stale_as_of(schedule, corrected, made)) == ["b", "c", "d"]
    assert list(stale_as_of(schedule, {**since, "d": NOW + 20 * LATER}, made)) == ["d"]


def test_a_race_without_ratings_gets_them_and_one_without_results_does_not() -> None:
    schedule = _schedule("a", "b", "c")
    since = {"a": NOW, "b": NOW}
    assert list(stale_as_of(schedule, since, {})) == ["a", "b"]
    assert list(stale_as_of(schedule, since, {"a": NOW, "b": NOW + LATER})) == []


def test_races_of_one_moment_rest_on_their_own_results_and_not_on_each_others() -> None:
    schedule = pl.DataFrame({"race_key": ["a", "b", "c"], "start_time": [NOW, NOW, NOW + LATER]})
    made = dict.fromkeys("abc", NOW)
    assert list(stale_as_of(schedule, {"a": NOW, "b": NOW + LATER, "c": NOW}, made)) == ["b", "c"]


def test_a_look_reads_what_changed_and_keeps_since_when(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    read: list[bytes] = []

    def value(data: bytes) -> str:
        read.append(data)
        return data.decode()

    def looked(after: timedelta) -> dict[str, tuple[str, datetime]]:
        found = scan(
            root, root.list("in"), "index.parquet", datetime.now(UTC) + after, value=value
        ).files
        return {row["path"]: (row["value"], row["since"]) for row in found.iter_rows(named=True)}

    root.write("in/a", b"one")
    root.write("in/b", b"two")
    first = looked(LATER)
    assert {path: pair[0] for path, pair in first.items()} == {"in/a": "one", "in/b": "two"}
    assert looked(LATER) == first
    assert sorted(read) == [b"one", b"two"]  # the second look read nothing
    root.write("in/a", b"one")  # the same content written again
    assert looked(LATER) == first
    root.write("in/b", b"TWO")
    last = looked(LATER)
    assert last["in/b"][0] == "TWO"
    assert last["in/b"][1] > first["in/b"][1]
    assert last["in/a"] == first["in/a"]
    root.delete("in/b")
    assert set(looked(LATER)) == {"in/a"}
    root.write("index.parquet", b"damaged")
    assert looked(LATER)["in/a"][0] == "one"


def test_a_file_that_changed_a_moment_ago_waits(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    root.write("in/a", b"half")
    found = scan(root, root.list("in"), "index.parquet", datetime.now(UTC))
    assert (found.files.height, found.unsettled) == (0, ("in/a",))
    ahead = scan(root, root.list("in"), "index.parquet", datetime.now(UTC) - timedelta(hours=1))
    assert ahead.files.height == 1  # from a machine whose clock is ahead


def test_a_failed_read_is_no_empty_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    DataRoot.open(home).write("in/a", b"one")
    scan(
        DataRoot.open(home),
        DataRoot.open(home).list("in"),
        "index.parquet",
        datetime.now(UTC) + LATER,
    )
    home.rename(tmp_path / "away")  # a mount that went away
    home.write_text("")
    with pytest.raises(StorageFault):
        scan(
            DataRoot.open(home),
            DataRoot.open(home).list("in"),
            "index.parquet",
            datetime.now(UTC) + LATER,
        )
    home.unlink()
    (tmp_path / "away").rename(home)
    found = scan(
        DataRoot.open(home),
        DataRoot.open(home).list("in"),
        "index.parquet",
        datetime.now(UTC) + LATER,
    )
    assert found.files["path"].to_list() == ["in/a"]
