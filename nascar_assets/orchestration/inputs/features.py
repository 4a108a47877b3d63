"""The stored feature tables of past races, and the tables that they are made from."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from nascar_assets.feed.names import with_canonical_ids
from nascar_assets.feed.sources import FEATURE_SOURCES
from nascar_assets.history.features import FEATURE_TABLE
from nascar_assets.orchestration.inputs.past import all_results, driver_directory
from nascar_assets.orchestration.storage.store import read_all, stored_partitions
from nascar_assets.storage import DataRoot


def past_features(root: DataRoot) -> pl.DataFrame:
    """FEATURE_TABLE of every race that was run, each as of its start."""
    return read_all(root, "race_features", FEATURE_TABLE)


def past_sources(root: DataRoot, as_of: datetime | None = None) -> dict[str, pl.DataFrame]:
    """What features of past races are built from; who was in a race its results say.

    Args:
        root: The data root.
        as_of: Drivers' ids are those known by then; by now where left out. Rows are all there are:
            the builder of features keeps its as-of time.
    """
    results, directory = all_results(root), driver_directory(root, as_of)
    return {
        "results": results,
        "entries": results,
        **{
            source.name: with_canonical_ids(read_all(root, source.table, source.columns), directory)
            for source in FEATURE_SOURCES
            if stored_partitions(root, source.table)
        },
    }
