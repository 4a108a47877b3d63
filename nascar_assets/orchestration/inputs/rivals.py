"""What a slate's run expects of the rivals in contests."""

from __future__ import annotations

import polars as pl

from nascar_assets.lineups import PortfolioSettings
from nascar_assets.lineups.ownership import KINDS
from nascar_assets.lineups.projection import project
from nascar_assets.orchestration.inputs.slate_run import SlateRun


def expected_ownership(run: SlateRun, settings: PortfolioSettings) -> pl.DataFrame:
    """Expected ownership of every player: `driver_id`, and a share for each kind of contest.

    What the settings and people's views say holds, the rest is the model's.

    Args:
        run: The slate's run.
        settings: The portfolio's settings.
    """
    shares = {}
    for kind in KINDS:
        said = run.with_views(settings, cash=kind == "cash")
        projection = project(run.points, run.slate, said, rivals=run.rivals)
        shares[kind] = projection.field_of(kind).ownership
    return pl.DataFrame({"driver_id": [player.driver_id for player in run.slate.players], **shares})
