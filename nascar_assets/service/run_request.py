"""A compiled request to its result: scenarios, lineups, diagnostics. Plain Python, no Dagster."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.constraints import Deny, LineupChecker
from nascar_assets.errors import InputError
from nascar_assets.lineups import best_lineups, build_portfolio, veto_rules
from nascar_assets.scenarios import Scenarios, generate_scenarios
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.contracts import (
    DriverSelection,
    LawRecord,
    LineupSelection,
    OptimizeResponse,
    RunConfigModel,
    ScenarioDiagnostics,
)
from nascar_assets.slates.slate import Slate

_TRIES = (1, 64, 4_096)
"""How many of the best lineups are looked at until the constraints allow one."""


class NoAllowedLineup(InputError):
    """No lineup of the pool meets every constraint."""


@dataclass(frozen=True)
class ChosenLineups:
    """Lineups as indices into the slate's players, the first first, and what to know of them.

    Attributes:
        drivers: [n, roster_size] indices into the players.
        mean_points: [N] what they took every player for, a person's own factors applied.
    """

    drivers: npt.NDArray[np.int32]
    mean_points: npt.NDArray[np.float64]
    notices: tuple[str, ...] = ()


def simulate(job: CompiledRequest, *, progress: Callable[[int], None] | None = None) -> Scenarios:
    """The race simulated as many times as the request wants.

    Args:
        progress: Called with the number of scenarios simulated so far.

    Raises:
        InputError: If the constraints reject too many scenarios.
    """
    return generate_scenarios(
        job.spec,
        job.setup,
        job.n_scenarios,
        job.run_config.random_seed,
        parameters=job.parameters,
        pit_strategy_mix=job.pit_strategy_mix,
        progress=progress,
    )


def choose(job: CompiledRequest, scenarios: Scenarios) -> ChosenLineups:
    """The lineups that the request asks for, every one allowed by every constraint.

    Raises:
        InputError: If there is none, or the portfolio's settings cannot hold together.
    """
    pool = job.slate
    place = {driver: index for index, driver in enumerate(scenarios.driver_ids)}
    columns = [place[player.driver_id] for player in pool.players]
    points = np.ascontiguousarray(scenarios.points(pool.rules)[:, columns])
    checker = LineupChecker(pool, job.spec, track_id=job.setup.track_id)
    if job.portfolio is None:
        means = points.mean(axis=0) / pool.rules.points_scale
        return ChosenLineups(_best(job, points, checker), means)
    payouts = job.payouts
    made = build_portfolio(
        points,
        pool,
        job.portfolio,
        vetoes=veto_rules(pool, job.spec),
        prizes_cents=None if payouts is None else payouts.prizes_cents,
        entries=None if payouts is None else payouts.entries,
        prove=False,  # as in a slate's own run, and the answer has no place for a bound
    )
    for number, row in enumerate(made.drivers, 1):
        result = checker.check([pool.players[i].driver_id for i in row])
        if isinstance(result, Deny):
            raise NoAllowedLineup(
                f"Lineup {number} of the portfolio is denied: {result.code} {result.reason}",
                field="portfolio",
                remedy="Exclude one of the drivers named, or lift the veto.",
            )
    return ChosenLineups(made.drivers, made.projection.mean_points, made.notices)


def _may_be_picked(job: CompiledRequest) -> list[int]:
    """The players whom no veto keeps out of every lineup."""
    return [
        i
        for i, player in enumerate(job.slate.players)
        if "not-in-lineups" not in job.spec.get_driver_constraints(player.driver_id).veto_rules
    ]


def _best(
    job: CompiledRequest, points: npt.NDArray[np.int32], checker: LineupChecker
) -> npt.NDArray[np.int32]:
    """The allowed lineup with the most points over all scenarios; ties by ascending places."""
    pool = job.slate
    picked = np.array(_may_be_picked(job), np.int32)
    totals = points[:, picked].sum(axis=0, dtype=np.int64)
    salaries = np.array([pool.players[i].salary for i in picked], np.int64)
    seen, reason = 0, ""
    for count in _TRIES:
        ranked = best_lineups(
            totals, salaries, pool.rules.salary_cap, pool.rules.roster_size, count
        )
        for row in picked[ranked.drivers[seen:]]:
            result = checker.check([pool.players[i].driver_id for i in row])
            if not isinstance(result, Deny):
                return row[None, :]
            reason = f"{result.code} {result.reason}"
        if len(ranked.drivers) < count:
            break
        seen = count
    raise NoAllowedLineup(
        f"None of the {len(ranked.drivers):,} best lineups meets every constraint; the last one: "
        f"{reason}",
        remedy="Allow more drivers, or lift vetoes.",
    )


def respond(
    run_id: str, job: CompiledRequest, scenarios: Scenarios, chosen: ChosenLineups
) -> OptimizeResponse:
    """The result as the API gives it."""
    lineups = tuple(_selection(job.slate, row, chosen.mean_points) for row in chosen.drivers)
    place = {driver: index for index, driver in enumerate(scenarios.driver_ids)}
    cars = [place[driver.driver_id] for driver in lineups[0].drivers]
    gained = scenarios.points_start[..., cars].astype(np.int64) - scenarios.finish[:, cars]
    found = scenarios.diagnostics
    assert found is not None  # simulated just now
    return OptimizeResponse(
        run_id=run_id,
        lineup=lineups[0].drivers,
        total_projected_points=lineups[0].total_projected_points,
        total_salary=lineups[0].total_salary,
        lineups=lineups,
        scenario_diagnostics=ScenarioDiagnostics(
            n_scenarios_generated=found.n_generated,
            n_valid=found.n_valid,
            rejection_rate=found.rejection_rate,
            avg_laps_led=float(scenarios.laps_led[:, cars].mean()),
            avg_position_differential=float(gained.mean()),
            calibration_metrics=job.calibration,
            calibration_reason=job.calibration_reason,
            regime_frequencies=dict(found.regime_frequencies),
            conservation=tuple(
                LawRecord.model_validate(record, from_attributes=True)
                for record in found.conservation
            ),
        ),
        constraint_spec_hash=job.spec.hash,
        run_config=RunConfigModel.model_validate(json.loads(job.run_config.to_json())),
        notices=tuple(dict.fromkeys((*job.notices, *found.notices, *chosen.notices))),
    )


def _selection(
    pool: Slate, row: npt.NDArray[np.int32], means: npt.NDArray[np.float64]
) -> LineupSelection:
    drivers = tuple(
        DriverSelection(
            driver_id=player.driver_id,
            name=player.name,
            salary=player.salary,
            projected_points=round(float(means[i]), 6),
            position="D",
        )
        for i, player in ((i, pool.players[i]) for i in row)
    )
    return LineupSelection(
        drivers=drivers,
        total_projected_points=round(sum(means[row].tolist()), 6),
        total_salary=sum(driver.salary for driver in drivers),
    )
