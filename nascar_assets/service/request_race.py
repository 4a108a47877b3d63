"""From a request to the race, the constraints and the player pool that its job computes from."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.constraints import (
    ConstraintSpec,
    DriverConstraints,
    TrackConstraints,
    create_run_config,
)
from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.files import SourceFile
from nascar_assets.rules import DEFAULT_CONTEST, RuleSet, rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.scenarios import (
    STARTING_VALUES,
    Entry,
    PitStrategy,
    ProcessParameters,
    RaceSetup,
)
from nascar_assets.service.compiled import CompiledRequest, parameters_hash, race_hash
from nascar_assets.service.contracts import (
    CalibrationMetrics,
    DriverConstraintsRequest,
    OptimizeRequest,
)
from nascar_assets.service.problems import invalid, of_input_error
from nascar_assets.service.stored_slates import StoredSlate, calibration_of
from nascar_assets.service.track_names import NamedTrack, UnknownTrack, resolve_track
from nascar_assets.slates.slate import Slate, SlatePlayer

UNKNOWN_RACE_LAPS = 200
"""Laps of a race of which nothing is known."""
UNRATED_SD = 0.5
"""Uncertainty of a car that no rating is known for, as in the slates' own runs."""
STAGE_SHARES = (0.25, 0.5)
"""Where the first two stages of a race of which nothing is known end, as shares of its laps."""


@dataclass(frozen=True)
class Parameters:
    """What decides a simulation besides field and constraints.

    Attributes:
        n_scenarios: Scenarios wanted.
        race_length: Laps; none for the race's own.
        field_size: Cars, where the field is not known.
        seed: Positive.
        pit_strategy_mix: Weights; none for the usual ones.
        graph_values: Whether the graph's own values hold for every driver, as in the slate's own
            run, instead of the request's.
    """

    n_scenarios: int
    race_length: int | None
    field_size: int
    seed: int
    pit_strategy_mix: Mapping[PitStrategy, float] | None = None
    graph_values: bool = False


@dataclass(frozen=True)
class KnownTrackValues:
    """What the graph says where no slate is known: the track, and vetoes of drivers by id."""

    track: TrackConstraints | None = None
    vetoes: Mapping[str, tuple[str, ...]] | None = None


def parameters_of(request: OptimizeRequest, seed: int) -> Parameters:
    """What the request itself asks for."""
    config = request.scenario_config
    return Parameters(
        n_scenarios=config.n_scenarios,
        race_length=config.race_length,
        field_size=config.field_size,
        seed=seed or 2**32,  # a RunConfig stores positive ones
        pit_strategy_mix=config.pit_strategy_mix,
    )


def compile_request(
    request: OptimizeRequest,
    parameters: Parameters,
    *,
    run_id: str,
    now: datetime,
    slate: StoredSlate | None,
    tracks: Sequence[NamedTrack] = (),
    graph: KnownTrackValues | None = None,
) -> CompiledRequest:
    """Everything that the request's job computes from.

    Args:
        parameters: What decides the simulation besides.
        slate: The slate's own run; none where no such slate is known.
        tracks: The tracks there are, for a slate that is not known.
        graph: What the graph says of track and drivers, for a slate that is not known.

    Raises:
        RequestRefused: 422 with a code and the field at fault.
    """
    process = STARTING_VALUES if slate is None else slate.parameters
    try:
        if slate is not None:
            made = _of_known_slate(request, parameters, slate, tracks)
        else:
            made = _of_new_slate(request, parameters, tracks, graph or KnownTrackValues(), now)
        setup, pool, drivers, track, notices = made
        spec = ConstraintSpec(request.slate_id, now, drivers, [track])
        config = create_run_config(
            spec,
            _sim_params(request, parameters, setup, pool, process),
            parameters.seed,
            now=now,
            run_id=run_id,
        )
    except UnknownTrack as error:
        raise of_input_error(error, "TRACK_UNKNOWN") from error
    except InputError as error:
        raise of_input_error(error) from error
    metrics, reason = _calibration(request, slate)
    return CompiledRequest(
        request=request,
        slate=pool,
        spec=spec,
        setup=setup,
        run_config=config,
        parameters=process,
        pit_strategy_mix=parameters.pit_strategy_mix,
        calibration=metrics,
        calibration_reason=reason,
        notices=(*notices, *setup.notices),
    )


Made = tuple[RaceSetup, Slate, list[DriverConstraints], TrackConstraints, list[str]]


