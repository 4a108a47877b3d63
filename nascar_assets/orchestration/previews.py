"""Dagster features that are marked as preview or beta and that the platform relies on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import BetaWarning, PreviewWarning


@contextmanager
def pinned_previews() -> Iterator[None]:
    """Definitions made inside do not warn about partitioned checks and backfill policies.

    Both are preview or beta features. Dagster is pinned to one version, and the tests of the
    orchestration hold what the platform needs of them; everything else keeps its warnings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        warnings.simplefilter("ignore", BetaWarning)
        yield
