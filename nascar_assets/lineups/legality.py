"""Whether a lineup is legal, checked from nothing but the slate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.slates.slate import Slate


class IllegalLineup(InputError):
    """A lineup breaks the contest's rules."""


def lineup_problems(
    slate: Slate, lineup: Sequence[int], *, entered: bool = False
) -> tuple[str, ...]:
    """What is wrong with a lineup, in words; empty where it is legal.

    Args:
        slate: The slate.
        lineup: Indices into `slate.everyone`.
        entered: Whether it was entered before, and may hold who does not race by now.
    """
    rules, everyone = slate.rules, slate.everyone
    unknown = [i for i in lineup if not 0 <= i < len(everyone)]
    if unknown:
        return (f"driver index {unknown[0]} is not in slate {slate.slate_id}",)
    absent = [everyone[i].absence for i in lineup if i >= len(slate.players) and not entered]
    problems = [f"it holds a driver who cannot score: {absence}" for absence in absent]
    if len(lineup) != rules.roster_size:
        problems.append(f"it has {len(lineup)} drivers, not {rules.roster_size}")
    twice = {i for i in lineup if list(lineup).count(i) > 1}
    problems.extend(f"it holds {everyone[i].name} more than once" for i in sorted(twice))
    cost = sum(everyone[i].salary for i in lineup)
    if cost > rules.salary_cap:
        problems.append(f"it costs {cost:,}, over the cap of {rules.salary_cap:,}")
    return tuple(problems)


def check_lineups(
    slate: Slate, lineups: npt.ArrayLike | Sequence[Sequence[int]], *, entered: bool = False
) -> None:
    """Raises `IllegalLineup` at the first lineup that is not legal, naming it and what is wrong."""
    for number, lineup in enumerate(np.asarray(lineups, np.int64).tolist(), start=1):
        problems = lineup_problems(slate, lineup, entered=entered)
        if problems:
            raise IllegalLineup(f"lineup {number}: {'; '.join(problems)}.")
