"""The content hash of tables: the rows decide, not how they came about."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.orchestration.metadata import content_hash

ROWS = st.lists(
    st.tuples(
        st.integers(-5, 5) | st.none(), st.text(max_size=30) | st.none(), st.floats() | st.none()
    ),
    max_size=12,
)
SCHEMA = {"a": pl.Int64, "b": pl.String, "c": pl.Float64}


@pytest.mark.slow
@given(ROWS, ROWS)
def test_equal_rows_have_one_hash(kept: list[tuple[object, ...]], lost: list[tuple[object, ...]]):
    """Also where rows were filtered out beside them, and values were masked."""
    plain = pl.DataFrame(kept, schema=SCHEMA, orient="row")
    marked = pl.DataFrame([*kept, *lost], schema=SCHEMA, orient="row").with_row_index("i")
    found = marked.filter(pl.col("i") < len(kept)).drop("i")
    assert content_hash(found) == content_hash(plain)
    masked = pl.when(pl.col("a") > 0).then(pl.col("a")).alias("a")
    listed = pl.Series("a", plain.select(masked)["a"].to_list(), pl.Int64)
    assert content_hash(plain.with_columns(masked)) == content_hash(plain.with_columns(listed))


@pytest.mark.slow
@given(ROWS.filter(bool), st.data())
def test_one_value_changes_it(rows: list[tuple[object, ...]], data: st.DataObject):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    row = data.draw(st.integers(0, len(rows) - 1))
    other = frame.with_row_index("i").with_columns(
        pl.when(pl.col("i") == row).then(pl.lit("another word")).otherwise(pl.col("b")).alias("b")
    )
    changed = content_hash(other.drop("i")) != content_hash(frame)
    assert changed == (rows[row][1] != "another word")
