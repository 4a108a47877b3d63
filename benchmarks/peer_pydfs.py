"""The same slate in pydfs-lineup-optimizer: run as a program by the Python that has it installed.

Reads a slate as JSON on standard input and writes seconds and points as JSON.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from pydfs_lineup_optimizer import Player, Site, Sport, get_optimizer
from pydfs_lineup_optimizer.exceptions import LineupOptimizerException


def _optimizer(slate: Any, means: Sequence[float], exposures: Sequence[int]) -> Any:
    optimizer = get_optimizer(Site.DRAFTKINGS, Sport.NASCAR)
    optimizer.player_pool.load_players(
        [
            Player(str(i), "Driver", f"{i:02d}", ["D"], slate["teams"][i], salary, means[i])
            for i, salary in enumerate(slate["salaries"])
        ]
    )
    for i in exposures:
        optimizer.player_pool.get_player_by_id(str(i)).min_exposure = 0.3
    return optimizer


def _run(
    slate: Any, means: Sequence[float], count: int, exposures: Sequence[int] = ()
) -> dict[str, Any]:
    optimizer = _optimizer(slate, means, exposures)
    start, points, failure = time.perf_counter(), [], ""
    try:
        for lineup in optimizer.optimize(count):
            points.append(lineup.fantasy_points_projection)
    except LineupOptimizerException as error:
        failure = str(error) or type(error).__name__
    return {"seconds": time.perf_counter() - start, "points": points, "failure": failure}


slate = json.load(sys.stdin)
json.dump(
    {
        "one": [_run(slate, means, 1) for means in slate["sample"]],
        "many": _run(slate, slate["means"], slate["count"]),
        "exposed": _run(slate, slate["means"], 20, slate["exposed"]),
    },
    sys.stdout,
)
