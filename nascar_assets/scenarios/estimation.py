"""Fit the race process to past races by simulated moments, with partial pooling.

For each track type the parameters are those whose simulated races have the moments of the real
ones (`moments.py`), each race simulated with its own field, ratings known before it, starting
order and length (method of simulated moments: McFadden 1989, Econometrica 57; Gouriéroux and
Monfort 1996). Two priors pool: a track type's moments are shrunk towards the other series' by how
much series differ beyond sampling, and parameters towards the starting values of the type.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.scenarios.fit_scales import FREE, prior_spreads, slope, to_scale, with_place
from nascar_assets.scenarios.fit_targets import (
    PIT_MOMENTS,
    moment_rows,
    pit_moments,
    pit_variances,
    pooled_targets,
    race_weights,
    real_centres,
    weighted_means,
)
from nascar_assets.scenarios.generation import simulate_rows
from nascar_assets.scenarios.inputs import prepare, start_scores
from nascar_assets.scenarios.moments import Races, of_scenarios, stack
from nascar_assets.scenarios.parameters import ProcessParameters, TypeParameters
from nascar_assets.scenarios.past_races import PastRace, past_races
from nascar_assets.scenarios.starting_values import STARTING_VALUES

Floats = npt.NDArray[np.float64]

MIN_RACES = 6
"""Fewest races of a type from which it is fitted; below, it keeps the starting values."""
MIN_SIMULATED = 2000
"""Fewest simulated races of a type in one evaluation."""
MAX_ITERATIONS = 16
"""Steps after which a fit that still moves has failed."""
STEP = 1.0
"""Finite-difference step in standard deviations of the prior; large, because moments of a finite
number of simulated races are not smooth."""
NOISE_SEEDS = 4
"""Further seeds from which the noise of simulated moments is measured."""
SIGNAL = 2.5
"""Standard deviations of its noise that a difference must exceed to count."""


class FitError(InputError):
    """A fit that did not converge: no parameters come of it."""


@dataclass(frozen=True, slots=True)
class TypeFit:
    """The fit of one track type.

    Attributes:
        values: Fitted parameters.
        standard_errors: By parameter, on the parameter's own scale.
        diagnostics: races, iterations, objective at the start and the end, largest |z| of a moment.
    """

    values: TypeParameters
    standard_errors: dict[str, float]
    diagnostics: dict[str, float]


def fit_parameters(
    results: pl.DataFrame,
    ratings: pl.DataFrame,
    schedule: pl.DataFrame,
    as_of: datetime,
    *,
    series: str = "cup",
    start: ProcessParameters = STARTING_VALUES,
    scenarios: int = 48,
    seed: int = 20220220,
    threads: int | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> ProcessParameters:
    """Fit every track type on the races known by a time.

    Args:
        results: RESULTS of all series.
        ratings: RATINGS of those races, each as of its own start (out of sample).
        schedule: SCHEDULE.
        as_of: The as-of time.
        series: The series to fit for; the others are pooled in.
        start: Where the search begins and what the priors are centred on.
        scenarios: Simulated races for each real one, at least.
        seed: Of the simulation; the same seed serves every evaluation.
        threads: Threads; none for one per core.
        max_iterations: Steps after which a fit that still moves has failed.

    Returns:
        Parameters with as-of time, data hash, standard errors and diagnostics. A type with fewer
        than six races keeps its starting values, and has no standard errors.

    Raises:
        FitError: If the fit of a type does not converge; names type and distance.
        InputError: If no race is known by then.
    """
    races = past_races(results, ratings, schedule, as_of)
    if not races:
        raise InputError(f"No rated race was known by {as_of:%Y-%m-%d %H:%M}.", field="as_of")
    workers = numba.config.NUMBA_NUM_THREADS if threads is None else threads
    targets = pooled_targets(races, series, as_of)
    fits: dict[str, TypeFit] = {}
    for kind in TRACK_TYPES:
        own = [r for r in races if r.series == series and r.setup.track_type == kind]
        if len(own) >= MIN_RACES:
            fits[kind] = fit_type(
                kind, own, targets[kind], start, as_of, scenarios, seed, workers, max_iterations
            )
    return ProcessParameters(
        by_type={**start.by_type, **{kind: fit.values for kind, fit in fits.items()}},
        source=f"Simulated moments of {len(races)} races, series {series}.",
        as_of=as_of,
        data_hash=data_hash(races),
        standard_errors={kind: fit.standard_errors for kind, fit in fits.items()},
        prior_spreads={kind: prior_spreads(start.of(kind)) for kind in TRACK_TYPES},
        diagnostics={kind: fit.diagnostics for kind, fit in fits.items()},
    )


def data_hash(races: Sequence[PastRace]) -> str:
    """SHA-256 over what the fit read of the races."""
    digest = hashlib.sha256()
    for race in races:
        digest.update(repr((race.series, race.setup)).encode())
        for name in Races.__slots__:
            digest.update(np.ascontiguousarray(getattr(race.outcome, name)).tobytes())
    return digest.hexdigest()


def simulated_means(
    races: Sequence[PastRace],
    weights: Floats,
    parameters: ProcessParameters,
    centres: Mapping[str, float],
    scenarios: int,
    seed: int,
    threads: int,
) -> Floats:
    """Mean of each of `MOMENTS` and `PIT_MOMENTS` over the simulated counterparts of real races."""

    def simulated(race: PastRace) -> Races:
        inputs = prepare(None, race.setup, parameters)
        # The race's own id seeds it, so that it does not depend on which others are simulated.
        own = int.from_bytes(hashlib.sha256(race.setup.race_id.encode()).digest()[:6], "big")
        made = simulate_rows(inputs, race.setup.driver_ids, seed + own, 0, scenarios, 1)
        return of_scenarios(made, race.setup.scheduled_laps, race.outcome.level, race.outcome.team)

    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        made = list(pool.map(simulated, races))
    by_size: dict[int, list[int]] = {}
    for place, part in enumerate(made):
        by_size.setdefault(part.finish.shape[1], []).append(place)
    rows, row_weights = [], []
    for size in sorted(by_size):
        rows.append(moment_rows(stack([made[place] for place in by_size[size]]), centres))
        row_weights.append(np.repeat(weights[by_size[size]], scenarios))
    pits = np.array(
        [
            pit_moments(part.finish, race.outcome.finish[0], race.outcome.level)
            for race, part in zip(races, made, strict=True)
        ]
    )
    return np.concatenate(
        [
            weighted_means(np.concatenate(rows), np.concatenate(row_weights)),
            -weighted_means(pits, weights),
        ]
    )


def fit_type(
    kind: str,
    races: Sequence[PastRace],
    target: tuple[Floats, Floats],
    start: ProcessParameters,
    as_of: datetime,
    scenarios: int,
    seed: int,
    threads: int,
    max_iterations: int = MAX_ITERATIONS,
) -> TypeFit:
    """Gauss-Newton on standardised moments and prior, with common random numbers.

    Raises:
        FitError: If no step lowers the objective by then and the last one was not small.
    """
    initial, direct_errors = _direct(start.of(kind), races)
    centre = np.array([to_scale(getattr(initial, n), s) for n, (s, _) in FREE.items()])
    prior = np.array([sd for _, sd in FREE.values()])
    weights = race_weights(races, as_of)
    mean = np.concatenate([target[0], np.zeros(len(PIT_MOMENTS))])
    variance = np.concatenate([target[1], pit_variances(races, weights)])
    used = np.isfinite(mean) & np.isfinite(variance) & (variance > 0.0)
    # Simulated moments carry noise of their own.
    sd = np.sqrt(variance[used] * (1.0 + 1.0 / scenarios))

    centres = real_centres(races, as_of)
    # Few races get more scenarios each, so that the simulated means are as steady.
    scenarios = max(scenarios, math.ceil(MIN_SIMULATED / len(races)))

    def residuals(place: Floats, seed: int = seed) -> Floats:
        parameters = replace(start, by_type={**start.by_type, kind: with_place(initial, place)})
        made = simulated_means(races, weights, parameters, centres, scenarios, seed, threads)[used]
        return np.asarray((np.nan_to_num(made, nan=0.0) - mean[used]) / sd, np.float64)

    def total(place: Floats, z: Floats) -> float:
        return float(z @ z + (((place - centre) / prior) ** 2).sum())

    place = centre.copy()
    z = residuals(place)
    first = current = total(place, z)
    # Differences of simulated moments carry noise, whose square looks like information; what
    # other seeds change says how much, and slopes that do not rise above it count as none.
    again = np.array([z, *(residuals(place, seed + 1 + k) for k in range(NOISE_SEEDS))])
    apart = math.sqrt(2.0) * again.std(axis=0, ddof=1)
    apart = np.maximum(apart, np.median(apart) / 2.0)
    slopes = _jacobian(residuals, place, z, prior, apart)
    fresh = True
    converged = False
    iterations = 0
    while iterations < max_iterations and not converged:
        iterations += 1
        gradient = slopes.T @ z + (place - centre) / prior**2
        curvature = slopes.T @ slopes + np.diag(1.0 / prior**2)
        step = -np.linalg.solve(curvature, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step / prior).max()), 1e-12))
        expected = -float(2.0 * gradient @ step + step @ curvature @ step)
        gain, share = 0.0, 1.0
        for share in (1.0, 0.4, 0.15):
            trial = place + share * step
            z_trial = residuals(trial)
            gain = current - total(trial, z_trial)
            if gain > 0.0:
                break
        if gain > 0.0:
            moved = share * step
            # Broyden's update keeps the slopes current between full differences.
            slopes = slopes + np.outer(z_trial - z - slopes @ moved, moved) / float(moved @ moved)
            place, z, current = trial, z_trial, current - gain
        # Moments of a finite number of simulated races leave the objective uncertain by about
        # this much; a smaller gain, promised or reached on fresh slopes, is none.
        noise = max(2.0, 0.05 * current)
        converged = (gain < noise and fresh) or expected < noise
        if not converged and not fresh and gain < 0.3 * expected:
            slopes = _jacobian(residuals, place, z, prior, apart)
            fresh = True
        else:
            fresh = False
    if not converged:
        raise FitError(
            f"The fit of {kind} tracks did not converge in {iterations} steps: the objective went "
            f"from {first:.1f} to {current:.1f}.",
            remedy="Use more scenarios, or the starting values.",
        )
    fitted = with_place(initial, place)
    covariance = np.linalg.inv(slopes.T @ slopes + np.diag(1.0 / prior**2))
    errors = {
        name: float(np.sqrt(covariance[row, row]) * abs(slope(getattr(fitted, name), scale)))
        for row, (name, (scale, _)) in enumerate(FREE.items())
    }
    errors |= direct_errors
    diagnostics = {
        "races": float(len(races)),
        "iterations": float(iterations),
        "objective_start": first,
        "objective_end": current,
        "largest_z": float(np.abs(z).max()),
    }
    return TypeFit(fitted, errors, diagnostics)


def _jacobian(
    residuals: Callable[[Floats], Floats], place: Floats, z: Floats, prior: Floats, noise: Floats
) -> Floats:
    """Slopes of the residuals [moments, parameters]; those within their noise are 0."""
    columns = []
    for row in range(len(place)):
        trial = place.copy()
        width = STEP * prior[row]
        trial[row] += width
        change = residuals(trial) - z
        columns.append(np.where(np.abs(change) > SIGNAL * noise, change, 0.0) / width)
    return np.column_stack(columns)


def _direct(
    values: TypeParameters, races: Sequence[PastRace]
) -> tuple[TypeParameters, dict[str, float]]:
    """Parameters that are plain averages over races, and their standard errors.

    They are the ratings' spread, and their correlation with the start.
    """
    spreads = np.array([np.std(race.ratings) for race in races])
    correlations = np.array(
        [
            np.corrcoef(start_scores(len(race.ratings))[race.outcome.start[0] - 1], race.ratings)[
                0, 1
            ]
            for race in races
            if np.std(race.ratings) > 0.0
        ]
    )
    if not len(correlations):
        return values, {}
    found = replace(
        values,
        rating_spread=float(spreads.mean()),
        start_correlation=min(max(float(correlations.mean()), 0.0), 0.95),
    )
    errors = {
        name: float(each.std(ddof=1) / math.sqrt(len(each)))
        for name, each in (("rating_spread", spreads), ("start_correlation", correlations))
        if len(each) > 1
    }
    return found, errors
