"""Slate: players, the race's field, its ratings and its features, all as of the as-of time."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from nascar_assets.errors import InputError
from nascar_assets.feed.names import with_canonical_ids
from nascar_assets.feed.sources import FEATURE_SOURCES, SOURCE
from nascar_assets.history.schemas import EQUIPMENT_CHANCE
from nascar_assets.orchestration.assets.feed import entries, schedule
from nascar_assets.orchestration.assets.history import ALL_FEATURES, ALL_RESULTS
from nascar_assets.orchestration.assets.slate_assets import (
    blocking_check,
    slate_asset,
    warning_check,
)
from nascar_assets.orchestration.inputs.past import driver_directory, known_entries, past_sources
from nascar_assets.orchestration.inputs.schedule import race_of
from nascar_assets.orchestration.inputs.slate_files import (
    absent_path,
    keep_notices,
    upload_path,
    withdrawn_path,
)
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import read_table, stored_partitions
from nascar_assets.orchestration.tags import AT
from nascar_assets.slates.build import build_slate
from nascar_assets.slates.salaries import read_salaries
from nascar_assets.slates.slate import Slate
from nascar_assets.slates.stored import (
    racing,
    slate_from_polars,
    slate_to_polars,
    starters,
)
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import at_once, begin
from nascar_assets.views.practice import with_practice

ALL_RACES = dg.AllPartitionMapping()


class SlateConfig(dg.Config):
    """What a person may set for one run of a slate."""

    as_of: str | None = Field(
        default=None,
        description="The as-of time as ISO time with zone; unset: now, or lock for a race begun.",
    )
    n_scenarios: int = Field(default=10_000, ge=10, le=200_000, description="Races to simulate.")
    seed: int = Field(default=1, ge=1, description="Seed of the run; the same seed repeats it.")
    settings: str = Field(default="", description="Portfolio settings as TOML; empty: defaults.")
    prove: bool = Field(
        default=False,
        description="Search the portfolio on until a bound says how far from the best it can be.",
    )
    without_views: bool = Field(
        default=False, description="Leave out what people stated in views: the pure forecast."
    )


@slate_asset(
    group_name="slate",
    description="What a run of the slate computes from: as-of time, seed, settings and salary "
    "file, fixed before anything else and read by every asset of the run.",
    deps=[schedule],
    kinds={"json"},
    io_manager_key="slate_runs",
)
def slate_plan(
    context: dg.AssetExecutionContext, config: SlateConfig, platform: Platform
) -> dg.Output[SlatePlan]:
    """The plan of a run of the slate as it is registered now."""
    root = platform.root
    registration = Registration.load(root, context.partition_key)
    race = race_of(root, registration)
    _not_after_lock(context, race["start_time"])
    plan = SlatePlan(
        slate_id=registration.slate_id,
        race_id=registration.race_id,
        race_key=registration.race_key,
        contest=registration.contest,
        as_of=resolve_as_of(config.as_of, race["start_time"], datetime.now(UTC)),
        lock=race["start_time"],
        n_scenarios=config.n_scenarios,
        seed=config.seed,
        settings=config.settings,
        source=registration.source,
        run_id=context.run.run_id,
        prove=config.prove,
        without_views=config.without_views,
    )
    return dg.Output(
        plan,
        metadata=shown(
            race=f"{race['race_name']} ({plan.race_key})",
            as_of=plan.as_of.isoformat(),
            lock=plan.lock.isoformat(),
            salary_file=plan.source.path,
            **plan.kept(),
        ),
    )


@slate_asset(
    group_name="slate",
    description="The players that a lineup may hold, each resolved to the feed's driver.",
    deps=[schedule, dg.AssetDep(entries, partition_mapping=ALL_RACES), ALL_RESULTS],
    kinds={"polars", "csv"},
)
def slate(context: dg.AssetExecutionContext, run: SlateRun) -> dg.Output[pl.DataFrame]:
    """Reads the plan's salary file; withdraws an upload file that holds who does not race."""
    from nascar_assets.history.expected_entries import last_entries

    root, slate_id = run.root, run.slate_id
    registration = Registration.load(root, slate_id)
    if registration.source.sha256 != run.plan.source.sha256:
        raise InputError(
            f"{registration.source.path} was registered after this run of {slate_id} was planned.",
            remedy=f"Run the slate from its plan on: nascar slate run {slate_id}.",
        )
    stored = slate_id in stored_partitions(root, "slate")
    listed, last_teams = known_entries(root, run.plan.race_key, run.as_of), {}
    if listed is None:
        last = last_entries(run.results, run.race["series"], run.as_of)
        last_teams = dict(last.select("driver_id", "team").iter_rows())
    built = build_slate(
        read_salaries(registration.salaries(root), registration.source.path.rsplit("/", 1)[-1]),
        run.race,
        listed,
        driver_directory(root, run.as_of),
        run.rules,
        slate_id=slate_id,
        earlier=slate_from_polars(run.table("slate")).everyone if stored else (),
        last_teams=last_teams,
    )
    if registration.race_notice:
        built = replace(built, notices=(registration.race_notice, *built.notices))
    begin(root, slate_id, run.plan.run_id)
    metadata: dict[str, Any] = {}
    withdrawn = withdraw_upload(root, built)
    if withdrawn:
        context.log.warning("The upload file is withdrawn: it holds %s.", ", ".join(withdrawn))
        metadata["upload_withdrawn"] = ", ".join(withdrawn)
    if built.notices:
        metadata["notices"] = list(built.notices)
    return dg.Output(slate_to_polars(built), metadata=shown(metadata))


