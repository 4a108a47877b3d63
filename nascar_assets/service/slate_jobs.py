"""The jobs about slates in Dagster: a portfolio, an entries file, a salary file to its lineups."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from nascar_assets.errors import InputError
from nascar_assets.orchestration import jobs
from nascar_assets.orchestration.assets.slate_assets import slate_executor
from nascar_assets.orchestration.inputs.slate_run import runs_of
from nascar_assets.orchestration.metadata import described, shown
from nascar_assets.orchestration.resources import Platform, fixed_platform
from nascar_assets.orchestration.storage.io_manager import tables_of
from nascar_assets.orchestration.tags import API_JOB
from nascar_assets.service.jobs import (
    OWNED,
    job_folder,
    request_path,
    resolved,
    resolved_job,
    result_path,
    stage,
)

if TYPE_CHECKING:
    from nascar_assets.service.contracts import Contract


def sent_path(run_id: str) -> str:
    """Where the file that came with a request lies."""
    return f"{job_folder(run_id)}/sent"


def file_path(run_id: str) -> str:
    """Where the file that a job made lies."""
    return f"{job_folder(run_id)}/file.csv"


def problem_path(run_id: str) -> str:
    """Where it lies why a job failed by the request's fault."""
    return f"{job_folder(run_id)}/problem.json"


class _Order:
    """One job: its request, and how far it is."""

    def __init__(self, context: dg.AssetExecutionContext, platform: Platform) -> None:
        self.context, self.root, self.run_id = context, platform.root, context.run.run_id
        self.home = platform.home
        data = self.root.read(request_path(self.run_id))
        if data is None:
            raise InputError(
                "There is no request for this run.",
                file=request_path(self.run_id),
                remedy="Runs of this job are made by the API.",
            )
        self.request: dict[str, Any] = json.loads(data)
        self.slate_id: str = self.request["slate"]

    def sent(self) -> bytes:
        """The file that came with the request.

        Raises:
            InputError: If it is no longer there.
        """
        data = self.root.read(sent_path(self.run_id))
        if data is None:
            raise InputError(
                "The file that came with the request is no longer there.",
                field="body",
                remedy="Send it again, with another Idempotency-Key where it had one.",
            )
        return data

    def tell(self, share: float, words: str) -> None:
        """Notes how far the job is."""
        from nascar_assets.service.run_log import report_stage

        step = self.context.asset_key.path[-1]
        report_stage(self.context.instance, self.context.run, step, share, words)

    def write(self, result: "Contract", file: bytes | None = None) -> bytes:
        """Writes what came of it; returns the result's bytes."""
        if file is not None:
            self.root.write(file_path(self.run_id), file)
        data = result.model_dump_json().encode()
        self.root.write(result_path(self.run_id), data)
        return data

    def done(self, result: "Contract", file: bytes | None = None) -> dg.Output[Any]:
        """Writes it for good; the materialisation says where, with its hash."""
        digest = hashlib.sha256(self.write(result, file)).hexdigest()
        path = result_path(self.run_id)
        return dg.Output(None, metadata=shown(path=path, sha256=digest, slate=self.slate_id))


@contextmanager
def _answering(order: _Order) -> Iterator[None]:
    """Keeps what the request is at fault for, so that the API can say it with its details."""
    from nascar_assets.lineups import InfeasiblePortfolio, PortfolioSettings
    from nascar_assets.orchestration.inputs.registering import RaceNotFound
    from nascar_assets.orchestration.inputs.slate_lineups import LineupsNotReady
    from nascar_assets.service.problems import not_ready, of_input_error
    from nascar_assets.service.slate_contracts import SlateProblem
    from nascar_assets.service.slate_work import at_fault, choices, kept_run
    from nascar_assets.storage.lease import StillHeld
    from nascar_assets.views.statement import UnusableView

    try:
        yield
    except InputError as error:
        found = of_input_error(error).problem.model_dump()
        status = 422
        if isinstance(error, InfeasiblePortfolio):
            settings = PortfolioSettings.from_toml(order.request["toml"])
            slate = kept_run(order.root, order.slate_id).slate
            found |= {
                "code": "SETTINGS_CONFLICT",
                "message": f"{error.reason}.",
                "conflict": error.conflict,
                "settings": at_fault(settings, slate, error.conflict),
            }
        elif isinstance(error, RaceNotFound):
            races = choices(order.root, error)
            status = 409 if races else 422
            found |= {"code": "RACE_AMBIGUOUS" if races else "RACE_UNKNOWN", "races": races}
            found |= {"field": "race", "remedy": "Name the race in the parameter race."}
        elif isinstance(error, LineupsNotReady):  # whoever runs the slate, not the request
            status, refused = 409, not_ready(order.slate_id, error.message).problem
            found = refused.model_dump()
            if isinstance(error.__cause__, StillHeld):  # it is being run
                found["remedy"] = error.remedy
        elif "view" in order.request:
            rows = error.faults if isinstance(error, UnusableView) else ()
            found |= {
                "code": "VIEW_UNUSABLE" if rows else "VIEW_INVALID",
                "rows": [asdict(row) for row in rows],
            }
        problem = SlateProblem(**{**found, "run_id": order.run_id})
        content = json.dumps({"status": status, "problem": problem.model_dump(mode="json")})
        order.root.write(problem_path(order.run_id), content.encode())
        raise


