"""Made-up slates and scenario points for the tests of lineups and contests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.feed.schemas import VIEWS
from nascar_assets.files import SourceFile
from nascar_assets.lineups.contest_entries import fill_contests
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.rules import RuleSet, rule_set
from nascar_assets.slates.slate import Slate, SlatePlayer
from nascar_assets.views.in_force import IN_FORCE


def fill_entries(
    content: bytes, slate: Slate, lineups: npt.ArrayLike | Sequence[Sequence[int]], **said: str
) -> bytes:
    """A file filled by a portfolio alone: its settings have no sections for contests."""
    portfolio = np.asarray(lineups).tolist()
    points = np.zeros((2, len(slate.players)), np.int64)
    return fill_contests(
        content, slate, points, PortfolioSettings(), portfolio, lambda _: (points[0], None), **said
    ).content


def made_slate(
    salaries: Sequence[int],
    *,
    rules: RuleSet | None = None,
    names: Sequence[str] | None = None,
    teams: Sequence[str | None] | None = None,
    absent: Sequence[int] = (),
) -> Slate:
    """A slate of invented drivers; driver ids from 100, site ids from 9000; some may not race."""
    n = len(salaries)
    names = names or [f"Driver {chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(n)]
    players = tuple(
        SlatePlayer(
            driver_id=str(100 + i),
            name=names[i],
            site_id=str(9000 + i),
            salary=salaries[i],
            team=teams[i] if teams else f"Team {i % 4}",
            reason="marked OUT in the salary file" if i in absent else None,
        )
        for i in range(n)
    )
    return Slate(
        slate_id="2026-03-15-cup-dk-classic",
        race_id="5555",
        race_key="2026-cup-05",
        rules=rules or rule_set("dk-classic", date(2026, 3, 15)),
        lock=datetime(2026, 3, 15, 20, 0, tzinfo=UTC),
        players=tuple(player for player in players if player.reason is None),
        source=SourceFile("salaries.csv", "0" * 64),
        absent=tuple(player for player in players if player.reason is not None),
    )


def stated(*rows: tuple[str, str, str, float], confidence: float = 1.0) -> pl.DataFrame:
    """A slate's views in force, by quantity, family, driver and value."""
    landed = {"view_id": "v", "file": "v.csv", "row": 2, "author": "me", "why": ""}
    names = ("quantity", "family", "driver_id", "value")
    found = [
        landed | dict(zip(names, row, strict=True)) | {"confidence": confidence, "state": IN_FORCE}
        for row in rows
    ]
    return pl.DataFrame(found, schema=VIEWS)


def made_salaries(n: int, seed: int = 0) -> list[int]:
    """Salaries from 11,000 down to 5,000 in hundreds, as a salary file has them."""
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.integers(50, 111, n))[::-1]
    return [int(step) * 100 for step in steps]


def made_points(salaries: Sequence[int], scenarios: int, seed: int = 0) -> npt.NDArray[np.int32]:
    """Points of races in which dearer drivers finish better, some lead many laps."""
    rng = np.random.default_rng(seed)
    salary = np.array(salaries, float)
    skill = (salary - salary.mean()) / (salary.std() or 1.0)
    level = rng.normal(size=(scenarios, salary.size)) + 0.9 * skill
    finish = (-level).argsort(axis=1).argsort(axis=1) + 1
    start = rng.permutation(salary.size) + 1
    share = np.exp(2 * level)
    led = (267 * share / share.sum(axis=1, keepdims=True)).astype(int)
    units = 20 * np.maximum(45 - finish, 0) + 20 * (start - finish) + 5 * led + 9 * (led // 2)
    return units.astype(np.int32)
