"""Tables of docs/race-model.md: realism, skill, what each source is worth, parameters.

All walk-forward: each Cup race is simulated with ratings as of its start and parameters fitted, at
its season's start and after every ten races, on the races known by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.history import NEAREST_STARTS, ablations, read_points
from benchmarks.realism import realism_table
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.metrics_crps import (
    crps_ensemble,
    rank_probabilities,
    rps_of_probabilities,
)
from nascar_assets.calibration.metrics_intervals import central_coverage, pit_bounds
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.ratings import rate_history
from nascar_assets.rules import rule_set
from nascar_assets.rules.scoring import score
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters
from nascar_assets.scenarios.estimation import fit_parameters
from nascar_assets.scenarios.generation import simulate_rows
from nascar_assets.scenarios.inputs import prepare
from nascar_assets.scenarios.parameters import TypeParameters
from nascar_assets.scenarios.past_races import PastRace, past_races

FIRST_SEASON = 2023
REFIT_RACES = 10
"""Parameters are fitted at a season's start and again after so many races."""
RULES = rule_set("dk-classic", date(2025, 3, 1))
SCENARIOS = 2000


def walk_forward(
    results: pl.DataFrame, ratings: pl.DataFrame, schedule: pl.DataFrame
) -> tuple[list[PastRace], dict[str, ProcessParameters]]:
    """Cup races of all seasons, and the parameters that each from 2023 on is simulated with."""
    races = past_races(
        results, ratings, schedule, datetime.now(UTC), series=("cup",), full_distance=False
    )
    fitted: dict[str, ProcessParameters] = {}
    parameters, season, since = STARTING_VALUES, 0, 0
    for race in races:
        if race.start_time.year < FIRST_SEASON:
            continue
        if race.start_time.year != season or since == REFIT_RACES:
            parameters = fit_parameters(results, ratings, schedule, race.start_time)
            season, since = race.start_time.year, 0
        fitted[race.setup.race_id] = parameters
        since += 1
    return races, fitted


def realism(races: Sequence[PastRace], fitted: Mapping[str, ProcessParameters]) -> pl.DataFrame:
    """`realism_table` of the Cup races from 2023 on that ran their full distance."""
    full = [
        race
        for race in races
        if race.setup.race_id in fitted and race.outcome.race_laps[0] >= race.setup.scheduled_laps
    ]
    return realism_table(full, lambda race: fitted[race.setup.race_id], threads=2)


def actual_points(race: PastRace) -> NDArray[np.int64]:
    """[N] DraftKings points of a real race, in the rule set's units."""
    outcome = race.outcome
    columns = ("start", "finish", "laps_led", "fastest_laps", "laps_completed")
    return score(RULES, **{name: getattr(outcome, name) for name in columns})[0].astype(np.int64)


def climatologies(races: Sequence[PastRace]) -> dict[str, tuple[float, float]]:
    """Mean CRPS of finish and points of the start climatology, by race from the first season on.

    It is the finishes and the points of the 120 nearest starts at the same track type in earlier
    races.
    """
    past: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in TRACK_TYPES}
    out = {}
    for race in races:
        own, points = past[race.setup.track_type], actual_points(race)
        starts, finish = race.outcome.start[0], race.outcome.finish[0]
        if race.start_time.year >= FIRST_SEASON and own:
            table = np.concatenate(own)
            nearest = [
                table[np.argsort(np.abs(table[:, 0] - start), kind="stable")[:NEAREST_STARTS]]
                for start in starts
            ]
            near = np.stack(nearest, axis=1)
            places = np.minimum(near[:, :, 1], len(finish)).astype(np.int64)
            out[race.setup.race_id] = (
                float(crps_ensemble(places, finish).mean()),
                float(crps_ensemble(near[:, :, 2], points).mean()),
            )
        own.append(np.column_stack([starts, finish, points]).astype(np.float64))
    return out


def skill_rows(
    races: Sequence[PastRace],
    fitted: Mapping[str, ProcessParameters],
    reference: Mapping[str, tuple[float, float]],
    scenarios: int = SCENARIOS,
) -> pl.DataFrame:
    """Scores of each race's scenarios and of the reference.

    Args:
        races: Past races with the ratings to simulate them with.
        fitted: Parameters by race id; races without are passed over.
        reference: `climatologies`.
        scenarios: Simulated races for each.
    """
    rows = []
    for race in races:
        race_id = race.setup.race_id
        if race_id not in fitted:
            continue
        inputs = prepare(None, race.setup, fitted[race_id])
        made = simulate_rows(inputs, race.setup.driver_ids, int(race_id), 0, scenarios, 2)
        finish = race.outcome.finish[0]
        table = rank_probabilities(made.finish, len(finish))
        # A finite ensemble's score is too high by the spread of its own frequencies.
        cumulative = np.cumsum(table, axis=1)
        excess = (cumulative * (1.0 - cumulative)).sum(axis=1) / (scenarios - 1)
        points = crps_ensemble(made.points(RULES), actual_points(race), fair=True)
        low, high = pit_bounds(made.finish, finish)
        rows.append(
            {
                "track_type": race.setup.track_type,
                "season": str(race.start_time.year),
                "finish": float((rps_of_probabilities(table, finish) - excess).mean()),
                "points": float(points.mean()),
                "finish_reference": reference[race_id][0],
                "points_reference": reference[race_id][1],
                "rho": float(spearmanr(made.finish.mean(axis=0), finish).statistic),
                **{
                    f"coverage_{share}": float(central_coverage(low, high, share / 100.0).mean())
                    for share in (50, 80, 95)
                },
            }
        )
    return pl.DataFrame(rows)


