"""Slate: players, the race's field, its ratings and its features, all as of the as-of time."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from nascar_assets.errors import InputError
from nascar_assets.feed.grid import known_grid
from nascar_assets.feed.names import with_canonical_ids
from nascar_assets.feed.sources import FEATURE_SOURCES
from nascar_assets.history.schemas import EQUIPMENT_CHANCE
from nascar_assets.orchestration.assets.feed import entries, schedule
from nascar_assets.orchestration.assets.history import ALL_FEATURES, ALL_RESULTS
from nascar_assets.orchestration.assets.slate_assets import blocking_check, slate_asset
from nascar_assets.orchestration.inputs.features import past_sources
from nascar_assets.orchestration.inputs.past import driver_directory, known_entries, results_before
from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.inputs.slate_files import absent_path, upload_path, withdrawn_path
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import read_table, stored_partitions
from nascar_assets.orchestration.tags import AT
from nascar_assets.rules import rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.slates.build import build_slate
from nascar_assets.slates.salaries import read_salaries
from nascar_assets.slates.slate import Slate
from nascar_assets.slates.stored import racing, slate_from_polars, slate_to_polars
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import at_once, begin

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


@slate_asset(
    group_name="slate",
    description="The players that a lineup may hold, each resolved to the feed's driver.",
    deps=[schedule, dg.AssetDep(entries, partition_mapping=ALL_RACES)],
    kinds={"polars", "csv"},
)
def slate(
    context: dg.AssetExecutionContext, config: SlateConfig, platform: Platform
) -> dg.Output[pl.DataFrame]:
    """Fixes the plan of the run (as-of time, seed, settings) and reads the salary file."""
    from nascar_assets.history.expected_entries import last_entries

    root = platform.root
    registration = Registration.load(root, context.partition_key)
    race = schedule_rows(root, [registration.race_key])[registration.race_key]
    _not_after_lock(context, race["start_time"])
    as_of = resolve_as_of(config.as_of, race["start_time"], datetime.now(UTC))
    data = registration.salaries(root)
    slate_id = registration.slate_id
    stored = slate_id in stored_partitions(root, "slate")
    listed = known_entries(root, registration.race_key, as_of)
    last = last_entries(results_before(root, as_of), race["series"], as_of)
    built = build_slate(
        read_salaries(data, registration.salary_path.rsplit("/", 1)[-1]),
        race,
        listed,
        driver_directory(root, as_of),
        rule_set(registration.contest, race_day(race["start_time"])),
        slate_id=slate_id,
        earlier=slate_from_polars(read_table(root, "slate", slate_id)).everyone if stored else (),
        last_teams=dict(last.select("driver_id", "team").iter_rows()),
    )
    if registration.race_notice:
        built = replace(built, notices=(registration.race_notice, *built.notices))
    SlatePlan(
        slate_id=slate_id,
        race_id=registration.race_id,
        race_key=registration.race_key,
        contest=registration.contest,
        as_of=as_of,
        lock=race["start_time"],
        n_scenarios=config.n_scenarios,
        seed=config.seed,
        settings=config.settings,
        salary_path=registration.salary_path,
        salary_sha256=registration.salary_sha256,
        run_id=context.run.run_id,
        prove=config.prove,
    ).save(root)
    begin(root, context.partition_key, context.run.run_id)
    metadata: dict[str, Any] = {
        "race": f"{race['race_name']} ({registration.race_key})",
        "as_of": as_of.isoformat(),
        "lock": race["start_time"].isoformat(),
        "salary_file": registration.salary_path,
    }
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
        now: The time.
        limit: What `latest` is, for the message.
        field: Where a person asked for it, for the message.

    Raises:
        InputError: If the text is no time, has no zone, or lies after the latest as-of time.
    """
    if asked is None:
        return min(now, latest)
    try:
        moment = datetime.fromisoformat(asked)
    except ValueError as error:
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
    return moment.astimezone(UTC)


@slate_asset(
    group_name="slate",
    description="Every car of the race as known by the as-of time, picked or not.",
    deps=[schedule, dg.AssetDep(entries, partition_mapping=ALL_RACES)],
    kinds={"polars"},
)
def slate_field(
    context: dg.AssetExecutionContext, platform: Platform, slate: pl.DataFrame
) -> pl.DataFrame:
    """The entry list without who did not qualify; before there is one, what to expect of it."""
    from nascar_assets.history.expected_entries import expected_entries

    root = platform.root
    plan = SlatePlan.load(root, context.partition_key)
    known = known_entries(root, plan.race_key, plan.as_of)
    if known is not None:
        return known_grid(known)[0].sort(pl.col("start").fill_null(99), "driver_id")
    race = schedule_rows(root, [plan.race_key])[plan.race_key]
    names = racing(slate).select("driver_id", driver_name="name")
    return expected_entries(names, results_before(root, plan.as_of), race, plan.as_of)


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
    ],
)
def slate_features(
    context: dg.AssetExecutionContext, platform: Platform, slate_field: pl.DataFrame
) -> Iterator[Any]:
    """The feature table, and the contract's three levels that the forecast waits for."""
    from nascar_assets.history.features import build_features
    from nascar_assets.orchestration.assets.slate_contract import prove_basis
    from nascar_assets.telemetry import FeatureAvailabilityContract, validate_features
    from nascar_assets.telemetry.leakage import prove_no_leakage

    root = platform.root
    plan = SlatePlan.load(root, context.partition_key)
    race = schedule_rows(root, [plan.race_key])[plan.race_key]
    sources = feature_sources(root, plan, slate_field)
    features = build_features(sources, race, plan.as_of)
    yield dg.Output(features, metadata=shown(nulls=int(features.null_count().sum_horizontal()[0])))
    keys = ("race_id", "driver_id", "available_at")
    names = [name for name in features.columns if name not in keys]
    yield _contract_check("names_are_available", lambda: validate_features(names) == tuple(names))
    yield _contract_check(
        "known_as_of",
        lambda: FeatureAvailabilityContract.validate_dataframe(features, plan.as_of) is not None,
    )
    planned = read_table(root, "schedule")
    reports = {
        "features": prove_no_leakage(
            build_features, race, plan.as_of, sources, seed=plan.seed, rounds=1
        ),
        "ratings and values": prove_basis(sources, planned, race, plan.as_of, seed=plan.seed),
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


@slate_asset(
    group_name="slate",
    description="What every race known by the as-of time says of drivers, teams and cars.",
    deps=[slate, slate_features, ALL_RESULTS, ALL_FEATURES],
    kinds={"numba"},
)
def slate_rating_state(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult[None]:
    """Built once, past the contract's checks; ratings and ontology values both come from it."""
    from nascar_assets.orchestration.inputs.rating_states import build_rating_state

    plan = SlatePlan.load(platform.root, context.partition_key)
    state = build_rating_state(platform.root, plan)
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
    context: dg.AssetExecutionContext,
    platform: Platform,
    slate_field: pl.DataFrame,
    slate_features: pl.DataFrame,
) -> pl.DataFrame:
    """One row per car, with the uncertainty of its level."""
    from nascar_assets.orchestration.inputs.rating_states import load_rating_state

    plan = SlatePlan.load(platform.root, context.partition_key)
    state = load_rating_state(platform.root, plan)
    return state.rate(slate_field, plan.as_of, slate_features)


def _contract_check(name: str, holds: Callable[[], bool]) -> dg.AssetCheckResult:
    try:
        return dg.AssetCheckResult(passed=holds(), check_name=name)
    except InputError as error:
        return dg.AssetCheckResult(passed=False, check_name=name, metadata=shown(why=str(error)))
