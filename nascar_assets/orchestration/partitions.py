"""The partitions of the platform: races and slates, both dynamic, with readable keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

RACES = dg.DynamicPartitionsDefinition(name="races")
"""One partition a race: `2026-cup-05`; exhibitions `2026-cup-x01`."""

SLATES = dg.DynamicPartitionsDefinition(name="slates")
"""One partition a slate: `2026-03-15-cup-dk-classic`."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def keys_of(instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition) -> list[str]:
    """The keys of races or slates in the order in which they were registered."""
    assert partitions.name is not None
    return list(instance.get_dynamic_partitions(partitions.name))


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """Tags of a run over neighbouring partitions."""
    return {RANGE_START: keys[0], RANGE_END: keys[-1]}


def stretches(
    wanted: Iterable[str], order: Sequence[str], longest: int | None = None
) -> list[tuple[str, ...]]:
    """Wanted keys as unbroken stretches of an order, none longer than so many keys."""
    chosen = set(wanted)
    found: list[list[str]] = []
    is_open = False
    for key in order:
        if key not in chosen:
            is_open = False
            continue
        if not is_open or len(found[-1]) == longest:
            found.append([])
            is_open = True
        found[-1].append(key)
    return [tuple(keys) for keys in found]
