"""Where a run's numbers come from: the code's version and the hashes of the data it read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import nascar_assets
from nascar_assets.feed.sources import PEOPLES_VIEWS
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.storage import DataRoot

PACKAGE = Path(nascar_assets.__file__).resolve().parent
"""The folder of this package's source."""

INPUT_TABLES = (
    "slate",
    "slate_field",
    "slate_ratings",
    "slate_driver_values",
    "slate_track_values",
)
"""The slate's tables from which everything after them follows, given the seed."""


@cache
def code_version() -> str:
    """The package's version with a hash over its source files.

    Only what can change a number counts: the source of this package. The versions of the
    libraries are pinned by the lock file.
    """
    return f"{metadata.version('nascar-assets')}+{source_hash(PACKAGE)[:12]}"


def source_hash(package: Path, parts: Iterable[str] = (".",)) -> str:
    """SHA-256 over the source files of some folders of a package, their names included."""
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def data_hashes(root: DataRoot, slate_id: str) -> dict[str, str]:
    """SHA-256 of each input table of a slate's run."""
    assets = (*INPUT_TABLES, *_views(root, slate_id))
    hashes = {asset: root.sha256(table_path(asset, slate_id)) for asset in assets}
    return {asset: digest for asset, digest in hashes.items() if digest is not None}


def _views(root: DataRoot, slate_id: str) -> list[str]:
    """The table of people's views, where somebody stated something: else nothing depends on it."""
    table = PEOPLES_VIEWS.table
    if not root.exists(table_path(table, slate_id)):
        return []
    return [] if scan_table(root, table, slate_id).first().collect().is_empty() else [table]
