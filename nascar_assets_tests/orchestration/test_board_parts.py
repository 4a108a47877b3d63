"""The parts of the slate board without a browser or a server: answers that each test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import Client, background_tasks, core, events, ui
from nicegui.app.app import State
from nicegui.elements.upload_files import SmallFileUpload
from nicegui.page import page

from nascar_assets.board.build import Build
from nascar_assets.board.lineups import Lineups
from nascar_assets.board.live import _Live
from nascar_assets.board.page import _filled, _slate_head
from nascar_assets.board.race import contest_table
from nascar_assets.board.views import Views
from nascar_assets.board.widgets import (
    KeptJob,
    NewerRun,
    NumberField,
    Progress,
    SlateRun,
    button,
    file_drop,
    said,
)
from nascar_assets.client import Call, Refused, slates
from nascar_assets.lineups.objectives import OBJECTIVES
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.service.contracts import JobStatus
from nascar_assets.service.live_contracts import (
    LiveContest,
    LiveDriver,
    LiveForecast,
    LivePoint,
    LiveSlate,
)
from nascar_assets.service.problems import not_ready, unknown_driver, unknown_slate
from nascar_assets.service.slate_contracts import (
    ForecastRow,
    PortfolioResult,
    RunCheck,
    SettingsChecked,
    SlateDetail,
    SlateForecast,
    SlateJob,
    SlateLineups,
    SlateProblem,
)

SLATE = "2026-02-15-cup-dk-classic"


@pytest.fixture(autouse=True)
def _started(monkeypatch):
    """Timers tick while the library is started."""
    monkeypatch.setattr(core.app, "_state", State.STARTED)


class Api:
    """Gives what the test says for each method and end of a path, and notes what was sent.

    An answer that is a function gives it, one that is an error is raised.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.sent: list[str] = []
        self.statuses: tuple[JobStatus, ...] = (JobStatus.RUNNING, JobStatus.COMPLETED)
        self.runs_on = False

    async def call(self, call: Call[Any]) -> Any:
        name = call.path.rsplit("/", 1)[-1]
        self.sent.append(f"{call.method} {name}")
        await asyncio.sleep(0)
        found = self.answers[{SLATE: "slate"}.get(name, name)]
        found = found() if callable(found) else found
        if isinstance(found, Exception):
            raise found
        return found

    async def follow(self, _: str) -> AsyncIterator[SlateJob]:
        self.sent.append("follow")
        for status in self.statuses:
            while self.runs_on and status is not JobStatus.RUNNING:
                await asyncio.sleep(0.01)
            yield SlateJob.model_construct(status=status, progress=0.5, stage=None, result=None)


