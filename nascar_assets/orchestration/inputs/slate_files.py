"""A slate's files that are no tables: salaries, spec, RunConfig, calibration record."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from nascar_assets.constraints import ConstraintSpec, RunConfig, create_run_config
from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.storage import DataRoot

SALARY_FOLDER = "landing/salaries"
"""The folder for salary files as a contest site exports them."""


def spec_path(slate_id: str) -> str:
    """Where a slate's compiled spec lies."""
    return f"store/constraint_spec/{slate_id}.json"


def load_spec(root: DataRoot, slate_id: str) -> ConstraintSpec:
    """A slate's compiled spec; one whose hash does not match is refused."""
    data = root.read(spec_path(slate_id))
    assert data is not None  # downstream of the asset that writes it
    return ConstraintSpec.from_json(data)


def upload_path(slate_id: str) -> str:
    """Where the upload file lies for people to take away."""
    return f"slates/{slate_id}/upload.csv"


def absent_path(slate_id: str) -> str:
    """Where it is said who of a withdrawn upload file does not race."""
    return f"slates/{slate_id}/upload_withdrawn.txt"


def withdrawn_path(slate_id: str) -> str:
    """Where an upload file lies that names a driver who does not race, until there is a new one."""
    return f"slates/{slate_id}/upload_withdrawn.csv"


def run_config_path(slate_id: str) -> str:
    """Where a slate's RunConfig lies for people to take away."""
    return f"slates/{slate_id}/run_config.json"


def keep_run_config(root: DataRoot, plan: SlatePlan) -> RunConfig:
    """Writes what repeats a slate's run exactly, by its plan as it is now."""
    from nascar_assets.orchestration.inputs.process_parameters import parameters_as_of
    from nascar_assets.orchestration.inputs.provenance import code_version, data_hashes

    race = schedule_rows(root, [plan.race_key])[plan.race_key]
    field = scan_table(root, "slate_field", plan.slate_id).select(pl.len()).collect()
    config = create_run_config(
        load_spec(root, plan.slate_id),
        {
            "n_scenarios": plan.n_scenarios,
            "field_size": field.item(),
            "race_length": race["scheduled_laps"],
            "slate_id": plan.slate_id,
            "race_id": plan.race_id,
            "as_of": plan.as_of.isoformat(),
            "settings": plan.settings,
            "prove": plan.prove,
            "parameters_hash": parameters_as_of(root, race["series"], plan.as_of).hash,
            "code_version": code_version(),
            "data": data_hashes(root, plan.slate_id),
        },
        plan.seed,
        now=plan.as_of,
    )
    root.write(run_config_path(plan.slate_id), config.to_json().encode())
    return config


def record_path(slate_id: str) -> str:
    """Where a slate's calibration record lies as JSON."""
    return f"store/calibration_record/{slate_id}.json"


def _notices_path(slate_id: str, stage: str) -> str:
    return f"store/{stage}_notices/{slate_id}.json"


def keep_notices(root: DataRoot, slate_id: str, stage: str, notices: Sequence[str]) -> None:
    """Keeps what a stage without a column for it has to say to a person."""
    root.write(_notices_path(slate_id, stage), json.dumps(list(notices)).encode())


def slate_notices(
    root: DataRoot, slate_id: str, slate: Sequence[str], lineups: Sequence[str]
) -> tuple[str, ...]:
    """What all stages of a run have to say to a person, in their order, each thing once.

    Args:
        root: The data root.
        slate_id: The slate.
        slate: The notices of its table of players.
        lineups: The notices of its lineups.
    """
    kept = [
        notice
        for stage in ("constraint_spec", "scenarios")
        for notice in json.loads(root.read(_notices_path(slate_id, stage)) or b"[]")
    ]
    return tuple(dict.fromkeys([*slate, *kept, *lineups]))
