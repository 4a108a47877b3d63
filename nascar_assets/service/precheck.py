"""The constraint contract on a request, before any work starts."""

from __future__ import annotations

from nascar_assets.constraints import (
    Allow,
    ConstraintContext,
    ConstraintPlanner,
    ConstraintSpec,
    Deny,
    InMemoryStateView,
    ProjectedStateView,
    RaceFact,
    RequirementKey,
    StateView,
    evaluate_constraints,
    request_constraints,
)
from nascar_assets.constraints.facts import SlateFact
from nascar_assets.contest.presets import PRESETS
from nascar_assets.errors import InputError
from nascar_assets.lineups.portfolio import require_prizes, rivals_in
from nascar_assets.lineups.problem import find_driver, resolve
from nascar_assets.lineups.settings import PortfolioSettings, SettingsError
from nascar_assets.lineups.vetoes import veto_rules
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.problems import invalid
from nascar_assets.service.stored_slates import StoredSlate

_FIELDS = {
    "SALARY_MISSING": "drivers",
    "LINEUP_INFEASIBLE": "drivers",
    "LAPS_LED_INFEASIBLE": "drivers",
    "EXPOSURE_INFEASIBLE": "portfolio",
    "SLATE_LOCKED": "slate_id",
}


def precheck(job: CompiledRequest, slate: StoredSlate | None) -> None:
    """Refuses what no lineup, no race or no portfolio can meet.

    The same constraints as everywhere, over the read model that the slate's run materialised; a
    slate that is not known is read from the request itself. Settings of a portfolio are resolved
    too, so that an unknown driver or team, or too many rules, is refused here.

    Args:
        slate: The slate's own run; none where no such slate is known.

    Raises:
        RequestRefused: 422 with the contract's code and reason, or the setting at fault.
    """
    if job.portfolio is not None:
        _check_portfolio(job, job.portfolio)
    constraints = request_constraints()
    context = ConstraintContext(
        actor="request",
        slate_id=job.slate.slate_id,
        track_id=job.setup.track_id,
        race_id=job.setup.race_id,
        args=_arguments(job),
        mode="precheck",
    )
    view = _view(job, slate)
    view.load(ConstraintPlanner(constraints).plan(context))
    result = evaluate_constraints(constraints, context, view)
    if isinstance(result, Allow):
        return
    if isinstance(result, Deny):
        raise invalid(result.code, result.reason, field=_FIELDS.get(result.code))
    missing = ", ".join(map(str, result.missing))
    raise invalid("NOT_KNOWN", f"What the request needs is not known: {missing}.")


def _check_portfolio(job: CompiledRequest, settings: PortfolioSettings) -> None:
    try:
        asked = resolve(job.slate, settings, veto_rules(job.slate, job.spec)).unmeetable
        if asked:
            raise SettingsError(f"no lineup can keep this: {'; '.join(asked)}.")
        payouts = job.payouts
        rivals_in(None if payouts is None else payouts.entries, settings)
        presets = f"Name one of {', '.join(PRESETS)} in the setting payout."
        require_prizes(settings, payouts is not None, presets)
    except InputError as error:
        field = f"portfolio.{error.field}" if error.field else "portfolio"
        raise invalid("INVALID_VALUE", error.message, field=field, remedy=error.remedy) from error


def _arguments(job: CompiledRequest) -> dict[str, object]:
    own = [job.spec.get_driver_constraints(player.driver_id) for player in job.slate.players]
    arguments: dict[str, object] = {
        "pool": [player.driver_id for player in job.slate.players],
        "field": list(job.setup.driver_ids),
        "salaries": {player.driver_id: player.salary for player in job.slate.players},
        "salary_cap": job.slate.rules.salary_cap,
        "roster_size": job.slate.rules.roster_size,
        "race_laps": job.setup.scheduled_laps,
        "laps_led": {
            driver.driver_id: (driver.min_laps_led, driver.max_laps_led)
            for driver in own
            # A driver with vetoes on laps led is asked of the view, which knows them.
            if not driver.veto_rules
        },
    }
    portfolio = job.portfolio
    if portfolio is not None:
        arguments["lineups"] = portfolio.lineups
        exposures = {}
        for text, driver in portfolio.drivers.items():
            index = find_driver(job.slate, text, field=f"drivers.{text}")
            if driver.min_exposure is not None or driver.max_exposure is not None:
                exposures[job.slate.everyone[index].driver_id] = (
                    driver.min_exposure or 0.0,
                    1.0 if driver.max_exposure is None else driver.max_exposure,
                )
        arguments["exposures"] = exposures
    return arguments


class _WithSpec:
    """The slate's read model, with the request's own values in the place of the drivers'."""

    def __init__(self, stored: ProjectedStateView, spec: ConstraintSpec) -> None:
        self._stored = stored
        self._own = InMemoryStateView(spec)

    def load(self, requirements: object) -> None:
        """Everything is at hand already."""

    def has(self, requirement: RequirementKey) -> bool:
        """Whether it is at hand."""
        return self._own.has(requirement) or self._stored.has(requirement)

    def get(self, requirement: RequirementKey) -> object:
        """What is at hand."""
        view = self._own if self._own.has(requirement) else self._stored
        return view.get(requirement)


def _view(job: CompiledRequest, slate: StoredSlate | None) -> StateView:
    if slate is not None:
        return _WithSpec(ProjectedStateView(slate.summary, slate.drivers), job.spec)
    race = RaceFact(job.setup.race_id, job.setup.track_id, job.setup.scheduled_laps)
    return InMemoryStateView(job.spec, SlateFact.of(job.slate), race=race)
