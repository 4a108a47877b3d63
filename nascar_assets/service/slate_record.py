"""How past forecasts kept their word: the record of a slate's as-of time, in numbers and words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.race_scores import RaceScores
from nascar_assets.calibration.record import measured
from nascar_assets.calibration.replay import surprise
from nascar_assets.calibration.score_tables import scores_from_table
from nascar_assets.orchestration.inputs.race_scores import scores_partition, scores_table
from nascar_assets.orchestration.inputs.slate_files import record_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.storage.store import read_table, stored_partitions
from nascar_assets.rules import DEFAULT_CONTEST, rule_set, site_of
from nascar_assets.rules.race_day import race_day
from nascar_assets.service.slate_answers import known, scored_points
from nascar_assets.service.slate_contracts import (
    GateLine,
    Histogram,
    MissedDriver,
    RecordMetric,
    RecordRace,
    ReliabilityBin,
    Sentence,
    SlateRecord,
)

RECENT = 5
"""Races that are told of one by one, in words."""
EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Bins of forecast chances; most chances are small."""
_NEAR = 0.03
"""How far a coverage may lie from what was said, besides two standard errors, to have held."""
_OLD = timedelta(days=21)
"""Races are a week or two apart: older than this, results are missing or a season lies between."""


def record(run: SlateRun) -> SlateRecord:
    """The calibration record of a slate's newest run, with the races behind it."""
    stored = json.loads(run.root.read(record_path(run.slate_id)) or b"{}")
    metrics = _metrics(run.table("calibration_record"))
    grid = bool(stored.get("grid", True))
    contest = stored.get("contest", DEFAULT_CONTEST)
    scored = list(_scored(run, int(stored.get("races") or 0), scores_table(grid), contest))
    races = tuple(_race(facts, scores, outcome) for facts, scores, outcome in scored)
    used = run.model.version
    gate = tuple(
        GateLine(
            criterion=item.name,
            found=None if item.value is None else known(item.value),
            asked=item.bound,
            passed=item.passed,
        )
        for item in (used.record.criteria if used.record else ())
    )
    known_at, raced_at = (run.results[name].max() for name in ("results_at", "start_time"))
    return SlateRecord(
        slate=run.slate_id,
        races=int(stored.get("races") or 0),
        reason=stored.get("reason"),
        as_of=run.as_of,
        measured=measured(grid, contest),
        data_through=known_at if isinstance(known_at, datetime) else None,
        sentences=(
            *_sentences(run, metrics, races, gate, grid, contest, stored.get("reason")),
            *_of_old_data(raced_at if isinstance(raced_at, datetime) else None, run.plan.lock),
        ),
        metrics=metrics,
        pit=tuple(
            Histogram(name=name, shares=tuple(float(share) for share in shares))
            for name, shares in sorted((stored.get("pit") or {}).items())
        ),
        reliability=_reliability([scores for _, scores, _ in scored]),
        recent=races,
        model=used.said,
        gate=gate,
    )


def _metrics(table: pl.DataFrame) -> tuple[RecordMetric, ...]:
    found = []
    for row in table.iter_rows(named=True):
        head, _, level = row["metric"].partition("_")
        digits = level.partition("_")[0]
        nominal = int(digits) / 100 if head == "coverage" and digits.isdigit() else None
        numbers: dict[str, Any] = {
            name: known(row[name]) for name in ("standard_error", "lower", "upper")
        }
        if known(row["value"]) is not None:
            names = ("group", "label", "metric", "value", "races")
            found.append(
                RecordMetric(**{name: row[name] for name in names}, **numbers, nominal=nominal)
            )
    return tuple(found)


def _scored(
    run: SlateRun, count: int, table: str, contest: str
) -> Iterable[tuple[dict[str, Any], RaceScores, dict[str, dict[str, Any]]]]:
    """The races that were measured, the newest first: facts, scores, results by driver."""
    kept = set(stored_partitions(run.root, table))
    rules = rule_set(contest, race_day(run.plan.lock))
    rows = run.results.filter(
        pl.col("series") == run.race["series"],
        pl.col("race_type") == "points",
    )
    order = rows.select("race_key", "start_time").unique().sort("start_time", descending=True)
    keys = [key for key in order["race_key"] if scores_partition(key, contest) in kept]
    for key in keys[:count]:
        race = rows.filter(pl.col("race_key") == key)
        scores = scores_from_table(read_table(run.root, table, scores_partition(key, contest)))
        outcome = {row["driver_id"]: row for row in race.iter_rows(named=True)}
        facts = {
            name: race[name][0] for name in ("race_key", "race_name", "start_time", "track_type")
        }
        yield {**facts, "rules": rules}, scores, outcome


