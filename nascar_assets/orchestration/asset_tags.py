"""Tags of assets by which a person filters the graph: stage of the week, cost, series."""

from __future__ import annotations

import dagster as dg

from nascar_assets.feed.sources import OF_THE_RACE
from nascar_assets.orchestration.partitions import RACES, SLATES

STAGE, COST, SERIES = "stage", "cost", "series"

_RACE_WEEK = frozenset({"race_files", *(source.table for source in OF_THE_RACE)})
_RELEASE = frozenset(
    {"process_fit", "recalibration", "backtest", "model_version", "calibration_report"}
)
_MINUTES = frozenset({"process_fit", "recalibration", "backtest"})
_INSTANT = frozenset({"slate_plan", "slate_summary", "driver_summary", "veto_rules", "upload_file"})


def tags_of(spec: dg.AssetSpec) -> dict[str, str]:
    """The tags of an asset.

    `stage`: `season`, `race-week`, `after-race`, `before-lock`, `release` or `on-request`;
    `cost` of one partition: `instant`, `seconds` or `minutes`; `series`: whether it holds one
    race's series (`of-race`, `of-slate`), the one that a run asks for (`of-run`), or `all`.
    """
    name = spec.key.path[-1]
    if spec.group_name == "api":
        stage, series = "on-request", "of-run"
    elif name in _RELEASE:
        stage, series = "release", "of-run"
    elif spec.partitions_def == SLATES:
        stage, series = "before-lock", "of-slate"
    elif spec.partitions_def == RACES:
        stage, series = "race-week" if name in _RACE_WEEK else "after-race", "of-race"
    else:
        stage, series = "season" if name == "schedule" else "after-race", "all"
    cost = "minutes" if name in _MINUTES else "instant" if name in _INSTANT else "seconds"
    return {STAGE: stage, COST: cost, SERIES: series}


def tagged(spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset's spec with its tags."""
    return spec.merge_attributes(tags=tags_of(spec))
