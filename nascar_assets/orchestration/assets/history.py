"""History: official results per race; features, ratings and profiles as of each race's start."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.feed.parse_weekend import laps_run
from nascar_assets.feed.schemas import RESULTS
from nascar_assets.feed.sources import FEATURE_SOURCES
from nascar_assets.history.results import build_race_results
from nascar_assets.history.track_profiles import track_profiles as profiles_as_of
from nascar_assets.orchestration.assets.feed import landed_path, race_files, race_payload
from nascar_assets.orchestration.assets.race_tables import RaceInputs, RaceOutput, race_table
from nascar_assets.orchestration.inputs.past import all_results, past_features, past_sources
from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.metadata import table_metadata
from nascar_assets.orchestration.partitions import RACES
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table, table_path


def _race_results(inputs: RaceInputs) -> RaceOutput:
    weekend = race_payload(inputs, "weekend")
    landed = [landed_path(inputs, "weekend")]
    if weekend is None or laps_run(weekend, inputs.race) is None:
        empty = pl.DataFrame(schema=RESULTS)
        failures = inputs.emptied("race_results", empty, landed)
        return RaceOutput(empty, ["The race has not been run."], failures=failures)
    parsed = build_race_results(inputs.race, weekend, race_payload(inputs, "loop_stats"))
    failures = (
        [] if parsed.frame["finish"].is_unique().all() else ["Two cars share a finishing position."]
    )
    failures += inputs.emptied("race_results", parsed.frame, landed)
    return RaceOutput(parsed.frame, parsed.notices, failures=failures)


race_results = race_table(
    "race_results",
    _race_results,
    group="history",
    description="Official results joined with loop statistics; empty before the race.",
    check="finish_is_unique",
    check_description="No place is taken by two cars.",
    deps=[race_files],
    code_version="2",
)


ALL_RESULTS = dg.AssetDep(race_results, partition_mapping=dg.AllPartitionMapping())


def as_of_asset(
    description: str, deps: Sequence[Any] = ()
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset per race that sees every earlier race's results, and what else it names."""
    with pinned_previews():
        return dg.asset(
            partitions_def=RACES,
            group_name="history",
            description=description,
            deps=[ALL_RESULTS, *deps],
            kinds={"polars", "parquet"},
            owners=["team:model"],
            backfill_policy=dg.BackfillPolicy.single_run(),
        )


def _store(
    context: dg.AssetExecutionContext, platform: Platform, name: str, key: str, frame: pl.DataFrame
) -> None:
    """Writes one race's table and says so."""
    size = platform.root.write_frame(table_path(name, key), frame)
    context.add_asset_metadata(
        table_metadata(name, frame, size=size), asset_key=name, partition_key=key
    )


@as_of_asset(
    "Each entrant's features as known at the race's start: what later races' ratings learn from.",
    deps=[
        dg.AssetDep(source.table, partition_mapping=dg.AllPartitionMapping())
        for source in FEATURE_SOURCES
    ],
)
def race_features(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Empty for a race that has not been run, or that is no points race."""
    from nascar_assets.history.features import build_features

    sources = past_sources(platform.root)
    rows = schedule_rows(platform.root, list(context.partition_keys))
    for key, race in rows.items():
        frame = build_features(sources, race, race["start_time"])
        if race["race_type"] != "points":
            frame = frame.clear()
        _store(context, platform, "race_features", key, frame)


ALL_FEATURES = dg.AssetDep(race_features, partition_mapping=dg.AllPartitionMapping())


@as_of_asset(
    "Each entrant's rating and level as known at the race's start, from past races and from what "
    "was known of the weekend.",
    deps=[ALL_FEATURES],
)
def driver_ratings(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Walk-forward: what a forecast made at the start of each race would have known."""
    from nascar_assets.history.ratings import rate_history
    from nascar_assets.orchestration.inputs.rating_states import keep_season_start

    rows = schedule_rows(platform.root, list(context.partition_keys))
    ids = [str(race["race_id"]) for race in rows.values()]
    rating = rate_history(all_results(platform.root), ids, features=past_features(platform.root))
    nobody = rating.clear()
    rated = rating.partition_by("race_id", as_dict=True)
    for key, race in rows.items():
        frame = rated.get((str(race["race_id"]),), nobody)  # before the race nobody is rated
        _store(context, platform, "driver_ratings", key, frame)
    keep_season_start(platform.root)


@as_of_asset(
    "What races at each track have been like, as known at this race's start.",
)
def track_profiles(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """One row per track that was raced before the race's start."""
    results = all_results(platform.root)
    schedule = scan_table(platform.root, "schedule").collect()
    rows = schedule_rows(platform.root, list(context.partition_keys))
    for key, race in rows.items():
        frame = profiles_as_of(results, race["start_time"], schedule)
        _store(context, platform, "track_profiles", key, frame)
