"""What jobs about slates do, without Dagster: choose a portfolio, fill entries."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from nascar_assets.constraints import Deny, LineupChecker
from nascar_assets.errors import InputError
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.lineups.settings_toml import settings_toml
from nascar_assets.orchestration.commands.entries import EntriesOutcome, filled, swapped
from nascar_assets.orchestration.inputs.payout_files import named_contest
from nascar_assets.orchestration.inputs.registering import RaceNotFound
from nascar_assets.orchestration.inputs.slate_change import has_begun_anew, slate_change
from nascar_assets.orchestration.inputs.slate_lineups import LineupsNotReady, newest_whole
from nascar_assets.orchestration.inputs.slate_plan import plan_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.service import slate_answers
from nascar_assets.service.run_request import NoAllowedLineup
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.slate_contracts import PortfolioResult, RaceChoice
from nascar_assets.slates.slate import Slate
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import StillHeld
from nascar_assets.storage.staged import manifest_path, settled

RUNS_KEPT = 2
_runs: OrderedDict[tuple[str, str], tuple[str, SlateRun]] = OrderedDict()
"""Slates' runs as this process read them last: a worker solves on the same scenarios again."""

SHOWN = 0.7
"""Share of the work from which on the lineups of a portfolio can be shown."""

Tell = Callable[[float, str], None]
"""Notified of the share of the work that is done, and what is being done."""


@dataclass(frozen=True)
class Chosen:
    """A portfolio with its upload file."""

    result: PortfolioResult
    upload: bytes


def patience() -> float:
    """Seconds that a job waits for a slate's run: they count as its own, which has a limit."""
    return min(60.0, ServiceSettings.from_environment().job_seconds / 5)


@contextmanager
def run_awaited(slate_id: str) -> Iterator[None]:
    """Says of a slate that it is being run again, where a job waited for that and does no more."""
    try:
        yield
    except StillHeld as error:
        raise LineupsNotReady(
            f"{slate_id} is being run again, and that takes longer than a job waits for it.",
            remedy="Send it again once that run has ended.",
        ) from error


def kept_run(root: DataRoot, slate_id: str) -> SlateRun:
    """A slate's newest run, with what was read of it before while its files are the same.

    One that is at work is waited for: the job was taken while the slate had lineups.

    Raises:
        LineupsNotReady: If it did not come to its lineups, or goes on for too long.
        InputError: If its files are not of one run.
    """
    with run_awaited(slate_id):
        try:
            return _newest_run(root, slate_id)
        except LineupsNotReady:  # another run may have begun since that was asked
            return _newest_run(root, slate_id)


def _newest_run(root: DataRoot, slate_id: str) -> SlateRun:
    if has_begun_anew(root, slate_id):
        purpose = "a job of the API waits for the slate's run"
        with slate_change(root, slate_id, purpose, patience=patience()):
            pass
    settled(root, slate_id)
    version = " ".join(
        root.tag(path) or "-" for path in (plan_path(slate_id), manifest_path(slate_id))
    )
    key = (root.location, slate_id)
    held = _runs.get(key)
    if held is None or held[0] != version:
        run = SlateRun.load(root, slate_id)
        newest_whole(root, run.plan)
        held = (version, run)
    _runs[key] = held
    _runs.move_to_end(key)
    while len(_runs) > RUNS_KEPT:
        _runs.popitem(last=False)
    return held[1]


def choose_portfolio(
    root: DataRoot,
    slate_id: str,
    settings: PortfolioSettings,
    run_id: str,
    tell: Tell,
    early: Callable[[Chosen], object],
) -> Chosen:
    """The best portfolio found for settings, on a slate's stored scenarios; nothing is written.

    Args:
        early: Is given the lineups before their contests are worked out.

    Raises:
        InfeasiblePortfolio: If the settings cannot hold together.
        InputError: If the slate was not run to its end, or the settings are at fault.
    """
    from nascar_assets.contest.outlook import contest_outlook
    from nascar_assets.lineups.upload import read_upload, upload_csv
    from nascar_assets.orchestration.inputs.portfolio import (
        choose,
        expected_ownership,
        lineup_table,
    )
    from nascar_assets.orchestration.inputs.unseen import unseen_points
    from nascar_assets.orchestration.inputs.view_tables import error_factor

    tell(0.02, "reading scenarios")
    run = kept_run(root, slate_id)
    pool, points = run.slate, run.points
    tell(0.1, "choosing lineups")
    made, said = choose(run, settings)
    checker = LineupChecker(pool, run.spec)
    for number, ids in enumerate(made.driver_ids, 1):
        if isinstance(denied := checker.check(ids), Deny):
            raise NoAllowedLineup(
                f"Lineup {number} is denied: {denied.code} {denied.reason}", field="settings"
            )
    table = lineup_table(made, expected_ownership(run, settings)).with_columns(
        run_id=pl.lit(run_id),
        objective=pl.lit(made.objective),
        objective_value=pl.lit(made.value.value),
        objective_se=pl.lit(made.value.standard_error * error_factor(run)),
    )
    upload = upload_csv(pool, made.drivers.tolist())
    read_upload(pool, upload)
    players = {row["driver_id"]: row for row in table["players"][0]}
    notices = (*said, *made.notices, *made.warnings)
    toml = settings_toml(settings)
    result = PortfolioResult(
        slate=slate_id,
        run_id=run_id,
        slate_run_id=run.plan.run_id,
        settings=settings,
        toml=toml,
        lineups=slate_answers.lineups_answer(run, table, made.drivers, made.scores, notices),
        exposures=slate_answers.exposure_rows(run, players, table.height, settings),
        contests=None,
        caution=slate_answers.CAUTION,
        effective_lineups=slate_answers.known(made.effective_lineups),
        kept=False,
    )
    early(Chosen(result, upload))
    tell(SHOWN, "entering contests")
    with _a_core_left():
        contests = contest_outlook(
            unseen_points(run),
            pool,
            made.drivers,
            seed=run.plan.seed,
            own=named_contest(root, toml),
            settings=run.with_views(settings, cash=False),
            cash_settings=run.with_views(settings, cash=True),
            rivals=run.rivals,
            projected=points,
        )
    rows = slate_answers.contest_rows(contests.to_dicts())
    return Chosen(result.model_copy(update={"contests": rows}), upload)