def withdraw_upload(root: DataRoot, built: Slate) -> list[str]:
    """Withdraws an upload file that holds a driver who does not race; returns who that is.

    At once: it stays withdrawn where the run does not come to its end.
    """
    root = at_once(root)
    data = root.read(upload_path(built.slate_id))
    if data is None:
        return []
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    racing_ids = {player.site_id for player in built.players}
    held = {built.site.read_cell(cell)[0] for row in list(rows)[1:] for cell in row} - racing_ids
    names = {player.site_id: player.absence for player in built.absent}
    found = sorted(names.get(site_id, site_id) for site_id in held)
    if held:
        said = "\n".join(f"{name}." for name in found)
        root.write(absent_path(built.slate_id), said.encode())
        root.write(withdrawn_path(built.slate_id), data)
        root.delete(upload_path(built.slate_id))
    return found


def _not_after_lock(context: dg.AssetExecutionContext, lock: datetime) -> None:
    """Refuses a run that was decided on before lock and waited in the queue until after it.

    Its files would stand in the place of those that were entered. How long it waited is taken by
    the machine's clock, the decision's time by the sensors'.

    Raises:
        InputError: If lock has passed since a sensor or schedule asked for the run.
    """
    at = context.run.tags.get(AT)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if at is None or record is None:
        return
    waited = datetime.now(UTC) - record.create_timestamp.astimezone(UTC)
    if datetime.fromisoformat(at) + waited >= lock:
        raise InputError(
            f"The slate locked at {lock:%Y-%m-%d %H:%M} UTC, while this run waited to begin.",
            remedy="Its files of before are kept. To see a later forecast, run it by hand.",
        )


def resolve_as_of(
    asked: str | None,
    latest: datetime,
    now: datetime,
    *,
    limit: str = "the slate's lock",
    field: str = "--as-of",
) -> datetime:
    """The run's as-of time: what was asked for, else now, else the latest that may be.

    Args:
        asked: ISO time with zone; none for now.
        latest: The latest as-of time that may be: a slate's lock.
        limit: What `latest` is, for the message.
        field: Where a person asked for it, for the message.

    Raises:
        InputError: If the text is no time, has no zone, or lies after the latest as-of time.
    """
    if asked is None:
        return min(now, latest)
    try:
        moment = datetime.fromisoformat(asked)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{asked!r} is no time.",
            field=field,
            remedy="Write it as 2026-03-15T12:00:00-04:00.",
        ) from error
    if moment.tzinfo is None:
        raise InputError(
            f"{asked!r} has no time zone.",
            field=field,
            remedy="Add one, for example 2026-03-15T12:00:00-04:00 or ...Z.",
        )
    if moment > latest:
        raise InputError(
            f"{asked} lies after {limit}, {latest.isoformat()}.",
            field=field,
            remedy="Give a time up to then: nothing that happens later may be known.",
        )
    return moment


