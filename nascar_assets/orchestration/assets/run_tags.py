"""Runs tag themselves with their race or slate as they begin, whoever started them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.executor.in_process import InProcessExecutor

from nascar_assets.orchestration.tags import PARTITION, filters_of

plain_executor: Any = dg.in_process_executor


class TaggingExecutor(InProcessExecutor):
    """Runs in its process, under the tags by which a person filters runs.

    The UI and backfills start runs with the partition alone.
    """

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """The events of the run."""
        run = plan_context.dagster_run
        filters = filters_of(run.tags.get(PARTITION))
        if missing := {name: tag for name, tag in filters.items() if name not in run.tags}:
            plan_context.instance.add_run_tags(run.run_id, missing)
        yield from super().execute(plan_context, execution_plan)


def made_as(kind: type[InProcessExecutor], context: dg.InitExecutorContext) -> InProcessExecutor:
    """An executor of a kind with the settings that Dagster's own in-process executor gets."""
    plain = plain_executor.executor_creation_fn(context)
    return kind(retries=plain.retries, marker_to_close=plain.marker_to_close)


@dg.executor(name="in_process", config_schema=plain_executor.config_schema)
def tagging_executor(context: dg.InitExecutorContext) -> InProcessExecutor:
    """The executor of every job but those of slates, which tags runs as well."""
    return made_as(TaggingExecutor, context)
