"""What a person asks for a slate in one command: add it, run it, solve its portfolio again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from nascar_assets.constraints import ConstraintSpec
from nascar_assets.errors import InputError
from nascar_assets.orchestration.commands.files import read_file
from nascar_assets.orchestration.commands.sync import Location
from nascar_assets.orchestration.inputs.past import driver_directory
from nascar_assets.orchestration.inputs.registering import read_slate
from nascar_assets.orchestration.inputs.schedule import race_of
from nascar_assets.orchestration.inputs.slate_change import (
    has_begun_anew,
    mixture,
    slate_change,
    taken_away,
)
from nascar_assets.orchestration.inputs.slate_files import (
    absent_path,
    load_spec,
    run_config_path,
    slate_notices,
    upload_path,
    withdrawn_path,
)
from nascar_assets.orchestration.inputs.slate_lineups import (
    has_lineups,
    lineups_run_id,
    load_lineups,
    newest_whole,
    stored_players,
)
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan, registered_slates
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import Progress, register_slates, run_job
from nascar_assets.orchestration.stage_times import StageTimes
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.tags import SLATE
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import PATIENCE_SECONDS
from nascar_assets.storage.overhead import overhead

if TYPE_CHECKING:
    from nascar_assets.slates.slate import SlatePlayer

DEFAULTS = {"n_scenarios": 10_000, "seed": 1, "settings": ""}
"""What a slate's first run takes where nobody says otherwise."""

_LOADED_FIRST = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "scipy.optimize",
    "nascar_assets.calibration.record",
    "nascar_assets.contest.field_fit",
    "nascar_assets.contest.outlook",
    "nascar_assets.contest.records",
    "nascar_assets.history.features",
    "nascar_assets.history.not_known",
    "nascar_assets.history.values",
    "nascar_assets.history.values_tracks",
    "nascar_assets.lineups",
    "nascar_assets.lineups.view_settings",
    "nascar_assets.ontology.ladybug_engine",
    "nascar_assets.orchestration.assets.slate_contract",
    "nascar_assets.orchestration.automation.clock",
    "nascar_assets.orchestration.automation.seen_races",
    "nascar_assets.orchestration.inputs.portfolio",
    "nascar_assets.orchestration.inputs.process_parameters",
    "nascar_assets.orchestration.inputs.provenance",
    "nascar_assets.orchestration.inputs.rating_states",
    "nascar_assets.orchestration.inputs.report_values",
    "nascar_assets.orchestration.inputs.unseen",
    "nascar_assets.reports.slate_page",
    "nascar_assets.telemetry.leakage",
    "nascar_assets.views.people",
    "nascar_assets.views.practice",
    "nascar_assets.views.rear",
    "nascar_assets.views.tilting",
)
"""What a slate's assets import where they use it: here it is loaded before the first of them, so
that no asset's time holds the loading of programs. A test holds that nothing is forgotten."""


@dataclass(frozen=True)
class SlateOutcome:
    """A slate's run: its plan, its result for programs, and what its checks said."""

    plan: SlatePlan
    result: dict[str, Any]


def add_slate(home: str, salaries: Path, race: str | None = None) -> tuple[Registration, list[str]]:
    """Registers a slate from a salary file.

    The file is read whole, its race found and its drivers resolved before anything is written.

    Returns:
        The registration, and notices for the person.

    Raises:
        InputError: If the file or the race is at fault.
        EnvironmentFault: If the file cannot be read or the root not written.
    """
    registration, data, notices = scan_salaries(home, salaries, race)
    keep_registration(home, registration, data)
    return registration, notices


def scan_salaries(
    home: str, salaries: Path, race: str | None = None
) -> tuple[Registration, bytes, list[str]]:
    """What `add_slate` would register, the file's bytes, and notices; nothing is written.

    Raises:
        InputError: If the file or the race is at fault.
        EnvironmentFault: If the file cannot be read.
    """
    data = read_file(salaries)
    root = Platform(home=home).root
    given = "/".join(salaries.absolute().parts[-2:])  # a folder may be named by the race's key
    registration, notices = read_slate(root, data, given, race, datetime.now(UTC))
    return registration, data, notices


