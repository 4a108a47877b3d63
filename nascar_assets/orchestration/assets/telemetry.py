"""Telemetry: the canonical laps of a race, their rolling features and their summary."""

import polars as pl

from nascar_assets.feed.schemas import LAPS
from nascar_assets.orchestration.assets.feed import entries, race_files
from nascar_assets.orchestration.assets.race_tables import RaceInputs, RaceOutput, race_table
from nascar_assets.orchestration.metadata import picture
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.reports.plots import falloff_plot

NO_LAPS = "The feed has no lap times of this race."


def _laps(inputs: RaceInputs) -> RaceOutput:
    from nascar_assets.orchestration.assets.lap_files import agreement_with_loops, landed_laps

    found = landed_laps(inputs)
    if found.laps is None:
        notices = [] if found.failures else [NO_LAPS, *found.notices]
        empty = pl.DataFrame(schema=LAPS)
        return RaceOutput(empty, notices, failures=found.failures, sources={})
    racing = found.laps.filter(pl.col("lap") >= 1)
    flags = racing.group_by(pl.col("flag").fill_null("unknown")).len().sort("flag")
    return RaceOutput(
        found.laps,
        found.notices,
        metadata={
            "drivers": found.laps["driver_id"].n_unique(),
            "without_time": racing["lap_time_s"].null_count(),
            "flags": dict(flags.rows()),
            "pit_laps": int(racing["pit"].sum()),
            "pit_unknown": racing["pit"].null_count(),
            "loop_statistics": agreement_with_loops(inputs, found.laps),
        },
        failures=inputs.emptied("laps", found.laps, sorted(found.sources)),
        sources=found.sources,
    )


def _made_from(inputs: RaceInputs) -> dict[str, str]:
    """The stored laps of the race, by which its other tables of telemetry are known."""
    path = table_path("laps", inputs.key)
    digest = inputs.root.sha256(path)
    return {} if digest is None else {path: digest}


laps = race_table(
    "laps",
    _laps,
    group="telemetry",
    description="Lap by lap: position, time, speed, flag, pit laps, and who led. Empty where no "
    "laps landed.",
    check="laps_are_possible",
    check_description="Schema, order, duplicates and times of the lap file are those of a race; "
    "a file that is refused lies in quarantine/laps with its report.",
    deps=[race_files, entries],
)


def _lap_features(inputs: RaceInputs) -> RaceOutput:
    from nascar_assets.telemetry import (
        compute_aggregate_features,
        compute_falloff_metrics,
        fill_counts,
        handle_missing_data,
    )

    frame = inputs.table("laps")
    filled = handle_missing_data(frame)
    features = compute_falloff_metrics(compute_aggregate_features(filled))
    sources = _made_from(inputs)
    if not frame.height:
        return RaceOutput(features, [NO_LAPS], sources=sources)
    behind = pl.col("n_laps_in_window") > pl.int_range(1, pl.len() + 1).over("driver_id")
    wrong = features.sort("driver_id", "lap").filter(behind).height
    return RaceOutput(
        features,
        metadata={"filled": fill_counts(frame)},
        failures=[f"{wrong} rows claim more laps than lie behind them."] if wrong else [],
        sources=sources,
    )


lap_features = race_table(
    "lap_features",
    _lap_features,
    group="telemetry",
    description="Rolling windows over the last 10, 20 and 50 laps, and falloff over green runs; "
    "missing numbers inside a driver's own laps are filled forward and counted.",
    code_version="2",
    check="windows_look_back",
    check_description="Every row has as many laps behind it as it says.",
    deps=[laps],
)


def _lap_summaries(inputs: RaceInputs) -> RaceOutput:
    from nascar_assets.telemetry.summary import summarise_laps

    frame = inputs.table("laps")
    summary = summarise_laps(frame, inputs.race)
    sources = _made_from(inputs)
    if not frame.height:
        return RaceOutput(summary, [NO_LAPS], sources=sources)
    doubles = summary.height - summary["driver_id"].n_unique()
    plot = picture(falloff_plot, summary, "Falloff")
    return RaceOutput(
        summary,
        metadata={"falloff": plot},
        failures=[f"{doubles} drivers have two summaries."] if doubles else [],
        sources=sources,
    )


lap_summaries = race_table(
    "lap_summaries",
    _lap_summaries,
    group="telemetry",
    description="One row per driver: falloff with its error, long-run speed, restarts gained.",
    check="one_row_per_driver",
    check_description="No driver has two summaries.",
    deps=[laps],
)
