"""Which sensors and schedules of a home are on: as declared, unless a person switched them."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus


def switches(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, bool]:
    """Whether each sensor and schedule is on, by name.

    Args:
        instance: Where it is noted what a person switched on or off in the UI.
    """
    repository = definitions.get_repository_def()
    declared: dict[str, bool] = {}
    for sensor in repository.sensor_defs:
        declared[sensor.name] = sensor.default_status is dg.DefaultSensorStatus.RUNNING
    for schedule in repository.schedule_defs:
        declared[schedule.name] = schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    switched = {
        state.instigator_name: state.status == InstigatorStatus.RUNNING
        for state in instance.all_instigator_state()
        if state.status in (InstigatorStatus.RUNNING, InstigatorStatus.STOPPED)
    }
    return {name: switched.get(name, on) for name, on in sorted(declared.items())}


def summary(on: dict[str, bool]) -> str:
    """That in one or two sentences for people."""
    said = f"On: {_named(name for name, is_on in on.items() if is_on)}."
    if all(on.values()):
        return f"{said} Nothing is off."
    off = _named(name for name, is_on in on.items() if not is_on)
    return f"{said} Off: {off}; the page Automation of the UI switches them."


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
