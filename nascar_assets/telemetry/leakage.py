"""Level three of the contract, the experiment: change what lies after the as-of time, compare
bytes.

If features as of an as-of time depend on nothing later, then whatever is done to later records
leaves them byte for byte as they were. The experiment does it: it changes values, drops records and
adds records after the as-of time, in several random ways, one source at a time and all at once, and
compares. It needs no knowledge of how the features are made, so it catches what names and time
stamps cannot: an average over the whole season, an encoding of the target, a rating fitted on later
races, a correction that was published too late.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.sources import KNOWLEDGE, Knowledge
from nascar_assets.telemetry.leakage_changes import CHANGES, alter

log = logging.getLogger(__name__)

FAILED = "<failed>"
"""Stands for a feature where the builder failed on another future."""

Sources = Mapping[str, pl.DataFrame]
"""Source tables by name."""

FeatureBuilder = Callable[[Sources, Mapping[str, Any], datetime], "pl.DataFrame | pl.LazyFrame"]
"""Builds features from source tables for a race as of an as-of time."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One feature that moved when the future was changed.

    Attributes:
        feature: Name of the column; `<rows>` where rows came, went or changed their order,
            `<failed>` where the builder failed on another future.
        source: The table whose later records moved it; several names where it took them all.
        change: What was done to the records: `change`, `drop` or `add`.
        trial: Number of the trial, to repeat it.
        rows: Rows of the feature table that moved.
    """

    feature: str
    source: str
    change: str
    trial: int
    rows: int


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """What the experiment found.

    Attributes:
        race_id: The race.
        as_of: The as-of time (UTC).
        leaks: Everything that moved, in the order found.
        trials: Trials that were run.
        records: Records, or values of records, after the as-of time per source.
        untested: Sources without a record after the as-of time: their trials added records only.
        features: Names of the columns compared.
    """

    race_id: str
    as_of: datetime
    leaks: tuple[Leak, ...]
    trials: int
    records: Mapping[str, int]
    untested: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing moved."""
        return not self.leaks

    def by_feature(self) -> dict[str, tuple[str, ...]]:
        """The sources that moved each feature."""
        found: dict[str, list[str]] = {}
        for leak in self.leaks:
            sources = found.setdefault(leak.feature, [])
            if leak.source not in sources:
                sources.append(leak.source)
        return {feature: tuple(sources) for feature, sources in sorted(found.items())}

    def __str__(self) -> str:
        where = f"race {self.race_id} as of {self.as_of.isoformat()}"
        if self.passed:
            return f"{where}: {len(self.features)} columns unmoved in {self.trials} trials"
        listed = "; ".join(
            f"{feature} moved by {', '.join(sources)}"
            for feature, sources in self.by_feature().items()
        )
        return f"{where}: {listed}"


