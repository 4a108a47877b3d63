"""Lineups and portfolios: exact optima, whole sets under settings, payouts against a field."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nascar_assets.contest import expected_field
from nascar_assets.contest.outlook import contest_outlook
from nascar_assets.contest.track_record import found_of, said_of, summarised
from nascar_assets.files import SourceFile
from nascar_assets.lineups import (
    InfeasiblePortfolio,
    PortfolioSettings,
    best_lineups,
    build_portfolio,
    optimal_lineups,
    prize_kernel,
)
from nascar_assets.lineups.prize_kernel import summed_prizes
from nascar_assets.lineups.projection import project
from nascar_assets.rules import rule_set
from nascar_assets.slates.slate import Slate, SlatePlayer

SCENARIOS = 10_000
DRIVERS = 40
CAP = 50_000
ROSTER = 6
PEERS = ["pydfs-lineup-optimizer==3.6.1"]


def rows() -> Iterator[dict[str, Any]]:
    """One row for each figure."""
    slate = _slate()
    points = _points(slate)
    salary = np.array([player.salary for player in slate.players])
    yield from _one_lineup(points, salary)
    yield from _portfolios(points, slate)
    yield from _payouts(points, salary)
    yield from _values(points, slate)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield _row("peak memory of all of these", peak, "MB")


def _row(name: str, value: float, unit: str, target: float | None = None, note: str = "") -> Any:
    return {"name": name, "value": value, "unit": unit, "target": target, "note": note}


def _timed(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Best wall time of some runs after one that compiles, and the result."""
    work()
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def _slate() -> Slate:
    salaries = np.linspace(11_000, 5_000, DRIVERS).round(-2).astype(int)
    players = tuple(
        SlatePlayer(str(i), f"Driver {i:02d}", str(9_000 + i), int(s), team=f"Team {i % 12}")
        for i, s in enumerate(salaries)
    )
    return Slate(
        slate_id="bench",
        race_id="1",
        race_key="2026-cup-01",
        rules=rule_set("dk-classic", date(2026, 1, 1)),
        lock=datetime(2026, 1, 1, tzinfo=UTC),
        players=players,
        source=SourceFile("bench", "0" * 64),
    )


