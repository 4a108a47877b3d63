"""The API's job in Dagster: a request's compiled race, its scenarios, its lineups, its result."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.metadata import file_at, shown
from nascar_assets.orchestration.resources import Platform, fixed_platform

MEMORY = "api_memory"
"""The IO manager of these assets: values go from step to step in memory, since a job runs in one
process and its RunConfig repeats it."""

OWNED: dict[str, Any] = {"group_name": "api", "owners": ["team:model"], "io_manager_key": MEMORY}
"""What all assets of the service have in common."""

REPORT_SECONDS = 0.1
"""How often a job says how far its scenarios are."""


def job_folder(run_id: str) -> str:
    """Where a job's files lie under the data root, apart from every slate's own."""
    return f"api/{run_id}"


def request_path(run_id: str) -> str:
    """Where a job's compiled request lies."""
    return f"{job_folder(run_id)}/request.json"


def result_path(run_id: str) -> str:
    """Where a job's result lies."""
    return f"{job_folder(run_id)}/result.json"


@contextmanager
def stage(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Stops before a stage where the job was cancelled; puts what fails into plain words."""
    from nascar_assets.service.stopping import stoppable

    _stop_if_cancelled(context)
    try:
        with stoppable(context.run.run_id):
            yield
    except dg.DagsterExecutionInterruptedError:
        _stop_if_cancelled(context)  # the run's status has to say so, too
        raise
    except (InputError, EnvironmentFault) as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except (MemoryError, OSError) as error:
        text = f"{type(error).__name__}: {error}"
        raise dg.Failure(description=text, allow_retries=False) from error


def _stop_if_cancelled(context: dg.AssetExecutionContext) -> None:
    from nascar_assets.service.run_log import asked_to_stop

    if not asked_to_stop(context.instance, context.run.run_id):
        return
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.status != dg.DagsterRunStatus.CANCELING:
        # Asked at the very moment of its start: Dagster ends as cancelled what has this status.
        context.instance.report_run_canceling(run)
    raise dg.DagsterExecutionInterruptedError()


def _telling(context: dg.AssetExecutionContext, wanted: int) -> Callable[[int], None]:
    """Notes in the run how far the scenarios are, now and then; stops where it was cancelled."""
    from nascar_assets.service.run_log import report_scenarios

    reported = time.monotonic()

    def report(done: int) -> None:
        nonlocal reported
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            _stop_if_cancelled(context)
            report_scenarios(context.instance, context.run, done, wanted)

    return report


@dg.asset(
    description="A request to the API, compiled: race, constraints, player pool, RunConfig.",
    kinds={"json"},
    **OWNED,
)
def api_request(context: dg.AssetExecutionContext, platform: Platform) -> dg.Output[Any]:
    """Compiled once, when the request came in; read back here."""
    from nascar_assets.service.compiled import CompiledRequest

    with stage(context):
        path = request_path(context.run.run_id)
        data = platform.root.read(path)
        if data is None:
            raise InputError(
                "There is no request for this run.",
                file=path,
                remedy="Runs of this job are made by POST /api/v1/optimize.",
            )
        job = CompiledRequest.from_json(data)
    return dg.Output(
        job,
        metadata=shown(
            path=file_at(platform.root.uri(path)),
            spec_hash=job.spec.hash,
            seed=str(job.run_config.random_seed),
            n_scenarios=job.n_scenarios,
            drivers=len(job.slate.players),
            cars=len(job.setup.entries),
            laps=job.setup.scheduled_laps,
            notices=job.notices,
        ),
    )


@dg.asset(
    description="The request's race, simulated as many times as it asks for.",
    kinds={"numba"},
    **OWNED,
)
def api_scenarios(context: dg.AssetExecutionContext, api_request: Any) -> dg.Output[Any]:
    """Complete races under the request's constraints."""
    from nascar_assets.service.run_request import simulate

    with stage(context):
        made = simulate(api_request, progress=_telling(context, api_request.n_scenarios))
        found = made.diagnostics
        assert found is not None
        broken = {record.law: record.broken for record in found.conservation if record.broken}
        if broken:
            raise EnvironmentFault(f"Scenarios break laws of the race: {broken}.")
    return dg.Output(
        made,
        metadata=shown(
            n_generated=found.n_generated,
            n_valid=found.n_valid,
            rejection_rate=found.rejection_rate,
            parameters_hash=found.parameters_hash,
            regimes=dict(found.regime_frequencies),
        ),
    )


@dg.asset(
    description="The lineups that the request asks for, checked in full.",
    kinds={"numba"},
    **OWNED,
)
def api_lineups(
    context: dg.AssetExecutionContext, api_request: Any, api_scenarios: Any
) -> dg.Output[Any]:
    """The one best by its mean, or a portfolio."""
    from nascar_assets.service.run_request import choose

    with stage(context):
        chosen = choose(api_request, api_scenarios)
    return dg.Output(
        chosen,
        metadata=shown(lineups=len(chosen.drivers), notices=chosen.notices),
    )


@dg.asset(description="The answer to the request, as the API gives it.", kinds={"json"}, **OWNED)
def api_result(
    context: dg.AssetExecutionContext,
    platform: Platform,
    api_request: Any,
    api_scenarios: Any,
    api_lineups: Any,
) -> dg.Output[Any]:
    """Written under the run's own id; the materialisation says where, and its hash."""
    from nascar_assets.service.run_request import respond

    run_id = context.run.run_id
    with stage(context):
        response = respond(run_id, api_request, api_scenarios, api_lineups)
        data = response.model_dump_json().encode()
        path = result_path(run_id)
        platform.root.write(path, data)
    first = ", ".join(driver.name for driver in response.lineup)
    return dg.Output(
        None,
        metadata=shown(
            path=path,
            sha256=hashlib.sha256(data).hexdigest(),
            lineup=first,
            total_projected_points=response.total_projected_points,
            run_config=json.loads(api_request.run_config.to_json()),
        ),
    )


API_RESOURCES = {MEMORY: dg.mem_io_manager}
"""What these assets need beyond the platform."""

API_ASSETS = [api_request, api_scenarios, api_lineups, api_result]

api_job = dg.define_asset_job(
    "api_optimize",
    selection=API_ASSETS,
    description="One request to POST /api/v1/optimize.",
    executor_def=dg.in_process_executor,
)


def resolved_job(platform: Platform) -> dg.JobDefinition:
    """The job on its own, ready to be executed against a platform."""
    return resolved(platform, API_ASSETS, [api_job]).resolve_job_def("api_optimize")


def resolved(platform: Platform, assets: Sequence[Any], made: Sequence[Any]) -> dg.Definitions:
    """Assets and jobs of the service with the resources that they need."""
    resources = {"platform": fixed_platform(platform), **API_RESOURCES}
    return dg.Definitions(assets=assets, jobs=made, resources=resources)
