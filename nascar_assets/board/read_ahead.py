"""What a first visitor would wait for, asked for once before he comes."""

from __future__ import annotations

import re

import httpx
from starlette.types import ASGIApp

from nascar_assets.board.transport import InProcess
from nascar_assets.service.admission import BOARD


async def read_ahead(app: ASGIApp, libraries: tuple[str, ...]) -> None:
    """Asks for the list of slates, and for the scripts and styles of the pages.

    A server that wants a key gives nothing to who has none: there the first visitor waits.

    Args:
        libraries: Parts of the paths of those libraries of components that the pages use.
    """
    async with httpx.AsyncClient(
        base_url="http://localhost",
        transport=InProcess(app, "localhost"),
        headers={"Accept-Encoding": "gzip"},
    ) as http:
        page = (await http.get(f"{BOARD}/")).text
        for path in sorted(set(re.findall(rf"{BOARD}/_nicegui/[^\"')\s]+\.(?:m?js|css)", page))):
            if "/esm/" not in path or any(part in path for part in libraries):
                await http.get(path)
