"""Which assets follow their inputs by themselves, and what is left to sensors and why.

- A race's tables follow its files, and the graph's tables follow results: by condition, here. When
  a job makes them all in one run, nothing is asked for twice, as each is in progress or new.
- The first table of a race (`race_files`) is asked for by the sensor of the landing folder, which
  alone knows what landed.
- Ratings and track profiles of all later races follow a correction in one run over a range, which
  the sensor asks for; a condition would ask for each by itself, or again for every new race.
- A slate is run whole, from one plan with one as-of time and one seed, by sensor and schedule: a
  condition on its single assets would put tables of two as-of times into one upload file.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from nascar_assets.orchestration.automation.freshness import POLICIES
from nascar_assets.orchestration.tables import GRAPH_TABLES, RACE_TABLES


def race_condition() -> dg.AutomationCondition[Any]:
    """Follows the tables it is made from, once their blocking checks have passed.

    What a run failed to make, or skipped, would fail again from the same files, as a second
    failed run with a second notice: the landing sensor runs it when the files are other ones.
    """
    checked: Any = dg.AutomationCondition.all_deps_blocking_checks_passed()
    refused: Any = dg.AutomationCondition.any_checks_match(
        dg.AutomationCondition.check_failed(), blocking_only=True
    )
    failed: Any = dg.AutomationCondition.execution_failed()
    follows: Any = dg.AutomationCondition.eager() & checked & ~refused & ~failed
    return follows.with_label("follows its race's files")


def graph_condition() -> dg.AutomationCondition[Any]:
    """Follows results of any race, also while some race has none yet.

    `eager()` would wait for as long as one partition of one input is missing, and there always is
    a race to come.
    """
    follows: Any = dg.AutomationCondition.eager().without(
        ~dg.AutomationCondition.any_deps_missing()
    )
    return follows.with_label("follows results as they come in")


def with_automation(spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset's spec with its condition and its freshness policy, where it has them."""
    name = spec.key.path[-1]
    changes: dict[str, Any] = {}
    if name in RACE_TABLES:
        changes["automation_condition"] = race_condition()
    elif name in GRAPH_TABLES:
        changes["automation_condition"] = graph_condition()
    if name in POLICIES:
        changes["freshness_policy"] = POLICIES[name]
    return spec.replace_attributes(**changes) if changes else spec


followers = dg.AutomationConditionSensorDefinition(
    "followers",
    target=dg.AssetSelection.assets(*sorted(RACE_TABLES | GRAPH_TABLES)),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Materialises what follows its inputs by itself.",
)
"""The sensor that evaluates the conditions."""
