"""The code location that commands run, on the data root that they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagster as dg


def code_location(home: str, graph: str | None = None) -> Callable[[], dg.Definitions]:
    """A function that loads the platform's definitions when a command first needs them."""

    def load() -> dg.Definitions:
        from nascar_assets.definitions import build_definitions
        from nascar_assets.orchestration.resources import Platform

        return build_definitions(platform=Platform(home=home, graph=graph))

    return load
