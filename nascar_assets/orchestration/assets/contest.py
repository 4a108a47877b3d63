"""Contest: what a slate's lineups are expected to win in the usual contests, against a field."""

import dagster as dg
import numpy as np
import polars as pl

from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate import slate
from nascar_assets.orchestration.assets.slate_assets import slate_asset
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import shown


@slate_asset(
    group_name="lineups",
    description="Returns of the lineups in contests of the usual shapes, settled to the cent "
    "against a field drawn from the expected ownerships.",
    deps=[slate, scenarios],
    kinds={"numba"},
)
def contest_forecast(run: SlateRun, lineups: pl.DataFrame) -> dg.Output[pl.DataFrame]:
    """One row per contest; a contest of fewer entries a person takes the first lineups."""
    from nascar_assets.contest.outlook import contest_outlook
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.lineups.view_settings import settings_with_views
    from nascar_assets.orchestration.inputs.payout_files import named_contest

    settings = PortfolioSettings.from_toml(run.plan.settings)
    field, cash_field = (
        settings_with_views(settings, run.views, run.slate, cash=cash) for cash in (False, True)
    )
    table = contest_outlook(
        run.points,
        run.slate,
        np.array(lineup_rows(lineups, run.slate)),
        seed=run.plan.seed,
        own=named_contest(run.root, run.plan.settings),
        settings=field,
        cash_settings=cash_field,
    )
    return dg.Output(
        table,
        metadata=shown(
            caution="The lineups were chosen on these scenarios and rivals are as good as the "
            "ownership model makes them: returns read high. Compare contests, not with a bank."
        ),
    )