def prove_no_leakage(
    builder: FeatureBuilder,
    race: Mapping[str, Any],
    as_of: datetime,
    sources: Mapping[str, pl.DataFrame | pl.LazyFrame],
    *,
    knowledge: Mapping[str, Knowledge] = KNOWLEDGE,
    race_facts_after: Sequence[str] = (),
    seed: int = 0,
    rounds: int = 2,
    thorough: bool = True,
) -> LeakageReport:
    """Test by experiment that a feature builder uses nothing from after the as-of time.

    Args:
        builder: Called with source tables, the race and the as-of time; must give the same table
            for the same input.
        race: The race, as the builder wants it, with `race_id`.
        as_of: The as-of time, with a time zone.
        sources: The source tables, whole: with their records after the as-of time.
        knowledge: Per source, when its records become known.
        race_facts_after: Keys of `race` that become known after the as-of time; the builder gets
            other values of them in every trial, under the source name `race`.
        seed: Of the random changes.
        rounds: Random changes of each kind.
        thorough: Changes every source by itself too. Without it all sources change together, and
            one by one only where that moved something: five times as fast, for many races.

    Returns:
        The report; `passed` where no byte moved.

    Raises:
        InputError: If a source's knowledge is not stated or its times are missing, the as-of time
            has no zone, or the builder does not give the same table twice for the same input.
    """
    if as_of.tzinfo is None:
        raise InputError("The as-of time names no time zone.", field="as_of")
    moment = as_of.astimezone(UTC)
    tables = {name: _collected(table) for name, table in sorted(sources.items())}
    for name, table in tables.items():
        if name not in knowledge:
            raise InputError(
                f"It is not stated when the records of {name} become known.",
                field="knowledge",
                remedy=f"Known: {', '.join(sorted(knowledge))}.",
            )
        knowledge[name].check(name, table)
    truth = _collected(builder(tables, race, as_of))
    rng = np.random.default_rng(seed)
    late = {name: knowledge[name].count_late(table, moment) for name, table in tables.items()}
    trials = 0
    leaks: list[Leak] = []

    def tried(changed: Sources, facts: Mapping[str, Any], source: str, change: str) -> list[Leak]:
        nonlocal trials
        trials += 1
        try:
            features = _collected(builder(changed, facts, as_of))
        except Exception:
            # Whatever it failed on, it failed on records that it should not have looked at.
            log.warning(
                "trial %d: the builder failed (%s of %s)", trials, change, source, exc_info=True
            )
            return [Leak(FAILED, source, change, trials, truth.height)]
        return [
            Leak(feature, source, change, trials, rows)
            for feature, rows in moved_columns(truth, features).items()
        ]

    for change in CHANGES:
        for _ in range(rounds):
            changed = {
                name: alter(table, knowledge[name], moment, change, rng)
                for name, table in tables.items()
                if change == "add" or late[name]
            }
            together = tried({**tables, **changed}, race, ", ".join(changed), change)
            alone = [
                leak
                for name, table in changed.items()
                if thorough or together
                for leak in tried({**tables, name: table}, race, name, change)
            ]
            leaks += alone
            # What one source moves alone counts for that source only.
            known = {leak.feature for leak in leaks}
            leaks += [leak for leak in together if leak.feature not in known]
    for _ in range(rounds if race_facts_after else 0):
        leaks += tried(tables, _other_facts(race, race_facts_after, rng), "race", "change")
    if leaks:  # by what was changed, or by chance?
        again = moved_columns(truth, _collected(builder(tables, race, as_of)))
        if again:
            raise InputError(
                f"The builder gives another table for the same input: {', '.join(again)}.",
                remedy="Make it deterministic first: order before grouping, no clock, no "
                "randomness.",
            )
    return LeakageReport(
        race_id=str(race["race_id"]),
        as_of=moment,
        leaks=tuple(leaks),
        trials=trials,
        records=late,
        untested=tuple(name for name, count in late.items() if count == 0),
        features=tuple(truth.columns),
    )


def moved_columns(truth: pl.DataFrame, other: pl.DataFrame) -> dict[str, int]:
    """Columns whose bytes differ between two tables, with the number of rows that differ.

    Compared are types, nulls, and values bit for bit (-0.0 is not 0.0, and NaN equals the same
    NaN), row by row as they stand. Tables of other heights or columns differ as `<rows>` or by
    the columns that one of them lacks.
    """
    moved: dict[str, int] = {}
    lacking = set(truth.columns).symmetric_difference(other.columns)
    for name in sorted(lacking):
        moved[name] = max(truth.height, other.height)
    shared = [name for name in truth.columns if name not in lacking]
    if truth.height != other.height:
        moved["<rows>"] = abs(truth.height - other.height)
        return moved
    for name in shared:
        left, right = truth[name], other[name]
        if left.dtype != right.dtype:
            moved[name] = truth.height
            continue
        if _is_same(left, right):
            continue
        differ = (_bits(left).ne_missing(_bits(right))).sum()
        if differ:
            moved[name] = int(differ)
    return moved


def _is_same(left: pl.Series, right: pl.Series) -> bool:
    """Whether no bit differs: the rule, and quick; where it does not hold, rows are counted."""
    if not left.equals(right, null_equal=True):  # takes -0.0 for 0.0
        return False
    return not left.dtype.is_float() or left.to_numpy().tobytes() == right.to_numpy().tobytes()


def _bits(column: pl.Series) -> pl.Series:
    """A column in which equal means equal bits."""
    for size, whole in ((pl.Float64, pl.Int64), (pl.Float32, pl.Int32)):
        if column.dtype == size:
            return column.reinterpret(dtype=whole)
    return column


def _collected(table: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return table.collect() if isinstance(table, pl.LazyFrame) else table


def _other_facts(
    race: Mapping[str, Any], names: Sequence[str], rng: np.random.Generator
) -> dict[str, Any]:
    facts = dict(race)
    for name in names:
        value = facts.get(name)
        facts[name] = (
            value + int(rng.integers(1, 50))
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            else f"other-{rng.integers(1, 1_000_000)}"
        )
    return facts
