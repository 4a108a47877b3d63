"""Stored slates as answers, kept as bytes until a slate's files change."""

from __future__ import annotations

import csv
import hashlib
import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from dagster import DagsterEventType, DagsterInstance
from pydantic import BaseModel

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.automation.freshness import slate_staleness
from nascar_assets.orchestration.commands.slate import slate_state
from nascar_assets.orchestration.inputs.schedule import race_of, schedule_rows
from nascar_assets.orchestration.inputs.slate_files import slate_notices, upload_path
from nascar_assets.orchestration.inputs.slate_lineups import (
    has_lineups,
    lineups_run_id,
    load_lineups,
)
from nascar_assets.orchestration.inputs.slate_plan import (
    Registration,
    SlatePlan,
    plan_path,
    registered_slates,
    registration_path,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.views import views_tag
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.rules import rule_set, site_of
from nascar_assets.rules.race_day import race_day
from nascar_assets.service import slate_answers
from nascar_assets.service.problems import (
    RequestRefused,
    not_ready,
    unknown_driver,
    unknown_slate,
    unknown_view,
)
from nascar_assets.service.slate_contracts import (
    DriverDetail,
    ForecastRow,
    RunCheck,
    SlateDetail,
    SlateForecast,
    SlateList,
    SlateSummary,
    UnreadableSlate,
)
from nascar_assets.service.slate_record import record
from nascar_assets.service.slate_views import stated_view, stated_views
from nascar_assets.service.view_contracts import SlateViewDetail
from nascar_assets.slates.slate import Slate
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import manifest_path, settled
from nascar_assets.visible import no_formula

RUNS_KEPT, ANSWERS_KEPT = 4, 2_000
STATE_SECONDS = 10.0
"""How old the state of a slate's data may be: other files than its own decide it."""
_TRIES = 5
ANSWERS: dict[str, Callable[[SlateRun], BaseModel]] = {
    "record": record,
    "forecast": slate_answers.forecast,
    "lineups": slate_answers.lineups,
    "exposures": slate_answers.exposures,
    "contests": slate_answers.contests,
    "race": slate_answers.race,
    "provenance": slate_answers.provenance,
}
"""What is told of a slate's newest run, in the order in which a first visitor asks for it."""
_OF_LINEUPS = ("lineups", "exposures", "contests", "provenance")
"""What of it there is once the run has come to its lineups."""


@dataclass(frozen=True)
class Answer:
    """An answer and its bytes."""

    model: BaseModel

    @cached_property
    def json(self) -> bytes:
        """As JSON."""
        return self.model.model_dump_json().encode()

    @cached_property
    def csv(self) -> bytes:
        """Its rows as CSV, in the order of the contract's fields; text that no sheet runs."""
        rows: Sequence[BaseModel] = self.model.rows  # type: ignore[attr-defined]
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        if rows:
            writer.writerow(type(rows[0]).model_fields)
        for row in rows:
            writer.writerow([_cell(getattr(row, name)) for name in type(row).model_fields])
        return buffer.getvalue().encode()

    @cached_property
    def etag(self) -> str:
        """Changes with the bytes."""
        return etag_of(self.json)


def etag_of(data: bytes) -> str:
    """The ETag of an answer of these bytes."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


class _File(BaseModel):
    """A file's bytes among the answers."""

    data: bytes


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):  # the drivers of a lineup
        value = "; ".join(getattr(item, "name", str(item)) for item in value)
    return no_formula(value) if isinstance(value, str) else value


