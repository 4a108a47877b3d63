"""The Dagster asset that compiles a slate's constraints, on both engines, through the resource."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from nascar_assets.constraints import RunConfig
from nascar_assets.constraints.people import people_table
from nascar_assets.ontology import Statement
from nascar_assets.orchestration.assets.constraints import constraint_spec, run_config
from nascar_assets.orchestration.inputs.graph import entry_store
from nascar_assets.orchestration.inputs.process_parameters import model_as_of, save_fit
from nascar_assets.orchestration.inputs.slate_files import load_spec, run_config_path
from nascar_assets.orchestration.inputs.slate_run import SlateRuns
from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.io_manager import ParquetTables
from nascar_assets.scenarios import STARTING_VALUES
from nascar_assets.storage import DataRoot
from nascar_assets_tests.ontology.neo4j_server import USER, neo4j_server
from nascar_assets_tests.service.stored import AS_OF, CARS, SLATE_ID, car_id, write_slate

__all__ = ["neo4j_server"]

WHY = "New crew chief; long-run pace in testing"
AT = datetime(2026, 2, 27, 21, 30, tzinfo=UTC)
VETO = "not-in-lineups"


def _entered(home):
    """A slate's tables, an override and a veto of a person's."""
    write_slate(DataRoot(home))
    platform = Platform(home=str(home))
    store = entry_store(platform)
    store.add(Statement("override", "driver", car_id(5), "skill", 0.35, "Ada Marsh", WHY, AT))
    store.add(Statement("veto", "driver", car_id(2), VETO, None, "Ada Marsh", "Ill", AT))
    store.add(Statement("override", "track", "903", "caution_rate", 0.7, "Ada Marsh", "Rain", AT))


def _materialise(home):
    """Runs the asset, alone, as a run of the platform would; its spec and its metadata."""
    platform = Platform(home=str(home))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(SLATES.name), [SLATE_ID])
        result = dg.materialize(
            [constraint_spec, *_stored()],
            selection=[constraint_spec],
            partition_key=SLATE_ID,
            instance=instance,
            resources={
                "platform": platform,
                "io_manager": ParquetTables(platform),
                "slate_runs": SlateRuns(platform),
            },
        )
    assert result.success
    (event,) = result.get_asset_materialization_events()
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    metadata = {key: value.value for key, value in event.materialization.metadata.items()}
    return load_spec(platform.root, SLATE_ID), metadata


def _run_config(home):
    """The RunConfig that the slate's run writes."""
    platform = Platform(home=str(home))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(SLATES.name), [SLATE_ID])
        dg.materialize(
            [run_config, *_stored()],
            selection=[run_config],
            partition_key=SLATE_ID,
            instance=instance,
            resources={
                "platform": platform,
                "io_manager": ParquetTables(platform),
                "slate_runs": SlateRuns(platform),
            },
        )
    return RunConfig.from_json(platform.root.read(run_config_path(SLATE_ID)))


@pytest.mark.slow
def test_a_slates_run_config_says_which_race_process_it_is_of(tmp_path):
    root = DataRoot(tmp_path)
    write_slate(root)
    before = _run_config(tmp_path)
    assert before.sim_params["parameters_hash"] == STARTING_VALUES.hash
    kinds = dict(STARTING_VALUES.by_type)
    kinds["intermediate"] = replace(kinds["intermediate"], kappa=2.0)
    fitted = replace(STARTING_VALUES, by_type=kinds, as_of=AS_OF - timedelta(days=1))
    save_fit(root, "cup", fitted)
    after = _run_config(tmp_path)
    assert model_as_of(root, "cup", AS_OF).parameters == fitted
    assert after.sim_params["parameters_hash"] == fitted.hash != STARTING_VALUES.hash
    assert after.run_id != before.run_id


def _stored():
    slates = ("slate_plan", "slate_field", "slate_driver_values", "slate_track_values")
    yield dg.AssetSpec("schedule")
    for name in slates:
        yield dg.AssetSpec(name, partitions_def=SLATES)


def _check(spec, metadata, home):
    assert len(spec.drivers) == CARS
    changed = spec.get_driver_constraints(car_id(5))
    assert (changed.skill, changed.overridden) == (0.35, ("skill",))
    assert spec.get_driver_constraints(car_id(2)).veto_rules == (VETO,)
    assert spec.get_track_constraints("903").overridden == ("caution_rate",)
    assert metadata["spec_hash"] == spec.hash
    assert metadata["drivers"] == CARS
    assert WHY in metadata["overrides"]
    shown = people_table(spec, entry_store(Platform(home=str(home))).entries())
    assert shown.select("subject", "field", "value", "why").rows() == [
        (f"driver {car_id(2)}", VETO, "veto", "Ill"),
        (f"driver {car_id(5)}", "skill", "0.35", WHY),
        ("track 903", "caution_rate", "0.7", "Rain"),
    ]


@pytest.mark.slow
def test_the_asset_compiles_from_the_embedded_graph(tmp_path):
    _entered(tmp_path)
    spec, metadata = _materialise(tmp_path)
    _check(spec, metadata, tmp_path)
    assert "adybug" in metadata["engine"]


@pytest.mark.neo4j
def test_the_asset_compiles_from_a_real_server_that_one_setting_names(
    tmp_path, neo4j_server, monkeypatch
):
    neo4j_server.clear()
    home, embedded = tmp_path / "server", tmp_path / "embedded"
    _entered(home)
    monkeypatch.setenv("NASCAR_GRAPH", neo4j_server.address)
    monkeypatch.setenv("NASCAR_GRAPH_USER", USER)
    monkeypatch.setenv("NASCAR_GRAPH_PASSWORD", neo4j_server.password)
    spec, metadata = _materialise(home)
    _check(spec, metadata, home)
    assert neo4j_server.address.removeprefix("bolt://") in metadata["engine"]
    assert neo4j_server.password not in str(metadata)
    # The graph was loaded into the server by the asset itself, and the overrides with it.
    engine = neo4j_server.engine()
    rows = engine.read(
        "MATCH (d:Driver) WHERE size(d.overridden) > 0 RETURN d.driver_id AS id, d.skill AS skill"
    )
    engine.close()
    assert [(row["id"], row["skill"]) for row in rows] == [(car_id(5), 0.35)]
    # Whichever engine holds it, it is the same spec.
    monkeypatch.delenv("NASCAR_GRAPH")
    _entered(embedded)
    assert _materialise(embedded)[0] == spec