def keep_registration(home: str, registration: Registration, data: bytes) -> None:
    """Registers a slate with the salary file that it rests on from now on."""
    root = Platform(home=home).root
    instance = open_instance(home)  # first: where it cannot be opened nothing is registered
    root.write(registration.source.path, data)
    registration.save(root, data)
    register_slates(instance, [registration.slate_id])


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a slate's run is asked for.

    Scenarios, seed and settings that are not given are those of the run before, as they are for
    a run without hands.

    Attributes:
        as_of: The as-of time; now where it is not given.
        n_scenarios: Races to simulate.
        seed: Seed of the run.
        settings: Portfolio settings as TOML.
        afresh: Whether what is not given is the platform's default, whatever the run before had.
        prove: Whether the portfolio's search goes on until a bound is proven.
        without_views: Whether what people stated in views is left out.
    """

    as_of: str | None = None
    n_scenarios: int | None = None
    seed: int | None = None
    settings: str | None = None
    afresh: bool = False
    prove: bool = False
    without_views: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """What is not taken over from the run before."""
        values = {"n_scenarios": self.n_scenarios, "seed": self.seed, "settings": self.settings}
        return {name: value for name, value in values.items() if value is not None}

    def config(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration of the run's plan; `kept` is what the run before had."""
        config = {**kept, **self.given, "prove": self.prove, "without_views": self.without_views}
        return config if self.as_of is None else {**config, "as_of": self.as_of}