def _of_known_slate(
    request: OptimizeRequest,
    parameters: Parameters,
    stored: StoredSlate,
    tracks: Sequence[NamedTrack],
) -> Made:
    notices: list[str] = []
    asked = resolve_track(request.scenario_config.track_id, [stored.track, *tracks])
    if asked.track_id != stored.track.track_id:
        raise invalid(
            "TRACK_MISMATCH",
            f"Slate {request.slate_id} races at {stored.track.name} ({stored.track.track_id}), "
            f"not at {asked.name} ({asked.track_id}).",
            field="scenario_config.track_id",
            remedy=f"Give {stored.track.track_id}.",
        )
    ids = _resolved(request, stored)
    players = {player.driver_id: player for player in reversed(stored.slate.everyone)}
    entered = {entry.driver_id: entry for entry in stored.setup.entries}
    by_id = dict(zip(ids, request.drivers, strict=True))
    setup = _with_length(stored.setup, parameters.race_length, notices)
    if "field_size" in request.scenario_config.model_fields_set and (
        parameters.field_size != len(setup.entries)
    ):
        notices.append(
            f"The slate's own field of {len(setup.entries)} cars races; field_size "
            f"{parameters.field_size} does not apply."
        )
    chosen = []
    for i, (driver_id, driver) in enumerate(by_id.items()):
        player = players.get(driver_id)
        if player is not None and player.reason is not None:
            notices.append(f"{player.absence} and is left out.")
            continue
        salary = driver.salary if driver.salary is not None else player and player.salary
        if not salary:
            raise invalid(
                "SALARY_MISSING",
                f"Neither the request nor slate {request.slate_id} has a salary for "
                f"{driver.driver_id}.",
                field=f"drivers.{i}.salary",
            )
        chosen.append(
            SlatePlayer(
                driver_id=driver_id,
                name=driver.name or (player.name if player else entered[driver_id].name),
                site_id=player.site_id if player else driver_id,
                salary=salary,
                team=player.team if player else entered[driver_id].team or None,
                status=player.status if player else None,
            )
        )
    pool = replace(
        stored.slate,
        players=tuple(chosen),
        rules=replace(stored.rules, salary_cap=request.salary_cap),
        notices=(),
    )
    asked_for = {} if parameters.graph_values else by_id
    constraints = [
        _merged(asked_for.get(entry.driver_id), stored.spec.get_driver_constraints(entry.driver_id))
        for entry in setup.entries
    ]
    left_out = sum(entry.driver_id not in asked_for for entry in setup.entries)
    if left_out:
        notices.append(f"{left_out} cars of the field race with the graph's own values.")
    track = stored.spec.get_track_constraints(stored.track.track_id)
    return setup, pool, constraints, track, notices


def _resolved(request: OptimizeRequest, stored: StoredSlate) -> list[str]:
    """The feed's id of each driver, in the request's order; each at most once."""
    everyone = stored.slate.everyone
    names = {player.driver_id: player.name for player in stored.slate.absent}
    names |= {entry.driver_id: entry.name for entry in stored.setup.entries}
    site_ids = {p.site_id: p.driver_id for p in everyone if p.driver_id in names}
    spelled = [*names.items(), *((p.driver_id, p.name) for p in everyone if p.driver_id in names)]
    directory = DriverDirectory.from_frames(
        pl.DataFrame(
            sorted(set(spelled)),
            schema={"driver_id": pl.String, "driver_name": pl.String},
            orient="row",
        )
    )
    found: dict[str, int] = {}
    for i, driver in enumerate(request.drivers):
        asked = driver.driver_id
        driver_id = asked if asked in names else site_ids.get(asked)
        driver_id = driver_id or directory.resolve(asked).driver_id
        if driver_id is None or driver_id not in names:
            near = difflib.get_close_matches(asked, list(names.values()), n=2, cutoff=0.6)
            raise invalid(
                "DRIVER_NOT_IN_SLATE",
                f"No car of slate {request.slate_id} is driven by {asked!r}.",
                field=f"drivers.{i}.driver_id",
                remedy=f"Nearest: {', '.join(near)}." if near else None,
            )
        if driver_id in found:
            raise invalid(
                "DUPLICATE_DRIVER",
                f"{request.drivers[found[driver_id]].driver_id!r} and {asked!r} are the same "
                f"driver, {names[driver_id]} ({driver_id}).",
                field=f"drivers.{i}.driver_id",
            )
        found[driver_id] = i
    return list(found)


def _merged(
    driver: DriverConstraintsRequest | None, compiled: DriverConstraints
) -> DriverConstraints:
    """The request's values over the graph's; the graph's vetoes stay."""
    if driver is None:
        return compiled
    names = ("skill", "aggression", "shadow_risk")
    own = {name for name in names if getattr(driver, name) != getattr(compiled, name)}
    overridden = tuple(sorted({*compiled.overridden, *own}))
    return replace(compiled, **_values(driver), overridden=overridden)


def _values(driver: DriverConstraintsRequest) -> dict[str, Any]:
    """What a request says of a driver, by the names that constraints have for it."""
    names = ("skill", "aggression", "shadow_risk", "min_laps_led", "max_laps_led")
    return {name: getattr(driver, name) for name in names}