@dg.asset(
    description="A portfolio chosen on a slate's stored scenarios, asked for over the API.",
    kinds={"json"},
    **OWNED,
)
def api_portfolio_result(context: dg.AssetExecutionContext, platform: Platform) -> dg.Output[Any]:
    """Under the job's own id; where it is to be kept, as the slate's own as well."""
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.orchestration.commands.slate import run_portfolio
    from nascar_assets.orchestration.inputs.slate_files import upload_path
    from nascar_assets.service.slate_work import (
        choose_portfolio,
        patience,
        run_awaited,
        stored_portfolio,
    )

    with stage(context):
        order = _Order(context, platform)
        with _answering(order):
            toml = order.request["toml"]
            if order.request["keep"]:
                order.tell(0.05, "choosing lineups")
                location = slate_location(platform)
                # The search that the lineups were shown from, where they are not kept.
                with run_awaited(order.slate_id):
                    run_portfolio(
                        order.home,
                        order.slate_id,
                        toml,
                        location,
                        prove=False,
                        tags={API_JOB: order.run_id},
                        patience=patience(),
                    )
                upload = order.root.read(upload_path(order.slate_id)) or b""
                made = stored_portfolio(order.root, order.slate_id, order.run_id, upload)
            else:
                settings = PortfolioSettings.from_toml(toml)
                made = choose_portfolio(
                    order.root,
                    order.slate_id,
                    settings,
                    order.run_id,
                    order.tell,
                    lambda early: order.write(early.result, early.upload),
                )
        return order.done(made.result, made.upload)


@dg.asset(description="An entries file filled or mended, sent to the API.", kinds={"csv"}, **OWNED)
def api_entries_result(context: dg.AssetExecutionContext, platform: Platform) -> dg.Output[Any]:
    """Every byte that is no lineup is kept."""
    from nascar_assets.service.slate_contracts import EntriesResult, PortfolioResult
    from nascar_assets.service.slate_work import fill_or_swap

    with stage(context):
        order = _Order(context, platform)
        request = order.request
        with _answering(order):
            lineups = None
            if request["portfolio"] is not None:
                data = order.root.read(result_path(request["portfolio"]))
                if data is None:
                    raise InputError(
                        "The portfolio is no longer there.",
                        field="portfolio",
                        remedy="Choose it again.",
                    )
                found = PortfolioResult.model_validate_json(data).lineups.rows
                lineups = [[driver.driver_id for driver in row.drivers] for row in found]
            content, outcome = fill_or_swap(
                order.root,
                order.slate_id,
                order.sent(),
                filename=request["filename"],
                swap=request["swap"],
                contest_id=request["contest"],
                scratched=request["out"],
                lineups=lineups,
            )
        result = EntriesResult(
            slate=order.slate_id,
            run_id=order.run_id,
            filename=request["filename"],
            entries=outcome.entries,
            changes=outcome.changes,
            notices=outcome.notices,
        )
        return order.done(result, content)


