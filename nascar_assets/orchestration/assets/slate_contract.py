"""The availability contract over what a slate's forecast rests on: features, ratings, values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.feed.sources import FEATURE_SOURCES, SOURCE
from nascar_assets.history.schemas import EQUIPMENT_CHANCE
from nascar_assets.telemetry.leakage import FeatureBuilder, LeakageReport, Sources

NEWEST_RACES = 8
"""Known races that the experiment on ratings and values builds on.

It asks whether later records get in. The newest known races show that as well as the whole past
does, and a build of them takes a tenth of a second instead of several."""

FEATURED_RACES = 3
"""The newest of them, whose features the ratings learn from: a build of features takes longer."""


def forecast_basis(schedule: pl.DataFrame) -> FeatureBuilder:
    """A builder of everything estimated that the simulated race starts from.

    Args:
        schedule: The season's races as planned; they name the tracks.

    Returns:
        A builder over the registered sources: per driver the rating and level of the race's cars
        and the ontology's values, and the values of the race's track beside them. Ratings rest on
        features that are built from the sources beside results and entry lists.
    """
    from nascar_assets.history.expected_entries import expected_entries
    from nascar_assets.history.features import build_features, features_at_starts
    from nascar_assets.history.ratings_state import RatingState, known_results
    from nascar_assets.history.values import driver_values
    from nascar_assets.history.values_tracks import track_values

    def build(sources: Sources, race: Mapping[str, Any], as_of: datetime) -> pl.DataFrame:
        results = sources["results"]
        known = known_results(results, as_of)
        raw = {s.name: sources[s.name] for s in FEATURE_SOURCES if s.name in sources}
        newest = known.unique("race_id", keep="first", maintain_order=True).tail(FEATURED_RACES)
        past = features_at_starts({**raw, "entries": known}, newest.iter_rows(named=True))
        state = RatingState.empty()
        state.extend(results, as_of, past)
        values = driver_values(known, as_of, state=state)
        tracks = track_values(results, schedule, as_of, race).filter(track_id=race["track_id"])
        field = sources["entries"].filter(
            pl.col("race_id") == race["race_id"], pl.col("entries_at") <= as_of
        )
        if EQUIPMENT_CHANCE in field.columns:
            names = field.select("driver_id", "driver_name")
            field = expected_entries(names, results, race, as_of)
        if field.height:
            own = build_features({**raw, "entries": field}, race, as_of)
            rated = state.rate(field, as_of, own)
            values = values.join(rated, on="driver_id", how="full", coalesce=True)
        beside = tracks.select(pl.all().name.prefix("track_"))
        return values.sort("driver_id").join(beside, how="cross")

    return build


def prove_basis(
    sources: Mapping[str, pl.DataFrame],
    schedule: pl.DataFrame,
    race: Mapping[str, Any],
    as_of: datetime,
    *,
    seed: int,
) -> LeakageReport:
    """Level three of the contract on ratings and values: the future changed, the bytes compared.

    Args:
        sources: `results`, `entries`, and the other registered sources where there are any, whole:
            with their records after the as-of time.
        schedule: The season's races as planned.
        race: The race to come, a row of the schedule.
        seed: Of the random changes.

    Returns:
        The report; `passed` where no byte moved.
    """
    from nascar_assets.telemetry.leakage import prove_no_leakage

    results = sources["results"]
    newest = (
        results.filter(pl.col("results_at") <= as_of)
        .group_by("race_id")
        .agg(pl.col("results_at").max())
        .sort("results_at", "race_id")
        .tail(NEWEST_RACES)["race_id"]
    )
    near = pl.col("race_id").is_in([*newest, race["race_id"]])
    kept = {
        name: table.filter(near | (pl.col(SOURCE[name].known_at) > as_of))
        for name, table in sources.items()
        if name != "entries"
    }
    return prove_no_leakage(
        forecast_basis(schedule),
        race,
        as_of,
        {**kept, "entries": sources["entries"]},
        seed=seed,
        rounds=1,
        thorough=False,
    )