def run_slate(
    home: str,
    slate_id: str,
    options: RunOptions,
    *,
    location: Location,
    salaries: tuple[Registration, bytes] | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda _: None,
    tags: Mapping[str, str] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> SlateOutcome:
    """Materialises everything that a slate needs, in this process.

    Args:
        salaries: A salary file to register first, with its bytes.
        progress: Notified of the run's steps.
        notify: Is given whom the run waits for, and what it took over from the run before.
        tags: Tags of the run besides its own.
        patience: Seconds to wait for another run of the slate.

    Raises:
        InputError: If the input is at fault.
        StillHeld: If another run of the slate goes on for too long.
        DagsterAssetCheckFailedError: If a blocking check failed.
    """
    root = Platform(home=home).root
    registration = Registration.load(root, slate_id) if salaries is None else salaries[0]
    times = StageTimes()
    started = time.perf_counter()
    with times.stage("start"):
        with overhead("loading"):
            definitions = location()
            for name in _LOADED_FIRST:
                import_module(name)
        with overhead("log"):
            instance = open_instance(home)
        _refuse_options(root, registration, options)
        with overhead("log"):
            register_slates(instance, [slate_id])
    with slate_change(root, slate_id, "nascar slate run", notify, patience) as staged:
        if salaries is not None:
            keep_registration(home, *salaries)
        before = None if options.afresh else SlatePlan.find(staged, slate_id)
        kept = {} if before is None else before.kept()
        if text := _taken_over(kept, options.given):
            notify(text)
        run = run_job(
            definitions.resolve_job_def("slate_job"),
            instance,
            partition=slate_id,
            run_config={"ops": {"slate_plan": {"config": options.config(kept)}}},
            tags={SLATE: slate_id, **(tags or {})},
            progress=progress,
            times=times,
        )
        return _outcome(staged, slate_id, run, times, time.perf_counter() - started)


def _refuse_options(root: DataRoot, registration: Registration, options: RunOptions) -> None:
    """Refuses what the run would refuse later, when a salary file has been replaced already.

    Raises:
        InputError: If the as-of time or the settings are at fault.
    """
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.orchestration.assets.slate import resolve_as_of

    race = race_of(root, registration)
    resolve_as_of(options.as_of, race["start_time"], datetime.now(UTC))
    if options.settings:
        PortfolioSettings.from_toml(options.settings)


def _taken_over(kept: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """What a run takes over from the one before, where it is not the platform's default."""
    shown = {
        "settings": "its portfolio settings",
        "n_scenarios": f"{kept.get('n_scenarios', 0):,} scenarios",
        "seed": f"seed {kept.get('seed')}",
    }
    found = [
        text
        for name, text in shown.items()
        if name in kept and name not in given and kept[name] != DEFAULTS[name]
    ]
    if not found:
        return None
    return (
        f"Kept from the run before: {', '.join(found)} "
        "(nascar slate run --default-settings for none of them)."
    )


def run_portfolio(
    home: str,
    slate_id: str,
    settings: str,
    location: Location,
    notify: Callable[[str], None] = lambda _: None,
    *,
    prove: bool = True,
    tags: Mapping[str, str] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> SlateOutcome:
    """Solves a slate's portfolio again on its stored scenarios.

    Plan, lineups and all that is made of them change together once the portfolio is solved. Where
    the slate's newest run did not come to its lineups (settings that a scratch made impossible),
    what is stored is of the field before: then the slate is run again under the settings.

    Args:
        settings: Portfolio settings as TOML, the slate's own from then on.
        notify: Is given whom the run waits for, and that the slate is run again.
        prove: Whether the search goes on until a bound is proven; it may find other lineups.
        patience: Seconds to wait for another run of the slate.

    Raises:
        InputError: If the slate was never run, or the settings are at fault.
        StillHeld: If another run of the slate goes on for too long.
    """
    from nascar_assets.lineups import PortfolioSettings

    root = Platform(home=home).root
    SlatePlan.load(root, slate_id)  # refused at once where it was never run
    PortfolioSettings.from_toml(settings)
    times = StageTimes()
    started = time.perf_counter()
    with times.stage("start"):
        with overhead("loading"):
            definitions = location()
        with overhead("log"):
            instance = open_instance(home)
    with slate_change(root, slate_id, "nascar portfolio", notify, patience) as staged:
        # Asked once it is this one's turn: a run that it waited for has changed the answers.
        if has_begun_anew(root, slate_id):
            notify(
                f"The newest run of {slate_id} did not come to its lineups: it is run again, races "
                "simulated anew, under these settings."
            )
            options = RunOptions(settings=settings, prove=prove)
            return run_slate(
                home, slate_id, options, location=lambda: definitions, notify=notify, tags=tags
            )
        plan = SlatePlan.load(root, slate_id)
        newest_whole(root, plan)
        SlateRun(root, plan).table("scenario_summary")  # refused where another version made it
        run = run_job(
            definitions.resolve_job_def("portfolio_job"),
            instance,
            partition=slate_id,
            run_config={"ops": {"lineups": {"config": {"settings": settings, "prove": prove}}}},
            tags=tags,
            times=times,
        )
        return _outcome(staged, slate_id, run, times, time.perf_counter() - started)


def compile_constraints(
    home: str, slate_id: str, location: Location
) -> tuple[ConstraintSpec, Mapping[str, str]]:
    """Compiles a slate's constraints again from the graph, as of its run's as-of time.

    Returns:
        The spec, and names of drivers by id.

    Raises:
        InputError: If the slate was never run.
    """
    root = Platform(home=home).root
    SlatePlan.load(root, slate_id)
    job = location().resolve_job_def("constraints_job")
    with slate_change(root, slate_id, "nascar constraints compile") as staged:
        run_job(job, open_instance(home), partition=slate_id)
        spec = load_spec(staged, slate_id)
    return spec, {**driver_directory(root).names, **SlateRun.load(root, slate_id).names}


def check_results(run: dg.JobExecutionResult) -> list[dict[str, Any]]:
    """Every check that a run evaluated: its name and whether it passed."""
    return [
        {"name": f"{item.asset_key.path[-1]}.{item.check_name}", "passed": item.passed}
        for item in run.get_asset_check_evaluations()
    ]


def _outcome(
    root: DataRoot,
    slate_id: str,
    run: dg.JobExecutionResult,
    times: StageTimes,
    total: float,
) -> SlateOutcome:
    plan = SlatePlan.load(root, slate_id)
    result = slate_result(root, plan)
    result["checks"] = check_results(run)
    seconds = {**times.seconds, "total": total}
    result["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
    result["stages"] = [stage.to_json() for stage in times.stages]
    return SlateOutcome(plan, result)


def slate_result(root: DataRoot, plan: SlatePlan) -> dict[str, Any]:
    """A slate's forecast and lineups as they are stored, for programs.

    Raises:
        InputError: If the slate's run did not come to its end.
    """
    run, slate_id = SlateRun(root, plan), plan.slate_id
    data = root.read(run_config_path(slate_id))
    lineups, summary = load_lineups(root, plan), run.table("scenario_summary")
    players = {player.driver_id: player for player in run.slate.players}
    own = stored_players(lineups)
    optima = run.table("scenario_optima").select("driver_id", "optimal_share")
    optimal = dict(optima.iter_rows())
    config = json.loads(data) if data is not None else {}
    return {
        "slate": slate_id,
        "race": plan.race_key,
        "as_of": plan.as_of.isoformat(),
        "run_id": plan.run_id,
        "lineups_run_id": lineups_run_id(lineups),
        "constraint_spec_hash": config.get("constraint_spec_hash"),
        "seed": plan.seed,
        "n_scenarios": plan.n_scenarios,
        "paths": {
            "scenarios": root.uri(f"store/scenarios/{slate_id}.parquet"),
            "lineups": root.uri(f"store/lineups/{slate_id}.parquet"),
            "upload": root.uri(upload_path(slate_id)),
            "report": root.uri(f"slates/{slate_id}/report.html"),
            "run_config": root.uri(run_config_path(slate_id)),
        },
        "lineups": [
            {
                "drivers": [
                    {
                        "driver_id": driver,
                        "name": players[driver].name,
                        "site_id": players[driver].site_id,
                        "salary": players[driver].salary,
                        "mean_points": round(own[driver]["mean_points"], 4),
                    }
                    for driver in row["driver_ids"]
                ],
                "salary": row["salary"],
                "mean_points": round(row["mean_points"], 4),
            }
            for row in lineups.iter_rows(named=True)
        ],
        "forecast": [
            {
                "driver_id": row["driver_id"],
                "name": row["driver_name"],
                "team": row["team"],
                "start": row["start"],
                **_priced(players.get(row["driver_id"]), row["mean_points"]),
                **_held(own.get(row["driver_id"])),
                "optimal_share": optimal.get(row["driver_id"]),
                "leverage": _leverage(own.get(row["driver_id"]), optimal.get(row["driver_id"])),
                "mean_points": round(row["mean_points"], 4),
                "standard_error": round(row["mean_points_se"], 4),
                "points_p10": row["points_p10"],
                "points_p90": row["points_p90"],
                "mean_finish": round(row["finish_mean"], 3),
                "win": row["win"],
                "mean_laps_led": round(row["laps_led_mean"], 3),
            }
            for row in summary.iter_rows(named=True)
        ],
        "portfolio": {
            "objective": lineups["objective"][0],
            "value": lineups["objective_value"][0],
            "standard_error": _error(lineups["objective_se"][0]),
        },
        "contests": run.rows("contest_forecast"),
        "notices": [*slate_notices(root, slate_id, run.slate.notices, lineups["notices"][0])],
    }


def _priced(player: SlatePlayer | None, mean: float) -> dict[str, Any]:
    """Salary and points per 1,000 dollars; none for a car that is not on the slate."""
    salary = None if player is None else player.salary
    return {
        "salary": salary,
        "points_per_1000": round(1_000 * mean / salary, 4) if salary else None,
    }


def _held(own: dict[str, Any] | None) -> dict[str, Any]:
    """Expected ownership, and a person's factor with the mean under it where one is set."""
    if own is None:  # a car that is not on the slate
        return {"expected_ownership": None, "cash_ownership": None}
    found = {
        "expected_ownership": own["expected_ownership"],
        "cash_ownership": own.get("cash_ownership"),
    }
    if own["points_multiplier"] != 1.0:
        found["points_multiplier"] = own["points_multiplier"]
        found["own_mean_points"] = round(own["mean_points"], 4)
    return found


def _leverage(own: dict[str, Any] | None, optimal: float | None) -> float | None:
    """How much more often a driver is in the best lineup than in rivals' tournament lineups."""
    return None if own is None or optimal is None else optimal - own["expected_ownership"]


def _error(value: float) -> float | None:
    """A standard error; none where there were too few scenarios to tell it."""
    return None if math.isnan(value) else value


UPLOAD_WITHDRAWN = "upload withdrawn"
"""State of a slate whose upload file named a driver who does not race, and that has no new one."""


DAMAGED = "damaged"
"""State of a slate whose own records cannot be read; `why` says which."""

MIXED = "mixed up"
"""State of a slate whose files are not all of one run."""


def slate_states(root: DataRoot) -> list[dict[str, Any]]:
    """Every slate that was added, and how far it has come; one that cannot be read is damaged."""
    found = []
    for slate_id in registered_slates(root):
        try:
            found.append(slate_state(root, slate_id))
        except InputError as error:
            nothing = dict.fromkeys(("race", "salary_file", "as_of", "lock"))
            found.append(
                {"slate": slate_id, "state": DAMAGED, "absent": [], "why": str(error), **nothing}
            )
    return found


def slate_state(root: DataRoot, slate_id: str) -> dict[str, Any]:
    """How far one slate has come.

    Raises:
        InputError: If the slate was never added.
    """
    registration = Registration.load(root, slate_id)
    plan = SlatePlan.find(root, slate_id)
    ready = plan is not None and has_lineups(root, plan)
    state = "ready" if ready else "added" if plan is None else "not finished"
    absent: list[str] = []
    if root.exists(withdrawn_path(slate_id)):
        state = UPLOAD_WITHDRAWN
        absent = (root.read(absent_path(slate_id)) or b"").decode().splitlines()
    elif ready and mixture(root, slate_id, taken_away(slate_id)):
        state = MIXED
    return {
        "slate": slate_id,
        "race": registration.race_key,
        "salary_file": registration.source.path.rsplit("/", 1)[-1],
        "state": state,
        "absent": absent,
        "as_of": plan.as_of.isoformat() if plan else None,
        "lock": plan.lock.isoformat() if plan else None,
    }
