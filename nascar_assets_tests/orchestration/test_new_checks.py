"""What the checks on upload file, returns and report look for."""

from __future__ import annotations

import dagster as dg
import polars as pl
import pytest

from nascar_assets.orchestration.assets.contest import impossible
from nascar_assets.orchestration.assets.lineups import elsewhere
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets_tests.orchestration.conftest import World

ROW = {
    "contest": "cash",
    "entries": 100,
    "own_entries": 2,
    "entry_fee_dollars": 5.0,
    "roi": 0.1,
    "profit_dollars": 1.0,
    "cash_rate": 0.5,
    "win_rate": 0.1,
    "top_rate": 0.1,
    "any_top_rate": 0.2,
    "ownership_error": 0.001,
}


def test_possible_returns_pass() -> None:
    assert impossible(pl.DataFrame([ROW])) == []


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"cash_rate": 1.2}, "no share"),
        ({"win_rate": -0.1}, "no share"),
        ({"win_rate": 0.9, "cash_rate": 0.1}, "oftener"),
        ({"profit_dollars": 3.0}, "not the return"),
        ({"own_entries": 200, "profit_dollars": 100.0}, "more own entries"),
        ({"ownership_error": 0.2}, "ownerships"),
    ],
)
def test_returns_that_cannot_be_are_named(change: dict[str, float], law: str) -> None:
    (said,) = impossible(pl.DataFrame([ROW | change]))
    assert said.startswith("cash: ")
    assert law in said


@pytest.mark.parametrize(
    "part",
    [
        '<img src="https://example.org/a.png">',
        "<script src='//example.org/a.js'></script>",
        '<link rel="stylesheet" href="https://example.org/a.css">',
        "<style>@import 'https://example.org/a.css'</style>",
        "<style>a { background: url(https://example.org/a.png) }</style>",
    ],
)
def test_what_a_page_would_load_is_found(part: str) -> None:
    assert elsewhere(f"<html>{part}</html>")


def test_links_and_pictures_inside_are_nothing_to_load() -> None:
    assert elsewhere('<a href="https://example.org">x</a><img src="data:image/png;base64,x">') == []


def test_the_demos_files_pass_their_checks(world: World) -> None:
    instance = open_instance(str(world.home))
    for asset, check in (
        ("upload_file", "holds_the_lineups"),
        ("contest_forecast", "returns_are_possible"),
        ("report", "opens_offline"),
    ):
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.event is not None
        found = record.event.dagster_event.asset_check_evaluation_data
        assert found.passed, found.metadata
        assert found.partition == world.slate
    (made,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("upload_file"), asset_partitions=[world.slate]), limit=1
    ).records
    path = made.asset_materialization.metadata["path"]
    assert isinstance(path, dg.PathMetadataValue)
    assert str(path.value).endswith(f"slates/{world.slate}/upload.csv")
