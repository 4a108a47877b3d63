"""The RunConfig that a request repeats: given whole, or by the id of the run that made it."""

from __future__ import annotations

from collections.abc import Callable

from nascar_assets.constraints import RunConfig
from nascar_assets.errors import InputError
from nascar_assets.ontology.canonical import content_hash, plain
from nascar_assets.orchestration.inputs.slate_plan import registered_slates
from nascar_assets.scenarios import PitStrategy
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.contracts import RunConfigModel, ScenarioConfig
from nascar_assets.service.jobs import request_path
from nascar_assets.service.problems import invalid
from nascar_assets.service.request_race import Parameters
from nascar_assets.service.run_store import RUN_ID
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot


def read_run_config(
    given: RunConfigModel | str,
    root: DataRoot,
    slates: StoredSlates,
    may_see: Callable[[str], bool],
) -> tuple[RunConfig, CompiledRequest | None]:
    """The RunConfig, with the work of the job that made it where it is one of the API's.

    Args:
        slates: The slates, whose runs have RunConfigs too.
        may_see: Whether a job of this id is there for the client who asks.

    Raises:
        RequestRefused: 422 if it is malformed, was changed, or no run has this id.
    """
    if isinstance(given, str):
        job = _job(given, root, may_see)
        if job is not None:
            return job.run_config, job
        for slate_id in registered_slates(root):
            slate = slates.get(slate_id)
            if slate is not None and slate.run_config is not None:
                config = RunConfig.from_json(slate.run_config)
                if config.run_id == given:
                    return config, None
        raise invalid("RUN_CONFIG_UNKNOWN", "No run has this id.", field="run_config")
    config = _config(given)
    job = _job(config.run_id, root, may_see)
    return config, job if job is not None and job.run_config == config else None


def _job(run_id: str, root: DataRoot, may_see: Callable[[str], bool]) -> CompiledRequest | None:
    if not RUN_ID.fullmatch(run_id) or not may_see(run_id):
        return None
    data = root.read(request_path(run_id))
    return None if data is None else CompiledRequest.from_json(data)


def _config(given: RunConfigModel) -> RunConfig:
    try:
        config = RunConfig(**given.model_dump(exclude={"checksum"}))
    except InputError as error:
        raise invalid(
            "RUN_CONFIG_INVALID",
            error.message,
            field=f"run_config.{error.field}" if error.field else "run_config",
        ) from error
    if given.checksum is not None and given.checksum != content_hash(config.to_dict()):
        raise invalid(
            "RUN_CONFIG_CHANGED",
            "The run config's checksum does not fit its content: it was changed after it was made.",
            field="run_config.checksum",
        )
    return config


def parameters_of_run(config: RunConfig) -> Parameters:
    """What a RunConfig says of the simulation, held to the bounds that requests have.

    Raises:
        RequestRefused: 422 naming the parameter that is out of its bounds.
    """
    params = plain(config.sim_params)
    wanted = {
        "track_id": "any",
        "n_scenarios": params["n_scenarios"],
        "field_size": params.get("field_size", 40),
        "pit_strategy_mix": params.get("pit_strategy_mix"),
    }
    try:
        checked = ScenarioConfig.model_validate(wanted)
    except ValueError as error:
        raise invalid(
            "RUN_CONFIG_INVALID",
            "Its n_scenarios, field_size or pit_strategy_mix are not what a request may ask for.",
            field="run_config.sim_params",
        ) from error
    length = params.get("race_length")
    if length is not None and (
        not isinstance(length, int) or isinstance(length, bool) or not 40 <= length <= 600
    ):
        raise invalid(
            "RUN_CONFIG_INVALID",
            "Its race_length is no number of laps from 40 to 600.",
            field="run_config.sim_params.race_length",
        )
    return Parameters(
        n_scenarios=checked.n_scenarios,
        race_length=length,
        field_size=checked.field_size,
        seed=config.random_seed,
        pit_strategy_mix={PitStrategy(k): v for k, v in checked.pit_strategy_mix.items()}
        if checked.pit_strategy_mix
        else None,
    )
