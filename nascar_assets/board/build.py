"""The settings of a portfolio: set in fields and tables, in and out as TOML, sent to be solved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nicegui import events, ui

from nascar_assets.board.lineups import Lineups
from nascar_assets.board.widgets import (
    KeptJob,
    NumberField,
    Progress,
    button,
    file_drop,
    focus,
    heading,
    named,
    note,
    notices,
    number,
    said,
    table,
    text,
    tick,
    typed_number,
)
from nascar_assets.client import AsyncClient, Refused, slates
from nascar_assets.errors import InputError
from nascar_assets.lineups import objectives
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.service.slate_contracts import (
    ForecastRow,
    PortfolioRequest,
    SettingsText,
    SlateDetail,
    SlateProblem,
)

_FOR = {"expected_max": " (large tournaments)", "mean": " (cash games)"}
OBJECTIVES = {name: kind.words + _FOR.get(name, "") for name, kind in objectives.OBJECTIVES.items()}
_STARTS = {"threshold": 260.0, "payout": "20-max"}  # of settings without a default
_NEEDS: dict[str, tuple[str, Any]] = {
    name: (held, _STARTS.get(held, PortfolioSettings.model_fields[held].default))
    for name, kind in objectives.OBJECTIVES.items()
    if (held := kind.setting)
}
_CONTESTS = ("cash", "single-entry", "20-max", "150-max")
_COLUMNS = [
    text("name", "Driver", pinned="left", width=160),
    number("mean", "Mean pts", digits=1),
    tick("lock", "Lock", width=84),
    tick("exclude", "Exclude", width=118),
    typed_number("min_exposure", "Min %", "Lowest share of lineups that hold him"),
    typed_number("max_exposure", "Max %", "Highest share of lineups that hold him"),
    typed_number(
        "points_multiplier",
        "× points",
        "Your own factor on his points: 1.2 is a fifth more, 0.8 a fifth less",
    ),
    typed_number("ownership", "Own %", "Your own guess of his ownership"),
    number("salary", "Salary $"),
    number("optimal", "Optimal %", "Share of races in which the best lineup holds him", digits=1),
]
_HEADINGS = {column.options["field"]: str(column.options["headerName"]) for column in _COLUMNS}
_EDIT_MILLISECONDS = 60
"""After which the table has told of an edit that was ended."""
_SHARES = ("min_exposure", "max_exposure", "ownership")
_UPPER = {**dict.fromkeys(_SHARES, 100.0), "points_multiplier": 10.0}
"""The most that a cell of each column of numbers can be."""


class Build:
    """The part where a portfolio is set up.

    Args:
        kept: What of this slate is kept for the visitor, also over a restart of the server.
    """

    def __init__(
        self,
        api: AsyncClient,
        detail: SlateDetail,
        kept: dict[str, Any],
        lineups: Lineups,
        to_lineups: Callable[[], None],
    ) -> None:
        self._api, self._detail, self._kept = api, detail, kept
        if self._draft.get("objective", "mean") not in OBJECTIVES:  # kept by another version
            self._draft.pop("objective")
        self._lineups, self._to_lineups = lineups, to_lineups
        self._shown: dict[str, Any] = {}  # the settings as this page shows them
        self._faults: tuple[str, ...] = ()
        self._wrong = False  # whether these are of settings that cannot be right by themselves
        self._rows: tuple[ForecastRow, ...] = ()
        self._numbers: dict[str, NumberField] = {}
        self._typed: dict[str, str] = {}  # what was typed into a field and cannot be taken
        self._goes = False
        self._announced: str | None = None  # the job whose lineups this page has said are there

    async def show(self) -> None:
        """Fills the part."""
        self._rows = (await self._api.call(slates.forecast(self._detail.slate))).rows
        heading("Build lineups")
        with ui.row().classes("items-center"):  # above the settings: none of them has to be set
            button("Build lineups", self._build, "no-caps")
            self._keep = ui.checkbox("keep as the slate's own lineups")
        self._job = KeptJob(
            self._api,
            Progress("Lineups"),
            self._kept,
            "running",
            lambda run_id, _: self._taken(run_id),
            lambda error: self._refused(error.problem),
            early=self._taken,
        )
        self._said = ui.column().classes("w-full").props("aria-live=polite")
        if "draft" not in self._kept:
            await self._take(SettingsText(), "")
        self._form()
        ui.run_javascript("import('nicegui-echart')")  # the lineups' charts will not wait for it
        self._job.again()

    # --- what is set ---

    @property
    def _draft(self) -> dict[str, Any]:
        """What the visitor has set, on any of his pages."""
        return self._kept.get("draft") or {}

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Changes one thing of what is set; the rest stays as other pages of the visitor set it."""
        for settings in (self._kept.setdefault("draft", {}), self._shown):
            change(settings)

    def _form(self) -> None:
        """The form. Its parts are filled apart: what is not drawn anew keeps focus and contents."""
        self._fields = ui.element("div").classes("columns")
        note(
            "In the table, click or tap a cell to change it; by keyboard, press Enter, or the "
            "space bar to tick it. Min, Max and Own are percent; × points is your own view of a "
            "driver: 1.2 is a fifth more points."
        )
        self._grid = table(
            "Settings of each driver",
            _COLUMNS,
            [self._row(row) for row in self._rows],
            height="420px",
            key="driver_id",
            singleClickEdit=True,
            stopEditingWhenCellsLoseFocus=True,
            rowClassRules={"fault": "data.fault"},
        )
        self._grid.on("cellValueChanged", self._edited, args=["data", "colId"])
        self._list = named(ui.column(), "Groups and rules", "group").classes("w-full")
        self._list.props("tabindex=-1")
        self._adding()
        self._toml()
        self._fill_fields()
        self._fill_list()

    def _fill(self) -> None:
        """Shows anew what is set."""
        self._fill_fields()
        self._mark()

    def _fill_fields(self) -> None:
        """The fields above the table."""
        self._shown = _plain(self._draft)
        self._fields.clear()
        self._numbers = {}
        with self._fields:
            self._field("lineups", "Lineups", 20, whole=True, lower=1, upper=500)
            ui.select(
                OBJECTIVES,
                value=self._draft.get("objective", "expected_max"),
                label="Best at",
                on_change=self._objective,
            ).classes("w-full")
            self._need = ui.element("div").style("display: contents")
            self._fill_need()
            self._field("max_shared", "Drivers that two lineups may share", None, whole=True)
            self._field("salary_min", "Lowest salary of a lineup, $", None, whole=True)
            self._field("ownership_max", "Highest sum of ownerships, %", None, unit=0.01)

    def _fill_need(self) -> None:
        """The field that the objective needs."""
        self._need.clear()
        for name, _ in _NEEDS.values():
            self._numbers.pop(name, None)
        if (need := _NEEDS.get(self._draft.get("objective", ""))) is None:
            return
        name, default = need
        with self._need:
            if name != "payout":
                self._field(name, name.replace("_", " ").capitalize(), default)
                return
            held = self._draft.get(name, default)
            ui.select(  # settings of the command line may name a file
                [*_CONTESTS, *({held} - set(_CONTESTS))],
                value=held,
                label="Contest",
                on_change=lambda event: self._set("payout", event.value),
            ).classes("w-full")

    def _mark(self) -> None:
        """Marks what is at fault; the fields, and the table's sort and filter, stay."""
        for name, field in self._numbers.items():
            field.classes(**{"add" if name in self._faults else "remove": "at-fault"})
        rows = [self._row(row) for row in self._rows]
        with self._grid.props.suspend_updates():  # the browser would make another table of it
            self._grid.options["rowData"] = rows
        self._grid.run_grid_method("setGridOption", "rowData", rows)
        self._fill_list()

    def _fill_list(self) -> None:
        """What is set beside the fields and the table."""
        self._list.clear()
        with self._list:
            self._strangers()
            self._groups()

    def _dropped(self) -> None:
        """Draws what is left, and has the focus there: the button that was pressed is gone."""
        self._fill_list()
        focus(self._list)

    def _field(
        self,
        name: str,
        label: str,
        default: float | None,
        *,
        whole: bool = False,
        lower: float = 0,
        upper: float | None = None,
        unit: float = 1.0,
    ) -> None:
        """A number of the settings, shown in units of `unit` of what they hold."""

        def changed() -> None:
            if field.wrong:
                self._typed[name] = field.value or ""
                return
            if field.number is None:
                self._set(name, default)
            else:
                self._set(name, field.number if whole else round(field.number * unit, 6))

        held = self._draft.get(name, default)
        field = NumberField(
            label,
            placeholder=None if default is None else f"{default / unit:g}",
            value=held if held is None or unit == 1.0 else round(held / unit, 4),
            whole=whole,
            lower=lower,
            upper=upper,
            on_change=changed,
        ).props("debounce=300 clearable" if default is None else "debounce=300 stack-label")
        if name in self._typed:
            field.value = self._typed[name]
        field.classes("w-full")
        self._numbers[name] = field

    def _objective(self, event: events.ValueChangeEventArguments[Any]) -> None:
        for name, _ in _NEEDS.values():
            self._set(name, None)
        if need := _NEEDS.get(event.value):
            self._set(*need)
        self._set("objective", event.value)
        self._fill_need()

    def _set(self, name: str, value: Any) -> None:
        self._typed.pop(name, None)

        def change(settings: dict[str, Any]) -> None:
            if value is None:
                settings.pop(name, None)
            else:
                settings[name] = value

        self._change(change)

    def _key(self, row: Mapping[str, Any] | ForecastRow) -> str:
        """By which of his names the settings hold a driver; his plain name where they do not."""
        values = row if isinstance(row, Mapping) else row.model_dump()
        drivers = self._draft.get("drivers", {})
        names = [str(values[name]) for name in ("name", "driver_id", "site_id") if name in values]
        return next((name for name in names if name in drivers), names[0])

    def _row(self, row: ForecastRow) -> dict[str, Any]:
        key = self._key(row)
        own = self._draft.get("drivers", {}).get(key, {})
        return {
            "driver_id": row.driver_id,
            "site_id": row.site_id,
            "name": row.name,
            "salary": row.salary,
            "mean": round(row.mean_points, 1),
            "optimal": round(100 * row.optimal_share, 1),
            "lock": own.get("lock", False),
            "exclude": own.get("exclude", False),
            "points_multiplier": own.get("points_multiplier"),
            **{
                name: None if own.get(name) is None else round(100 * own[name], 2)
                for name in _SHARES
            },
            "fault": f"drivers.{key}" in self._faults,
        }

    def _edited(self, event: events.GenericEventArguments) -> None:
        # The row has the value: a tick's event says the opposite after a number was typed.
        column, row = event.args["colId"], event.args["data"]
        value, key = row.get(column), self._key(row)

        def change(settings: dict[str, Any]) -> None:
            drivers = settings.setdefault("drivers", {})
            own = drivers.setdefault(key, {})
            if value is None or value is False:
                own.pop(column, None)
            else:
                own[column] = round(float(value) / 100, 6) if column in _SHARES else value
            if not own:
                drivers.pop(key)
            if not drivers:
                settings.pop("drivers")

        self._change(change)

    def _strangers(self) -> None:
        """Drivers whom the settings name and no row of the table is: scratched ones, say."""
        known = {self._key(row) for row in self._rows}
        found = {
            key: own for key, own in self._draft.get("drivers", {}).items() if key not in known
        }
        if not found:
            return
        heading("Set for names that the table does not have", 3)
        for key, own in found.items():
            fault = " at-fault" if f"drivers.{key}" in self._faults else ""
            with ui.row().classes(f"items-center w-full{fault}"):
                what = ", ".join(_cell_words(column, value) for column, value in own.items())
                ui.label(f"{key}: {what}")

                def dropped(key: str = key) -> None:
                    def change(settings: dict[str, Any]) -> None:
                        settings.get("drivers", {}).pop(key, None)

                    self._change(change)
                    self._dropped()

                named(
                    ui.button("Remove", on_click=dropped).props("flat dense no-caps"),
                    f"Remove what is set for {key}",
                )

    def _groups(self) -> None:
        """Groups and if-then rules, each in words with a way to drop it."""
        heading("Groups and rules", 3)
        for kind, words in (("groups", self._group_words), ("rules", self._rule_words)):
            for at, item in enumerate(self._draft.get(kind, ())):
                fault = " at-fault" if f"{kind}.{at}" in self._faults else ""
                with ui.row().classes(f"items-center w-full{fault}"):
                    ui.label(words(item))

                    def dropped(kind: str = kind, item: Any = item) -> None:
                        def change(settings: dict[str, Any]) -> None:
                            if item in settings.get(kind, ()):
                                settings[kind].remove(item)

                        self._change(change)
                        self._dropped()

                    ui.button("Remove", on_click=dropped).props("flat dense no-caps")

    def _adding(self) -> None:
        """A way to add a group or a rule."""
        names = [row.name for row in self._rows]
        with ui.expansion("Add a group or a rule").classes("w-full"):
            first = ui.select(names, multiple=True, label="Drivers", with_input=True).classes(
                "w-full"
            )
            then = ui.select(
                names, multiple=True, label="For a rule: then of these", with_input=True
            ).classes("w-full")
            low = NumberField("At least", whole=True, lower=0, upper=10).style("min-width: 120px")
            high = NumberField("At most", whole=True, lower=0, upper=10).style("min-width: 120px")

            def added() -> None:
                if wrong := low.wrong or high.wrong:
                    self._say([wrong])
                    return
                bounds = {
                    name: field.number
                    for name, field in (("at_least", low), ("at_most", high))
                    if field.number is not None
                }
                if not first.value:
                    ui.notify("Choose drivers first.")
                    return
                kind = "rules" if then.value else "groups"
                item = (
                    {"if": list(first.value), "then": list(then.value), **bounds}
                    if then.value
                    else {"drivers": list(first.value), **bounds}
                )
                self._change(lambda settings: settings.setdefault(kind, []).append(item))
                self._fill_list()
                for chosen in (first, then):
                    chosen.value = []
                for field in (low, high):
                    field.value = ""

            ui.button("Add", on_click=added).props("outline no-caps")

    @staticmethod
    def _bounds(item: Mapping[str, Any]) -> str:
        found = [
            f"{words} {item[name]}"
            for name, words in (
                ("at_least", "at least"),
                ("at_most", "at most"),
                ("min_exposure", "minimum exposure"),
                ("max_exposure", "maximum exposure"),
            )
            if item.get(name) is not None
        ]
        return " and ".join(found) or "at least 1"

    def _group_words(self, item: Mapping[str, Any]) -> str:
        return f"{self._bounds(item)} of {', '.join(item['drivers'])}"

    def _rule_words(self, item: Mapping[str, Any]) -> str:
        return f"if {', '.join(item['if'])} then {self._bounds(item)} of {', '.join(item['then'])}"

    # --- TOML ---

    def _toml(self) -> None:
        with ui.expansion("The settings file (TOML, as the command line reads it)").classes(
            "w-full"
        ):
            area = ui.textarea("Settings as TOML").classes("w-full").props("outlined rows=10")

            async def write() -> None:
                if (checked := await self._checked()) is not None:
                    area.value = checked.toml

            async def save() -> None:
                if (checked := await self._checked()) is not None:
                    ui.download.content(checked.toml, "portfolio.toml", "application/toml")

            async def read() -> None:
                await self._take(SettingsText(toml=area.value or ""), "The settings are read.")

            async def dropped(event: events.UploadEventArguments) -> None:
                content = (await event.file.read()).decode("utf-8", "replace")
                await self._take(SettingsText(toml=content), "The settings are read.")

            with ui.row():
                button("Show what is set", write)
                button("Take these settings", read)
                button("Download", save)
            file_drop(
                "Or drop a settings file here",
                dropped,
                ".toml",
                200_000,
                lambda words: self._say([words]),
            )

    async def _checked(self) -> Any:
        if not await self._all_taken("Press again."):
            return None
        if (settings := self._settings()) is None:
            return None
        try:
            return await self._api.call(
                slates.check(self._detail.slate, SettingsText(settings=settings))
            )
        except Refused as error:
            self._say([said(error)])
        return None

    async def _take(self, sent: SettingsText, done: str) -> None:
        """Takes settings in the place of those that are set."""
        try:
            checked = await self._api.call(slates.check(self._detail.slate, sent))
        except Refused as error:
            self._say([said(error)])
            return
        self._kept["draft"] = checked.settings.model_dump(
            mode="json", by_alias=True, exclude_defaults=True
        )
        self._faults = ()
        self._typed.clear()
        if done:
            self._say([done])
            self._fill()

    # --- solving ---

    def _settings(self) -> PortfolioSettings | None:
        """What is set; none where a part of it cannot be right, which is said and marked."""
        if self._no_numbers():
            return None
        wrong = dict(self._wrong_cells())
        found = None
        try:
            if not wrong:
                found = PortfolioSettings.from_mapping(self._draft)
        except InputError as error:
            parts = (error.field or "").split(".")
            place = parts[:2] if parts[0] in ("groups", "rules") else parts
            wrong = {".".join(place): str(error)}
        if wrong or self._wrong:  # a conflict that was found in solving stays said
            self._faults = tuple(wrong)
            self._mark()
            self._say(list(wrong.values()))
        self._wrong = bool(wrong)
        return found

    def _no_numbers(self) -> bool:
        """Whether a field holds what cannot be taken: it would count as what held before."""
        wrong = [field.wrong for field in self._numbers.values() if field.wrong]
        if wrong:
            self._say(wrong)
        return bool(wrong)

    def _wrong_cells(self) -> Iterator[tuple[str, str]]:
        """Rows of the table that cannot be right, each with why, in the table's words and units."""
        for name, own in self._draft.get("drivers", {}).items():
            row = f"drivers.{name}"
            if own.get("lock") and own.get("exclude"):
                yield row, f"{name} is both locked and excluded: he can be one of the two."
            for column, upper in _UPPER.items():
                value, heading = own.get(column), _HEADINGS[column]
                if value is None:
                    continue
                shown = 100 * value if column in _SHARES else value
                if not 0 <= shown <= upper or (shown == 0 and column not in _SHARES):
                    low = "0 to" if column in _SHARES else "above 0 to"
                    yield row, f"{heading} of {name} can be {low} {upper:g}, not {shown:g}."
            low, high = own.get("min_exposure"), own.get("max_exposure")
            if low is not None and high is not None and low > high:
                yield row, f"Min % of {name} ({100 * low:g}) is above Max % ({100 * high:g})."

    def _say(self, lines: list[str]) -> None:
        self._said.clear()
        with self._said:
            notices(lines)

    async def _build(self) -> None:
        self._said.clear()
        if not await self._all_taken("Nothing was built. Press Build lineups again."):
            return
        if self._no_numbers():  # before the fields are drawn anew, without what was typed
            return
        if self._draft != self._shown:
            self._fill()
            self._say(["Settings were changed on another page of yours; here they are now."])
            return
        if (settings := self._settings()) is None:
            return
        request = PortfolioRequest(settings=settings, keep=bool(self._keep.value))
        self._goes = True
        await self._job.start(slates.portfolio(self._detail.slate, request, wait=0))

    async def _all_taken(self, away: str) -> bool:
        """Whether an edit that was open is taken, too; else says that, and what then."""
        try:
            await self._edits_taken()
        except TimeoutError:
            self._say([f"The connection was away. {away}"])
            return False
        return True

    async def _edits_taken(self) -> None:
        """Ends the edit of a cell that is open, and waits until the table has told of it.

        The table tells of an edit a moment after the press of a button that ended it.
        """
        await self._grid.run_grid_method("stopEditing", timeout=10.0)
        await ui.run_javascript(
            f"await new Promise((done) => setTimeout(done, {_EDIT_MILLISECONDS}))", timeout=10.0
        )

    async def _taken(self, run_id: str) -> None:
        """Shows the lineups; goes there once, where the build was asked for on this very page."""
        if self._faults:
            self._faults = ()
            self._mark()
        await self._lineups.take(run_id)
        if run_id == self._announced:
            return
        self._announced = run_id
        if self._goes:
            self._goes = False
            self._to_lineups()
        else:  # the visitor may be elsewhere by now
            self._say(["The lineups are built: see Lineups."])

    def _refused(self, problem: SlateProblem) -> None:
        """Says what cannot hold together, and marks where it is set."""
        self._said.clear()
        with self._said, ui.column().classes("conflict").props("role=alert"):
            ui.label(problem.message)
            if problem.conflict:
                ui.label("These settings cannot hold together; loosen one of them:")
                with ui.element("ul").style("margin: 0"):
                    for line in problem.conflict:
                        with ui.element("li"):
                            ui.label(line)
            elif problem.remedy:
                ui.label(problem.remedy)
        self._faults = problem.settings
        self._mark()


def _plain(value: Any) -> Any:
    """A copy that is not stored where the value is."""
    return json.loads(json.dumps(value))


def _cell_words(column: str, value: Any) -> str:
    """What is set of a driver, as the table has it."""
    name = _HEADINGS.get(column, column)
    if value is True:
        return name
    return f"{name} {100 * value:g}" if column in _SHARES else f"{name} {value:g}"