class SlateReads:
    """What is stored of every slate of a data root.

    Args:
        instance: Dagster's instance, which has the checks of a run.
    """

    def __init__(self, root: DataRoot, instance: DagsterInstance) -> None:
        self._root = root
        self._instance = instance
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._looking: dict[str, threading.Lock] = {}
        self._runs: OrderedDict[str, tuple[str, SlateRun]] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str], tuple[str, Answer]] = OrderedDict()
        self._states: dict[str, tuple[str, float, SlateSummary]] = {}

    def read_ahead(self) -> None:
        """Reads what a first visitor asks for: every slate, and the next to lock in full."""
        found = self.slates().model
        assert isinstance(found, SlateList)
        for item in found.slates[:1]:
            self.detail(item.slate)
            for what in ANSWERS:
                self.of_run(item.slate, what)

    # --- every slate ---

    def slates(self) -> Answer:
        """All slates, the next to lock first, those locked after them; and what has no state."""
        found, unreadable = [], []
        for slate_id in registered_slates(self._root):
            try:
                found.append(self._summary(slate_id))
            except InputError as error:
                unreadable.append(
                    UnreadableSlate(slate=slate_id, message=error.message, remedy=error.remedy)
                )
        ahead = sorted((item for item in found if not item.locked), key=lambda item: item.lock)
        past = sorted((item for item in found if item.locked), key=lambda item: item.lock)
        listed = SlateList(slates=(*ahead, *reversed(past)), unreadable=tuple(unreadable))
        return Answer(listed)

    def detail(self, slate_id: str) -> Answer:
        """One slate with its newest run."""
        self._known(slate_id)
        summary = self._summary(slate_id)
        key = f"detail {summary.model_dump_json()}"
        return self._answer(slate_id, key, lambda: self._detail(summary))

    def _summary(self, slate_id: str) -> SlateSummary:
        held = self._state(slate_id)
        return held.model_copy(update={"locked": held.lock <= datetime.now(UTC)})

    def _state(self, slate_id: str) -> SlateSummary:
        """A slate's state, looked at anew by one request at a time; the others go on with the old.

        Only where the slate itself has changed do they wait for it.
        """

        def held() -> tuple[tuple[str, float, SlateSummary] | None, bool]:
            found = self._states.get(slate_id)
            if found is None or found[0] != self.version(slate_id):
                return None, False
            return found, time.monotonic() - found[1] <= STATE_SECONDS

        found, fresh = held()
        if found is not None and fresh:
            return found[2]
        with self._lock:
            looking = self._looking.setdefault(slate_id, threading.Lock())
        if not looking.acquire(blocking=found is None):
            assert found is not None
            return found[2]
        try:
            found, fresh = held()
            if found is None or not fresh:
                version, now = self.version(slate_id), time.monotonic()
                found = self._states[slate_id] = (version, now, self._stated(slate_id))
            return found[2]
        finally:
            looking.release()

    def _stated(self, slate_id: str) -> SlateSummary:
        root, now = self._root, datetime.now(UTC)
        registration = Registration.load(root, slate_id)
        race = race_of(root, registration)
        plan, state = SlatePlan.find(root, slate_id), slate_state(root, slate_id)
        notes = slate_staleness(root, slate_id, now, now)
        if plan is not None and not has_lineups(root, plan):
            notes.append("A run of it began and has not come to its lineups.")
        ran = plan is not None and root.exists(table_path("scenario_summary", slate_id))
        return SlateSummary(
            slate=slate_id,
            race_key=registration.race_key,
            **{name: race[name] for name in ("race_name", "track_name", "track_type", "series")},
            site=site_of(registration.contest).name,
            contest=registration.contest,
            salary_file=state["salary_file"],
            lock=race["start_time"],
            locked=race["start_time"] <= now,
            state=state["state"],
            absent=tuple(state["absent"]),
            data="missing" if not ran else "stale" if notes else "fresh",
            data_notes=tuple(notes),
            as_of=plan.as_of if plan else None,
            run_id=plan.run_id if plan else None,
        )

    def _detail(self, summary: SlateSummary) -> SlateDetail:
        root, slate_id = self._root, summary.slate
        race = schedule_rows(root, [summary.race_key])[summary.race_key]
        rules = rule_set(summary.contest, race_day(race["start_time"]))
        facts: dict[str, Any] = {}
        plan = SlatePlan.find(root, slate_id)
        if plan is not None and root.exists(table_path("slate", slate_id)):
            run = self._run(slate_id)
            last: tuple[str, ...] = ()
            chosen_by = None
            if has_lineups(root, plan):
                lineups = load_lineups(root, plan)
                last, chosen_by = tuple(lineups["notices"][0]), lineups_run_id(lineups)
            facts = {
                "n_scenarios": plan.n_scenarios,
                "seed": plan.seed,
                "settings": plan.settings,
                "lineups_run_id": chosen_by,
                "checks": self._checks(plan.run_id, chosen_by),
                "notices": slate_notices(root, slate_id, run.slate.notices, last),
                "teams": tuple(sorted({item.team for item in run.slate.players if item.team})),
            }
        return SlateDetail(
            **summary.model_dump(),
            scheduled_laps=race["scheduled_laps"],
            track_length_miles=race["track_length_miles"] or None,
            roster_size=rules.roster_size,
            salary_cap=rules.salary_cap,
            **facts,
        )

    def _checks(self, run_id: str, later: str | None) -> tuple[RunCheck, ...]:
        """What a slate's run checked, or the later one that chose its lineups did again."""
        records = [
            item
            for checked in dict.fromkeys((run_id, later or run_id))
            for item in self._instance.get_records_for_run(
                checked, of_type=DagsterEventType.ASSET_CHECK_EVALUATION
            ).records
        ]
        found = {}
        for item in records:
            event = item.event_log_entry.dagster_event
            if event is not None:
                check = event.asset_check_evaluation_data
                name = f"{check.asset_key.path[-1]}.{check.check_name}"
                found[name] = RunCheck(name=name, passed=check.passed)
        return tuple(found.values())

    # --- one slate's run ---

    def of_run(self, slate_id: str, what: str) -> Answer:
        """What is told of its newest run, by its name in `ANSWERS`."""
        return self._of_run(slate_id, what, ANSWERS[what], whole=what in _OF_LINEUPS)

    def driver(self, slate_id: str, driver_id: str) -> Answer:
        """One player.

        Raises:
            RequestRefused: 404 where the slate has no such player.
        """
        forecast = self.of_run(slate_id, "forecast").model
        assert isinstance(forecast, SlateForecast)
        row = _row_of(forecast.rows, driver_id)

        def made(run: SlateRun) -> DriverDetail:
            return slate_answers.driver(run, row.driver_id, row)

        return self._of_run(slate_id, f"driver {row.driver_id}", made)

    def views(self, slate_id: str) -> Answer:
        """What people stated of its race, and what that did."""
        self._known(slate_id)
        changed = views_tag(self._root, slate_id)
        return self._answer(
            slate_id,
            f"views {changed}",
            lambda: stated_views(self._root, slate_id, self._run_if_any(slate_id)),
        )

    def view(self, slate_id: str, view_id: str) -> SlateViewDetail:
        """One view with everything that it states.

        Raises:
            RequestRefused: 404 for an unknown slate or view.
        """
        self._known(slate_id)
        found = stated_view(self._root, slate_id, view_id, self._run_if_any(slate_id))
        if found is None:
            raise unknown_view(slate_id)
        return found

    def upload(self, slate_id: str) -> bytes:
        """The upload file.

        Raises:
            RequestRefused: 404 for an unknown slate, 409 where there is none.
        """
        return self._file(slate_id, upload_path(slate_id))

    def report(self, slate_id: str) -> bytes:
        """The report.

        Raises:
            RequestRefused: 404 for an unknown slate, 409 where there is none.
        """
        return self._file(slate_id, f"slates/{slate_id}/report.html")

    def _file(self, slate_id: str, path: str) -> bytes:
        def build() -> _File:
            self.ready(slate_id)
            settled(self._root, slate_id)
            data = self._root.read(path)
            if data is None:
                raise not_ready(slate_id, "The file is not there: its run did not come to it.")
            return _File(data=data)

        found = self._answer(slate_id, path, build).model
        assert isinstance(found, _File)
        return found.data

    # --- what is kept ---

    def version(self, slate_id: str) -> str:
        """Another text whenever a slate's files were written again."""
        paths = (registration_path(slate_id), plan_path(slate_id), manifest_path(slate_id))
        return " ".join(self._root.tag(path) or "-" for path in paths)

    def ready(self, slate_id: str) -> SlatePlan:
        """The plan of a slate whose newest run came to its lineups.

        Raises:
            RequestRefused: 404 for an unknown slate, 409 where it did not.
        """
        plan = self._planned(slate_id)
        if not has_lineups(self._root, plan):
            running = self._is_run(slate_id)
            raise not_ready(
                slate_id,
                "The slate is being run; its lineups come when it ends."
                if running
                else "The slate's newest run did not come to its lineups.",
                running=running,
            )
        return plan

    def _is_run(self, slate_id: str) -> bool:
        """Whether the run that has begun to replace its files goes on."""
        found = settled(self._root, slate_id)
        run = self._instance.get_run_by_id(found.begun) if found and found.begun else None
        return run is not None and not run.is_finished

    def slate(self, slate_id: str) -> Slate:
        """The players of a slate that was run."""
        return self._run(slate_id).slate

    def _known(self, slate_id: str) -> None:
        if not self._root.exists(registration_path(slate_id)):
            raise unknown_slate()

    def _planned(self, slate_id: str) -> SlatePlan:
        self._known(slate_id)
        plan = SlatePlan.find(self._root, slate_id)
        if plan is None or not self._root.exists(table_path("scenario_summary", slate_id)):
            raise not_ready(slate_id, "The slate has not been run.")
        return plan

    def _of_run(
        self,
        slate_id: str,
        name: str,
        made: Callable[[SlateRun], BaseModel],
        *,
        whole: bool = False,
    ) -> Answer:
        def build() -> BaseModel:
            (self.ready if whole else self._planned)(slate_id)
            return made(self._run(slate_id))

        return self._answer(slate_id, name, build)

    def _answer(self, slate_id: str, name: str, made: Callable[[], BaseModel]) -> Answer:
        """An answer as it is kept, or made now, again where its files change meanwhile."""
        version, key = self.version(slate_id), (slate_id, name)
        if (held := self._held(key, version)) is not None:
            return held
        with self._lock:
            own = self._loading.setdefault(slate_id, threading.Lock())
        with own:
            for _ in range(_TRIES):
                version = self.version(slate_id)
                if (held := self._held(key, version)) is not None:
                    return held
                try:
                    answer = Answer(made())
                except (InputError, OSError):
                    if self.version(slate_id) != version:
                        continue
                    raise
                if self.version(slate_id) == version:
                    break
            else:
                raise EnvironmentFault(f"{slate_id} is changed again and again; try once more.")
        with self._lock:
            self._answers[key] = (version, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > ANSWERS_KEPT:
                self._answers.popitem(last=False)
        return answer

    def _held(self, key: tuple[str, str], version: str) -> Answer | None:
        with self._lock:
            held = self._answers.get(key)
            if held is None or held[0] != version:
                return None
            self._answers.move_to_end(key)
            return held[1]

    def _run_if_any(self, slate_id: str) -> SlateRun | None:
        try:
            self._planned(slate_id)
        except RequestRefused:
            return None
        return self._run(slate_id)

    def _run(self, slate_id: str) -> SlateRun:
        """A slate's run as it is stored, the same value while its files are the same."""
        settled(self._root, slate_id)
        version = self.version(slate_id)
        with self._lock:
            held = self._runs.get(slate_id)
            if held is None or held[0] != version:
                held = (version, SlateRun.load(self._root, slate_id))
            self._runs[slate_id] = held
            self._runs.move_to_end(slate_id)
            while len(self._runs) > RUNS_KEPT:
                self._runs.popitem(last=False)
        return held[1]


def _row_of(rows: Sequence[ForecastRow], driver_id: str) -> ForecastRow:
    for row in rows:
        if driver_id in (row.driver_id, row.site_id):
            return row
    raise unknown_driver()