@slate_asset(
    group_name="slate",
    description="Every car of the race as known by the as-of time, picked or not.",
    deps=[schedule, dg.AssetDep(entries, partition_mapping=ALL_RACES), ALL_RESULTS],
    kinds={"polars"},
)
def slate_field(run: SlateRun, slate: pl.DataFrame) -> pl.DataFrame:
    """The entry list without who did not qualify or is out by the salary file; before there is
    one, what to expect of it."""
    from nascar_assets.history.expected_entries import expected_entries

    known = known_entries(run.root, run.plan.race_key, run.as_of)
    if known is not None:
        return starters(known, slate)
    names = racing(slate).select("driver_id", driver_name="name")
    return expected_entries(names, run.results, run.race, run.as_of)


def feature_sources(
    root: DataRoot, plan: SlatePlan, slate_field: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """The tables that features are built from, unfiltered: the builder keeps the as-of time."""
    entered = slate_field
    if plan.race_key in stored_partitions(root, "entries"):
        listed = read_table(root, "entries", plan.race_key)
        listed = with_canonical_ids(listed, driver_directory(root, plan.as_of))
        if EQUIPMENT_CHANCE in slate_field.columns:  # the list came after the as-of time
            entered = pl.concat([slate_field, listed], how="diagonal")
        else:
            starts = pl.col("driver_id").is_in(slate_field["driver_id"].to_list())
            entered = listed.filter(starts | (pl.col("entries_at") > plan.as_of))
    return {**past_sources(root, plan.as_of), "entries": entered}


@slate_asset(
    group_name="slate",
    description="One row per entrant: every catalogued feature that was known by the as-of time.",
    deps=[
        ALL_RESULTS,
        *(dg.AssetDep(source.table, partition_mapping=ALL_RACES) for source in FEATURE_SOURCES),
    ],
    kinds={"polars"},
    check_specs=[
        blocking_check(
            "slate_features",
            "names_are_available",
            "Level 1 of the availability contract: no forbidden and no unknown feature.",
        ),
        blocking_check(
            "slate_features",
            "known_as_of",
            "Level 2 of the availability contract: no row became known after the as-of time.",
        ),
        blocking_check(
            "slate_features",
            "nothing_leaks",
            "Level 3 of the availability contract: with everything after the as-of time changed, "
            "dropped or added to, features, ratings and values are the same to the byte.",
        ),
        warning_check(
            "slate_features",
            "sources_are_known",
            "A warning: what is not known yet, and what the forecast goes by instead.",
        ),
    ],
)
def slate_features(
    run: SlateRun, slate_field: pl.DataFrame, slate_views: pl.DataFrame
) -> Iterator[Any]:
    """The feature table, and the contract's three levels that the forecast waits for."""
    from nascar_assets.history.features import build_features
    from nascar_assets.orchestration.assets.slate_contract import prove_basis
    from nascar_assets.telemetry import FeatureAvailabilityContract, validate_features
    from nascar_assets.telemetry.leakage import prove_no_leakage

    race, as_of, seed = run.race, run.as_of, run.plan.seed
    sources = feature_sources(run.root, run.plan, slate_field)
    sources = with_practice(sources, slate_views, run.plan.race_id)
    features = build_features(sources, race, as_of)
    yield dg.Output(features, metadata=shown(nulls=int(features.null_count().sum_horizontal()[0])))
    planned = read_table(run.root, "schedule")
    missing, notices = _not_known(run, slate_field, sources, planned)
    keep_notices(run.root, run.slate_id, "slate_features", notices)
    yield dg.AssetCheckResult(
        passed=not notices,
        check_name="sources_are_known",
        severity=dg.AssetCheckSeverity.WARN,
        metadata=shown(missing, notices=notices),
    )
    keys = ("race_id", "driver_id", "available_at")
    names = [name for name in features.columns if name not in keys]
    yield _contract_check("names_are_available", lambda: validate_features(names) == tuple(names))
    yield _contract_check(
        "known_as_of",
        lambda: FeatureAvailabilityContract.validate_dataframe(features, as_of) is not None,
    )
    reports = {
        "features": prove_no_leakage(build_features, race, as_of, sources, seed=seed, rounds=1),
        "ratings and values": prove_basis(sources, planned, race, as_of, seed=seed),
    }
    leaks = [
        f"- {what}: {leak.feature} moved by {leak.source} ({leak.change}, {leak.rows} rows)"
        for what, report in reports.items()
        for leak in report.leaks
    ]
    yield dg.AssetCheckResult(
        passed=not leaks,
        check_name="nothing_leaks",
        metadata=shown(
            {
                "trials": sum(report.trials for report in reports.values()),
                "columns": sum(len(report.features) for report in reports.values()),
                "leaks": leaks,
            }
        ),
    )


def _not_known(
    run: SlateRun,
    field: pl.DataFrame,
    sources: Mapping[str, pl.DataFrame],
    schedule: pl.DataFrame,
) -> tuple[dict[str, str], list[str]]:
    """What stands in for each source that is not known, and all of it in sentences."""
    from nascar_assets.history.not_known import not_known_yet, results_missing

    race, as_of = run.race, run.as_of
    known = set()
    for name, table in sources.items():
        rows = table.filter(pl.col(SOURCE[name].known_at) <= as_of)
        if SOURCE[name].of_the_race:
            rows = rows.filter(pl.col("race_id") == race["race_id"])
        if rows.height and not (name == "entries" and EQUIPMENT_CHANCE in field.columns):
            known.add(name)
    missing = not_known_yet(known, field["start"].is_not_null().any())
    said = "; ".join(f"{label} ({stand_in})" for label, stand_in in missing.items())
    old = results_missing(schedule, run.results, race["series"], as_of)
    notices = [f"Not known yet: {said}."] if missing else []
    notices += [old] if old else []
    if race["race_type"] != "points":
        notices.append(
            f"{race['race_name']} is an exhibition: it is forecast as a points race of its laps "
            "and stages among those who were invited. No exhibition enters the ratings, and how "
            "well forecasts of exhibitions hold was never measured."
        )
    return missing, notices


@slate_asset(
    group_name="slate",
    description="What every race known by the as-of time says of drivers, teams and cars.",
    deps=[slate, slate_features, ALL_RESULTS, ALL_FEATURES],
    kinds={"numba"},
)
def slate_rating_state(run: SlateRun) -> dg.MaterializeResult[None]:
    """Built once, past the contract's checks; ratings and ontology values both come from it."""
    from nascar_assets.orchestration.inputs.rating_states import build_rating_state

    state = build_rating_state(run.root, run.plan)
    through = state.data_through
    return dg.MaterializeResult(
        metadata=shown(
            data_through=through.isoformat() if through else "no races", drivers=len(state.races)
        )
    )


@slate_asset(
    group_name="slate",
    description="Rating and level of every car, from races that were known by the as-of time and "
    "from its features.",
    deps=[slate_rating_state],
    kinds={"polars", "numba"},
)
def slate_ratings(
    run: SlateRun, slate_field: pl.DataFrame, slate_features: pl.DataFrame
) -> pl.DataFrame:
    """One row per car, with the uncertainty of its level."""
    return run.rating_state.rate(slate_field, run.as_of, slate_features)


def _contract_check(name: str, holds: Callable[[], bool]) -> dg.AssetCheckResult:
    try:
        return dg.AssetCheckResult(passed=holds(), check_name=name)
    except InputError as error:
        return dg.AssetCheckResult(passed=False, check_name=name, metadata=shown(why=str(error)))
