"""What a materialisation tells a person in the UI: rows, columns, a preview, hashes, pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.orchestration.dictionary import TABLES, upstream
from nascar_assets.reports.plots import as_markdown_image
from nascar_assets.storage.overhead import overhead
from nascar_assets.visible import visible

PREVIEW_ROWS = 5
_PREVIEW_CELL = 80
_READY = (dg.MetadataValue, dg.TableSchema, dg.TableColumnLineage)
"""What Dagster shows as it is; some of these are tuples."""


def shown(named: Mapping[str, Any] | None = None, /, **values: Any) -> dict[str, Any]:
    """Metadata of which the UI makes no Markdown, HTML or link, whatever the texts hold.

    Texts are plain text; a list of texts is plain text with a dot before each, `none` where it is
    empty; a mapping or another list is JSON; numbers and what this module made stay.
    """
    return {name: _shown(value) for name, value in {**(named or {}), **values}.items()}


def file_at(uri: str) -> dg.PathMetadataValue:
    """Where a file lies, as the UI lets a person copy it whole."""
    return dg.MetadataValue.path(visible(uri))


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return dg.MetadataValue.text(visible(value))
    if isinstance(value, _READY):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        lines = [f"\N{BULLET} {visible(item)}" for item in value]
        return dg.MetadataValue.text("\n".join(lines) or "none")
    if isinstance(value, (Mapping, list, tuple)):
        return dg.MetadataValue.json(_plain(value))
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {visible(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return visible(value) if isinstance(value, str) else value


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.TableMetadataValue:
    """A table of plain texts."""
    names = [visible(name) or "of" for name in columns]
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                dict(zip(names, (visible(str(cell))[:_PREVIEW_CELL] for cell in row), strict=True))
            )
            for row in rows
        ],
        dg.TableSchema([dg.TableColumn(name) for name in names]),
    )


def column_schema(frame: pl.DataFrame) -> dg.TableSchema:
    """The table's columns and types; the UI takes their descriptions from the asset's definition,
    so that not every materialisation repeats them."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name=name, type=str(kind)) for name, kind in frame.schema.items()]
    )


def column_lineage(table: str, stored: Sequence[str]) -> dg.TableColumnLineage:
    """Which columns of other assets' tables each column comes from, by the data dictionary."""
    known = TABLES[table].columns if table in TABLES else {}
    deps = {
        name: [
            dg.TableColumnDep(asset_key=dg.AssetKey(other), column_name=column)
            for other, column in upstream(table, name)
            if not TABLES[other].made_by
        ]
        for name in stored
        if name in known
    }
    return dg.TableColumnLineage({name: found for name, found in deps.items() if found})


def described(spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset's spec with the columns of its table as the data dictionary describes them."""
    name = spec.key.path[-1]
    if name not in TABLES:
        return spec
    columns = [
        dg.TableColumn(name=column, type=str(item.kind), description=item.text)
        for column, item in TABLES[name].columns.items()
    ]
    return spec.merge_attributes(metadata={"dagster/column_schema": dg.TableSchema(columns)})


def preview(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """The first rows, as texts."""
    return text_table(frame.columns, frame.head(PREVIEW_ROWS).rows())


def content_hash(frame: pl.DataFrame) -> str:
    """SHA-256 of a table's content, the same for the same rows in the same order.

    Parquet holds values alone; a frame's own buffers also keep what lies behind its nulls and in
    rows that were filtered out.
    """
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="uncompressed", statistics=False)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def table_metadata(table: str, frame: pl.DataFrame, *, size: int | None = None) -> dict[str, Any]:
    """Row count, columns with their lineage, preview and content hash of a table.

    Args:
        table: Its name in the data dictionary.
        size: Bytes of its file, where known.
    """
    found: dict[str, Any] = {
        "dagster/row_count": frame.height,
        "dagster/column_schema": column_schema(frame),
        "dagster/column_lineage": column_lineage(table, frame.columns),
        "content_hash": content_hash(frame),
        "preview": preview(frame),
    }
    if size is not None:
        found["bytes"] = size
    return found


def image(markdown: str) -> dg.MarkdownMetadataValue:
    """A plot that the UI shows inline: the only Markdown in metadata, with no text from outside."""
    return dg.MetadataValue.md(markdown)


@overhead("drawing")
def picture(
    draw: Callable[[pl.DataFrame], bytes], frame: pl.DataFrame, title: str
) -> dg.MarkdownMetadataValue:
    """Draws a table for the UI, which shows it inline."""
    return image(as_markdown_image(draw(frame), title))
