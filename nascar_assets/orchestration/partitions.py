"""The partitions of the platform: races and slates, both dynamic, with readable keys."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

RACES = dg.DynamicPartitionsDefinition(name="races")
"""One partition a race: `2026-cup-05`; exhibitions `2026-cup-x01`."""

SLATES = dg.DynamicPartitionsDefinition(name="slates")
"""One partition a slate: `2026-03-15-cup-dk-classic`."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """Tags of a run over neighbouring partitions."""
    return {RANGE_START: keys[0], RANGE_END: keys[-1]}
