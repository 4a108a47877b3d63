"""What a slate's run expects of the rivals in contests."""

from __future__ import annotations

import polars as pl

from nascar_assets.lineups import PortfolioSettings, Rivals
from nascar_assets.lineups.ownership import KINDS
from nascar_assets.lineups.projection import project
from nascar_assets.lineups.view_settings import settings_with_views
from nascar_assets.orchestration.inputs.contest_store import field_fits
from nascar_assets.orchestration.inputs.slate_run import SlateRun


def rivals_of(run: SlateRun) -> Rivals:
    """How rivals choose, by the contests that were added up to the run's as-of time."""
    fits = field_fits(run.root, run.as_of)
    return Rivals({kind: fit.parameters for kind, fit in fits.items()})


def expected_ownership(run: SlateRun, settings: PortfolioSettings) -> pl.DataFrame:
    """Expected ownership of every player: `driver_id`, and a share for each kind of contest.

    What the settings and people's views say holds, the rest is the model's.

    Args:
        run: The slate's run.
        settings: The portfolio's settings.
    """
    rivals = rivals_of(run)
    shares = {}
    for kind in KINDS:
        said = settings_with_views(settings, run.views, run.slate, cash=kind == "cash")
        shares[kind] = project(run.points, run.slate, said, rivals=rivals).field_of(kind).ownership
    return pl.DataFrame({"driver_id": [player.driver_id for player in run.slate.players], **shares})
