"""What every asset of a slate has in common: its partitions, its owner, its kind of storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.previews import pinned_previews


def slate_asset(
    *,
    group_name: str,
    description: str,
    kinds: set[str],
    deps: Sequence[Any] = (),
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    code_version: str = "1",
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset with one partition a slate; see `dagster.asset` for the arguments."""
    return dg.asset(
        partitions_def=SLATES,
        group_name=group_name,
        description=description,
        kinds=kinds,
        deps=list(deps),
        check_specs=list(check_specs),
        owners=["team:model"],
        code_version=code_version,
    )


def blocking_check(asset: str, name: str, description: str) -> dg.AssetCheckSpec:
    """A check on each slate's partition that stops what is downstream of it."""
    with pinned_previews():
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=True, partitions_def=SLATES
        )