def _points(slate: Slate) -> npt.NDArray[np.int32]:
    """Points of invented races in which dearer drivers are better and few lead most laps."""
    rng = np.random.default_rng(1)
    salary = np.array([player.salary for player in slate.players], float)
    level = rng.normal(size=(SCENARIOS, DRIVERS)) + 0.9 * (salary - salary.mean()) / salary.std()
    finish = (-level).argsort(axis=1).argsort(axis=1) + 1
    start = rng.permutation(DRIVERS) + 1
    share = np.exp(2 * level)
    led = (267 * share / share.sum(axis=1, keepdims=True)).astype(int)
    units = 20 * np.maximum(45 - finish, 0) + 20 * (start - finish) + 5 * led + 9 * (led // 2)
    return units.astype(np.int32)


def _values(points: npt.NDArray[np.int32], slate: Slate) -> Iterator[dict[str, Any]]:
    """What 150 lineups are worth in the presets, and 30 slates of it beside what happened."""
    projection = project(points, slate, PortfolioSettings())
    drawn = projection.field.sample(400, np.random.default_rng(5))
    lineups = np.unique(drawn, axis=0)[:150]
    seconds, outlook = _timed(lambda: contest_outlook(points, slate, lineups, seed=1), 2)
    yield _row(
        "value of 150 lineups in four contests, 10,000 scenarios, field of 20,000", seconds, "s", 3
    )
    said = said_of(
        projection,
        projection,
        lineups.tolist(),
        outlook,
        race_id="1",
        series="cup",
        as_of=slate.lock,
        sealed_at=slate.lock,
        run_id="bench",
    )
    raced = [
        {player.driver_id: int(v) for player, v in zip(slate.players, points[race], strict=True)}
        for race in range(30)
    ]
    seconds, _ = _timed(lambda: summarised([found_of(said, units) for units in raced]), 2)
    yield _row("track record of 30 slates, 150 lineups each", seconds, "s", 10)


def _one_lineup(
    points: npt.NDArray[np.int32], salary: npt.NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    seconds, _ = _timed(lambda: optimal_lineups(points, salary, CAP, ROSTER), 5)
    yield _row("best lineup of 10,000 scenarios x 40 drivers", 1e3 * seconds, "ms", 30)
    worst, worst_name = 0.0, ""
    for name, hard, prices, cap in _adversarial(salary):
        slow, _ = _timed(lambda h=hard, p=prices, c=cap: optimal_lineups(h, p, c, ROSTER))
        if slow > worst:
            worst, worst_name = slow, name
    yield _row(
        "the same on the worst of six adversarial tables", 1e3 * worst, "ms", 400, worst_name
    )
    sample = points[:20]
    start = time.perf_counter()
    by_cp_sat = [_cp_sat(row, salary) for row in sample]
    each = (time.perf_counter() - start) / len(sample)
    agree = by_cp_sat == optimal_lineups(sample, salary, CAP, ROSTER).points.tolist()
    yield _row(
        "times as fast as CP-SAT on 20 of these scenarios",
        each / (seconds / SCENARIOS),
        "x",
        note=f"CP-SAT {1e3 * each:.1f} ms a scenario; answers {'agree' if agree else 'DIFFER'}",
    )
    totals = points.sum(axis=0, dtype=np.int64)
    many, best = _timed(lambda: best_lineups(totals, salary, CAP, ROSTER, 150), 5)
    yield _row("150 best lineups by mean", 1e3 * many, "ms", 20)
    peer = _pydfs(points, salary)
    each = np.mean([run["seconds"] for run in peer["one"]])
    ours = optimal_lineups(points[:20], salary, CAP, ROSTER).points / 20
    same = np.allclose([run["points"][0] for run in peer["one"]], ours)
    yield _row(
        "times as fast as pydfs-lineup-optimizer on the same 20",
        each / (seconds / SCENARIOS),
        "x",
        note=f"{1e3 * each:.0f} ms a scenario there; answers {'agree' if same else 'DIFFER'}",
    )
    theirs = np.array(peer["many"]["points"])
    same = np.allclose(theirs, best.values / 20 / SCENARIOS, atol=1e-3)
    yield _row(
        "times as fast as pydfs-lineup-optimizer on the 150 best by mean",
        peer["many"]["seconds"] / many,
        "x",
        note=f"{peer['many']['seconds']:.1f} s there; answers {'agree' if same else 'DIFFER'}",
    )
    made = len(peer["exposed"]["points"])
    yield _row(
        "lineups that pydfs-lineup-optimizer makes of 20 with twelve drivers at 30%",
        made,
        "",
        note=f"{peer['exposed']['seconds']:.1f} s; {peer['exposed']['failure'] or 'no failure'}",
    )


def _pydfs(points: npt.NDArray[np.int32], salary: npt.NDArray[np.int64]) -> Any:
    """The same slate in a peer, in an environment of its own that is made when first needed."""
    slate = {
        "salaries": salary.tolist(),
        "teams": [f"Team {i % 12}" for i in range(DRIVERS)],
        "sample": (points[:20] / 20).tolist(),
        "means": (points.mean(axis=0) / 20).tolist(),
        "count": 150,
        "exposed": list(range(0, 24, 2)),
    }
    home = Path(".cache/peers")
    python = home / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", str(home)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *PEERS], check=True)
    program = Path(__file__).with_name("peer_pydfs.py")
    command = [python, "-P", program]  # -P: the benchmarks' own names must not hide modules
    given = json.dumps(slate)
    run = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout[run.stdout.index("{") :])


def _adversarial(
    salary: npt.NDArray[np.int64],
) -> Iterator[tuple[str, npt.NDArray[np.int32], npt.NDArray[np.int64], int]]:
    rng = np.random.default_rng(2)
    shape = (SCENARIOS, DRIVERS)
    even = rng.choice(np.arange(4_600, 12_000, 200), DRIVERS)
    tens = np.broadcast_to(salary // 10, shape)
    yield "points proportional to salaries", tens.astype(np.int32), salary, CAP
    near = (tens + rng.integers(-3, 4, shape)).astype(np.int32)
    yield "nearly proportional", near, salary, CAP
    yield "all equal", np.full(shape, 700, np.int32), salary, CAP
    yield "zeros and ones", rng.integers(0, 2, shape).astype(np.int32), salary, CAP
    unreachable = np.broadcast_to(even // 10, shape).astype(np.int32)
    yield "proportional, the cap out of reach", unreachable, even, CAP + 100
    odd = even + 100 * rng.integers(0, 2, DRIVERS)
    noisy = (odd // 10 + rng.integers(-1, 2, shape)).astype(np.int32)
    yield "nearly proportional, odd and even", noisy, odd, CAP


def _cp_sat(values: npt.NDArray[np.int32], salary: npt.NDArray[np.int64]) -> int:
    model = cp_model.CpModel()
    picked = [model.new_bool_var(str(i)) for i in range(len(salary))]
    model.add(sum(picked) == ROSTER)
    model.add(sum(int(c) * x for c, x in zip(salary, picked, strict=True)) <= CAP)
    model.maximize(sum(int(v) * x for v, x in zip(values, picked, strict=True)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.solve(model)
    return round(solver.objective_value)


def _portfolios(points: npt.NDArray[np.int32], slate: Slate) -> Iterator[dict[str, Any]]:
    names = [player.name for player in slate.players]
    proof, one = _timed(lambda: build_portfolio(points, slate, {"lineups": 150}), 1)
    seconds, first = _timed(
        lambda: build_portfolio(points, slate, {"lineups": 150}, prove=False), 1
    )
    yield _row(
        "150 lineups of highest expected maximum on 10,000 scenarios",
        seconds,
        "s",
        3,
        f"{(one.bound - first.optimised_value) / first.optimised_value:.2%} from the bound below",
    )
    yield _row("the same, with a bound proven", proof, "s", note=f"{_gap(one):.2%} from it")
    twelve = {"lineups": 20, "drivers": {name: {"min_exposure": 0.3} for name in names[:24:2]}}
    proof, proven = _timed(lambda: build_portfolio(points, slate, twelve), 1)
    seconds, set_ = _timed(lambda: build_portfolio(points, slate, twelve, prove=False), 1)
    lower = min(set_.exposures[str(i)] for i in range(0, 24, 2))
    yield _row(
        "20 lineups, twelve drivers at 30% or more",
        seconds,
        "s",
        5,
        f"least exposure of the twelve {lower:.0%}",
    )
    yield _row("the same, with a bound proven", proof, "s", note=f"{_gap(proven):.2%} from it")
    everything = {
        "lineups": 150,
        "max_shared": 4,
        "drivers": {name: {"min_exposure": 0.02, "max_exposure": 0.5} for name in names},
        "groups": [
            {"drivers": names[:3], "at_most": 1},
            {"drivers": names[3:8], "min_exposure": 0.5, "at_most": 2},
        ],
        "rules": [
            {"if": [names[0]], "then": names[10:20]},
            {"if": [names[1]], "then": names[12:22]},
            {"if": [names[2]], "then": names[5:9]},
        ],
    }
    seconds, set_ = _timed(lambda: build_portfolio(points, slate, everything), 1)
    yield _row(
        "150 lineups: all drivers bounded, 2 groups, 3 rules, max_shared 4", seconds, "s", 15
    )
    yield _row("its distance from the proven bound", 100 * _gap(set_), "%", 1)
    apart = {"lineups": 100, "max_shared": 2, "salary_min": 49_900}
    seconds, set_ = _timed(lambda: build_portfolio(points, slate, apart, prove=False), 1)
    upper = max(shared for shared, pairs in enumerate(set_.overlap) if pairs)
    note = f"{upper} drivers shared at most"
    yield _row("100 lineups of 49,900 dollars or more, max_shared 2", seconds, "s", None, note)
    dear = {"lineups": 20, "drivers": {name: {"min_exposure": 0.6} for name in names[:10]}}
    seconds, error = _timed(lambda: _conflict(points, slate, dear), 1)
    yield _row("smallest conflict of ten minimum exposures", seconds, "s", 5, error.reason)


def _gap(portfolio: Any) -> float:
    return (portfolio.bound - portfolio.optimised_value) / portfolio.optimised_value


def _conflict(
    points: npt.NDArray[np.int32], slate: Slate, settings: dict[str, Any]
) -> InfeasiblePortfolio:
    try:
        build_portfolio(points, slate, settings)
    except InfeasiblePortfolio as error:
        return error
    raise RuntimeError("settings that cannot hold together gave a portfolio")


def _payouts(
    points: npt.NDArray[np.int32], salary: npt.NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    field = expected_field(points.mean(axis=0) / 20, salary, CAP, ROSTER)
    rivals = prize_kernel.pair_codes(field.sample(20_000, np.random.default_rng(0)), DRIVERS)
    own = prize_kernel.pair_codes(field.sample(25_000, np.random.default_rng(1)), DRIVERS)
    prizes = 100 * summed_prizes(np.array([3_000_000, *[2_000] * 4_000]), 20_001)
    seconds, _ = _timed(lambda: prize_kernel.alone(points, rivals, own, prizes, 200), 1)
    yield _row("expected payout of 25,000 lineups against a field of 20,000", seconds, "s", 3)
    given = 0.7 * field.ownership + 0.3 * np.roll(field.ownership, 3)
    seconds, fitted = _timed(
        lambda: expected_field(points.mean(axis=0) / 20, salary, CAP, ROSTER, given=given)
    )
    note = f"largest miss {fitted.error:.1e}"
    yield _row("field fitted to 40 ownerships over all lineups", 1e3 * seconds, "ms", None, note)


if __name__ == "__main__":
    for measured in rows():
        print(measured)
