"""Scores of past races' forecasts, kept by the hash of what they follow from."""

from __future__ import annotations

import hashlib
from functools import cache

import polars as pl

from nascar_assets.calibration.race_scores import RaceScores
from nascar_assets.calibration.score_tables import scores_from_table, scores_to_table
from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.provenance import PACKAGE, source_hash
from nascar_assets.orchestration.storage.store import stored_partitions, table_path
from nascar_assets.rules import DEFAULT_CONTEST
from nascar_assets.storage import DataRoot

FORECASTING = ("rules", "history", "ontology", "constraints", "scenarios", "calibration")
"""Packages whose code makes forecasts and scores."""


def scores_table(grid: bool) -> str:
    """The table, one file a race, of forecasts that knew the starting order, or of those without.

    What is missing of it is computed again.
    """
    return "race_scores" if grid else "race_scores_no_grid"


@cache
def forecasting_code() -> str:
    """Hash of the source files that make forecasts and scores."""
    return source_hash(PACKAGE, FORECASTING)


def scores_partition(race_key: str, contest: str) -> str:
    """The file of a race's scores: points of other than the usual rules have one of their own."""
    return race_key if contest == DEFAULT_CONTEST else f"{race_key}-{contest}"


class KeptScores:
    """The score archive of a data root: see `calibration.record.ScoreArchive`.

    Args:
        code: Hash of the code that makes the scores; other code's scores are not found.
        grid: Whether the forecasts knew the starting order.
        contest: Key of the contest whose points are scored.
    """

    def __init__(
        self,
        root: DataRoot,
        code: str | None = None,
        *,
        grid: bool = True,
        contest: str = DEFAULT_CONTEST,
    ) -> None:
        self._root, self._table, self._contest = root, scores_table(grid), contest
        self._code = code or forecasting_code()
        self._stored = set(stored_partitions(root, self._table))
        self.computed: list[str] = []

    def find(self, race_key: str, inputs_hash: str) -> RaceScores | None:
        """The scores that were kept under these very inputs and this code."""
        partition = scores_partition(race_key, self._contest)
        if partition not in self._stored:
            return None
        try:
            table = self._root.scan_frame(table_path(self._table, partition)).collect()
            if table.is_empty() or table["inputs_hash"][0] != self._key(inputs_hash):
                return None
            return scores_from_table(table)
        except (pl.exceptions.PolarsError, OSError, InputError):
            return None  # a copy of what can be computed: computed again, and written over

    def keep(self, race_key: str, inputs_hash: str, scores: RaceScores) -> None:
        """Writes a race's scores over those that were kept before."""
        table = scores_to_table(scores).with_columns(
            pl.lit(self._key(inputs_hash)).alias("inputs_hash")
        )
        partition = scores_partition(race_key, self._contest)
        self._root.write_frame(table_path(self._table, partition), table)
        self.computed.append(race_key)

    def _key(self, inputs_hash: str) -> str:
        return hashlib.sha256(f"{self._code}/{inputs_hash}".encode()).hexdigest()
