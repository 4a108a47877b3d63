"""Late news: files that name a driver who no longer races, mended before anything else is made."""

import dagster as dg

from nascar_assets.orchestration.assets.constraints import constraint_spec
from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate import slate
from nascar_assets.orchestration.assets.slate_assets import slate_asset
from nascar_assets.orchestration.inputs.late_news import take_in_news
from nascar_assets.orchestration.inputs.slate_files import keep_notices
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import shown


@slate_asset(
    group_name="lineups",
    description="Upload and entries files that name a driver who does not race after all, mended "
    "beside the old ones with the fewest changes; who it is, and in how many lineups and entries.",
    deps=[slate, scenarios, constraint_spec],
    kinds={"csv"},
)
def late_news(run: SlateRun) -> dg.MaterializeResult[None]:
    """Stands whatever becomes of the run: what was entered has to be mended all the same."""
    news = take_in_news(run)
    keep_notices(run.root, run.slate_id, "late_news", [*news.drivers.values()])
    mended = [item.after or f"{item.of}: {item.changes[0]}" for item in news.mended]
    return dg.MaterializeResult(metadata=shown(drivers=[*news.drivers.values()], mended=mended))
