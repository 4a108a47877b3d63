"""The portfolio of a slate's run: chosen under its settings, its views and its constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascar_assets.orchestration.inputs.payout_files import landed_payouts

if TYPE_CHECKING:
    from nascar_assets.lineups import Portfolio, PortfolioSettings
    from nascar_assets.orchestration.inputs.slate_run import SlateRun


def choose(
    run: SlateRun, settings: PortfolioSettings, *, prove: bool = False
) -> tuple[Portfolio, tuple[str, ...]]:
    """The best portfolio that was found, and notices where views gave way.

    Args:
        run: The slate's run.
        settings: What is asked of the portfolio.
        prove: Whether a bound is searched for as well.

    Raises:
        InfeasiblePortfolio: If the settings cannot hold together.
        InputError: If the settings are at fault, or their payout table was not landed.
    """
    from nascar_assets.lineups import build_portfolio, veto_rules

    payouts = None if settings.payout is None else landed_payouts(run.root, settings.payout)
    return run.under_views(
        settings,
        lambda viewed: build_portfolio(
            run.points,
            run.slate,
            viewed,
            vetoes=veto_rules(run.slate, run.spec),
            prizes_cents=None if payouts is None else payouts.prizes_cents,
            entries=None if payouts is None else payouts.entries,
            prove=prove,
            rivals=run.rivals,
        ),
    )
