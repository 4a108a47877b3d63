"""The rating state that is kept between slates: the same bytes as one built from nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from nascar_assets.files import SourceFile
from nascar_assets.history.ratings_state import RatingState
from nascar_assets.orchestration.inputs.past import all_results, past_features, results_before
from nascar_assets.orchestration.inputs.rating_states import (
    KEPT,
    build_rating_state,
    keep_season_start,
    load_rating_state,
    state_path,
)
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.store import stored_partitions, table_path
from nascar_assets.storage import DataRoot


def plan(as_of: datetime) -> SlatePlan:
    text = dict.fromkeys(("race_id", "race_key", "contest", "settings", "run_id"), "")
    salaries = {"source": SourceFile("", "")}
    return SlatePlan(
        slate_id="s", as_of=as_of, lock=as_of, n_scenarios=10, seed=1, **text, **salaries
    )


def fresh(root: DataRoot, as_of: datetime) -> bytes:
    state = RatingState.empty()
    state.extend(results_before(root, as_of), as_of, past_features(root, as_of))
    return state.to_bytes()


def kept_after(root: DataRoot) -> int:
    data = root.read(KEPT)
    assert data is not None
    return len(RatingState.from_bytes(data[32:]).seen)


def test_a_slates_state_is_the_same_wherever_it_began(races: Path) -> None:
    root = DataRoot.open(races)
    known = all_results(root)["results_at"].unique().sort()
    middle, later = known[len(known) // 2], known[-2]
    assert build_rating_state(root, plan(middle)).to_bytes() == fresh(root, middle)
    began = kept_after(root)
    # Goes on from what was kept.
    assert build_rating_state(root, plan(later)).to_bytes() == fresh(root, later)
    assert kept_after(root) > began
    assert load_rating_state(root, plan(later)).to_bytes() == fresh(root, later)
    # An earlier as-of time knows nothing of what was kept, and leaves it where it is.
    whole = root.read(KEPT)
    assert build_rating_state(root, plan(middle)).to_bytes() == fresh(root, middle)
    assert root.read(KEPT) == whole
    # Nothing new: nothing written again.
    assert build_rating_state(root, plan(later)).to_bytes() == fresh(root, later)
    assert root.read(KEPT) == whole


def test_a_state_that_another_version_stored_is_built_again(races: Path) -> None:
    root = DataRoot.open(races)
    as_of = all_results(root)["results_at"].min()
    assert isinstance(as_of, datetime)
    root.write(state_path("s"), b"a state in another form")
    assert load_rating_state(root, plan(as_of)).to_bytes() == fresh(root, as_of)
    assert root.read(state_path("s")) == fresh(root, as_of)


def test_a_seasons_first_slate_begins_with_its_start(races: Path) -> None:
    root = DataRoot.open(races)
    made_by_sync = root.read(KEPT)
    assert made_by_sync is not None
    run = all_results(root).filter(pl.col("race_type") == "points", pl.col("finish").is_not_null())
    start = run.filter(pl.col("season") == pl.col("season").max())["start_time"].min()
    assert isinstance(start, datetime)
    assert RatingState.from_bytes(made_by_sync[32:]).to_bytes() == fresh(root, start)
    keep_season_start(root)
    assert root.read(KEPT) == made_by_sync  # good as it is
    _corrected(root)
    keep_season_start(root)
    made_again = root.read(KEPT)
    assert made_again is not None
    assert RatingState.from_bytes(made_again[32:]).to_bytes() == fresh(root, start)
    assert made_again != made_by_sync
    # A slate goes on from there: its state holds what a new one would, under the same hash.
    build_rating_state(root, plan(start))
    assert root.read(KEPT) == made_again


def _corrected(root: DataRoot) -> None:
    """A result of the first season, changed afterwards."""
    path = table_path("race_results", stored_partitions(root, "race_results")[3])
    frame = root.scan_frame(path).collect()
    last = pl.col("finish").max() + 1
    root.write_frame(path, frame.with_columns(finish=(last - pl.col("finish")).cast(pl.Int32)))


def _feature_moved(root: DataRoot) -> None:
    path = table_path("race_features", stored_partitions(root, "race_features")[-1])
    frame = root.scan_frame(path).collect()
    numbers = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    root.write_frame(path, frame.with_columns(pl.col(numbers) * 1.01))


def _damaged(root: DataRoot) -> None:
    data = root.read(KEPT)
    assert data is not None
    root.write(KEPT, data[: len(data) // 2])


def _gone(root: DataRoot) -> None:
    root.delete(KEPT)


@pytest.mark.parametrize("change", [_corrected, _feature_moved, _damaged, _gone])
def test_what_changed_is_built_again(races: Path, change: object) -> None:
    root = DataRoot.open(races)
    known = all_results(root)["results_at"].unique().sort()
    build_rating_state(root, plan(known[-2]))
    assert callable(change)
    change(root)
    assert build_rating_state(root, plan(known[-1])).to_bytes() == fresh(root, known[-1])
    assert kept_after(root) == len(load_rating_state(root, plan(known[-1])).seen)


def test_a_race_that_came_late_and_was_known_with_the_last_one_takes_its_place(races: Path) -> None:
    root = DataRoot.open(races)
    order = all_results(root).unique("race_id").sort("results_at", "start_time")
    late, last = order["race_key"][-2:]
    moment = order["results_at"][-1]
    path, last_path = table_path("race_results", late), table_path("race_results", last)
    table = root.scan_frame(path).collect().with_columns(results_at=pl.lit(moment))
    assert table["start_time"][0] < root.scan_frame(last_path).collect()["start_time"][0]
    root.delete(path)
    build_rating_state(root, plan(moment))
    before = kept_after(root)
    root.write_frame(path, table)
    assert build_rating_state(root, plan(moment)).to_bytes() == fresh(root, moment)
    assert kept_after(root) == before + 1
