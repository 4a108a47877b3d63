"""What every asset of a slate has in common: its partitions, its owner, its kind of storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any

import dagster as dg
from dagster._core.executor.in_process import InProcessExecutor

from nascar_assets.orchestration.assets.run_tags import TaggingExecutor, made_as, plain_executor
from nascar_assets.orchestration.inputs.slate_change import slate_change
from nascar_assets.orchestration.inputs.slate_plan import registration_path
from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.tags import PARTITION
from nascar_assets.storage.staged import goes_on

RUN = dg.AssetIn("slate_plan", input_manager_key="slate_runs")


def slate_asset(
    *,
    group_name: str,
    description: str,
    kinds: set[str],
    deps: Sequence[Any] = (),
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    io_manager_key: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset with one partition a slate; see `dagster.asset` for the arguments.

    One with a parameter `run` gets the slate's `SlateRun` there, downstream of its plan.
    """

    def decorate(compute: Callable[..., Any]) -> dg.AssetsDefinition:
        reads_run = "run" in signature(compute).parameters
        return dg.asset(
            ins={"run": RUN} if reads_run else {},
            partitions_def=SLATES,
            group_name=group_name,
            description=description,
            kinds=kinds,
            deps=list(deps),
            check_specs=list(check_specs),
            owners=["team:model"],
            code_version="1",
            io_manager_key=io_manager_key,
        )(compute)

    return decorate


def blocking_check(asset: str, name: str, description: str) -> dg.AssetCheckSpec:
    """A check on each slate's partition that stops what is downstream of it."""
    return _check(asset, name, description, blocking=True)


def warning_check(asset: str, name: str, description: str) -> dg.AssetCheckSpec:
    """A check on each slate's partition that stops nothing."""
    return _check(asset, name, description, blocking=False)


def _check(asset: str, name: str, description: str, *, blocking: bool) -> dg.AssetCheckSpec:
    with pinned_previews():
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=SLATES
        )


class _SlateExecutor(TaggingExecutor):
    """Runs in its process; what it writes of a slate is put in place together at its end."""

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """The events of the run; where a step fails the slate's files stay as they were."""
        run, root = plan_context.dagster_run, Platform().root
        slate_id = run.tags.get(PARTITION)
        # A command's own change holds for all its runs.
        if slate_id is None or goes_on() or not root.exists(registration_path(slate_id)):
            yield from super().execute(plan_context, execution_plan)
            return
        purpose = f"run {run.run_id} of {run.job_name}"
        with slate_change(root, slate_id, purpose, plan_context.log.warning) as staged:
            failed = False
            for event in super().execute(plan_context, execution_plan):
                failed = failed or event.is_step_failure
                yield event
            if failed:
                staged.written.clear()


@dg.executor(name="in_process", config_schema=plain_executor.config_schema)
def slate_executor(context: dg.InitExecutorContext) -> InProcessExecutor:
    """The executor of slates' jobs: their runs change the slate's files as a whole."""
    return made_as(_SlateExecutor, context)
