"""What the demo adds to a slate: the graph as of now, and a model version through its gate."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.orchestration.commands.sync import Location
from nascar_assets.orchestration.partitions import range_tags
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import Progress, run_job
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import read_table

SCENARIOS = 300
"""Scenarios for each race of the demo's backtest: enough for intervals of 95%, and quick."""


def invented_changes() -> dict[str, float]:
    """Starting values that suit the sample's races by their construction, not by their outcomes.

    The process's own start from real races. In the sample a car's level on the day varies more,
    by `day` of its abilities' spread, and by as much for weak cars as for strong ones.
    """
    from nascar_assets.sample.race import PROCESSES
    from nascar_assets.scenarios import STARTING_VALUES

    changes = {}
    for kind, process in PROCESSES.items():
        real = STARTING_VALUES.of(kind)
        changes[f"{kind}.sigma_s"] = round(real.kappa * real.rating_spread * process.day, 3)
        changes[f"{kind}.spread_slope"] = 0.0
    return changes


def complete_graph(
    home: str, *, location: Location, notify: Progress | None = None
) -> dict[str, Any]:
    """Materialises what a slate's run leaves out: the ontology's graph and a release, all small.

    The race process is fitted as of the last race of the first season, when one track type has
    the six races that a fit asks for, and recalibrated as of then. The version that is measured
    works by starting values (`invented_changes`), so that its backtest needs no fits. It is
    measured on every points race of the second season: twenty, the fewest that the gate takes.

    Args:
        home: A home with the sample's races.
        location: Loads the definitions whose jobs are run.
        notify: Is given the progress: jobs done, jobs in all, the one at hand.

    Returns:
        The version, whether it passed the gate, what was asked of it, and the settings.
    """
    root = Platform(home=home).root
    definitions, instance = location(), open_instance(home)
    as_of, races = _window(read_table(root, "schedule"))
    candidate = {
        "series": "cup",
        "fit_process": False,
        "recalibrate": False,
        "changes": invented_changes(),
    }
    fit = {"config": {"series": "cup", "as_of": as_of.isoformat()}}
    jobs: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("ontology_job", {}, {}),
        ("fit_job", {"process_fit": fit, "recalibration": fit}, {}),
        (
            "backtest_job",
            {"backtest": {"config": {**candidate, "scenarios": SCENARIOS}}},
            range_tags(races),
        ),
        (
            "release_job",
            {name: {"config": candidate} for name in ("model_version", "calibration_report")},
            {},
        ),
    ]
    started = time.perf_counter()
    for number, (name, ops, tags) in enumerate(jobs):
        if notify is not None:
            notify(number, len(jobs), name)
        run = run_job(
            definitions.resolve_job_def(name), instance, run_config={"ops": ops}, tags=tags
        )
    (gate,) = run.get_asset_check_evaluations()
    criteria = gate.metadata["gate"]
    assert isinstance(criteria, dg.TableMetadataValue)
    return {
        "version": gate.metadata["version"].value,
        "passed": gate.passed,
        "races": gate.metadata["races"].value,
        "gate": [dict(record.data) for record in criteria.records],
        "scenarios": SCENARIOS,
        "fitted_as_of": as_of.isoformat(),
        "changes": candidate["changes"],
        "seconds": round(time.perf_counter() - started, 3),
    }


def _window(schedule: pl.DataFrame) -> tuple[datetime, list[str]]:
    """When the fit's as-of time is, and the keys of the backtest's races."""
    points = schedule.filter(pl.col("race_type") == "points").sort("start_time", "race_id")
    fitted, measured = sorted(points["season"].unique().to_list())[:2]
    races = points.filter(pl.col("season") == measured)["race_key"].to_list()
    as_of = points.filter(pl.col("season") == fitted)["start_time"].max()
    assert isinstance(as_of, datetime)
    return as_of, races
