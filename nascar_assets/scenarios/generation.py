"""Simulate the scenarios of a race: in parallel, repeatably, with vetoes and diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nascar_assets.constraints.models import ConstraintSpec
from nascar_assets.errors import InputError
from nascar_assets.scenarios.diagnostics import Diagnostics, MarginalShift
from nascar_assets.scenarios.going_on import go_on_from
from nascar_assets.scenarios.inputs import Inputs, prepare
from nascar_assets.scenarios.kernel import simulate
from nascar_assets.scenarios.kernel_arrays import Outcome
from nascar_assets.scenarios.laws import check_laws
from nascar_assets.scenarios.parameters import ProcessParameters
from nascar_assets.scenarios.race_events import ACCIDENT
from nascar_assets.scenarios.race_over import standing
from nascar_assets.scenarios.random_numbers import NORMALS
from nascar_assets.scenarios.regimes import REGIMES, classify
from nascar_assets.scenarios.result import CAR_ARRAYS, RACE_ARRAYS, Scenarios, concatenate
from nascar_assets.scenarios.setup import RaceSetup
from nascar_assets.scenarios.starting_values import STARTING_VALUES
from nascar_assets.scenarios.strategies import PitStrategy
from nascar_assets.scenarios.vetoes import Rule, soft_rules
from nascar_assets.telemetry.race_state import RaceState

MAX_SCENARIOS = 1_000_000
REJECTION_LIMIT = 0.5
"""Share of scenarios that vetoes may reject."""
BLOCK = 250
"""Scenarios to a unit of work; results do not depend on it."""


class TooManyRejectedError(InputError):
    """The vetoes reject more scenarios than the limit allows."""


def generate_scenarios(
    spec: ConstraintSpec | None,
    race_setup: RaceSetup,
    n: int,
    seed: int,
    *,
    parameters: ProcessParameters | None = None,
    pit_strategy_mix: Mapping[PitStrategy, float] | None = None,
    state: RaceState | None = None,
    trace: Sequence[int] = (),
    vetoes: Sequence[str] = (),
    rejection_limit: float = REJECTION_LIMIT,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Scenarios:
    """Simulate `n` valid races.

    The same arguments give the same bytes on any number of threads and any processor. Scenario k
    does not depend on n, so that a larger set begins with the smaller one.

    Args:
        spec: Compiled constraints that hold every entry and the track; none for neutral values.
        race_setup: The race.
        n: Valid scenarios wanted, from 1.
        seed: From 0 to 2^64 - 1.
        parameters: The race process; none for the starting values.
        pit_strategy_mix: Weights of the pit strategies.
        state: The race under way, from which every scenario goes on; none for the whole race. Of
            a race in which no lap was run it says nothing, and the bytes are those without it;
            of one that is over it says all, and nothing is simulated or vetoed.
        trace: Laps after which the running order is kept as well (`Scenarios.trace`), ascending
            and later than the state's; it changes nothing else.
        vetoes: Codes of further veto rules on the race; those of the spec and its bounds on
            laps led always act.
        rejection_limit: Largest share of scenarios that vetoes may reject, below 1.
        threads: Threads to use; none for one per core (NUMBA_NUM_THREADS where it is set).
        progress: Called in this thread with the number of scenarios simulated so far, those that
            vetoes reject among them; what it raises ends the simulation.

    Returns:
        The scenarios with their diagnostics.

    Raises:
        InputError: If n, the seed or another argument is out of range or the spec lacks an entry.
        TooManyRejectedError: If the vetoes reject more than `rejection_limit`.
    """
    if not 1 <= n <= MAX_SCENARIOS:
        raise InputError(f"n is {n}; 1 to {MAX_SCENARIOS:,} scenarios can be made.", field="n")
    if not 0 <= seed < 2**64:
        raise InputError(f"The seed is {seed}; it must lie in 0 to 2^64 - 1.", field="seed")
    if not 0.0 <= rejection_limit < 1.0:
        raise InputError("The rejection limit must lie in [0, 1).", field="rejection_limit")
    if (np.diff(trace, prepend=0 if state is None else state.lap) <= 0).any():
        raise InputError(
            f"The laps to trace are {list(trace)}; they must ascend from the race's next lap on.",
            field="trace",
        )
    parameters = STARTING_VALUES if parameters is None else parameters
    inputs = replace(prepare(spec, race_setup, parameters, pit_strategy_mix), traced=tuple(trace))
    if state is not None and state.lap > 0:
        inputs = go_on_from(inputs, state, race_setup, parameters)
    over = state is not None and state.over
    rules = {} if over else soft_rules(spec, race_setup, vetoes)
    workers = numba.config.NUMBA_NUM_THREADS if threads is None else threads
    if state is not None and over:
        made = _complete(race_setup.driver_ids, *standing(inputs.begin, state, race_setup, n))
        made = replace(made, trace=np.repeat(made.finish[:, None], len(trace), axis=1))
    else:
        made = simulate_rows(inputs, race_setup.driver_ids, seed, 0, n, workers, progress)
    rejected = _apply(rules, made)
    if rules:
        made, rejected = _refill(
            inputs, race_setup, seed, n, workers, rules, made, rejected, rejection_limit, progress
        )
    any_rule = _any(rejected, len(made))
    kept = made.take(np.flatnonzero(~any_rule)) if any_rule.any() else made
    counts = np.bincount(kept.regime, minlength=len(REGIMES)) / n
    diagnostics = Diagnostics(
        n_generated=len(made),
        n_valid=n,
        rejection_rate=1.0 - n / len(made),
        rejected_by_rule={code: int(mask.sum()) for code, mask in rejected.items()},
        marginal_shift=_marginal_shift(made, kept),
        conservation=check_laws(kept),
        regime_frequencies={label: float(counts[k]) for k, label in enumerate(REGIMES)},
        seed=seed,
        parameters_hash=parameters.hash,
        spec_hash=spec.hash if spec is not None else "",
        notices=inputs.notices,
    )
    return replace(kept, diagnostics=diagnostics, scored_start=race_setup.scored_starts)


def simulate_rows(
    inputs: Inputs,
    driver_ids: tuple[str, ...],
    seed: int,
    first: int,
    count: int,
    threads: int,
    progress: Callable[[int], None] | None = None,
) -> Scenarios:
    """Simulate scenarios `first` to `first + count - 1`, whatever the vetoes say of them."""
    size = len(driver_ids)
    arrays: dict[str, Any] = {
        name: np.empty((count, size), kind) for name, kind in CAR_ARRAYS.items()
    }
    races: dict[str, Any] = {
        name: np.empty(count, kind) for name, kind in RACE_ARRAYS.items() if name != "regime"
    }
    trace = np.empty((count, len(inputs.traced), size), np.int8)
    outcome = Outcome(**arrays, **races, traced=np.array(inputs.traced, np.int64), trace=trace)

    def work(begin: int) -> int:
        part = min(BLOCK, count - begin)
        simulate(
            np.uint64(seed),
            first + begin,
            part,
            begin,
            inputs.scheduled_laps,
            inputs.rates,
            inputs.field,
            inputs.begin,
            outcome,
            NORMALS,
        )
        return part

    done = first
    blocks = range(0, count, BLOCK)
    if threads <= 1 or len(blocks) == 1:
        for begin in blocks:
            done += work(begin)
            if progress is not None:
                progress(done)
    else:
        # Threads of our own over a compiled function that releases the interpreter: several
        # requests may simulate at once, and a fork stays safe.
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for part in pool.map(work, blocks):
                done += part
                if progress is not None:
                    progress(done)
    return replace(_complete(driver_ids, arrays, races), trace=trace)


def _complete(
    driver_ids: tuple[str, ...], cars: dict[str, Any], races: dict[str, Any]
) -> Scenarios:
    """Scenarios with the kind of race that each is."""
    laps_led, finish = cars["laps_led"], cars["finish"]
    rows = np.arange(len(finish))
    regime = classify(
        race_laps=races["race_laps"],
        green_laps=races["green_laps"],
        top_laps_led=laps_led.max(axis=1),
        winner_laps_led=laps_led[rows, np.argmin(finish, axis=1)],
        accidents=(cars["status"] == ACCIDENT).sum(axis=1),
        field_size=len(driver_ids),
    )
    return Scenarios(driver_ids=driver_ids, regime=regime, **cars, **races)


def _apply(rules: Mapping[str, Rule], made: Scenarios) -> dict[str, npt.NDArray[np.bool_]]:
    return {code: np.asarray(rule(made), np.bool_) for code, rule in rules.items()}


def _any(rejected: Mapping[str, npt.NDArray[np.bool_]], n: int) -> npt.NDArray[np.bool_]:
    result = np.zeros(n, np.bool_)
    for mask in rejected.values():
        result |= mask
    return result


def _refill(
    inputs: Inputs,
    race_setup: RaceSetup,
    seed: int,
    n: int,
    workers: int,
    rules: Mapping[str, Rule],
    made: Scenarios,
    rejected: dict[str, npt.NDArray[np.bool_]],
    limit: float,
    progress: Callable[[int], None] | None,
) -> tuple[Scenarios, dict[str, npt.NDArray[np.bool_]]]:
    """Simulate on until n scenarios are valid; at most n / (1 - limit) in all."""
    limit_made = int(np.ceil(n / (1.0 - limit)))
    while True:
        valid = ~_any(rejected, len(made))
        if int(valid.sum()) >= n:
            last = int(np.flatnonzero(valid)[n - 1]) + 1
            rows = np.arange(last)
            return made.take(rows), {code: mask[:last] for code, mask in rejected.items()}
        if len(made) >= limit_made:
            share = 1.0 - valid.mean()
            counts = ", ".join(
                f"{code} {int(mask.sum())}"
                for code, mask in sorted(rejected.items(), key=lambda item: -item[1].sum())
                if mask.any()
            )
            raise TooManyRejectedError(
                f"The veto rules reject {share:.0%} of {len(made):,} scenarios; at most "
                f"{limit:.0%} may be rejected. Rejected by rule: {counts}.",
                field="veto_rules",
                remedy="Loosen or lift a rule that is named: nascar ontology veto NAME RULE --lift,"
                " nascar ontology override NAME min_laps_led clear, or in an API request.",
            )
        # At least doubling the valid ones still missing keeps the number of rounds small.
        wanted = min(limit_made - len(made), max(BLOCK, 2 * (n - int(valid.sum()))))
        more = simulate_rows(
            inputs, race_setup.driver_ids, seed, len(made), wanted, workers, progress
        )
        extra = _apply(rules, more)
        made = concatenate([made, more])
        rejected = {code: np.concatenate([mask, extra[code]]) for code, mask in rejected.items()}


def _marginal_shift(made: Scenarios, kept: Scenarios) -> MarginalShift:
    if len(made) == len(kept):
        return MarginalShift()
    finish = kept.finish.mean(axis=0) - made.finish.mean(axis=0)
    led = kept.laps_led.mean(axis=0) - made.laps_led.mean(axis=0)
    win = (kept.finish == 1).mean(axis=0) - (made.finish == 1).mean(axis=0)
    limit_made = [int(np.argmax(np.abs(change))) for change in (finish, led, win)]
    return MarginalShift(
        finish=float(finish[limit_made[0]]),
        finish_driver=made.driver_ids[limit_made[0]],
        laps_led=float(led[limit_made[1]]),
        laps_led_driver=made.driver_ids[limit_made[1]],
        win_probability=float(win[limit_made[2]]),
        win_probability_driver=made.driver_ids[limit_made[2]],
    )
