"""What the stored races say, as far as it was known by a moment, with one id for each driver."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from nascar_assets.feed.names import DriverDirectory, with_canonical_ids
from nascar_assets.feed.schemas import ENTRIES, RESULTS
from nascar_assets.feed.sources import FEATURE_SOURCES, SOURCE
from nascar_assets.history.features import FEATURE_TABLE
from nascar_assets.history.schemas import RATINGS
from nascar_assets.orchestration.storage.store import (
    read_all,
    read_table,
    stored_partitions,
    table_path,
)
from nascar_assets.storage import DataRoot


def driver_directory(root: DataRoot, as_of: datetime | None = None) -> DriverDirectory:
    """Every driver that the feed had named by a moment, by id and spelling; by now without one."""
    entries = read_all(root, "entries", ENTRIES)
    if as_of is not None:
        entries = entries.filter(pl.col("entries_at") <= as_of)
    return DriverDirectory.from_frames(
        entries.select("driver_id", "driver_name").unique().sort(pl.all())
    )


def all_results(root: DataRoot, as_of: datetime | None = None) -> pl.DataFrame:
    """The results of every race that has been run, in date order.

    Drivers' ids are those known by a moment, as a slate of that as-of time has them, also in later
    races that list a driver under an id of his own for the first time; by now without one. Rows
    are all there are.
    """
    known = driver_directory(root, as_of)
    results = with_canonical_ids(read_all(root, "race_results", RESULTS), known)
    if as_of is not None:
        back = {
            own: known.canonical(old)
            for old, own in _merged_since(root, known).items()
            if old in known.names and own not in known.names
        }
        results = results.with_columns(pl.col("driver_id").replace(back))
    return results.sort("start_time", "race_id", "finish")


def results_before(root: DataRoot, as_of: datetime) -> pl.DataFrame:
    """All results that were known by a moment, in date order."""
    known = read_all(root, "race_results", RESULTS).filter(pl.col("results_at") <= as_of)
    return with_canonical_ids(known, driver_directory(root, as_of)).sort(
        "start_time", "race_id", "finish"
    )


def known_entries(root: DataRoot, race_key: str, as_of: datetime) -> pl.DataFrame | None:
    """A race's entry list as far as it was known by a moment, none where it was not."""
    if race_key not in stored_partitions(root, "entries"):
        return None
    frame = read_table(root, "entries", race_key).filter(pl.col("entries_at") <= as_of)
    if not frame.height:
        return None
    named = with_canonical_ids(frame, driver_directory(root, as_of))
    return SOURCE["entries"].as_known(named, as_of)


def past_features(root: DataRoot, as_of: datetime | None = None) -> pl.DataFrame:
    """FEATURE_TABLE of every race that was run, each as of its start.

    Drivers' ids are those known by a moment, as those of the results beside them; by now where left
    out: a table stored before a driver's own id came has him under a placeholder, one stored after
    it under his own.
    """
    return _with_ids_of(root, read_all(root, "race_features", FEATURE_TABLE), as_of)


def past_ratings(root: DataRoot, as_of: datetime) -> pl.DataFrame:
    """RATINGS of every race that was run, each as of its start, with the ids known by a moment."""
    return _with_ids_of(root, read_all(root, "driver_ratings", RATINGS), as_of)


def race_ratings(root: DataRoot, race_key: str, as_of: datetime) -> pl.DataFrame:
    """RATINGS of one race as of its start, with the ids known by a moment.

    Raises:
        MissingPartition: If they were never made.
    """
    return _with_ids_of(root, read_table(root, "driver_ratings", race_key), as_of)


def _with_ids_of(root: DataRoot, stored: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
    """A table that holds ids of when it was stored, with those known by a moment.

    An id that came later is taken back in the races that list its driver under a placeholder.
    """
    known = driver_directory(root, as_of)
    later = {} if as_of is None else _merged_since(root, known)
    if later:
        races = (
            read_all(root, "race_results", RESULTS)
            .filter(pl.col("driver_id").is_in(list(later)))
            .select("race_id", then="driver_id", driver_id=pl.col("driver_id").replace(later))
            .unique(["race_id", "driver_id"], keep="first", maintain_order=True)
        )
        stored = (
            stored.join(races, on=["race_id", "driver_id"], how="left", maintain_order="left")
            .with_columns(pl.coalesce("then", "driver_id").alias("driver_id"))
            .drop("then")
        )
    return with_canonical_ids(stored, known)


def _merged_since(root: DataRoot, known: DriverDirectory) -> dict[str, str]:
    """Placeholders whose drivers' own ids came later than a directory, and these ids."""
    now = driver_directory(root).merged
    return {old: own for old, own in now.items() if known.canonical(old) != own}


def past_sources(root: DataRoot, as_of: datetime | None = None) -> dict[str, pl.DataFrame]:
    """What features of past races are built from; who was in a race its results say.

    Args:
        as_of: Drivers' ids are those known by then; by now where left out. Rows are all there are:
            the builder of features keeps its as-of time.
    """
    results, directory = all_results(root, as_of), driver_directory(root, as_of)
    return {
        "results": results,
        "entries": results,
        **{
            source.name: with_canonical_ids(read_all(root, source.table, source.columns), directory)
            for source in FEATURE_SOURCES
            if stored_partitions(root, source.table)
        },
    }


def without_features(root: DataRoot, as_of: datetime) -> tuple[str, ...]:
    """A notice where points races known by a moment have no feature table: ratings lack them.

    An earlier version made none, or one was lost.
    """
    from nascar_assets.history.ratings_state import known_results  # loads compiled kernels

    made = stored_partitions(root, "race_features")
    keys = sorted({*stored_partitions(root, "race_results")}.difference(made))
    if not keys:
        return ()
    paths = [table_path("race_results", key) for key in keys]
    known = known_results(root.scan_frame(paths, schema=RESULTS).collect(), as_of)
    races = known["race_id"].n_unique()
    if not races:
        return ()
    return (
        f"{races} of the races known have no table of features (race_features), so ratings are "
        "others than with them. nascar sync makes them.",
    )
