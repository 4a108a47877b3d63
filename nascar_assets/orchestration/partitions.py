"""The partitions of the platform: races and slates, both dynamic, with readable keys."""

from __future__ import annotations

import dagster as dg

RACES = dg.DynamicPartitionsDefinition(name="races")
"""One partition a race: `2026-cup-05`; exhibitions `2026-cup-x01`."""

SLATES = dg.DynamicPartitionsDefinition(name="slates")
"""One partition a slate: `2026-03-15-cup-dk-classic`."""
