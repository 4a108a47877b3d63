"""Contest: what a slate's lineups are expected to win in the usual contests, against a field."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate import slate
from nascar_assets.orchestration.assets.slate_assets import slate_asset, warning_check
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.tags import AT


@slate_asset(
    group_name="lineups",
    description="Returns of the lineups in contests of the usual shapes, settled to the cent "
    "against a field drawn from the expected ownerships.",
    deps=[slate, scenarios],
    kinds={"numba"},
    check_specs=[
        warning_check(
            "contest_forecast",
            "returns_are_possible",
            "A warning: rates are shares, who wins cashes, profit is the return on the fees paid, "
            "and the modelled field has the ownerships that were expected of it.",
        )
    ],
)
def contest_forecast(
    context: dg.AssetExecutionContext, run: SlateRun, lineups: pl.DataFrame
) -> Iterator[Any]:
    """One row per contest; a contest of fewer entries a person takes the first lineups.

    Valued on races simulated anew, with what is not known of the race and of the field in them.
    """
    from nascar_assets.contest.outlook import contest_outlook
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.orchestration.inputs.payout_files import named_contest
    from nascar_assets.orchestration.inputs.said import keep_said
    from nascar_assets.orchestration.inputs.unseen import unseen_points

    rows = lineup_rows(lineups, run.slate)
    settings = PortfolioSettings.from_toml(run.plan.settings)
    field, cash_field = (run.with_views(settings, cash=cash) for cash in (False, True))
    table = contest_outlook(
        unseen_points(run),
        run.slate,
        np.array(rows),
        seed=run.plan.seed,
        own=named_contest(run.root, run.plan.settings),
        settings=field,
        cash_settings=cash_field,
        rivals=run.rivals,
        projected=run.points,
    )
    # A rehearsal's runs are told their time by who asked for them.
    at = context.run.tags.get(AT)
    now = datetime.now(UTC) if at is None else datetime.fromisoformat(at)
    keep_said(run, context.run.run_id, rows, table, field, cash_field, now)
    yield dg.Output(
        table,
        metadata=shown(
            caution="Returns are of races that the lineups were not chosen on, against fields "
            "from dull to sharp; how sharp real ones are is known from contests that were added."
        ),
    )
    wrong = impossible(table)
    yield dg.AssetCheckResult(
        passed=not wrong,
        check_name="returns_are_possible",
        severity=dg.AssetCheckSeverity.WARN,
        metadata=shown(contests=table.height, wrong=wrong),
    )


LARGEST_MISS = 0.05
"""Ownerships of the modelled field may miss the expected ones by so much."""


def impossible(table: pl.DataFrame) -> list[str]:
    """What cannot be in a table of returns, in words, by contest."""
    fees = pl.col("own_entries") * pl.col("entry_fee_dollars")
    rates = pl.col("cash_rate", "win_rate", "top_rate", "any_top_rate")
    share = pl.col("ownership_error")
    laws = {
        "a rate is no share": ~pl.all_horizontal(rates.is_between(0, 1)),
        "own entries win oftener than they cash": pl.col("win_rate")
        > pl.col("cash_rate") * pl.col("own_entries") + 1e-9,
        "the profit is not the return on the fees": (
            pl.col("profit_dollars") - pl.col("roi") * fees
        )
        .abs()
        .gt(0.01 + 1e-6 * fees),
        "there are more own entries than entries": pl.col("own_entries") > pl.col("entries"),
        f"ownerships of the field miss the expected ones by over {LARGEST_MISS:.0%}": share
        > LARGEST_MISS,
    }
    return [
        f"{contest}: {law}"
        for law, broken in laws.items()
        for contest in table.filter(broken)["contest"]
    ]
