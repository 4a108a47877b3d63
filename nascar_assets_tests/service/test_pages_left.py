"""A page of the board that was left is forgotten, its file fields' handlers with it."""

from __future__ import annotations

import gc
import weakref

import pytest
from fastapi import FastAPI

from nascar_assets.board.page import _let_go


class FileField:
    """Stands for a page: what its handler belongs to."""

    async def taken(self) -> None: ...


@pytest.mark.slow
def test_what_the_web_framework_remembers_of_a_page_left_is_forgotten() -> None:
    app, page = FastAPI(), FileField()
    left = weakref.ref(page)
    app.add_api_route("/file", page.taken, methods=["POST"])
    app.router.routes.clear()
    del page
    gc.collect()
    assert left() is not None, "the web framework remembers no handler any more: _let_go can go"
    _let_go()
    gc.collect()
    assert left() is None
