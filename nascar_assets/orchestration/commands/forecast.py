"""`nascar forecast`: a slate's stored forecast for other programs."""

from __future__ import annotations

import polars as pl

from nascar_assets.orchestration.inputs.report_values import forecast_table
from nascar_assets.orchestration.inputs.slate_lineups import load_lineups, stored_players
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.resources import Platform
from nascar_assets.reports.exports import export


def exported(home: str, slate_id: str, header: str) -> str:
    """A slate's forecast as the CSV of a kind.

    Args:
        header: The kind, a key of `nascar_assets.reports.exports.HEADERS`.

    Raises:
        InputError: If there is no such slate or kind, or its newest run did not come to its end.
    """
    root = Platform(home=home).root
    Registration.load(root, slate_id)
    run = SlateRun.load(root, slate_id)
    lineups, summary = load_lineups(root, run.plan), run.table("scenario_summary")
    own = stored_players(lineups)
    table = forecast_table(run.table("slate"), summary, run.table("scenario_optima"), own)
    made = run.scenarios
    top3 = pl.DataFrame(
        {"driver_id": list(made.driver_ids), "top3": (made.finish <= 3).mean(axis=0)}
    )
    return export(table.join(top3, on="driver_id", how="left"), header)
