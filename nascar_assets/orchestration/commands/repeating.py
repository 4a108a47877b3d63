"""A slate's run repeated from its RunConfig, or what stands in the way of the same bytes."""

from __future__ import annotations

from pathlib import Path

from nascar_assets.constraints import RunConfig, load_run_config
from nascar_assets.errors import InputError
from nascar_assets.orchestration.commands.slate import RunOptions, SlateOutcome, run_slate
from nascar_assets.orchestration.commands.sync import Location
from nascar_assets.orchestration.inputs.provenance import code_version, data_hashes
from nascar_assets.orchestration.inputs.slate_files import run_config_path
from nascar_assets.orchestration.resources import Platform


def repeat_slate(home: str, path: Path, location: Location) -> tuple[SlateOutcome, list[str]]:
    """Runs a slate again as a RunConfig says.

    Returns:
        The outcome, and what differs from the first run: code version, race process, data,
        compiled spec. With no difference the upload file is the same, byte for byte.

    Raises:
        InputError: If the file is no RunConfig of a slate, or was changed.
    """
    try:
        config = load_run_config(path)
    except FileNotFoundError as error:
        raise InputError(
            "There is no such file.", file=str(path), remedy="Check the path."
        ) from error
    params = config.sim_params
    missing = [name for name in ("slate_id", "as_of", "n_scenarios") if name not in params]
    if missing:
        raise InputError(
            f"This RunConfig is of no slate's run: it lacks {', '.join(missing)}.",
            file=path.name,
        )
    options = RunOptions(
        as_of=str(params["as_of"]),
        n_scenarios=int(params["n_scenarios"]),
        seed=config.random_seed,
        settings=str(params.get("settings", "")),
        prove=bool(params.get("prove", False)),
        without_views=bool(params.get("without_views", False)),
    )
    outcome = run_slate(home, str(params["slate_id"]), options, location=location)
    return outcome, differences(home, config, outcome)


def differences(home: str, config: RunConfig, outcome: SlateOutcome) -> list[str]:
    """What of a repeated run differs from the RunConfig that it repeats, in words."""
    found = []
    before = config.sim_params.get("code_version")
    if before != code_version():
        found.append(f"The code differs: {before} then, {code_version()} now.")
    root = Platform(home=home).root
    path = run_config_path(outcome.plan.slate_id)
    again = RunConfig.from_json(root.read(path) or b"", source=path)
    process = config.sim_params.get("parameters_hash")
    if process is not None and process != again.sim_params["parameters_hash"]:
        found.append(
            f"The race process differs: its parameters had the hash {process[:12]}, now "
            f"{again.sim_params['parameters_hash'][:12]}."
        )
    hashes = data_hashes(root, outcome.plan.slate_id)
    for name, digest in dict(config.sim_params.get("data", {})).items():
        if hashes.get(name) != digest:
            found.append(
                f"The data differ: {name} had the hash {digest[:12]}, now "
                f"{(hashes.get(name) or 'none')[:12]}."
            )
    spec = outcome.result["constraint_spec_hash"]
    if spec != config.constraint_spec_hash:
        found.append(
            f"The constraints differ: {config.constraint_spec_hash[:12]} then, {spec[:12]} now."
        )
    return found
