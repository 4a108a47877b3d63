"""The data dictionary as a page; run as a module, this file writes it to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import dagster as dg
import polars as pl

from nascar_assets.orchestration import jobs
from nascar_assets.orchestration.dictionary import TABLES, Table

_NO_ASSET = "beside the assets"


def dictionary_page() -> str:
    """The page `docs/data-dictionary.md`, as Markdown."""
    specs = {spec.key.path[-1]: spec for asset in jobs.ASSETS for spec in asset.specs}
    groups: dict[str, list[str]] = {}
    for name in sorted(TABLES, key=lambda table: table not in specs):
        group = specs[name].group_name if name in specs else None
        groups.setdefault(group or _NO_ASSET, []).append(name)
    contents = [
        f"- {group}: {', '.join(f'[{name}](#{name})' for name in names)}"
        for group, names in groups.items()
    ]
    lines = [
        "# Data dictionary",
        "",
        "Every column of every stored table: type, unit, meaning and source. Made from the code by"
        " `python -m nascar_assets.orchestration.commands.dictionary_page`; a test holds that the"
        " page is current and that no stored column is missing. The columns are declared in"
        " `nascar_assets/columns`; Dagster shows them on each asset's page, and"
        " `nascar export duckdb` writes them as comments.",
        "",
        "Times are UTC. A source such as `race_results.finish` names a column of another table.",
        "",
        *contents,
    ]
    for name in (name for names in groups.values() for name in names):
        lines += ["", *_section(name, TABLES[name], specs.get(name))]
    return "\n".join(lines) + "\n"


def _section(name: str, table: Table, spec: dg.AssetSpec | None) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    if spec is not None and spec.description:
        yield spec.description
        yield ""
    partitions = getattr(spec.partitions_def, "name", None) if spec else None
    files = table.files or f"store/{name}{'/<partition>' if _parted(spec) else ''}.parquet"
    key = f" Key: {', '.join(f'`{column}`' for column in table.key)}." if table.key else ""
    by = f" Written by {table.made_by}." if table.made_by else ""
    of = f", a partition for each of the {partitions}" if partitions else ""
    yield f"{table.row}{key}{by} Lies in `{files}`{of}."
    yield ""
    yield "| column | type | unit | meaning | source |"
    yield "| --- | --- | --- | --- | --- |"
    for column, item in table.columns.items():
        yield f"| `{column}` | {_kind(item.kind)} | {item.unit} | {item.meaning} | {item.source} |"


def _parted(spec: dg.AssetSpec | None) -> bool:
    """Whether a table has a file for each partition; those beside the assets all do."""
    return spec is None or spec.partitions_def is not None


def _kind(kind: object) -> str:
    """A type for people."""
    if isinstance(kind, pl.Datetime):
        return "Datetime"
    if isinstance(kind, pl.Enum):
        return "Enum"
    if isinstance(kind, pl.List):
        inner = kind.inner
        return f"List({'Struct' if isinstance(inner, pl.Struct) else _kind(inner)})"
    return str(kind)


if __name__ == "__main__":
    sys.stdout.write(dictionary_page())
