"""What a materialisation tells a person in the UI: rows, columns, a preview, hashes, pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.reports.plots import as_markdown_image
from nascar_assets.storage.aside import counted

PREVIEW_ROWS = 5


def column_schema(frame: pl.DataFrame) -> dg.TableSchema:
    """The table's columns and types as the UI shows them."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name=name, type=str(kind)) for name, kind in frame.schema.items()]
    )


def preview(frame: pl.DataFrame, rows: int = PREVIEW_ROWS) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table."""
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_rows=rows,
        tbl_cols=12,
        fmt_str_lengths=40,
    ):
        return dg.MetadataValue.md(str(frame.head(rows)))


def content_hash(frame: pl.DataFrame) -> str:
    """SHA-256 of a table's content, the same for the same rows in the same order.

    Parquet holds values alone; a frame's own buffers also keep what lies behind its nulls and in
    rows that were filtered out.
    """
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="uncompressed", statistics=False)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def table_metadata(frame: pl.DataFrame, *, size: int | None = None) -> dict[str, Any]:
    """Row count, columns, preview and content hash of a table."""
    found: dict[str, Any] = {
        "dagster/row_count": frame.height,
        "dagster/column_schema": column_schema(frame),
        "content_hash": content_hash(frame),
        "preview": preview(frame),
    }
    if size is not None:
        found["bytes"] = size
    return found


def image(markdown: str) -> dg.MarkdownMetadataValue:
    """A plot that the UI shows inline."""
    return dg.MetadataValue.md(markdown)


@counted("drawing")
def picture(
    draw: Callable[[pl.DataFrame], bytes], frame: pl.DataFrame, title: str
) -> dg.MarkdownMetadataValue:
    """Draws a table for the UI, which shows it inline."""
    return image(as_markdown_image(draw(frame), title))