@contextmanager
def _a_core_left() -> Iterator[None]:
    """Works on all cores but one: meanwhile someone is shown the lineups and reads on."""
    import numba

    threads = numba.get_num_threads()
    numba.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        numba.set_num_threads(threads)


def stored_portfolio(root: DataRoot, slate_id: str, run_id: str, upload: bytes) -> Chosen:
    """The slate's own portfolio as a job's result, after it was chosen anew."""
    run = SlateRun.load(root, slate_id)
    lineups = slate_answers.lineups(run)
    contests = slate_answers.contests(run)
    settings = PortfolioSettings.from_toml(run.plan.settings)
    return Chosen(
        PortfolioResult(
            slate=slate_id,
            run_id=run_id,
            slate_run_id=run.plan.run_id,
            settings=settings,
            toml=settings_toml(settings),
            lineups=lineups,
            exposures=slate_answers.exposures(run).rows,
            contests=contests.rows,
            caution=contests.caution,
            effective_lineups=None,
            kept=True,
        ),
        upload,
    )


def at_fault(settings: PortfolioSettings, slate: Slate, conflict: Sequence[str]) -> tuple[str, ...]:
    """Where the settings of a conflict stand, as `drivers.Kyle Larson`, `groups.0`, `lineups`.

    Args:
        slate: The slate, for the names that a conflict uses.
        conflict: The conflict's settings in words.
    """
    from nascar_assets.lineups.problem import find_driver

    def names(asked: Iterable[str]) -> list[str]:
        return [slate.everyone[find_driver(slate, key, field="settings")].name for key in asked]

    text = "\n".join(conflict)
    found = []
    if any(line.startswith("lineups = ") for line in conflict):
        found.append("lineups")
    if "salary of at least" in text:
        found.append("salary_min")
    if "share more than" in text:
        found.append("max_shared")
    if "expected ownerships" in text:
        found.append("ownership_max")
    own = re.compile(
        r"^(?:lock|exclude|minimum exposure(?: \S+)? of|maximum exposure of) (.+?)(?:,|:|$)"
    )
    single = {match[1] for line in conflict if (match := own.match(line))}
    found += [f"drivers.{key}" for key in settings.drivers if names([key])[0] in single]
    found += [
        f"groups.{at}"
        for at, group in enumerate(settings.groups)
        if group.name in single or all(name in text for name in names(group.drivers))
    ]
    found += [
        f"rules.{at}"
        for at, rule in enumerate(settings.rules)
        if any(
            line.startswith("if ") and all(name in line for name in names((*rule.when, *rule.then)))
            for line in conflict
        )
    ]
    found += [f"teams.{key}" for key in settings.teams if f" of {key}" in text]
    return tuple(found)


def fill_or_swap(
    root: DataRoot,
    slate_id: str,
    content: bytes,
    *,
    filename: str,
    swap: bool,
    contest_id: str | None,
    scratched: Sequence[str],
    lineups: Sequence[Sequence[str]] | None,
) -> tuple[bytes, EntriesOutcome]:
    """An entries file with the lineups in it, or mended; every other byte is kept.

    Args:
        swap: Whether drivers who do not race are replaced in a filled file.
        contest_id: The contest whose entries are filled; all where none is named.
        scratched: Who will not race besides those whom the slate knows.
        lineups: Driver ids of the lineups; the slate's own where none are given.

    Raises:
        InputError: If the slate was not run, or the file is at fault.
    """
    run = kept_run(root, slate_id)
    if swap:
        return swapped(run, content, list(scratched), filename)
    rows = None
    if lineups is not None:
        place = {player.driver_id: at for at, player in enumerate(run.slate.players)}
        if any(driver not in place for ids in lineups for driver in ids):
            raise InputError(
                "The portfolio holds a driver whom the slate does not have any more.",
                remedy="Choose the portfolio again.",
            )
        rows = [[place[driver] for driver in ids] for ids in lineups]
    return filled(run, content, filename, contest_id, rows)


def choices(root: DataRoot, error: RaceNotFound) -> tuple[RaceChoice, ...]:
    """The races that a file may be for: those that its refusal names."""
    keys = set(re.findall(r"\b\d{4}-[a-z]+-x?\d{2}\b", f"{error.message} {error.remedy}"))
    rows = scan_table(root, "schedule").filter(pl.col("race_key").is_in(sorted(keys))).collect()
    return tuple(
        RaceChoice(**row)
        for row in rows.sort("start_time")
        .select("race_key", "race_name", "track_name", "start_time")
        .iter_rows(named=True)
    )
