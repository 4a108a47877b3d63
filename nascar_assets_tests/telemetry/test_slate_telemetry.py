"""A slate's telemetry: past laps of its drivers beside their constraints, nothing from later."""

from datetime import timedelta

import dagster as dg
import polars as pl
import pytest

from nascar_assets.feed.schemas import ENTRIES, SCHEDULE
from nascar_assets.orchestration.assets.slate_telemetry import CONSTRAINTS, slate_telemetry
from nascar_assets.orchestration.inputs.slate_files import load_spec, spec_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun, SlateRuns
from nascar_assets.orchestration.partitions import RACES, SLATES
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.io_manager import ParquetTables
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry import (
    load_telemetry_artifact,
    summarise_laps,
    telemetry_artifact_bytes,
)
from nascar_assets.telemetry.artifacts import artifact_info
from nascar_assets_tests.service.stored import AS_OF, CARS, RACE, SLATE_ID, write_slate
from nascar_assets_tests.telemetry.lap_frames import driver_laps

PATH = table_path("slate_telemetry", SLATE_ID)


@pytest.fixture
def root(tmp_path):
    root = DataRoot.open(tmp_path)
    write_slate(root, veto="not-in-lineups")
    return root


def past_race(root, number, known, drivers=("970000", "970001", "123")):
    """A race of the store with laps whose results were known at a moment."""
    key, race_id = f"2026-cup-{number:02d}", f"88{number:02d}"
    race = {
        **RACE,
        "race_id": race_id,
        "race_key": key,
        "start_time": known - timedelta(hours=8),
        "results_at": known,
    }
    laps = pl.concat(
        driver_laps(
            driver, [30.0 + 0.01 * n + 0.1 * rank for n in range(15)], positions=[rank] * 15
        )
        for rank, driver in enumerate(drivers, 1)
    ).with_columns(race_id=pl.lit(race_id))
    summary = summarise_laps(laps, race)
    root.write(table_path("lap_summaries", key), telemetry_artifact_bytes(summary, sources={}))
    schedule = pl.read_parquet(root.local_path(table_path("schedule")))
    row = pl.DataFrame([{name: race.get(name) for name in SCHEDULE}], schema=SCHEDULE)
    root.write_frame(table_path("schedule"), pl.concat([schedule, row]))
    return key


def materialise(root):
    """The asset run alone, as a run of the platform would; the materialisation's metadata."""
    platform = Platform(home=root.location)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(SLATES.name), [SLATE_ID])
        result = dg.materialize(
            [
                slate_telemetry,
                dg.AssetSpec("slate_plan", partitions_def=SLATES),
                dg.AssetSpec("constraint_spec", partitions_def=SLATES),
                dg.AssetSpec("lap_summaries", partitions_def=RACES),
            ],
            selection=[slate_telemetry],
            partition_key=SLATE_ID,
            instance=instance,
            resources={
                "platform": platform,
                "io_manager": ParquetTables(platform),
                "slate_runs": SlateRuns(platform),
            },
        )
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_past_laps_stand_beside_the_drivers_constraints(root):
    first = past_race(root, 1, AS_OF - timedelta(days=7))
    second = past_race(root, 2, AS_OF, drivers=("970001",))  # known at the as-of time itself
    metadata = materialise(root)
    spec = load_spec(root, SLATE_ID)
    stored = load_telemetry_artifact(root.local_path(PATH)).collect()
    assert stored.select("driver_id", "race_id").rows() == [
        ("970000", "8801"),
        ("970001", "8801"),
        ("970001", "8802"),
    ]  # and none of driver 123, who is not in the slate
    assert stored["falloff_s_per_lap"].to_list() == pytest.approx([0.01] * 3)
    for row in stored.iter_rows(named=True):
        driver = spec.get_driver_constraints(row["driver_id"])
        assert row["constraint_skill"] == driver.skill
        assert row["constraint_max_laps_led"] == driver.max_laps_led
        assert tuple(row["constraint_veto_rules"]) == driver.veto_rules
    assert {name: stored.schema[name] for name in CONSTRAINTS} == CONSTRAINTS
    info = artifact_info(root.local_path(PATH))
    assert (info.rows, info.extra["spec_hash"]) == (3, spec.hash)
    tables = {table_path("lap_summaries", key) for key in (first, second)}
    assert set(info.sources) == {spec_path(SLATE_ID), *tables}
    assert metadata["sources"] == info.sources
    assert (metadata["dagster/row_count"], metadata["drivers"]) == (3, f"2 of {CARS}")
    assert "notices" not in metadata


@pytest.mark.slow
def test_nothing_later_than_the_as_of_time_enters(root):
    past_race(root, 1, AS_OF - timedelta(days=7))
    materialise(root)
    before = root.read(PATH)
    later = past_race(root, 2, AS_OF + timedelta(microseconds=1))
    past_race(root, 4, AS_OF + timedelta(days=7))
    materialise(root)
    assert root.read(PATH) == before  # to the byte, its sources among them
    past_race(root, 2, AS_OF)  # the same race known in time does enter
    materialise(root)
    assert root.read(PATH) != before
    assert table_path("lap_summaries", later) in artifact_info(root.local_path(PATH)).sources


@pytest.mark.slow
def test_a_store_without_laps_gives_an_empty_table_that_says_so(root):
    metadata = materialise(root)
    assert "No laps of these drivers" in metadata["notices"]
    empty = load_telemetry_artifact(root.local_path(PATH)).collect()
    past_race(root, 1, AS_OF - timedelta(days=7))
    materialise(root)
    assert (empty.height, empty.schema) == (
        0,
        load_telemetry_artifact(root.local_path(PATH)).collect_schema(),
    )


@pytest.mark.slow
def test_a_made_up_id_is_the_driver_that_it_was_merged_into(root):
    entries = [
        {**dict.fromkeys(ENTRIES), "driver_id": driver, "driver_name": "Iñaki Barragón"}
        | {"entries_at": AS_OF - timedelta(days=30)}
        for driver in ("970000", "990017")
    ]
    for number, entry in enumerate(entries, 1):
        frame = pl.DataFrame([entry], schema=ENTRIES)
        root.write_frame(table_path("entries", f"2025-cup-{number:02d}"), frame)
    past_race(root, 1, AS_OF - timedelta(days=7), drivers=("990017",))
    materialise(root)
    stored = load_telemetry_artifact(root.local_path(PATH)).collect()
    assert stored["driver_id"].to_list() == ["970000"]
    assert stored["constraint_skill"].null_count() == 0


def test_drivers_and_as_of_are_filtered_while_the_files_are_read(root):
    from nascar_assets.orchestration.assets.slate_telemetry import past_summaries

    past_race(root, 1, AS_OF - timedelta(days=7))
    scan = past_summaries(SlateRun.load(root, SLATE_ID)).explain()
    _, _, filtered = scan.partition("SELECTION:")
    assert 'col("driver_id").is_in' in filtered
    assert 'col("results_at")' in filtered
    assert "FILTER" not in scan
