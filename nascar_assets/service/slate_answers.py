"""From a slate's stored run to what the API tells of it: forecast, race, drivers, lineups."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.constraints import RunConfig
from nascar_assets.errors import InputError
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.orchestration.inputs.portfolio import overlaps
from nascar_assets.orchestration.inputs.provenance import code_version
from nascar_assets.orchestration.inputs.report_values import forecast_table
from nascar_assets.orchestration.inputs.slate_files import run_config_path
from nascar_assets.orchestration.inputs.slate_lineups import (
    has_lineups,
    lineup_rows,
    lineups_run_id,
    load_lineups,
    stored_players,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.rules import RuleSet, score
from nascar_assets.scenarios import REGIMES
from nascar_assets.scenarios.past_races import past_regimes
from nascar_assets.service.slate_contracts import (
    ContestRow,
    DriverDetail,
    DriverFeature,
    DriverRating,
    Exposure,
    ForecastRow,
    LineupDriver,
    LineupRow,
    LineupValue,
    Overlap,
    PastResult,
    ProvenanceFile,
    RaceCount,
    RaceSummary,
    RegimeShare,
    SlateContests,
    SlateExposures,
    SlateForecast,
    SlateLineups,
    SlateProvenance,
    Spread,
    TrackRace,
)
from nascar_assets.service.spreads import spread
from nascar_assets.slates.slate import Slate
from nascar_assets.telemetry.catalogue import FEATURES

HISTORY = 40
"""Past races of a driver that are shown, the newest ones."""
CAUTION = (
    "Returns are of races that the lineups were not chosen on, against fields from dull to sharp; "
    "how sharp real ones are is known from contests that were added."
)


def forecast(run: SlateRun) -> SlateForecast:
    """The forecast of the players, best means first."""
    own = stored_players(_lineups(run)) if has_lineups(run.root, run.plan) else {}
    table = forecast_table(
        run.table("slate"), run.table("scenario_summary"), run.table("scenario_optima"), own
    )
    chances = run.table("scenario_summary").select("driver_id", "most_laps_led")
    rows = table.join(chances, on="driver_id", how="left", maintain_order="left")
    return SlateForecast(
        slate=run.slate_id,
        as_of=run.as_of,
        run_id=run.plan.run_id,
        n_scenarios=run.plan.n_scenarios,
        rows=tuple(_forecast_row(row) for row in rows.iter_rows(named=True)),
    )


def _forecast_row(row: Mapping[str, Any]) -> ForecastRow:
    values = {name: row[name] for name in ForecastRow.model_fields if name in row}
    return ForecastRow(
        **{
            **values,
            "name": row["driver_name"],
            "points_per_1000": 1_000 * row["mean_points"] / row["salary"],
        }
    )


def race(run: SlateRun) -> RaceSummary:
    """Regimes, cautions, leaders and retirements of the scenarios, beside what was here."""
    facts, made = run.race, run.scenarios
    alike = run.results.filter(
        pl.col("race_type") == "points",
        pl.col("series") == facts["series"],
        pl.col("track_type") == facts["track_type"],
    )
    shares, races = past_regimes(alike)
    here = _track_races(run)
    led, accidents, failures = made.laps_led > 0, made.status == 1, made.status == 2
    simulated = np.bincount(made.regime, minlength=len(REGIMES)) / len(made)
    return RaceSummary(
        slate=run.slate_id,
        n_scenarios=len(made),
        regimes=tuple(
            RegimeShare(regime=name, share=float(simulated[code]), past_share=shares.get(name))
            for code, name in enumerate(REGIMES)
        ),
        regimes_past_races=races,
        counts=(
            _race_count("cautions", "caution periods", made.cautions, here),
            _race_count("leaders", "drivers who led a lap", led.sum(axis=1), here),
            _race_count("accidents", "cars out by an accident", accidents.sum(axis=1), here),
            _race_count("mechanical", "cars out by a failure", failures.sum(axis=1), here),
            _race_count("green_laps", "laps under green", made.green_laps, ()),
        ),
        track_races=here,
    )


def _race_count(
    name: str, words: str, values: npt.NDArray[Any], past: Sequence[TrackRace]
) -> RaceCount:
    known = [value for row in past if (value := getattr(row, name)) is not None]
    return RaceCount(
        name=name,
        words=words,
        scenarios=spread(values, whole=True),
        past_mean=sum(known) / len(known) if known else None,
        past_races=len(known),
    )


def _track_races(run: SlateRun) -> tuple[TrackRace, ...]:
    """Races of the series at this track that were known by the as-of time, the newest first."""
    facts = run.race
    rows = (
        run.results.filter(
            pl.col("track_id") == facts["track_id"],
            pl.col("series") == facts["series"],
            pl.col("finish").is_not_null(),
        )
        .sort("start_time", "finish")
        .group_by("race_key", "race_name", "start_time", maintain_order=True)
        .agg(
            pl.col("driver_name").first().alias("winner"),
            pl.col("cautions", "caution_laps").first(),
            pl.when(pl.col("laps_led").sum() > 0)  # else they were not counted
            .then((pl.col("laps_led") > 0).sum())
            .alias("leaders"),
            (pl.col("status") == "accident").sum().alias("accidents"),
            (pl.col("status") == "mechanical").sum().alias("mechanical"),
        )
    )
    return tuple(
        TrackRace(date=f"{row.pop('start_time'):%Y-%m-%d}", **row)
        for row in rows.reverse().iter_rows(named=True)
    )


def driver(run: SlateRun, driver_id: str, row: ForecastRow) -> DriverDetail:
    """What may happen to one player, what drives his forecast, and his past races."""
    made = run.scenarios
    car = made.driver_ids.index(driver_id)
    points = made.points(run.rules)[:, car] / run.rules.points_scale
    return DriverDetail(
        slate=run.slate_id,
        forecast=row,
        points=spread(points),
        finish=spread(made.finish[:, car], whole=True),
        laps_led=spread(made.laps_led[:, car], whole=True),
        rating=_rating(run, driver_id),
        features=_features(run, driver_id),
        history=_history(run, driver_id),
    )


def _rating(run: SlateRun, driver_id: str) -> DriverRating | None:
    table = run.table("slate_ratings").sort("level", descending=True)
    place = table.with_row_index("rank", offset=1).filter(pl.col("driver_id") == driver_id)
    if place.is_empty():
        return None
    found = place.row(0, named=True)
    names = ("rating", "rating_sd", "level", "level_sd", "rank", "races", "newcomer")
    return DriverRating(
        **{name: found[name] for name in names},
        moved=found["level"] - found["rating"],
        of=table.height,
    )


def _features(run: SlateRun, driver_id: str) -> tuple[DriverFeature, ...]:
    table = run.table("slate_features")
    own = table.filter(pl.col("driver_id") == driver_id)
    made = []
    for feature in FEATURES:
        value = own[feature.name][0] if feature.name in own.columns and own.height else None
        if value is None:
            continue
        column = table[feature.name].drop_nulls()
        made.append(
            DriverFeature(
                name=feature.name,
                meaning=feature.meaning,
                unit=feature.unit,
                value=value,
                field_mean=float(np.mean(column.to_numpy())),
                rank=int((column > value).sum()) + 1,
                of=column.len(),
                moves=feature.rated,
            )
        )
    return tuple(made)


def _history(run: SlateRun, driver_id: str) -> tuple[PastResult, ...]:
    rows = run.results.filter(pl.col("driver_id") == driver_id, pl.col("finish").is_not_null())
    rows = rows.sort("start_time", descending=True).head(HISTORY)
    columns = [name for name in PastResult.model_fields if name not in ("date", "points")]
    return tuple(
        PastResult(
            **{name: row[name] for name in columns},
            date=f"{row['start_time']:%Y-%m-%d}",
            points=scored_points(run.rules, row),
        )
        for row in rows.iter_rows(named=True)
    )


def scored_points(rules: RuleSet, row: Mapping[str, Any]) -> float | None:
    """Contest points of a row of RESULTS; none where something of it is not known."""
    names = ("start", "finish", "laps_led", "fastest_laps", "laps_completed")
    values = {name: row[name] for name in names}
    if None in values.values() or min(values["start"], values["finish"]) < 1:
        return None
    arrays = {name: np.array([value]) for name, value in values.items()}
    return rules.points(int(score(rules, **arrays)[0]))


def _lineups(run: SlateRun) -> pl.DataFrame:
    return load_lineups(run.root, run.plan)


def lineups(run: SlateRun) -> SlateLineups:
    """The stored portfolio."""
    table = _lineups(run)
    rows = np.array(lineup_rows(table, run.slate))
    scores = scores_of(run, rows, stored_players(table))
    return lineups_answer(run, table, rows, scores, tuple(table["notices"][0]))


def scores_of(
    run: SlateRun, rows: npt.NDArray[np.integer], players: Mapping[str, Mapping[str, Any]]
) -> npt.NDArray[np.float64]:
    """[S, n] points of lineups in each scenario, a person's own factors applied.

    Args:
        rows: [n, K] indices into the slate's players.
        players: What the portfolio took each player for.
    """
    factors = np.array(
        [
            players.get(player.driver_id, {}).get("points_multiplier", 1.0)
            for player in run.slate.players
        ]
    )
    points = run.points if bool((factors == 1.0).all()) else np.rint(run.points * factors)
    total = np.zeros((points.shape[0], rows.shape[0]), np.float64)
    for seat in rows.T:
        total += points[:, seat]
    return total / run.rules.points_scale


def lineups_answer(
    run: SlateRun,
    table: pl.DataFrame,
    rows: npt.NDArray[np.integer],
    scores: npt.NDArray[np.float64],
    notices: tuple[str, ...],
) -> SlateLineups:
    """A portfolio as it is told.

    Args:
        table: The table `lineup_table` with the objective's columns.
        rows: [n, K] its lineups as indices into the slate's players.
        scores: [S, n] their points.
    """
    from nascar_assets.lineups.objectives import OBJECTIVES

    first = table.row(0, named=True)
    kind = OBJECTIVES[first["objective"]]
    pairs = overlaps(table).group_by("shared").len().sort("shared").rows()
    players = run.slate.players
    numbers = ("mean_points", "points_p10", "points_p25", "points_p50", "points_p75", "points_p90")
    return SlateLineups(
        slate=run.slate_id,
        run_id=lineups_run_id(table),
        objective=first["objective"],
        objective_words=kind.words,
        unit=kind.unit.strip(),
        value=first["objective_value"],
        standard_error=known(first["objective_se"]),
        value_text=kind.text(first["objective_value"], first["objective_se"]),
        rows=tuple(
            LineupRow(
                lineup=row["lineup"],
                drivers=tuple(
                    LineupDriver.model_validate(players[i], from_attributes=True) for i in seats
                ),
                salary=row["salary"],
                **{name: row[name] for name in numbers},
            )
            for row, seats in zip(table.iter_rows(named=True), rows.tolist(), strict=True)
        ),
        overlap=tuple(Overlap(shared=shared, pairs=count) for shared, count in pairs),
        best=spread(scores.max(axis=1)) if scores.size else Spread(mean=0, quantiles=(), bars=()),
        notices=notices,
    )


def exposures(run: SlateRun) -> SlateExposures:
    """Exposures of the stored portfolio."""
    table = _lineups(run)
    return SlateExposures(
        slate=run.slate_id,
        run_id=lineups_run_id(table),
        rows=exposure_rows(
            run, stored_players(table), table.height, PortfolioSettings.from_toml(run.plan.settings)
        ),
    )


def exposure_rows(
    run: SlateRun,
    players: Mapping[str, Mapping[str, Any]],
    count: int,
    settings: PortfolioSettings,
) -> tuple[Exposure, ...]:
    """Every player's exposure beside its bounds, the greatest first.

    Args:
        players: What the portfolio took each player for.
    """
    bounds = _bounds(run.slate, run.with_views(settings))
    optima = run.table("scenario_optima").select("driver_id", "optimal_share")
    optimal: dict[str, float] = dict(optima.iter_rows())
    made = [
        Exposure(
            driver_id=player.driver_id,
            name=player.name,
            lineups=round(held["exposure"] * count),
            exposure=held["exposure"],
            min_exposure=bounds.get(player.driver_id, (None, None))[0],
            max_exposure=bounds.get(player.driver_id, (None, None))[1],
            optimal_share=optimal.get(player.driver_id),
            expected_ownership=held["expected_ownership"],
        )
        for player in run.slate.players
        if (held := players.get(player.driver_id)) is not None
    ]
    return tuple(sorted(made, key=lambda row: (-row.exposure, -(row.optimal_share or 0))))


def _bounds(
    slate: Slate, settings: PortfolioSettings
) -> dict[str, tuple[float | None, float | None]]:
    """Least and greatest exposure by driver, as the settings have them."""
    from nascar_assets.lineups.problem import find_driver

    found: dict[str, tuple[float | None, float | None]] = {}
    for asked, wanted in settings.drivers.items():
        try:
            player = slate.everyone[find_driver(slate, asked, field="drivers")]
        except InputError:  # settings of before a salary file that has him no more
            continue
        low, high = wanted.min_exposure, wanted.max_exposure
        if wanted.lock:
            low = high = 1.0
        if wanted.exclude:
            low, high = None, 0.0
        if low is not None or high is not None:
            found[player.driver_id] = (low, high)
    return found


def contests(run: SlateRun) -> SlateContests:
    """What the stored portfolio is expected to win."""
    table = _lineups(run)
    rows = run.rows("contest_forecast")
    values = [
        {"contest": row["contest"], **one} for row in rows for one in row.get("lineups") or ()
    ]
    return SlateContests(
        slate=run.slate_id,
        run_id=lineups_run_id(table),
        rows=contest_rows(rows),
        values=tuple(LineupValue(**value) for value in values),
        caution=CAUTION,
    )


def contest_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[ContestRow, ...]:
    """Rows of a contest forecast as they are told."""
    names = ContestRow.model_fields
    return tuple(
        ContestRow(**{name: row[name] for name in names if row.get(name) is not None})
        for row in rows
    )


def provenance(run: SlateRun) -> SlateProvenance:
    """Where the numbers of the newest run come from."""
    data = run.root.read(run_config_path(run.slate_id))
    if data is None:
        raise InputError(f"The RunConfig of {run.slate_id} is gone.", field="slate")
    config = RunConfig.from_json(data, source=run_config_path(run.slate_id))
    plan = run.plan
    files = [(plan.source.path, plan.source.sha256), *config.sim_params.get("data", {}).items()]
    return SlateProvenance(
        slate=run.slate_id,
        run_id=plan.run_id,
        lineups_run_id=lineups_run_id(_lineups(run)) if has_lineups(run.root, plan) else None,
        as_of=plan.as_of,
        code_version=str(config.sim_params.get("code_version") or code_version()),
        seed=plan.seed,
        n_scenarios=plan.n_scenarios,
        constraint_spec_hash=config.constraint_spec_hash,
        run_config_hash=hashlib.sha256(config.to_json().encode()).hexdigest(),
        inputs=tuple(ProvenanceFile(path=path, sha256=digest) for path, digest in files),
    )


def known(value: float | None) -> float | None:
    """A number; none for one that does not exist."""
    return None if value is None or math.isnan(value) else value
