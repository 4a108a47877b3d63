"""Contest: what a slate's lineups are expected to win in the usual contests, against a field."""

import dagster as dg
import numpy as np
import polars as pl

from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate_assets import slate_asset
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform
from nascar_assets.slates.stored import slate_from_polars


@slate_asset(
    group_name="lineups",
    description="Returns of the lineups in contests of the usual shapes, settled to the cent "
    "against a field drawn from the expected ownerships.",
    deps=[scenarios],
    kinds={"numba"},
)
def contest_forecast(
    context: dg.AssetExecutionContext,
    platform: Platform,
    slate: pl.DataFrame,
    lineups: pl.DataFrame,
) -> dg.Output[pl.DataFrame]:
    """One row per contest; a contest of fewer entries a person takes the first lineups."""
    from nascar_assets.contest.outlook import contest_outlook
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.orchestration.inputs.forecasting import load_scenarios, player_points
    from nascar_assets.orchestration.inputs.payout_files import named_contest

    root = platform.root
    plan = SlatePlan.load(root, context.partition_key)
    pool = slate_from_polars(slate)
    table = contest_outlook(
        player_points(load_scenarios(root, plan.slate_id), pool),
        pool,
        np.array(lineup_rows(lineups, pool)),
        seed=plan.seed,
        own=named_contest(root, plan.settings),
        settings=PortfolioSettings.from_toml(plan.settings),
    )
    return dg.Output(
        table,
        metadata=shown(
            caution="The lineups were chosen on these scenarios and rivals are as good as the "
            "ownership model makes them: returns read high. Compare contests, not with a bank."
        ),
    )