def on_a_page(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test as the handler of a page that a browser has open."""

    async def within(client: Client) -> None:
        with client:
            await test()

    async def run() -> None:
        core.loop = asyncio.get_running_loop()
        client = Client(page("/"))
        client.outbox.stop()  # there is no browser to tell
        client.tab_id = "open"
        try:
            await asyncio.wait_for(within(client), 10)
        finally:
            if not client.is_deleted:
                client.delete()

    asyncio.run(run())


def words() -> str:
    """Everything that the page says."""
    shown = ui.context.client.elements.values()
    return "\n".join(item.text for item in shown if isinstance(item, ui.label))


def press(name: str, times: int = 1) -> None:
    """Presses of a button, told of by the browser before the first is done."""
    shown = ui.context.client.elements.values()
    made = next(item for item in shown if isinstance(item, ui.button) and item.text == name)
    for _ in range(times):
        for listener in list(made._event_listeners.values()):
            made._handle_event({"listener_id": listener.id, "args": {}})


def field(label: str) -> Any:
    """The newest field of this name."""
    shown = ui.context.client.elements.values()
    return [item for item in shown if item.props.get("label") == label][-1]


def type_in(made: ui.element, typed: str) -> None:
    for listener in list(made._event_listeners.values()):
        if listener.type == "update:value":
            made._handle_event({"listener_id": listener.id, "args": typed})


def row(name: str, **more: Any) -> ForecastRow:
    values = {key: 0 for key, field in ForecastRow.model_fields.items() if field.is_required()}
    names = {"driver_id": f"id {name}", "site_id": f"site {name}", "name": name, "team": None}
    return ForecastRow.model_validate({**values, **names, **more})


def detail(run_id: str = "first") -> SlateDetail:
    values = {key: "" for key, field in SlateDetail.model_fields.items() if field.is_required()}
    return SlateDetail.model_construct(**{**values, "slate": SLATE, "run_id": run_id})


def checked(**settings: Any) -> SettingsChecked:
    return SettingsChecked(settings=PortfolioSettings.from_mapping(settings), toml="")


def forecast(*names: str) -> SlateForecast:
    return SlateForecast.model_construct(rows=tuple(row(name) for name in names), n_scenarios=1)


def portfolio(slate_run_id: str | None = None) -> PortfolioResult:
    lineups = SlateLineups.model_construct(
        rows=(), value_text="1 point", objective_words="the mean", notices=()
    )
    return PortfolioResult.model_construct(
        lineups=lineups, exposures=(), contests=None, caution="", slate_run_id=slate_run_id
    )


class NoLineups:
    """Stands in for the part of the lineups."""

    async def take(self, run_id: str) -> None:
        self.taken = run_id


def build(api: Api, kept: dict[str, Any]) -> Build:
    return Build(api, detail(), kept, NoLineups(), lambda: None)  # type: ignore[arg-type]


@pytest.fixture
def _no_table(monkeypatch):
    """No browser has a cell open."""

    async def nothing(_: Build) -> None:
        return None

    monkeypatch.setattr(Build, "_edits_taken", nothing)


@pytest.mark.usefixtures("_no_table")
def test_two_pages_of_a_visitor_keep_each_others_settings():
    async def test() -> None:
        kept: dict[str, Any] = {"draft": {"lineups": 5}}
        api = Api(forecast=forecast("A"), slate=detail(), portfolios=answered(422, "SENT"))
        first, second = build(api, kept), build(api, kept)
        await first.show()
        lineups = field("Lineups")
        await second.show()
        lineups.value = "12"
        first._edited(SimpleNamespace(args=edit("A", "lock", True)))
        field("Lowest salary of a lineup, $").value = "49,000"
        second._edited(SimpleNamespace(args=edit("A", "max_exposure", 50)))
        wanted = {
            "lineups": 12,
            "salary_min": 49_000,
            "drivers": {"A": {"lock": True, "max_exposure": 0.5}},
        }
        assert kept["draft"] == wanted
        await second._build()
        assert "changed on another page" in words()
        assert "POST portfolios" not in api.sent
        assert field("Lineups").value == "12"
        await second._build()
        assert api.sent[-1] == "POST portfolios"

    on_a_page(test)


def test_what_is_set_of_a_scratched_driver_can_be_removed():
    async def test() -> None:
        own = {"lock": True, "max_exposure": 0.5}
        kept: dict[str, Any] = {"draft": {"drivers": {"Gone": own, "site A": {"lock": True}}}}
        await build(Api(forecast=forecast("A")), kept).show()
        assert "the table does not have" in words()
        assert "Gone: Lock, Max % 50" in words()
        press("Remove")
        assert kept["draft"] == {"drivers": {"site A": {"lock": True}}}
        await asyncio.sleep(0)
        assert "the table does not have" not in words()

    on_a_page(test)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"max_exposure": 1.5}, "Max % of A can be 0 to 100, not 150."),
        ({"ownership": -0.1}, "Own % of A can be 0 to 100, not -10."),
        ({"points_multiplier": 0}, "× points of A can be above 0 to 10, not 0."),
        ({"min_exposure": 0.9, "max_exposure": 0.5}, "Min % of A (90) is above Max % (50)."),
        (
            {"lock": True, "exclude": True},
            "A is both locked and excluded: he can be one of the two.",
        ),
    ],
)
@pytest.mark.usefixtures("_no_table")
def test_a_cell_that_cannot_be_right_is_refused_in_the_words_of_the_table(own, said):
    async def test() -> None:
        api = Api(forecast=forecast("A", "B"))
        part = build(api, {"draft": {"drivers": {"A": own}}})
        await part.show()
        await part._build()
        assert said in words()
        assert api.sent == ["GET forecast"]
        shown = part._grid.options["rowData"]
        assert [item["name"] for item in shown if item["fault"]] == ["A"]

    on_a_page(test)


@pytest.mark.usefixtures("_no_table")
def test_a_rule_that_cannot_be_right_is_marked():
    async def test() -> None:
        kept = {"draft": {"groups": [{"drivers": ["A"], "at_least": 3, "at_most": 2}]}}
        part = build(Api(forecast=forecast("A")), kept)
        await part.show()
        await part._build()
        assert part._faults == ("groups.0",)

    on_a_page(test)


def test_returns_and_chances_of_contests_are_named_by_what_they_are_of():
    async def test() -> None:
        contest_table((), "caution")
        shown = ui.context.client.elements.values()
        grid = next(item for item in shown if isinstance(item, ui.aggrid))
        columns = {column["field"]: column for column in grid.options["columnDefs"]}
        names = [columns[field]["headerName"] for field in ("roi", "top_rate", "any_top_rate")]
        assert names == ["Return %", "Top 1 % of entries", "Any in top 1 %"]
        assert "the race's parameters and fields" in columns["roi_se"]["headerTooltip"]

    on_a_page(test)


def test_a_number_of_lineups_that_was_emptied_is_shown_as_what_it_is_then():
    async def test() -> None:
        kept: dict[str, Any] = {"draft": {"lineups": 5}}
        await build(Api(forecast=forecast("A")), kept).show()
        lineups = field("Lineups")
        lineups.value = None
        assert kept["draft"]["lineups"] == 20
        assert lineups.props["placeholder"] == "20"

    on_a_page(test)


@pytest.mark.parametrize(
    ("typed", "whole", "number", "error"),
    [
        ("12,5", False, 12.5, None),
        ("1.5", False, 1.5, None),
        (".5", False, 0.5, None),
        (",5", False, 0.5, None),
        ("-5", False, None, "This is below 0."),
        ("101", False, None, "This is above 100."),
        ("", False, None, None),
        ("x", False, None, "This is no number."),
        ("nan", False, None, "This is no number."),
        ("150%", False, None, "This is no number."),
        ("1e1", False, None, "This is no number."),
        ("20", True, 20, None),
        ("2.9", True, None, "This is no whole number."),
        ("49,000", True, None, "This is above 100."),
        ("49.000", True, None, "This is no whole number."),
    ],
)
def test_a_number_is_read_from_the_text_that_was_typed(typed, whole, number, error):
    async def test() -> None:
        made = NumberField("Number", value=30.0, whole=whole, lower=0, upper=100)
        assert made.value == "30"
        for until in range(len(typed) + 1):  # key by key
            type_in(made, typed[:until])
        assert (made.value, made.number, made.error) == (typed, number, error)
        assert (made.wrong is None) == (error is None)

    on_a_page(test)


@pytest.mark.usefixtures("_no_table")
def test_nothing_is_built_while_a_field_holds_no_number():
    async def test() -> None:
        kept: dict[str, Any] = {"draft": {"ownership_max": 0.985}}
        api = Api(forecast=forecast("A"), slate=detail(), portfolios=answered(422, "SENT"))
        part = build(api, kept)
        await part.show()
        type_in(field("Highest sum of ownerships, %"), "12o")
        await part._build()
        assert "Highest sum of ownerships, %: what is typed there is no number." in words()
        assert await part._checked() is None
        assert api.sent == ["GET forecast"]
        part._fill()  # as after a group is added: it is not forgotten
        await part._build()
        assert field("Highest sum of ownerships, %").value == "12o"
        assert api.sent == ["GET forecast"]
        type_in(field("Highest sum of ownerships, %"), "12")
        await part._build()
        assert api.sent[-1] == "POST portfolios"
        assert kept["draft"] == {"ownership_max": 0.12}

    on_a_page(test)


def test_no_view_is_sent_while_a_field_holds_no_number(monkeypatch):
    async def nothing(_: Views) -> None:
        return None

    monkeypatch.setattr(Views, "_fill", nothing)

    async def test() -> None:
        api = Api(forecast=forecast("A"), views=answered(422, "SENT"))
        await Views(api, detail(), SlateRun(api, detail(), {}, None), "board").show()  # type: ignore[arg-type]
        field("Whom you mean").value = "id A"
        type_in(field("Your number"), "4o")
        press("State it")
        await asyncio.sleep(0)
        assert "Your number: what is typed there is no number." in words()
        type_in(field("Weight, 0 to 1"), "o.5")
        shown = ui.context.client.elements.values()
        (drop,) = (item for item in shown if isinstance(item, ui.upload))
        file = SmallFileUpload("a.csv", "text/csv", b"Name")
        await drop._upload_handlers[0](
            events.UploadEventArguments(sender=drop, client=drop.client, file=file)
        )
        assert "Weight, 0 to 1: what is typed there is no number." in words()
        assert api.sent == ["GET forecast"]

    on_a_page(test)


@pytest.mark.parametrize(
    ("remedy", "named"),
    [
        ("Say which with unit=percent or unit=share.", True),
        ("Say which with odds=american or odds=decimal, or write the sign.", True),
        ("Take one of the two out, or say with column=which is meant.", True),
        ("Check the slate, or take out the column of races.", False),
        ("Download it again.", False),
    ],
)
def test_what_a_file_may_be_read_as_is_asked_for_in_the_words_of_the_page(
    monkeypatch, remedy, named
):
    async def nothing(_: Views) -> None:
        return None

    monkeypatch.setattr(Views, "_fill", nothing)

    async def test() -> None:
        api: Any = Api(forecast=forecast("A"))
        part = Views(api, detail(), SlateRun(api, detail(), {}, None), "board")
        await part.show()
        problem = SlateProblem(code="VIEW_INVALID", message="It is unclear.", remedy=remedy)
        part._refused(Refused(422, problem))
        own = (
            'Say how to read it under "Where the file may be read in two ways", and drop it again.'
        )
        assert f"It is unclear. {own if named else remedy}" in words()
        assert part._two_ways.value == named

    on_a_page(test)


def test_a_file_that_is_not_taken_is_said_by_the_page():
    async def test() -> None:
        taken: list[str] = []
        said: list[str] = []

        async def take(event: events.UploadEventArguments) -> None:
            assert not taken, "no two"
            taken.append(event.file.name)

        def reject(why: Any) -> None:
            for listener in list(drop._event_listeners.values()):
                if listener.type == "rejected":
                    drop._handle_event({"listener_id": listener.id, "args": why})

        drop = file_drop("Drop", take, ".csv,.txt", 1_000, said.append)
        for content in (b"", b"Name"):
            file = SmallFileUpload("a.csv", "text/csv", content)
            sent = events.UploadEventArguments(sender=drop, client=drop.client, file=file)
            await drop._upload_handlers[0](sent)
        assert taken == ["a.csv"]
        assert said == ["a.csv is empty: there is nothing in it. Download it again."]
        reject(["accept"])
        assert "larger than 1,000 bytes, or its name does not end in .csv or .txt" in said[-1]
        reject(["filter", "filter"])
        assert said[-1] == "Drop one file at a time: none of these was taken."
        await drop._upload_handlers[0](sent)
        assert said[-1].startswith("a.csv was not taken: AssertionError: no two")

    on_a_page(test)


def edit(name: str, column: str, value: Any) -> dict[str, Any]:
    own = {"name": name, "driver_id": f"id {name}", "site_id": f"site {name}"}
    # Of a tick after a number was typed the table gives the opposite as its new value.
    return {"data": {**own, column: value}, "colId": column, "newValue": not value}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_can_be_chosen_and_what_it_needs_be_set(name):
    async def test() -> None:
        needed = dict.fromkeys(OBJECTIVES[name].needs, 200.0)
        settings = checked(objective=name, **needed)
        await build(Api(forecast=forecast("A"), settings=settings), {}).show()
        assert OBJECTIVES[name].words in field("Best at").options[name]
        if held := OBJECTIVES[name].setting:
            field("Contest" if held == "payout" else held.replace("_", " ").capitalize())

    on_a_page(test)


def test_an_objective_that_is_no_more_gives_way_to_the_default():
    async def test() -> None:
        kept = {"draft": {"objective": "median", "lineups": 5}}
        await build(Api(forecast=forecast("A")), kept).show()
        assert (field("Best at").value, field("Lineups").value) == ("expected_max", "5")

    on_a_page(test)


def test_a_payout_file_of_the_settings_is_shown_as_what_it_is():
    async def test() -> None:
        api = Api(forecast=forecast("A"), settings=checked(objective="payout", payout="mine.csv"))
        await build(api, {}).show()
        contest = field("Contest")
        assert contest.value == "mine.csv"
        assert contest.options[:2] == ["cash", "single-entry"]

    on_a_page(test)


def test_a_page_of_the_newest_run_says_of_no_newer_one():
    """Where a run ended while its page was left, which shows it as it is opened again."""

    async def test() -> None:
        async def show() -> None:
            raise answered(503, "BUSY")

        api: Any = Api(result=None, slate=detail("second"))
        kept = {"run": "run"}
        run = SlateRun(api, detail("second"), kept, NewerRun(api, detail("second")))
        run.ended.append(show)  # what cannot be read now is no failure of the run
        run.again()
        await asyncio.sleep(0.3)
        assert kept == {}
        assert "There is a newer run" not in words()
        assert "BUSY" not in words()

    on_a_page(test)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("no such option"), "This part cannot be shown: ValueError: no such option"),
        (Refused(503, SlateProblem(code="BUSY", message="Too much at once.")), "Too much at once."),
    ],
)
def test_a_part_that_fails_says_so_and_leaves_the_others(fault, said):
    async def test() -> None:
        async def fill() -> None:
            raise fault

        with ui.tabs():
            tab = ui.tab("Build")
        with ui.tab_panels(), ui.tab_panel(tab) as panel:
            pass
        assert not await _filled(panel, fill)
        assert said in words()

    on_a_page(test)


class Following:
    """A job that is kept, and what came of following it."""

    def __init__(self, api: Api, kept: dict[str, Any]) -> None:
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.job = KeptJob(
            api,  # type: ignore[arg-type]
            Progress("A run"),
            kept,
            "run",
            self._taken,
            lambda error: self.refused.append(error.problem.code),
        )

    async def _taken(self, run_id: str, _: slates.Made) -> None:
        self.taken.append(run_id)


def answered(status: int, code: str) -> Refused:
    return Refused(status, SlateProblem(code=code, message=code))


RUNNING = (JobStatus.RUNNING,)
FAILED = (JobStatus.RUNNING, JobStatus.FAILED)


@pytest.mark.parametrize(
    ("statuses", "result", "kept", "taken", "refused"),
    [
        ((JobStatus.COMPLETED,), "made", {}, ["job"], []),
        (RUNNING, "made", {"run": "job"}, [], []),  # the server goes down
        (FAILED, answered(409, "JOB_FAILED"), {}, [], ["JOB_FAILED"]),
        (FAILED, answered(503, "BUSY"), {"run": "job"}, [], ["BUSY"]),
    ],
)
def test_a_job_is_kept_until_it_has_ended(statuses, result, kept, taken, refused):
    async def test() -> None:
        own: dict[str, Any] = {}
        api = Api(runs=SlateJob.model_construct(run_id="job"), result=result)
        api.statuses = statuses
        following = Following(api, own)
        await following.job.start(slates.run(SLATE))
        assert (own, following.taken, following.refused) == (kept, taken, refused)

    on_a_page(test)


def test_a_job_that_was_left_is_followed_again():
    async def test() -> None:
        own: dict[str, Any] = {"run": "job"}
        following = Following(Api(result="made"), own)
        following.job.again()
        while own:  # its timer ticks when it can
            await asyncio.sleep(0.01)
        assert following.taken == ["job"]

    on_a_page(test)


def test_a_page_that_is_left_lets_go_of_its_job(caplog):
    async def test() -> None:
        own: dict[str, Any] = {}
        api = Api(runs=SlateJob.model_construct(run_id="job"), result="made")
        api.runs_on = True
        following = Following(api, own)
        start = following.job.start(slates.run(SLATE))
        background_tasks.create(start, context=ui.context.slot)
        await asyncio.sleep(0.1)
        ui.context.client.delete()
        api.runs_on = False
        await asyncio.sleep(0.1)
        assert (own, following.taken) == ({"run": "job"}, [])

    on_a_page(test)
    assert not caplog.records


def failed_run(kept: dict[str, Any], run_id: str, status: int = 409) -> SlateRun:
    """The run of a slate whose page shows this run, for a visitor of whom this is kept."""
    api = Api(runs=answered(status, "WHY"), slate=detail(run_id))
    return SlateRun(api, detail(run_id), kept, None)  # type: ignore[arg-type]


def test_why_a_run_failed_stays_said_until_the_next_one():
    async def test() -> None:
        kept: dict[str, Any] = {}
        page = failed_run(kept, "first")
        for _ in range(2):
            await page.start(slates.run(SLATE))
            assert words().count("WHY") == 1
        page._said.clear()
        failed_run(kept, "first").again()  # the page is loaded anew
        assert words().count("WHY") == 1
        failed_run(kept, "second").again()  # somebody else ran it since
        assert words().count("WHY") == 1
        await failed_run(kept, "first", 503).start(slates.run(SLATE))  # nothing was begun
        assert kept == {}

    on_a_page(test)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (not_ready(SLATE, "It is being run.", running=True).problem, "It is being run."),
        (not_ready(SLATE, "It was not run.").problem, "It was not run. Press Refresh to run it."),
        (
            unknown_slate().problem,
            "No slate has this key. All slates has those there are; a salary file dropped there "
            "adds one.",
        ),
        (
            unknown_driver().problem,
            "The slate has no player of this id. (driver) The forecast lists them.",
        ),
    ],
)
def test_a_refusal_names_no_request(problem, words):
    assert said(Refused(409, SlateProblem(**problem.model_dump()))) == words


def test_the_head_says_what_failed_and_who_is_out_and_folds_the_rest():
    async def test() -> None:
        checks = tuple(
            RunCheck(name=name, passed=False)
            for name in (
                "slate_features.sources_are_known",
                "contest_forecast.returns_are_possible",
            )
        )
        remarks = (
            "No cup results since 2026-03-22.",
            "A B (x.csv, row 4, Name) is OUT and left out.",
            "C D (x.csv, row 5, Name) did not qualify (the grid is full) and is left out.",
            "E F does not race (marked OUT in the salary file): he is in 15 of 20 lineups.",
            "2 rows are of other races and left out.",
        )
        run = SlateDetail.model_construct(
            **dict.fromkeys(("site", "race_name", "track_name", "series", "track_type"), ""),
            slate=SLATE, run_id="first", data="fresh", state="ready", lock=datetime.now(UTC),
            locked=False, as_of=None, absent=(), data_notes=(), checks=checks, notices=remarks,
        )  # fmt: skip
        api: Any = Api()
        _slate_head(api, run, {})
        said = words()
        assert "Checks that did not pass: contest_forecast.returns_are_possible." in said
        shown = ui.context.client.elements.values()
        (folded,) = (item for item in shown if isinstance(item, ui.expansion))
        assert (folded.text, folded.value) == ("Remarks of its run (2)", False)
        inside = "\n".join(i.text for i in folded.descendants() if isinstance(i, ui.label))
        assert [line in inside for line in remarks] == [True, False, False, False, True]
        assert all(line in said for line in remarks)

    on_a_page(test)


@pytest.mark.parametrize("shown", [True, False])
def test_a_run_that_ends_leaves_what_is_typed(monkeypatch, shown):
    async def test() -> None:
        done: list[str] = []
        monkeypatch.setattr(ui.navigate, "reload", lambda: done.append("loaded anew"))

        async def show() -> None:
            done.append("shown anew")

        job = SlateJob.model_construct(run_id="run")
        api: Any = Api(runs=job, result=None, slate=detail("second"))
        newer = NewerRun(api, detail("first")) if shown else None
        run = SlateRun(api, detail("first"), {}, newer)
        run.ended.append(show)
        await run.start(slates.run(SLATE))
        assert newer is None or await newer.look()
        assert done == (["shown anew"] if shown else ["loaded anew"])
        assert words().count("There is a newer run") == shown
        assert run._detail.run_id == ("second" if shown else "first")

    on_a_page(test)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("no such option"), "This did not work: ValueError: no such option"),
        (answered(503, "BUSY"), "BUSY"),
    ],
)
def test_a_press_that_fails_says_so(monkeypatch, fault, said):
    told: list[str] = []
    monkeypatch.setattr(ui, "notify", lambda words, **_: told.append(words))

    async def test() -> None:
        async def work() -> None:
            raise fault

        button("Build", work)
        press("Build")
        await asyncio.sleep(0.1)
        assert told == [said]

    on_a_page(test)


def test_a_build_while_the_connection_is_away_says_that_nothing_was_built(monkeypatch):
    async def away(_: Build) -> None:
        raise TimeoutError

    monkeypatch.setattr(Build, "_edits_taken", away)

    async def test() -> None:
        api = Api(forecast=forecast("A"))
        part = build(api, {"draft": {}})
        await part.show()
        await part._build()
        assert "The connection was away. Nothing was built." in words()
        assert api.sent == ["GET forecast"]

    on_a_page(test)


def test_only_what_changed_of_the_settings_is_drawn_anew():
    async def test() -> None:
        kept: dict[str, Any] = {"draft": {"groups": [{"drivers": ["A"]}]}}
        part = build(Api(forecast=forecast("A", "B")), kept)
        await part.show()
        labels = ("Lineups", "Best at", "Drivers", "At least", "Settings as TOML")
        before = [part._grid, *map(field, labels)]
        field("Best at").value = "quantile"
        assert field("Quantile").value == "0.9"
        field("Best at").value = "mean"
        assert list(part._numbers) == ["lineups", "max_shared", "salary_min", "ownership_max"]
        press("Remove")
        field("Drivers").value = ["A", "B"]
        field("At least").value = "2"
        press("Add")
        await asyncio.sleep(0)
        assert kept["draft"]["groups"] == [{"drivers": ["A", "B"], "at_least": 2}]
        assert (field("Drivers").value, field("At least").value) == ([], "")
        assert words().count("at least 2 of A, B") == 1
        assert [part._grid, *map(field, labels)] == before
        assert not any(item.is_deleted for item in before)

    on_a_page(test)


def test_two_presses_of_a_button_do_one_thing():
    async def test() -> None:
        done: list[int] = []

        async def work() -> None:
            await asyncio.sleep(0.05)
            done.append(1)

        made = button("Build", work)
        press("Build", times=2)
        await asyncio.sleep(0)
        assert "aria-disabled" in made.props
        await asyncio.sleep(0.2)
        assert (len(done), "aria-disabled" in made.props) == (1, False)
        press("Build")
        await asyncio.sleep(0.2)
        assert len(done) == 2

    on_a_page(test)


def test_lineups_that_are_not_there_yet_are_asked_for_again():
    async def test() -> None:
        api = Api(contests=answered(409, "SLATE_NOT_READY"))
        part = Lineups(api, SLATE, {}, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(Refused):  # the page says so, and fills the part when the run has ended
            await part.show()
        await part.take("job")
        assert api.sent == ["GET contests"]

    on_a_page(test)


def test_lineups_of_an_earlier_run_say_so():
    async def test() -> None:
        again: list[str] = []
        # The slate was run again after the build was asked for: the job waited for that run.
        kept: dict[str, Any] = {}
        api = Api(result=portfolio("second"), slate=detail("second"))
        part = Lineups(api, SLATE, kept, lambda: again.append("Build"))  # type: ignore[arg-type]
        await part.take("job")
        await part.show()
        assert "0 lineups, chosen for" in words()
        assert "run again after these lineups" not in words()
        api.answers["slate"] = detail("third")
        await part.show()  # as on a page that is loaded anew
        assert words().count("run again after these lineups") == 1
        press("Build again")
        assert again == ["Build"]
        api.answers["result"] = portfolio()  # of a version that did not say its run
        await part._draw()
        assert "run again after these lineups" not in words()

    on_a_page(test)


def test_a_build_that_outlives_its_page_says_where_its_lineups_are():
    async def test() -> None:
        went: list[str] = []
        api = Api(forecast=forecast("A"))
        part = build(api, {"draft": {}})
        part._to_lineups = lambda: went.append("Lineups")
        await part.show()
        await part._taken("of a page before")
        assert "The lineups are built: see Lineups." in words()
        assert not went
        part._said.clear()
        part._goes = True
        for _ in range(2):  # once with its lineups, once at its end
            await part._taken("of this page")
        assert went == ["Lineups"]
        assert not words().count("The lineups are built")

    on_a_page(test)


def test_the_live_chart_is_of_its_own_slate_and_draws_what_was_forecast():
    async def test() -> None:
        driver: dict[str, Any] = {
            key: 0 for key, field in LiveDriver.model_fields.items() if field.is_required()
        }
        first, second = (
            LiveDriver.model_validate({**driver, "driver_id": name, "name": name, **more})
            for name, more in (("A", {"win": 0.6, "win_before": 0.2}), ("B", {"win": 0.1}))
        )
        contest = LiveContest(name="20-max", entries=100)
        own = LiveSlate(drivers=(first, second), contest=contest, lineups=(), entries=())
        known = (  # the slate was run after the first of them
            (40, {"other": {"A": 0.9}}),
            (45, {"other": {"A": 0.8}, SLATE: {"A": 0.5, "B": 0.2}}),
            (50, {"other": {"A": 0.7}, SLATE: {"A": 0.6, "B": 0.1}}),
        )
        series = tuple(
            LivePoint.model_construct(lap=lap, win=wins["other"], win_by_slate=wins)
            for lap, wins in known
        )
        found = LiveForecast.model_construct(
            lap=50, scheduled_laps=100, flag="green", notices=(), refused=None,
            made_at=datetime.now(UTC), slates={SLATE: own}, series=series,
        )  # fmt: skip
        part = _Live(SLATE)
        part.take(found)
        drawn = {line["name"]: line["data"] for line in part._chart.options["series"]}
        assert drawn == {
            "A": [[0, 20.0], [45, 50.0], [50, 60.0]],
            "B": [[45, 20.0], [50, 10.0]],  # of a version that did not say his chance before
        }

    on_a_page(test)


def test_a_page_says_that_there_is_a_newer_run():
    async def test() -> None:
        api = Api(slate=detail("first"))
        newer = NewerRun(api, detail("first"))  # type: ignore[arg-type]
        assert not await newer.look()
        api.answers["slate"] = answered(503, "BUSY")
        assert not await newer.look()
        api.answers["slate"] = detail("second").model_copy(update={"state": "not finished"})
        assert not await newer.look()
        assert not words()
        api.answers["slate"] = detail("second")
        assert [await newer.look(), await newer.look()] == [True, True]
        assert words().count("There is a newer run") == 1

    on_a_page(test)