def _with_length(setup: RaceSetup, laps: int | None, notices: list[str]) -> RaceSetup:
    """The race over another distance, its stages at the same shares of it."""
    if laps is None or laps == setup.scheduled_laps:
        return setup
    share = laps / setup.scheduled_laps
    ends = sorted({min(laps - 1, max(1, round(end * share))) for end in setup.stage_ends})
    notices.append(
        f"The race is simulated over {laps} laps instead of its own {setup.scheduled_laps}."
    )
    return replace(setup, scheduled_laps=laps, stage_ends=tuple(ends))


def _of_new_slate(
    request: OptimizeRequest,
    parameters: Parameters,
    tracks: Sequence[NamedTrack],
    graph: KnownTrackValues,
    now: datetime,
) -> Made:
    without = [i for i, driver in enumerate(request.drivers) if driver.salary is None]
    if len(without) == len(request.drivers):
        raise invalid(
            "SLATE_UNKNOWN",
            f"No slate {request.slate_id!r} was run, and the request brings no salaries.",
            field="slate_id",
        )
    if without:
        names = ", ".join(request.drivers[i].driver_id for i in without)
        raise invalid(
            "SALARY_MISSING",
            f"The request has no salary for {names}, and no slate {request.slate_id!r} was run.",
            field=f"drivers.{without[0]}.salary",
        )
    track = resolve_track(request.scenario_config.track_id, tracks)
    laps = parameters.race_length or UNKNOWN_RACE_LAPS
    rules: RuleSet = rule_set(DEFAULT_CONTEST, race_day(now))
    ids = [driver.driver_id for driver in request.drivers]
    entries = [
        Entry(driver_id=driver.driver_id, name=driver.name or driver.driver_id)
        for driver in request.drivers
    ]
    average = max(0, parameters.field_size - len(entries))
    entries += [
        Entry(driver_id=name, name="Average car", level_sd=UNRATED_SD)
        for name in _free_ids(average, ids)
    ]
    setup = RaceSetup(
        race_id="unknown",
        track_id=track.track_id,
        track_type=track.track_type,
        scheduled_laps=laps,
        stage_ends=tuple(round(share * laps) for share in STAGE_SHARES),
        entries=tuple(entries),
        track_length=track.length_miles,
    )
    notices = [
        f"No slate {request.slate_id} is known: {laps} laps at {track.name} with stages ending at "
        f"a quarter and a half of them, {average} average cars, starting order drawn in every "
        "scenario, skill taken at its word."
    ]
    vetoes = graph.vetoes or {}
    constraints = [
        DriverConstraints(
            driver_id=driver.driver_id,
            **_values(driver),
            veto_rules=vetoes.get(driver.driver_id, ()),
        )
        for driver in request.drivers
    ]
    constraints += [
        DriverConstraints(entry.driver_id, 0.5, 0.5, 0.5) for entry in entries[len(ids) :]
    ]
    values = graph.track
    if values is None:
        values = TrackConstraints(track.track_id, 0.5, 0.5, 0.5)
        notices.append("The graph knows nothing of this track: neutral values.")
    pool = Slate(
        slate_id=request.slate_id,
        race_id=setup.race_id,
        race_key="unknown",
        rules=replace(rules, salary_cap=request.salary_cap),
        lock=now,
        players=tuple(
            SlatePlayer(
                driver_id=driver.driver_id,
                name=driver.name or driver.driver_id,
                site_id=driver.driver_id,
                salary=driver.salary or 0,
            )
            for driver in request.drivers
        ),
        source=SourceFile("request", ""),
    )
    return setup, pool, constraints, values, notices


def _free_ids(count: int, taken: Sequence[str]) -> list[str]:
    names = (f"average-car-{number}" for number in itertools.count(1))
    return list(itertools.islice((name for name in names if name not in taken), count))


def _sim_params(
    request: OptimizeRequest,
    parameters: Parameters,
    setup: RaceSetup,
    pool: Slate,
    process: ProcessParameters,
) -> dict[str, object]:
    mix = parameters.pit_strategy_mix
    portfolio = request.portfolio
    return {
        "n_scenarios": parameters.n_scenarios,
        "field_size": len(setup.entries),
        "race_length": setup.scheduled_laps,
        "pit_strategy_mix": {key.value: share for key, share in mix.items()} if mix else None,
        "slate_id": request.slate_id,
        "track_id": setup.track_id,
        "race_hash": race_hash(setup),
        "parameters_hash": parameters_hash(process),
        "rules": pool.rules.key,
        "salary_cap": pool.rules.salary_cap,
        "portfolio": portfolio.model_dump(mode="json", by_alias=True) if portfolio else None,
    }


def _calibration(
    request: OptimizeRequest, slate: StoredSlate | None
) -> tuple[CalibrationMetrics | None, str | None]:
    if not request.scenario_config.calibration_enabled:
        return None, "The request switched calibration off."
    if slate is None:
        return None, "No slate of this name is known: there is no history to measure on."
    metrics, reason = calibration_of(slate.calibration)
    return (CalibrationMetrics(**metrics) if metrics else None), reason
