"""The data dictionary says of every stored column what it is, and nothing that is not so."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from nascar_assets.definitions import build_definitions
from nascar_assets.orchestration.commands.dictionary_page import dictionary_page
from nascar_assets.orchestration.dictionary import TABLES, upstream
from nascar_assets.orchestration.metadata import table_metadata
from nascar_assets_tests.described import check_described, stored_tables
from nascar_assets_tests.orchestration.conftest import World

PAGE = Path(__file__).parents[2] / "docs/data-dictionary.md"


@pytest.fixture(scope="module")
def stored(world: World) -> dict[str, list[Path]]:
    """Every Parquet file of a home, by the table that the dictionary says it is."""
    return stored_tables(world.home)


def test_every_stored_column_is_described_with_its_type(stored: dict[str, list[Path]]) -> None:
    check_described(stored)


def test_no_two_rows_of_a_file_have_one_key(stored: dict[str, list[Path]]) -> None:
    for name, paths in stored.items():
        for path in paths:
            keys = pl.read_parquet(path, columns=list(TABLES[name].key))
            assert not keys.is_duplicated().any(), path


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_told_in_full(name: str) -> None:
    table = TABLES[name]
    assert table.row.startswith("One row")
    assert set(table.key) <= set(table.columns)
    for column, item in table.columns.items():
        assert item.meaning.endswith("."), column
        assert item.meaning[0].isupper() or item.meaning[0] in "`01259" or " " in item.meaning
        assert item.source, column
        assert not set("|\n") & set(item.text), column  # cells of the page's tables
        kind = item.kind
        inner = kind.inner if isinstance(kind, pl.List) else kind
        counted = inner.is_numeric() or inner.is_temporal()  # type: ignore[union-attr]
        assert bool(item.unit) or not counted, f"{column} has no unit"
        for other, of in upstream(name, column):
            assert of in TABLES[other].columns, f"{column} comes from {other}.{of}"


def test_the_page_is_current() -> None:
    module = "nascar_assets.orchestration.commands.dictionary_page"
    assert PAGE.read_text() == dictionary_page(), f"run: python -m {module} > {PAGE.name}"


def test_assets_show_their_columns_before_they_are_made() -> None:
    specs = {spec.key.path[-1]: spec for spec in build_definitions().resolve_all_asset_specs()}
    for name, table in TABLES.items():
        if table.made_by:
            assert name not in specs
            continue
        schema = specs[name].metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableColumn | dg.TableSchema)
        shown = {column.name: column.description for column in schema.columns}
        assert shown == {column: item.text for column, item in table.columns.items()}


def test_lineage_names_columns_of_other_assets(stored: dict[str, list[Path]]) -> None:
    results = pl.read_parquet(stored["race_features"][0])
    said = table_metadata("race_features", results)["dagster/column_lineage"]
    assert said.deps_by_column["driver_id"] == [
        dg.TableColumnDep(asset_key=dg.AssetKey("entries"), column_name="driver_id")
    ]
    summary = table_metadata("scenario_summary", pl.read_parquet(stored["scenario_summary"][0]))
    assert summary["dagster/column_lineage"].deps_by_column["laps_led_share"] == [
        dg.TableColumnDep(asset_key=dg.AssetKey("scenarios"), column_name="laps_led")
    ]
