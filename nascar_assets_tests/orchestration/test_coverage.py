"""How far a season has come, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from nascar_assets.feed.paths import RACE_KINDS
from nascar_assets.orchestration.commands.coverage import season_states

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def season(year: int, run: int, planned: int, *, landed: int | None = None, first: datetime):
    """Weekly races of which the first ones were run and the first of those have files."""
    landed = run if landed is None else landed
    return pl.DataFrame(
        {
            "season": [year] * planned,
            "series": ["cup"] * planned,
            "status": ["complete"] * run + ["scheduled"] * (planned - run),
            "start_time": [first + timedelta(weeks=week) for week in range(planned)],
            **{kind: [at < landed for at in range(planned)] for kind in RACE_KINDS},
        }
    )


def test_a_season_is_called_what_it_is():
    old = datetime(2024, 2, 18, tzinfo=UTC)
    planned = pl.concat(
        [
            season(2023, 36, 36, first=old),
            season(2024, 18, 36, first=old),
            season(2025, 36, 36, landed=30, first=old),
            season(2026, 10, 36, first=NOW - timedelta(weeks=10)),
        ]
    )
    found = season_states(planned, NOW)
    assert found.select("season", "state").rows() == [
        (2026, "incomplete: 10 of 36 races"),  # one is to have been run this very moment
        (2025, "incomplete: 30 of 36 races"),
        (2024, "incomplete: 18 of 36 races"),
        (2023, "complete"),
    ]
    before = season_states(planned, NOW - timedelta(hours=1))
    assert before["state"][0] == "running: 10 of 36 races"
    assert found["missing"].to_list() == [0, 6, 0, 0]
