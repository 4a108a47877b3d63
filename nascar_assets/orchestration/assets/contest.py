"""Contest: what a slate's lineups are expected to win in the usual contests, against a field."""

from datetime import UTC, datetime

import dagster as dg
import numpy as np
import polars as pl

from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate import slate
from nascar_assets.orchestration.assets.slate_assets import slate_asset
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
)
def contest_forecast(
    context: dg.AssetExecutionContext, run: SlateRun, lineups: pl.DataFrame
) -> dg.Output[pl.DataFrame]:
    """One row per contest; a contest of fewer entries a person takes the first lineups.

    Valued on races simulated anew, with what is not known of the race and of the field in them.
    """
    from nascar_assets.contest.outlook import contest_outlook
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.lineups.view_settings import settings_with_views
    from nascar_assets.orchestration.inputs.payout_files import named_contest
    from nascar_assets.orchestration.inputs.rivals import rivals_of
    from nascar_assets.orchestration.inputs.said import keep_said
    from nascar_assets.orchestration.inputs.unseen import unseen_points

    rows = lineup_rows(lineups, run.slate)
    settings = PortfolioSettings.from_toml(run.plan.settings)
    field, cash_field = (
        settings_with_views(settings, run.views, run.slate, cash=cash) for cash in (False, True)
    )
    table = contest_outlook(
        unseen_points(run),
        run.slate,
        np.array(rows),
        seed=run.plan.seed,
        own=named_contest(run.root, run.plan.settings),
        settings=field,
        cash_settings=cash_field,
        rivals=rivals_of(run),
        projected=run.points,
    )
    # A rehearsal's runs are told their time by who asked for them.
    at = context.run.tags.get(AT)
    now = datetime.now(UTC) if at is None else datetime.fromisoformat(at)
    keep_said(run, rows, table, field, cash_field, now)
    return dg.Output(
        table,
        metadata=shown(
            caution="Returns are of races that the lineups were not chosen on, against fields "
            "from dull to sharp; how sharp real ones are is known from contests that were added."
        ),
    )
