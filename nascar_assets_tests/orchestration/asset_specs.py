"""What the code location says of every asset, as a value to compare between versions."""

from __future__ import annotations

from typing import Any

import dagster as dg


def asset_specs(definitions: dg.Definitions) -> dict[str, Any]:
    """Every asset's group, partitions, dependencies, kinds, checks and automation, by key."""
    graph = definitions.get_repository_def().asset_graph
    found: dict[str, Any] = {}
    for key in sorted(graph.materializable_asset_keys, key=lambda item: item.to_user_string()):
        node = graph.get(key)
        partitions = node.partitions_def
        condition = node.automation_condition
        found[key.to_user_string()] = {
            "group": node.group_name,
            "partitions": getattr(partitions, "name", None),
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "tags": {k: v for k, v in sorted(node.tags.items()) if "/" not in k},
            "automation": condition.get_label() if condition is not None else None,
            "freshness": type(node.freshness_policy).__name__ if node.freshness_policy else None,
            "described": bool(node.description),
            "checks": {
                check.name: {
                    "blocking": graph.get(check).blocking,
                    "described": bool(graph.get(check).description),
                    "partitions": getattr(graph.get(check).partitions_def, "name", None),
                }
                for check in sorted(node.check_keys, key=lambda item: item.name)
            },
        }
    return found
