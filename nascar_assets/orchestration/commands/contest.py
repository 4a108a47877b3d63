"""Finished contests: added from standings files, and listed with what they taught."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from nascar_assets.contest.payouts import read_payouts
from nascar_assets.contest.presets import PRESETS, preset
from nascar_assets.errors import InputError
from nascar_assets.lineups.ownership import KINDS
from nascar_assets.orchestration.commands.files import read_file
from nascar_assets.orchestration.inputs.adding_contests import Added, add_standings
from nascar_assets.orchestration.inputs.contest_store import field_fits, stored_contests
from nascar_assets.orchestration.resources import Platform


def add(
    home: str,
    standings: Path,
    now: datetime,
    *,
    slate_id: str | None = None,
    payout: str | None = None,
    kind: str | None = None,
    name: str | None = None,
) -> Added:
    """Adds a finished contest from its standings file.

    Args:
        standings: The file, zipped or not.
        slate_id: Its slate; found by drivers, own entries and points where it is not given.
        payout: A payout table's path, or a preset's name.
        kind: `cash` or `tournament`, where the person says it.
        name: The contest's name.

    Raises:
        InputError: If the file is at fault or of no slate that is there.
        EnvironmentFault: If a file cannot be read.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(
            f"No kind is called {kind!r}.", field="--kind", remedy=f"There are {', '.join(KINDS)}."
        )
    prizes = None
    if payout is not None:
        path = Path(payout)
        prizes = (
            preset(payout).payouts
            if payout in PRESETS
            else read_payouts(read_file(path), file=path.name)
        )
    return add_standings(
        Platform(home=home).root,
        read_file(standings),
        standings.name,
        now,
        slate_id=slate_id,
        payouts=prizes,
        kind=kind,
        name=name,
    )


def listed(home: str) -> dict[str, Any]:
    """Every contest that was added, and what was learnt from them, for programs."""
    root = Platform(home=home).root
    contests = stored_contests(root)
    rows = [
        {
            **{
                name: row[name]
                for name in (
                    *("contest_id", "slate_id", "name", "kind", "state", "entries"),
                    *("cash_line_points", "winning_points"),
                )
            },
            "own_entries": len(row["own"]),
            "won_dollars": _dollars([one["won_cents"] for one in row["own"]]),
            "ownership_mae": _miss(row["drivers"]),
        }
        for row in contests.iter_rows(named=True)
    ]
    return {"contests": rows, "fits": {k: _fit_shown(fit) for k, fit in field_fits(root).items()}}


def _dollars(cents: Sequence[int | None]) -> float | None:
    known = [value for value in cents if value is not None]
    return sum(known) / 100 if known else None


def _miss(drivers: Sequence[dict[str, Any]]) -> float | None:
    missed = [
        abs(row["expected_ownership"] - row["ownership"])
        for row in drivers
        if row["expected_ownership"] is not None
    ]
    return sum(missed) / len(missed) if missed else None


def _fit_shown(fit: Any) -> dict[str, Any]:
    """A fit of the field, for programs."""
    used, fitted = fit.parameters, fit.fitted

    def number(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "contests": fit.contests,
        "used": fit.used,
        "choice_scale": used.choice_scale,
        "salary_left": used.salary_left,
        "sharpness": used.sharpness,
        "spread": used.spread,
        "fitted_choice_scale": None if fitted is None else fitted.choice_scale,
        "fitted_salary_left": None if fitted is None else fitted.salary_left,
        "log_choice_scale_se": number(fit.choice_scale_se),
        "log_salary_left_se": number(fit.salary_left_se),
        "sharpness_se": number(fit.sharpness_se),
        "miss": number(fit.miss),
        "assumed_miss": number(fit.assumed_miss),
    }