def skill_of(table: pl.DataFrame, name: str) -> str:
    """Skill against the reference with its race-clustered 95% interval (bootstrap of races)."""
    own, base = table[name].to_numpy(), table[f"{name}_reference"].to_numpy()
    picks = np.random.default_rng(1).integers(0, len(own), (4000, len(own)))
    values = 1.0 - own[picks].mean(axis=1) / base[picks].mean(axis=1)
    low, high = np.quantile(values, (0.025, 0.975))
    return f"{100 * (1 - own.mean() / base.mean()):.1f}% ({100 * low:.1f} to {100 * high:.1f})"


def skill_markdown(table: pl.DataFrame) -> str:
    """Skill by track type and season."""
    lines = [
        "| | races | CRPS of the finish | CRPS of DraftKings points | rank correlation "
        "| coverage 50 / 80 / 95 |",
        "| --- |" + " --- |" * 5,
    ]
    parts = [("all", table)]
    parts += [(kind, table.filter(pl.col("track_type") == kind)) for kind in TRACK_TYPES]
    parts += [
        (year, table.filter(pl.col("season") == year)) for year in table["season"].unique().sort()
    ]
    for name, part in parts:
        covered = " / ".join(f"{100 * part[f'coverage_{s}'].mean():.0f}" for s in (50, 80, 95))
        lines.append(
            f"| {name} | {part.height} | {skill_of(part, 'finish')} | {skill_of(part, 'points')} "
            f"| {part['rho'].mean():.3f} | {covered} |"
        )
    return "\n".join(lines) + "\n"


def without_starts(races: Sequence[PastRace]) -> list[PastRace]:
    """The races before qualifying: every starting position is drawn."""
    return [
        replace(
            race,
            setup=replace(
                race.setup, entries=tuple(replace(e, start=None) for e in race.setup.entries)
            ),
        )
        for race in races
    ]


def ablation_markdown(
    tables: FeedTables,
    base: pl.DataFrame,
    fitted: Mapping[str, ProcessParameters],
    reference: Mapping[str, tuple[float, float]],
) -> str:
    """What each source of information is worth to the scenarios: scores without it.

    Parameters stay those fitted with every source. Points need a real start, so that the row
    without starts scores the finish alone.
    """
    lines = [
        "| left out | change of finish CRPS (standard error) | change of points CRPS "
        "| finish skill | rank correlation |",
        "| --- |" + " --- |" * 4,
    ]
    results, schedule = tables.results, tables.schedule
    for name, make in ablations(tables).items():
        rated, column = make()
        if column != "level":
            rated = rated.with_columns(level=pl.col(column))
        races = past_races(
            results, rated, schedule, datetime.now(UTC), series=("cup",), full_distance=False
        )
        started = column == "level"
        table = skill_rows(races if started else without_starts(races), fitted, reference)
        change = (table["finish"] - base["finish"]).to_numpy()
        error = change.std(ddof=1) / np.sqrt(len(change))
        points = (
            f"{(table['points'] - base['points']).mean() / RULES.points_scale:+.3f}"
            if started
            else ""
        )
        lines.append(
            f"| {name} | {change.mean():+.3f} ({error:.3f}) | {points} "
            f"| {skill_of(table, 'finish')} | {table['rho'].mean():.3f} |"
        )
    return "\n".join(lines) + "\n"


def parameters_markdown(parameters: ProcessParameters) -> str:
    """Every parameter with its standard error, or the spread of what is believed of a given one."""
    lines = ["| parameter | " + " | ".join(TRACK_TYPES) + " |", "| --- |" + " --- |" * 4]
    for item in fields(TypeParameters):
        cells = []
        for kind in TRACK_TYPES:
            value = getattr(parameters.of(kind), item.name)
            error = parameters.standard_errors.get(kind, {}).get(item.name)
            given = parameters.prior_spreads.get(kind, {}).get(item.name)
            cell = f"{value:.3g}"
            if error is not None:
                cell += f" ({error:.2g})"
            elif given is not None:
                cell += f" [{given:.2g}]"
            cells.append(cell)
        lines.append(f"| {item.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def markdown(table: pl.DataFrame) -> str:
    """The table with a column for each track type: real mean, its standard error, simulated."""
    lines = ["| statistic | " + " | ".join(TRACK_TYPES) + " |", "| --- |" + " --- |" * 4]
    for name in table["statistic"].unique(maintain_order=True):
        cells = []
        for kind in TRACK_TYPES:
            row = table.filter(pl.col("statistic") == name, pl.col("track_type") == kind)
            real, error, made, z = row.select("real", "standard_error", "simulated", "z").row(0)
            mark = " *" if z is not None and abs(z) > 2.0 else ""
            cells.append(f"{real:.3g} ({error:.2g}) {made:.3g}{mark}")
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    counts = table.group_by("track_type").agg(pl.col("races").max())
    return "\n".join(lines) + f"\n\nRaces: {dict(sorted(counts.iter_rows()))}\n"


def print_tables(feed: Path) -> None:
    """Print every table of docs/race-model.md."""
    tables = read_points(feed)
    results, schedule = tables.results, tables.schedule
    ratings = rate_history(results, features=tables.features)
    races, fitted = walk_forward(results, ratings, schedule)
    print(markdown(realism(races, fitted)))
    reference = climatologies(races)
    base = skill_rows(races, fitted, reference)
    print(skill_markdown(base))
    print(ablation_markdown(tables, base, fitted, reference))
    print(parameters_markdown(fitted[races[-1].setup.race_id]))
