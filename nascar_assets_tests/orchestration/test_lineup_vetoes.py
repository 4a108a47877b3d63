"""A slate's own portfolio under the vetoes that its spec was compiled with."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.orchestration.assets.lineups import lineups, scenario_optima
from nascar_assets.orchestration.commands.entries import fill, swap
from nascar_assets.orchestration.inputs.slate_files import load_spec, spec_path
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRuns
from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.io_manager import ParquetTables
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.scenarios import generate_scenarios
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.stored import NAMES, SLATE_ID, car_id, write_slate

SETTINGS = 'lineups = 5\nobjective = "mean"\n'


@pytest.fixture
def root(tmp_path):
    """A slate that ran up to its scenarios."""
    root = DataRoot(tmp_path)
    write_slate(root)
    slate = StoredSlates(root).get(SLATE_ID)
    made = generate_scenarios(slate.spec, slate.setup, 200, 5)
    root.write_frame(table_path("scenarios", SLATE_ID), made.to_polars([slate.rules]))
    root.write_frame(table_path("scenario_races", SLATE_ID), made.races_to_polars())
    replace(SlatePlan.load(root, SLATE_ID), settings=SETTINGS).save(root)
    return root


def _materialise(root, settings=None):
    """Runs the two assets as a run of the platform would, and returns the lineups' ids."""
    platform = Platform(home=root.location)
    stored = [dg.AssetSpec(name, partitions_def=SLATES) for name in ("slate_plan", "slate")]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(SLATES.name), [SLATE_ID])
        result = dg.materialize(
            [scenario_optima, lineups, *stored],
            selection=[scenario_optima, lineups],
            partition_key=SLATE_ID,
            instance=instance,
            resources={
                "platform": platform,
                "io_manager": ParquetTables(platform),
                "slate_runs": SlateRuns(platform),
            },
            run_config={"ops": {"lineups": {"config": {"settings": settings}}}},
        )
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    return _stored(root)


def _stored(root) -> list[list[str]]:
    return scan_table(root, "lineups", SLATE_ID).collect()["driver_ids"].to_list()


def _veto(root, driver_id, code):
    """The spec compiled anew, with one more veto."""
    spec = load_spec(root, SLATE_ID)
    drivers = dict(spec.drivers)
    drivers[driver_id] = replace(drivers[driver_id], veto_rules=(code,))
    vetoed = type(spec)(spec.slate_id, spec.compiled_at, drivers, spec.tracks)
    root.write(spec_path(SLATE_ID), vetoed.to_json().encode())


@pytest.mark.slow
def test_a_veto_on_the_most_popular_driver_gives_lineups_without_him(root):
    shares = pl.Series([i for ids in _materialise(root) for i in ids]).value_counts(sort=True)
    popular = shares[0, 0]
    _veto(root, popular, "not-in-lineups")
    after = _materialise(root)
    assert len(after) == 5
    assert not any(popular in ids for ids in after)
    notices = scan_table(root, "lineups", SLATE_ID).collect()["notices"][0]
    name = NAMES[int(popular) - int(car_id(0))]
    assert f"veto of the ontology: no lineup holds {name}." in notices


@pytest.mark.slow
def test_settings_against_a_veto_are_refused_and_the_stored_lineups_stay(root):
    _veto(root, car_id(3), "not-in-lineups")
    before = _materialise(root)
    data = root.read(table_path("lineups", SLATE_ID))
    locked = f'{SETTINGS}[drivers."{NAMES[3]}"]\nlock = true\n'
    with pytest.raises(InputError, match="veto of the ontology"):
        _materialise(root, locked)
    assert root.read(table_path("lineups", SLATE_ID)) == data
    assert _stored(root) == before


@pytest.mark.slow
def test_a_late_swap_keeps_the_vetoes_of_the_slates_run(root, tmp_path):
    made = _materialise(root)
    entries = tmp_path / "DKEntries.csv"
    entries.write_text(
        "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions\r\n"
        + "".join(f"{5000 + i},Lap,1,$1,,,,,,,,Do it\r\n" for i in range(len(made)))
    )
    filled, swapped = tmp_path / "filled.csv", tmp_path / "swapped.csv"
    fill(root.location, SLATE_ID, entries, filled)
    gone = made[0][0]
    free = swap(root.location, SLATE_ID, filled, [gone], swapped)
    came = free.changes[0].rsplit(", ", 1)[1].removesuffix(" in")
    _veto(root, car_id(NAMES.index(came)), "not-in-lineups")
    kept = swap(root.location, SLATE_ID, filled, [gone], swapped)
    assert kept.changes
    assert not any(change.endswith(f", {came} in") for change in kept.changes)
