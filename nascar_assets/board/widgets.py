"""What every part of the board is made of: tables, charts, sentences, a job's progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import structlog
from nicegui import events, ui
from nicegui.element import Element

from nascar_assets.client import AsyncClient, Call, Refused, slates
from nascar_assets.files import amount_cell, number_cell
from nascar_assets.service.contracts import ENDED, JobStatus
from nascar_assets.service.slate_contracts import SlateDetail, SlateJob, Spread

_log = structlog.get_logger(__name__)

_GONE = (404, 410)
ENDED_WITHOUT = (*_GONE, 409, 422)
"""Statuses by which the API says that a job is gone or nothing comes of it any more."""

BLUE, ORANGE = "#0072b2", "#d55e00"
"""Okabe and Ito's colours, which people with any colour vision tell apart."""


E = TypeVar("E", bound=Element)


def unforeseen(error: Exception, what: str) -> str:
    """An error of a part or of a press in words; one that nobody foresaw is logged, too."""
    if isinstance(error, Refused):
        return said(error)
    _log.error("the board failed", exc_info=error)
    return f"{what}: {type(error).__name__}: {error}"


def named(element: E, label: str, role: str | None = None) -> E:
    """An element with the name, and the role, by which it is read out."""
    element.props["aria-label"] = label
    if role is not None:
        element.props["role"] = role
    return element


def focus(element: Element) -> None:
    """Moves the focus to an element with a `tabindex`, from what is not drawn any more."""
    element.client.run_javascript(f"getHtmlElement({element.id})?.focus()")


def button(
    words: str, work: Callable[[], Awaitable[None]], props: str = "outline no-caps"
) -> ui.button:
    """A button that takes no press until what the last one began has ended."""

    async def pressed() -> None:
        if "aria-disabled" in made.props:
            return
        made.props["aria-disabled"] = "true"  # a button that is disabled loses the focus
        made.classes("disabled")
        try:
            await work()
        except Exception as error:
            with made.client:
                ui.notify(
                    unforeseen(error, "This did not work"),
                    type="negative",
                    multi_line=True,
                    timeout=0,  # it stays until it was read
                    close_button="Close",
                )
        finally:
            if not made.is_deleted:
                made.props.pop("aria-disabled")
                made.classes(remove="disabled")

    made = ui.button(words, on_click=pressed).props(props)
    return made