@dg.asset(
    description="A slate run to its end, from a salary file or again, asked for over the API.",
    kinds={"json"},
    **OWNED,
)
def api_slate_result(context: dg.AssetExecutionContext, platform: Platform) -> dg.Output[Any]:
    """The run itself is one of `slate_job`, as of the command line and the schedules."""
    from nascar_assets.orchestration.commands.slate import RunOptions, run_slate
    from nascar_assets.orchestration.inputs.registering import read_slate
    from nascar_assets.service.slate_contracts import SlateRunResult
    from nascar_assets.service.slate_work import patience, run_awaited

    with stage(context):
        order = _Order(context, platform)
        request = order.request
        with _answering(order):
            notices: list[str] = []
            salaries = None
            if request["filename"] is not None:
                order.tell(0.01, "reading the salary file")
                content = order.sent()
                found, notices = read_slate(
                    order.root, content, request["filename"], request["race"], datetime.now(UTC)
                )
                order.slate_id, salaries = found.slate_id, (found, content)

            def tell(done: int, total: int, step: str) -> None:
                if step:
                    order.tell(0.05 + 0.94 * done / max(total, 1), step.replace("_", " "))

            with run_awaited(order.slate_id):
                outcome = run_slate(
                    order.home,
                    order.slate_id,
                    RunOptions(
                        request["as_of"],
                        request["n_scenarios"],
                        request["seed"],
                        without_views=request.get("without_views", False),
                    ),
                    location=slate_location(platform),
                    salaries=salaries,
                    progress=tell,
                    notify=notices.append,
                    tags={API_JOB: order.run_id},
                    patience=patience(),
                )
        said = dict.fromkeys((*notices, *outcome.result["notices"]))
        return order.done(
            SlateRunResult(slate=order.slate_id, run_id=order.run_id, notices=tuple(said))
        )


@dg.asset(
    description="A view of a slate's race taken, a file or a start at the rear sent to the API.",
    kinds={"json"},
    **OWNED,
)
def api_view_result(context: dg.AssetExecutionContext, platform: Platform) -> dg.Output[Any]:
    """All of it or nothing; one before lock counts from the slate's next run on."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.commands.views import added_result, rear_start
    from nascar_assets.orchestration.inputs.views import add_view
    from nascar_assets.service.view_contracts import ViewTaken
    from nascar_assets.views.statement import ReadOptions

    with stage(context):
        order = _Order(context, platform)
        view = order.request["view"]
        with _answering(order):
            said = {"author": view["author"], "why": view["why"], "now": clock_now()}
            if "driver" in view:
                taken = rear_start(
                    order.home, order.slate_id, view["driver"], view["scored"], **said
                )
            else:
                added = add_view(
                    order.root,
                    order.slate_id,
                    order.sent(),
                    view["filename"],
                    confidence=view["confidence"],
                    options=ReadOptions(**view["options"]),
                    **said,
                )
                taken = added_result(added)
        names = ("view_id", "fresh", "states", "drivers", "statements", "in_force", "notices")
        return order.done(
            ViewTaken(
                slate=order.slate_id,
                run_id=order.run_id,
                **{name: taken[name] for name in names},
            )
        )


SLATE_ASSETS = [api_portfolio_result, api_entries_result, api_slate_result, api_view_result]

SLATE_JOBS = [
    dg.define_asset_job(
        name,  # never an asset's: a code location has one name for one thing
        selection=[made],
        description=f"One request to POST {path}.",
        executor_def=dg.in_process_executor,
    )
    for name, made, path in (
        ("api_portfolio", api_portfolio_result, "/api/v1/slates/{slate}/portfolios"),
        ("api_entries", api_entries_result, "/api/v1/slates/{slate}/entries"),
        ("api_slate", api_slate_result, "/api/v1/slates or /api/v1/slates/{slate}/runs"),
        ("api_view", api_view_result, "/api/v1/slates/{slate}/views"),
    )
]


def slate_location(platform: Platform) -> Callable[[], dg.Definitions]:
    """A function that loads what runs of slates need, for a platform."""

    def load() -> dg.Definitions:
        return dg.Definitions(
            assets=[item.map_asset_specs(described) for item in jobs.ASSETS],
            jobs=[jobs.slate_job, jobs.portfolio_job],
            resources={
                "platform": fixed_platform(platform),
                "io_manager": tables_of(platform),
                "slate_runs": runs_of(platform),
            },
            executor=slate_executor,
        )

    return load


def resolved_jobs(platform: Platform) -> dict[str, dg.JobDefinition]:
    """Every job of the service by its name, ready to be executed against a platform."""
    made = resolved(platform, SLATE_ASSETS, SLATE_JOBS)
    found = {str(job.name): made.resolve_job_def(str(job.name)) for job in SLATE_JOBS}
    return {"api_optimize": resolved_job(platform), **found}