def _race(
    facts: Mapping[str, Any], scores: RaceScores, outcome: Mapping[str, Mapping[str, Any]]
) -> RecordRace:
    lower, upper = scores.pit["points"]
    bits = surprise(lower, upper)
    worst = int(np.nanargmax(bits))
    driver = scores.driver_ids[worst]
    row = outcome.get(driver)
    means = {
        name: float(np.nanmean(scores.per_driver[f"{name}_points"]))
        for name in ("crps", "coverage_50", "coverage_80", "coverage_95")
    }
    return RecordRace(
        race_key=facts["race_key"],
        race_name=facts["race_name"],
        date=f"{facts['start_time']:%Y-%m-%d}",
        track_type=facts["track_type"],
        drivers=len(scores.driver_ids),
        **means,
        worst=MissedDriver(
            driver_id=driver,
            name=driver if row is None else row["driver_name"],
            said_win=float(scores.events["win"][0][worst]),
            percentile=float(50 * (lower[worst] + upper[worst])),
            surprise_bits=float(bits[worst]),
            points=None if row is None else scored_points(facts["rules"], row),
        ),
    )


def _reliability(races: Sequence[RaceScores]) -> tuple[ReliabilityBin, ...]:
    """Forecast chances in bins, and how often what they spoke of happened."""
    made = []
    for event in sorted({name for race in races for name in race.events}):
        pairs = [race.events[event] for race in races if event in race.events]
        said = np.concatenate([pair[0] for pair in pairs])
        happened = np.concatenate([pair[1] for pair in pairs])
        place = np.clip(np.searchsorted(EDGES, said, side="right") - 1, 0, len(EDGES) - 2)
        for at in range(len(EDGES) - 1):
            inside = place == at
            if (count := int(inside.sum())) == 0:
                continue
            share = float(happened[inside].mean())
            mean = float(said[inside].mean())
            made.append(
                ReliabilityBin(
                    event=event,
                    lower=EDGES[at],
                    upper=EDGES[at + 1],
                    forecasts=count,
                    said=mean,
                    happened=share,
                    standard_error=float(np.sqrt(max(mean * (1 - mean), 0.0) / count)),
                )
            )
    return tuple(made)


def _sentences(
    run: SlateRun,
    metrics: Sequence[RecordMetric],
    races: Sequence[RecordRace],
    gate: Sequence[GateLine],
    grid: bool,
    contest: str,
    reason: str | None,
) -> Iterable[Sentence]:
    """What a person should know before the table, each with where its evidence is."""
    found = {(row.group, row.label, row.metric): row for row in metrics}
    early = "" if grid else ", forecast before their starting order was known"
    held = found.get(("all", "all", "coverage_80"))
    if held is None:
        yield Sentence(
            text=f"How far to trust this forecast is not known: {reason or 'no race was measured'}",
            evidence="metrics",
            good=None,
        )
    else:
        yield Sentence(
            text=f"The 80% ranges of points held {held.value:.0%} of the time in the last "
            f"{held.races} races{early}{_give_or_take(held)}; they should hold 80%.",
            evidence="metrics",
            good=_held(held),
        )
    wide = found.get(("all", "all", "coverage_95"))
    if wide is not None and not _held(wide):
        often = "more" if wide.value < 0.95 else "less"
        yield Sentence(
            text=f"The 95% ranges held {wide.value:.0%}: extreme scores come {often} often than "
            "they say.",
            evidence="metrics",
            good=False,
        )
    yield _skill(gate, contest)
    yield from _by_track_type(run.race["track_type"], found)
    if races:
        last = races[:RECENT]
        drivers = sum(race.drivers for race in last)
        inside = sum(race.coverage_80 * race.drivers for race in last)
        yield Sentence(
            text=f"In the last {len(last)} races they held {inside / drivers:.0%} of "
            f"{drivers} drivers: "
            + ", ".join(f"{race.race_name} {race.coverage_80:.0%}" for race in last)
            + ".",
            evidence="recent",
            good=None,
        )
        worst = max(last, key=lambda race: race.worst.surprise_bits)
        points = worst.worst.points
        scored = "" if points is None else f" with {points:.1f} points"
        yield Sentence(
            text=f"The worst miss of these: {worst.worst.name} in the {worst.race_name} "
            f"({worst.date}){scored}, {_tail(worst.worst)} of the simulated races.",
            evidence="recent",
            good=False,
        )


