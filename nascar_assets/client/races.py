"""The calls about races while they are run.

Example:
    with Client("http://127.0.0.1:8000") as client:
        found = client.call(races.live("2026-cup-05"))
        print(found.lap, found.age_s)
"""

from __future__ import annotations

from urllib.parse import quote

from nascar_assets.client.calls import Call, value_of
from nascar_assets.service.live_contracts import LiveForecast


def live(race: str) -> Call[LiveForecast]:
    """The newest forecast of a race while it is run, by the race's key or feed id."""
    return Call("GET", live_path(race), value_of(LiveForecast))


def live_path(race: str) -> str:
    """The path of a race while it is run."""
    return f"/api/v1/races/{quote(race, safe='')}/live"
