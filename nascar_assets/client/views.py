"""The calls about a slate's views, each typed by its contract.

Example:
    with Client("http://127.0.0.1:8000") as client:
        job = client.call(views.add(key, content, "projections.csv", confidence=0.6, why="paid"))
        for row in client.call(views.of(key)).effects:
            print(row.name, row.mean_points_before, row.mean_points)
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from nascar_assets.client.calls import Call, value_of
from nascar_assets.client.slates import FILE, path_of, send
from nascar_assets.service.slate_contracts import SlateJob
from nascar_assets.service.view_contracts import RearStart, SlateView, SlateViewDetail, SlateViews


def of(key: str) -> Call[SlateViews]:
    """A slate's views, and what they did to its newest run."""
    return Call("GET", f"{path_of(key)}/views", value_of(SlateViews))


def one(key: str, view_id: str) -> Call[SlateViewDetail]:
    """One view with everything that it states."""
    return Call("GET", _path(key, view_id), value_of(SlateViewDetail))


def add(
    key: str,
    content: bytes,
    filename: str,
    *,
    confidence: float | None = None,
    author: str | None = None,
    why: str | None = None,
    odds: Literal["american", "decimal"] | None = None,
    column: str | None = None,
    unit: Literal["percent", "share"] | None = None,
    wait: float | None = None,
) -> Call[SlateJob]:
    """Sends a file as a view; the same file with the same words changes nothing."""
    params = {
        "filename": filename,
        "confidence": confidence,
        "author": author,
        "why": why,
        "odds": odds,
        "column": column,
        "unit": unit,
        "wait": wait,
    }
    return Call("POST", f"{path_of(key)}/views", value_of(SlateJob), params, content, FILE)


def rear(key: str, start: RearStart, *, wait: float | None = None) -> Call[SlateJob]:
    """Says that a driver starts behind the field."""
    return send(key, "/views/rear", start, SlateJob, wait=wait, again=True)


def drop(key: str, view_id: str) -> Call[SlateView]:
    """Takes a view back from now on."""
    return Call("DELETE", _path(key, view_id), value_of(SlateView), again=False)


def _path(key: str, view_id: str) -> str:
    return f"{path_of(key)}/views/{quote(view_id, safe='')}"