def _of_old_data(raced_at: datetime | None, lock: datetime) -> Iterable[Sentence]:
    """How long before this race that of the newest result was, where that is long."""
    if raced_at is not None and lock - raced_at > _OLD:
        days = (lock - raced_at).days
        yield Sentence(
            text=f"The newest result known here is of the race on {raced_at:%Y-%m-%d}, {days} days "
            "before this one.",
            evidence="data_through",
            good=None,
        )


def _tail(missed: MissedDriver) -> str:
    share = min(missed.percentile, 100 - missed.percentile)
    often = "in fewer than one of a thousand" if share < 0.1 else f"in {share:.1f}%"
    return f"which was {'exceeded' if missed.percentile > 50 else 'undercut'} {often}"


def _skill(gate: Sequence[GateLine], contest: str) -> Sentence:
    """What the release gate found; its points are those of the usual rules."""
    usual = "" if contest == DEFAULT_CONTEST else f"{site_of(DEFAULT_CONTEST).name} "
    names = {"points": f"{usual}points"}
    skills = {
        line.criterion.split(" ", 1)[0]: line
        for line in gate
        if "skill against start climatology" in line.criterion and line.found is not None
    }
    races = next((line.found for line in gate if line.criterion.startswith("races")), None)
    if not skills:
        return Sentence(
            text="Whether it beats a forecast that knows only the starting order has not been "
            "measured in this home (the backtest and release gate do it).",
            evidence="gate",
            good=None,
        )
    said = " and ".join(
        f"{100 * (line.found or 0):.0f}% better for {names.get(name, f'the {name}')}"
        for name, line in skills.items()
    )
    over = f" over {races:.0f} races" if races else ""
    return Sentence(
        text=f"Against a forecast that knows only the starting order it was {said}{over}.",
        evidence="gate",
        good=all((line.found or 0) > 0 for line in skills.values()),
    )


def _by_track_type(
    own: str, found: Mapping[tuple[str, str, str], RecordMetric]
) -> Iterable[Sentence]:
    kinds = {
        label: row
        for (group, label, metric), row in found.items()
        if group == "track_type" and metric in ("coverage_80", "coverage_80_points")
    }
    if not kinds:
        return
    weak = [label for label, row in kinds.items() if not _held(row)]
    if weak:
        text = "It is weak on " + ", ".join(
            f"{_kind(label)} tracks (80% ranges held {kinds[label].value:.0%} in "
            f"{kinds[label].races} races)"
            for label in weak
        )
    else:
        lowest = min(kinds, key=lambda label: kinds[label].value)
        text = (
            "No type of track stands out as weak; the ranges held less often than elsewhere on "
            f"{_kind(lowest)} tracks "
            f"({kinds[lowest].value:.0%} in {kinds[lowest].races} races)"
        )
    here = (
        f"; this race is on one of that kind, {_kind(own)}"
        if own in weak
        else f"; this race is on {_kind(own)}, {kinds[own].value:.0%}"
        if own in kinds and weak
        else ""
    )
    yield Sentence(text=f"{text}{here}.", evidence="track_type", good=own not in weak)


def _kind(track_type: str) -> str:
    return track_type.replace("_", " ")


def _held(row: RecordMetric) -> bool:
    """Whether ranges held about as often as they said."""
    allowed = max(_NEAR, 2 * (row.standard_error or 0.0))
    return abs(row.value - (row.nominal or 0.0)) <= allowed


def _give_or_take(row: RecordMetric) -> str:
    return "" if row.standard_error is None else f" (give or take {row.standard_error:.1%})"
