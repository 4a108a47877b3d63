"""Scenarios that a slate's lineups were not chosen on, with what is not known of the race."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import moved_by_views

LIMIT = 10_000
"""Scenarios that lineups are valued on at most; as many as the slate has where it has fewer."""

_STEP = 0x9E3779B97F4A7C15  # odd, so that parts' seeds differ, also from the slate's own


def unseen_points(run: SlateRun) -> npt.NDArray[np.int32]:
    """Contest points of the players [S, N] in races simulated anew.

    Each of `simulate.PARTS` parts has parameters of the race process of its own, drawn from what is
    known of them, and is moved by people's views; where vetoes leave too little of such a part,
    it has the slate's own.
    """
    from nascar_assets.contest.simulate import PARTS
    from nascar_assets.scenarios import TooManyRejectedError, generate_scenarios
    from nascar_assets.scenarios.fit_scales import drawn_parameters

    plan, setup, process = run.plan, run.setup, run.model.parameters
    n = max(min(plan.n_scenarios, LIMIT), PARTS)
    parts = []
    for part, rows in enumerate(np.array_split(np.arange(n), PARTS), 1):
        seed = (plan.seed + part * _STEP) % 2**64
        rng = np.random.Generator(np.random.Philox(seed))
        drawn = drawn_parameters(process, setup.track_type, rng)
        try:
            made = generate_scenarios(run.spec, setup, rows.size, seed, parameters=drawn)
        except TooManyRejectedError:
            made = generate_scenarios(run.spec, setup, rows.size, seed, parameters=process)
        parts.append(run.points_of(moved_by_views(run, made)))
    return np.concatenate(parts)