class NumberField(ui.input):
    """A field for a number, whose decimals may follow a comma as well as a point.

    It holds the text that was typed, and the number is read from it. A field that holds a number
    has none for the first key of `.5`: drawn anew, it loses what was typed so far, and the next
    key alone is another number. A browser's own field for numbers makes 125 of 12,5 where the
    visitor's language has no decimal comma.

    Args:
        label: What the number is.
        value: The number at first.
        whole: Whether it has no decimals; a comma parts thousands then.
        lower: The least that it can be.
        upper: The most that it can be.
        placeholder: What holds while the field is empty.
        on_change: Is told of a change.
    """

    def __init__(
        self,
        label: str,
        *,
        value: float | None = None,
        whole: bool = False,
        lower: float | None = None,
        upper: float | None = None,
        placeholder: str | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._whole, self._lower, self._upper = whole, lower, upper
        super().__init__(
            label,
            value="" if value is None else f"{Decimal(str(value)).normalize():f}",
            placeholder=placeholder,
            on_change=on_change,
            validation=lambda _: f"This {fault}." if (fault := self._read()[1]) else None,
        )
        self.props("inputmode=decimal hide-bottom-space")

    def _read(self) -> tuple[Decimal | None, str | None]:
        """The number, or why what was typed cannot be taken; neither while the field is empty."""
        typed = (self.value or "").strip()
        if not typed:
            return None, None
        # Decimals follow either mark, but for a whole number 49,000 is no 49.
        decimal = typed.replace(",", ".").removesuffix(".")  # a mark at the end is one on the way
        found = amount_cell(typed) if self._whole else number_cell(decimal)
        if found is None or (self._whole and found % 1):
            return None, f"is no {'whole ' if self._whole else ''}number"
        if self._lower is not None and found < self._lower:
            return None, f"is below {self._lower:g}"
        if self._upper is not None and found > self._upper:
            return None, f"is above {self._upper:g}"
        return found, None

    @property
    def number(self) -> float | None:
        """The number; none while the field is empty or what was typed cannot be taken."""
        found, _ = self._read()
        return found if found is None else int(found) if self._whole else float(found)

    @property
    def wrong(self) -> str | None:
        """Why what was typed cannot be taken; the field has no number then."""
        _, fault = self._read()
        return None if fault is None else f"{self.label}: what is typed there {fault}."


_NUMBER_CELL: dict[str, Any] = {
    "editable": True,
    "cellDataType": "number",
    "cellEditor": "agTextCellEditor",  # not that for numbers, for the same reason
    ":valueParser": "(cell) => { const typed = String(cell.newValue ?? '').replace('%', '').trim()"
    ".replace(',', '.'); const value = Number(typed); return typed === '' ? null : "
    "Number.isFinite(value) ? value : cell.oldValue }",
}
"""Of a column whose numbers are typed in, with a decimal comma or point; else nothing is taken."""


Of = Callable[[Any], Any] | None
"""What a column shows of a row; the row's value of the column's own name where none is given."""


class Column(NamedTuple):
    """A column of a table: the grid's options for it, and what it shows of a row."""

    options: dict[str, Any]
    cell: Callable[[Any], Any]


def number(
    field: str,
    name: str,
    tip: str = "",
    *,
    of: Of = None,
    digits: int | None = None,
    **more: Any,
) -> Column:
    """A column of numbers.

    Args:
        digits: Decimals that each of them is shown with; as many as it has where none are given.
    """
    shown = "toLocaleString('en-US')" if digits is None else f"toFixed({digits})"
    wide = 26 + 8 * max(len(name), 4) + 20 * ("sort" in more)  # no heading is cut off
    options = {
        "field": field,
        "headerName": name,
        "headerTooltip": tip or name,
        "type": "numericColumn",
        "filter": "agNumberColumnFilter",
        ":valueFormatter": f"(cell) => cell.value?.{shown}",
        "width": wide,
        "minWidth": wide,
        **more,
    }
    return Column(options, of or attrgetter(field))


def decimals(
    field: str, name: str, tip: str = "", digits: int = 1, *, of: Of = None, **more: Any
) -> Column:
    """A column of numbers that are rounded."""
    value = of or attrgetter(field)
    return number(
        field, name, tip, of=lambda row: rounded(value(row), digits), digits=digits, **more
    )


def percents(field: str, name: str, tip: str = "", digits: int = 1, *, of: Of = None) -> Column:
    """A column of shares, shown as percent."""
    value = of or attrgetter(field)
    return number(field, name, tip, of=lambda row: percent(value(row), digits), digits=digits)


def typed_number(field: str, name: str, tip: str) -> Column:
    """A column of numbers that a visitor types in."""
    return number(field, name, tip, **_NUMBER_CELL)


def tick(field: str, name: str, width: int) -> Column:
    """A column of boxes that a visitor ticks."""
    options = {"field": field, "headerName": name, "editable": True, "cellDataType": "boolean"}
    return Column({**options, "width": width}, attrgetter(field))


def text(field: str, name: str, *, of: Of = None, **more: Any) -> Column:
    """A column of texts."""
    options = {"field": field, "headerName": name, "filter": "agTextColumnFilter", **more}
    return Column(options, of or attrgetter(field))


def cells(columns: Sequence[Column], rows: Sequence[Any], key: str | None) -> list[dict[str, Any]]:
    """Rows as the grid takes them: what each column shows, and the key; of mappings as they are."""
    shown = {str(column.options["field"]): column.cell for column in columns}
    if key is not None:
        shown.setdefault(key, attrgetter(key))
    return [
        dict(row) if isinstance(row, Mapping) else {name: cell(row) for name, cell in shown.items()}
        for row in rows
    ]


def table(
    label: str,
    columns: Sequence[Column],
    rows: Sequence[Any],
    *,
    height: str | None = None,
    key: str | None = None,
    **options: Any,
) -> ui.aggrid:
    """A table that is sorted, filtered, walked through by arrow keys, and copied from.

    Args:
        label: What it is, for those who do not see it.
        height: Its height; as high as its rows where none is given.
        key: The field that tells a row from the others.
    """
    texts = any("flex" in column.options for column in columns)
    # Where no text takes the room that is left, the numbers share it.
    shares = {} if texts else {"flex": 1}
    grid = ui.aggrid(
        {
            "columnDefs": [
                {**(shares if "minWidth" in column.options else {}), **column.options}
                for column in columns
            ],
            "rowData": cells(columns, rows, key),
            "defaultColDef": {"sortable": True, "resizable": True, "filter": True},
            "enableCellTextSelection": True,
            "ensureDomOrder": True,
            "suppressMovableColumns": True,
            "suppressColumnVirtualisation": True,
            "tooltipShowDelay": 300,
            "animateRows": False,
            "rowBuffer": 3,
            **({"domLayout": "autoHeight"} if height is None else {}),
            **({":getRowId": f"(row) => String(row.data.{key})"} if key else {}),
            **options,
        },
        auto_size_columns=False,
    )
    named(grid, label, "region")
    grid.style(f"width: 100%; height: {height or 'auto'}")
    return grid


def chart(label: str, options: dict[str, Any], height: str = "240px") -> ui.echart:
    """A chart, with what it shows in words for those who do not see it."""
    made = {
        "animation": False,
        # The chart's own words for itself would take the place of the label.
        "aria": {
            "enabled": True,
            "label": {"description": label},
            "decal": {"show": len(options.get("series", [])) > 1},
        },
        "grid": {"left": 44, "right": 16, "top": 34, "bottom": 44},
        "textStyle": {"color": "#222"},
        "tooltip": {"trigger": "axis", "renderMode": "richText"},
        **options,
    }
    return named(ui.echart(made), label, "img").style(f"width: 100%; height: {height}")


_HEADER = """
<div class="row items-center no-wrap" style="padding: 8px; gap: 8px; width: 100%">
  <div style="flex: 1">{label}</div>
  <q-btn no-caps unelevated color="white" text-color="primary" label="Choose file"
         @click="props.pickFiles"></q-btn>
  <div aria-hidden="true" style="position: absolute; width: 0; height: 0; overflow: hidden">
    <q-uploader-add-trigger></q-uploader-add-trigger>
  </div>
</div>
"""
"""The library's own file field has no name and none can be given: the button stands for it."""


def file_drop(
    label: str,
    on_upload: Callable[[events.UploadEventArguments], Awaitable[None]],
    kinds: str,
    largest: int,
    refuse: Callable[[str], None],
) -> ui.upload:
    """A place where one file at a time is dropped or chosen.

    Args:
        label: What to drop, in words of this program.
        kinds: Ends of names that it takes: `.csv,.zip`.
        largest: Bytes that it may have.
        refuse: Is given in words why a file is not taken, in the place of what was said before.
    """

    async def taken(event: events.UploadEventArguments) -> None:
        try:
            if event.file.size():
                await on_upload(event)
            else:
                refuse(f"{event.file.name} is empty: there is nothing in it. Download it again.")
        except Exception as error:
            refuse(unforeseen(error, f"{event.file.name} was not taken"))

    def rejected(event: events.GenericEventArguments) -> None:
        refuse(
            "Drop one file at a time: none of these was taken."
            if "filter" in event.args
            else "That file is on its way already."
            if "duplicate" in event.args
            else f"That file is not taken: it is larger than {largest:,} bytes, or its name does "
            f"not end in {kinds.replace(',', ' or ')}."
        )

    # Several are accepted to be refused together; else the browser takes one of them unasked.
    made = ui.upload(auto_upload=True, multiple=True, max_file_size=largest, on_upload=taken)
    made.props[":filter"] = "(files) => files.length > 1 ? [] : files"
    why = "(files) => emit(files.map((file) => file.failedPropValidation))"
    made.on("rejected", rejected, js_handler=why)
    made.on("failed", lambda: refuse("The file did not arrive. Drop it again."), args=[])
    # A file that stays in the browser's list is refused when it is dropped again.
    made.on("finish", js_handler=f"() => runMethod({made.id}, 'reset', [])")
    made.add_slot("header", _HEADER.format(label=label))
    return named(made, label, "group").classes("w-full").props(f"flat bordered accept={kinds}")


def spread_chart(title: str, spread: Spread, axis: str) -> None:
    """The histogram of a distribution over the scenarios, its range said below."""
    whole = bool(spread.bars) and spread.bars[0].upper - spread.bars[0].lower == 1
    names = [
        f"{bar.lower:g}" if whole else f"{bar.lower:g} to {bar.upper:g}" for bar in spread.bars
    ]
    middle = {item.level: item.value for item in spread.quantiles}
    words = (
        f"{title}: mean {spread.mean:.1f}, half of the races between {middle.get(0.25, 0):.1f} and "
        f"{middle.get(0.75, 0):.1f}, four of five between {middle.get(0.1, 0):.1f} and "
        f"{middle.get(0.9, 0):.1f}."
    )
    chart(
        words,
        {
            "title": {"text": title, "textStyle": {"fontSize": 14}},
            "xAxis": {
                "type": "category",
                "data": names,
                "name": axis,
                "nameLocation": "middle",
                "nameGap": 28,
            },
            "yAxis": {"type": "value", "axisLabel": {"formatter": "{value}%"}},
            "series": [
                {
                    "type": "bar",
                    "barCategoryGap": "5%",
                    "data": [round(100 * bar.share, 2) for bar in spread.bars],
                    "itemStyle": {"color": BLUE},
                }
            ],
        },
    )
    ui.label(words).classes("note")


def anchor(words: str, path: str) -> ui.element:
    """A way to a file of the API, outside the page's own paths."""
    with ui.element("a") as made:
        ui.label(words)
    made.props["href"] = path
    return made


def heading(words: str, level: int = 2) -> None:
    """A heading."""
    with ui.element(f"h{level}"):
        ui.label(words)


def note(words: str) -> None:
    """A remark in small letters."""
    ui.label(words).classes("note")


def notices(words: Sequence[str]) -> None:
    """What a person should know, one line each."""
    for line in words:
        with ui.row().classes("notice"):
            ui.label(line)


class NewerRun:
    """Notices that a slate was run again since its page was loaded, which shows the run before."""

    def __init__(self, api: AsyncClient, detail: SlateDetail) -> None:
        self._api, self._detail = api, detail
        self._box = ui.column().classes("w-full").props("aria-live=polite")
        self._found = False

    async def look(self) -> bool:
        """Whether there is another run by now; the page says so once."""
        if not self._found:
            with suppress(Refused):  # nothing is known of another one
                self.compare(await self._api.call(slates.slate(self._detail.slate)))
        return self._found

    def compare(self, now: SlateDetail) -> None:
        """Says once that there is another run, where the slate has one by now."""
        # A run that is under way has left nothing yet to be shown.
        another = now.run_id != self._detail.run_id and now.state != "not finished"
        if another and not self._found:
            self._found = True
            with self._box:
                self.say()

    @staticmethod
    def say() -> None:
        """Says so, with the way to it."""
        with ui.row().classes("notice items-center"):
            ui.label("There is a newer run: what is opened from now on is of it, the rest is not.")
            ui.button("Load it", on_click=ui.navigate.reload).props("outline no-caps")


def percent(share: float | None, digits: int = 1) -> float | None:
    """A share as a number of percent."""
    return None if share is None else round(100 * share, digits)


def rounded(value: float | None, digits: int = 1) -> float | None:
    """A number to be shown."""
    return None if value is None else round(value, digits)


_REMEDIES = {
    "SLATE_NOT_READY": "Press Refresh to run it.",
    "SLATE_UNKNOWN": "All slates has those there are; a salary file dropped there adds one.",
}
"""What to do on the page where the API names a request to send."""


def said(error: Refused, instead: str | None = None) -> str:
    """A refusal in words: what is wrong, where, and what to do.

    Args:
        instead: What to do in the page's own words, where it has some.
    """
    problem = error.problem
    where = f" ({problem.field})" if problem.field not in (None, "slate") else ""
    remedy = instead or problem.remedy
    if remedy and "/api/v1/" in remedy:
        remedy = _REMEDIES.get(problem.code)
    return f"{problem.message}{where}{f' {remedy}' if remedy else ''}"


_WAITS = "waiting for its turn, or for the server, which gets ready for minutes after its start"


class Progress:
    """A line that shows how far a job is, and stops it on request."""

    def __init__(self, label: str) -> None:
        with ui.column().classes("w-full") as self.box:
            self._words = ui.label("").props("role=status aria-live=polite")
            self._bar = named(ui.linear_progress(0, show_value=False), label)
            button("Stop", self._stop)
        self.box.visible = False
        self._label = label
        self._job: tuple[AsyncClient, str] | None = None

    async def _stop(self) -> None:
        if self._job is not None:
            api, run_id = self._job
            try:
                await api.call(slates.cancel(run_id))
            except Refused as error:  # it has ended meanwhile
                ui.notify(said(error))

    async def follow(
        self,
        api: AsyncClient,
        run_id: str,
        early: Callable[[], Awaitable[None]] | None = None,
    ) -> SlateJob | None:
        """Shows a job until it has ended, and gives how it did.

        Args:
            early: Called once the job has something to show before its end.
        """
        self._job = api, run_id
        if (task := asyncio.current_task()) is not None:  # nobody sees it once the page is left
            self.box.client.on_delete(task.cancel)
        self.box.visible, shown, job = True, False, None
        try:
            async for job in api.follow(run_id):
                self._bar.value = job.progress
                stage = job.stage or (_WAITS if job.progress == 0 else "done")
                self._words.text = f"{self._label}: {stage}, {job.progress:.0%}"
                if early and job.result and not shown and job.status is JobStatus.RUNNING:
                    shown = True
                    await early()
        finally:
            self.box.visible = False
        return job


class KeptJob:
    """A job that is followed until it has ended, also over pages that are left or loaded anew.

    Its id is kept until what came of it was taken: a page that is left, and a server that goes
    down, end the following and not the job.

    Args:
        name: Under which name the job's id is kept there.
        taken: Is given the job's id and what came of it.
        refused: Is given why nothing came of it.
        early: Is given the job's id once there is something to show before its end.
    """

    def __init__(
        self,
        api: AsyncClient,
        progress: Progress,
        kept: MutableMapping[str, Any],
        name: str,
        taken: Callable[[str, slates.Made], Awaitable[None]],
        refused: Callable[[Refused], None],
        *,
        early: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._api, self._progress = api, progress
        self._kept, self._name = kept, name
        self._taken, self._refused, self._early = taken, refused, early

    async def start(self, call: Call[SlateJob]) -> None:
        """Sends what makes the job, and follows it."""
        try:
            job = await self._api.call(call)
        except Refused as error:
            self._refused(error)
            return
        self._kept[self._name] = job.run_id
        await self._follow(job.run_id)

    def again(self) -> None:
        """Follows the job that is kept, where there is one; the page does not wait for it."""
        if run_id := self._kept.get(self._name):
            ui.timer(0.1, lambda: self._follow(run_id), once=True)

    async def _follow(self, run_id: str) -> None:
        early = None if self._early is None else partial(self._early, run_id)
        try:
            job = await self._progress.follow(self._api, run_id, early)
            if job is None or job.status not in ENDED:
                return  # the server goes down
            await self._taken(run_id, await self._api.call(slates.result(run_id)))
        except Refused as error:
            if error.status in ENDED_WITHOUT:
                self._forget(run_id)
            self._refused(error)
            return
        self._forget(run_id)

    def _forget(self, run_id: str) -> None:
        if self._kept.get(self._name) == run_id:
            self._kept.pop(self._name)


class SlateRun(KeptJob):
    """A slate's run, after which its page says that there is a newer one.

    Why nothing came of it stays said until the next one, also on a page that is loaded anew.

    Args:
        newer: What says so; none on a page without a forecast, which is loaded anew.
    """

    def __init__(
        self,
        api: AsyncClient,
        detail: SlateDetail,
        kept: MutableMapping[str, Any],
        newer: NewerRun | None,
    ) -> None:
        self.ended: list[Callable[[], Awaitable[None]]] = []  # what is shown anew at its end
        progress = Progress("The slate's run")
        self._detail, self._newer = detail, newer
        self._said = ui.column().classes("w-full").props("aria-live=polite")
        super().__init__(api, progress, kept, "run", self._done, self._failed)

    async def start(self, call: Call[SlateJob]) -> None:
        """Sends what makes the job, and follows it; what was said of the last one goes."""
        self._said.clear()
        self._kept.pop("refused", None)
        await super().start(call)

    def again(self) -> None:
        """Follows the job that is kept; else says why nothing came of it, until another is made."""
        words, before = self._kept.get("refused", ("", None))
        if words and before != self._detail.run_id and self._detail.state == "ready":
            self._kept.pop("refused")
        elif words and (before == self._detail.run_id or self._detail.state == "not finished"):
            self._say(words)
        super().again()

    async def _done(self, _: str, __: slates.Made) -> None:
        if self._newer is None:
            ui.navigate.reload()
            return
        # The run is done, whatever else cannot be read now.
        with suppress(Refused):
            self._detail = await self._api.call(slates.slate(self._detail.slate))
            self._newer.compare(self._detail)  # loaded anew, the page would lose what is typed
        for show in self.ended:
            with suppress(Refused):
                await show()

    def _failed(self, error: Refused) -> None:
        words = f"The slate's run: {said(error)}"
        if error.status in ENDED_WITHOUT and error.status not in _GONE:
            self._kept["refused"] = words, self._detail.run_id
        self._say(words)

    def _say(self, words: str) -> None:
        self._said.clear()
        with self._said:
            notices([words])
