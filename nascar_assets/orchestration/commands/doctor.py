"""Whether everything that the platform stands on is in order, and how to mend what is not."""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import metadata

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from nascar_assets.errors import EnvironmentFault, InputError, full_disk
from nascar_assets.orchestration.commands.host_names import known_hosts
from nascar_assets.orchestration.hosts.queues import QUEUES
from nascar_assets.orchestration.inputs.slate_change import mixture, taken_away
from nascar_assets.orchestration.launchers import (
    SETTING,
    Launcher,
    broker_name,
    launcher,
    runs_at_once,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.disk_use import (
    days_left,
    free_bytes,
    growth,
    noted_uses,
)
from nascar_assets.orchestration.storage.instance import (
    dagster_home,
    home_id,
    lacking_settings,
    open_instance,
    records_folder,
)
from nascar_assets.orchestration.storage.postgres_storage import server_name, server_url
from nascar_assets.orchestration.storage.retention import Keep
from nascar_assets.redaction import redacted, shown_setting
from nascar_assets.storage import StorageFault, UnreadableFile

LOW_SPACE_BYTES = 2 * 1024**3
SHORT_DAYS = 30.0
"""A disk that is full before that at current growth is warned of."""

SETTINGS = (
    *("NASCAR_HOME", "NASCAR_LOCAL", "NASCAR_STORAGE", "NASCAR_KEEP_RUN_DAYS", "NASCAR_KEEP_RUNS"),
    *("NASCAR_FEED", "NASCAR_FEED_INTERVAL", "NASCAR_FEED_SERIES", "NASCAR_ODDS"),
    *("NASCAR_GRAPH", "NASCAR_GRAPH_USER", "NASCAR_GRAPH_PASSWORD", "NASCAR_GRAPH_DATABASE"),
    *("NASCAR_LAUNCHER", "NASCAR_RUNS", "NASCAR_BROKER", "NASCAR_IMAGE", "NASCAR_DOCKER_NETWORK"),
    *("NASCAR_KUBERNETES_CONFIG", "NASCAR_KUBERNETES_SECRET"),
    *("NASCAR_KUBERNETES_NAMESPACE", "NASCAR_KUBERNETES_ACCOUNT"),
    *("NASCAR_UI_URL", "NASCAR_UI_HOSTS", "NASCAR_NOTIFY_WEBHOOK", "NASCAR_NOTIFY_MAIL_TO"),
    *("NASCAR_NOTIFY_MAIL_SERVER", "NASCAR_NOTIFY_MAIL_FROM"),
    *("NASCAR_CLOCK", "NASCAR_REFRESH_CRON", "NASCAR_REAL_DATA", "NASCAR_TRACE"),
)
OF_THE_API = "NASCAR_API_"

ROOT, UPLOAD = "data root", "upload folder"

LAST_HEARTBEAT_SECONDS = 120
"""A daemon gives a sign of life every half minute."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: its name, whether it is in order, what was found, how to mend it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine(
    home: str,
    feed: str | None,
    this_year: int,
    parsers: Sequence[Callable[[], object]] = (),
) -> list[Finding]:
    """Looks at Python, packages, settings, data root, disk, Dagster, sensors, graph, broker, feed.

    Args:
        feed: The feed to try, none to leave it out.
        this_year: The newest season that the feed may hold.
        parsers: What reads settings that are not the platform's own, and refuses malformed ones.
    """
    places = [lambda: Platform(home=home).root, lambda: records_folder(home)]
    faults = _setting_faults([*places, *parsers])
    checks: list[tuple[str, Callable[[], str], str]] = [
        ("python", _python, "Install Python 3.11 or later and run make setup."),
        ("packages", _packages, "Run make setup: it installs what requirements.lock pins."),
        (
            "settings",
            lambda: _settings(faults),
            "Correct, set or unset what is named; docs/operations.md lists the settings.",
        ),
        (
            ROOT,
            lambda: _data_root(home),
            "docs/operations.md lists the settings of an object store."
            if "://" in home
            else "Give a folder that this user may write, with --home or NASCAR_HOME.",
        ),
        (
            "dagster storage",
            lambda: _dagster(home),
            "Stop other writers, and look at NASCAR_STORAGE and <home>/dagster/dagster.yaml; "
            "docs/operations.md.",
        ),
        (
            "disk space",
            lambda: _disk_space(home),
            "Free some space, keep less (NASCAR_KEEP_RUN_DAYS, NASCAR_KEEP_RUNS; "
            "docs/operations.md), or move the home to another disk (nascar home export).",
        ),
        (
            "daemon",
            lambda: _daemon(home),
            "Start nascar ui on this data root: its daemon carries out what waits.",
        ),
        (
            "sensors",
            lambda: _sensors(home),
            "In the UI, under Automation: start what is stopped; a failed tick's page says why.",
        ),
        (
            "entries",
            lambda: _entries(home),
            "Remove the file that is named, or put it back as it was; then enter it again.",
        ),
        (
            "graph",
            lambda: _graph(home),
            "Unset NASCAR_GRAPH for the embedded graph, or start the server and give "
            "NASCAR_GRAPH_USER and NASCAR_GRAPH_PASSWORD.",
        ),
        (
            "models",
            lambda: _models(home),
            "Run the job or command that is named; slates work as if what is not used were not "
            "there.",
        ),
        (
            "slates",
            lambda: _slates(home),
            "nascar slate show says what is the matter; nascar slate run makes the files anew, "
            "with settings that hold. What was edited by hand belongs elsewhere.",
        ),
        (
            "contests",
            lambda: _contests(home),
            "Download the standings from the site, which has them for about a week, and add them: "
            "nascar contest add FILE.",
        ),
        (
            UPLOAD,
            lambda: _upload_folder(home),
            "Give the slates folder of the data root write permission.",
        ),
    ]
    if os.environ.get(SETTING) == Launcher.CELERY.value:
        checks.append(
            (
                "broker",
                _broker,
                "Runs wait until it is there; nothing is lost (docs/operations.md).",
            )
        )
    if feed:
        checks.append(
            (
                "feed",
                lambda: _feed(feed, this_year),
                "Give a base URL or a folder with cacher/ and loopstats/ in NASCAR_FEED.",
            )
        )
    named = dict.fromkeys(faults, "settings")
    return [_finding(name, check, remedy, named) for name, check, remedy in checks]


def _finding(name: str, check: Callable[[], str], remedy: str, named: dict[str, str]) -> Finding:
    """What a check found; what an earlier one met already (`named`) is said with its name."""
    try:
        return Finding(name, True, check())
    except Exception as error:  # whatever it is, it is what the doctor was asked for
        known = isinstance(error, InputError | EnvironmentFault)  # others may share their few words
        # What keeps the whole data root away fails each of its files in words of its own.
        of_root = isinstance(error, StorageFault) and not isinstance(error, UnreadableFile)
        text = ROOT if of_root and ROOT in (name, *named) else str(error)
        first = named.setdefault(text, name) if known else name
        if first != name:
            return Finding(name, False, f"could not be looked at: see {first}", f"See {first}.")
        if fault := full_disk(error):
            return Finding(name, False, str(fault), "See disk space.")
        if of_root and name not in (ROOT, UPLOAD):
            remedy = "Let this user read and write what is named."
        lines = redacted(str(error)).strip().splitlines()
        return Finding(name, False, lines[0] if lines else type(error).__name__, remedy)


def _python() -> str:
    return f"{'.'.join(str(part) for part in sys.version_info[:3])} ({sys.executable})"


def _broker() -> str:
    from nascar_assets.orchestration.hosts.celery_launcher import waiting

    waits = ", ".join(f"{queue} {waiting(queue)}" for queue in QUEUES)
    return f"{broker_name()}; runs that wait: {waits}"


def _packages() -> str:
    required = metadata.requires("nascar-assets") or []
    names = [re.split(r"[<>=!~;\[ ]", text)[0] for text in required if "extra ==" not in text]
    versions = {name: metadata.version(name) for name in names}
    return f"{len(versions)} packages, dagster {versions['dagster']}, polars {versions['polars']}"


def _data_root(home: str) -> str:
    root = Platform(home=home).root
    path = f".doctor-{uuid.uuid4().hex}"
    root.write(path, b"whole")
    content = root.read(path)
    root.delete(path)
    if content != b"whole":
        raise EnvironmentFault(f"{root.uri(path)} did not come back as it was written.")
    return root.location


def _disk_space(home: str) -> str:
    """Free space of the disk of Dagster's records, and of the data root where that is a folder."""
    records = dagster_home(home)
    root = Platform(home=home).root
    folders = [records, *([root.local_path(".")] if root.is_local else [])]
    free = min(free_bytes(folder) for folder in folders)
    if free < LOW_SPACE_BYTES:
        raise EnvironmentFault(f"Only {free / 1024**3:.1f} GiB are free.")
    said = f"{free / 1024**3:.0f} GiB free"
    samples = noted_uses(records)
    a_day, left = growth(samples), days_left(samples, free)
    if a_day is None:
        return f"{said}; growth is known once nascar ui has run for a day"
    said += f", the home grows by {a_day / 1024**2:.1f} MiB a day"
    if left is not None and left < SHORT_DAYS:
        raise EnvironmentFault(f"{said}: the disk is full in {left:.0f} days.")
    return said


def _dagster(home: str) -> str:
    instance = open_instance(home)
    if lacking := lacking_settings(dagster_home(home)):
        raise EnvironmentFault(
            f"{dagster_home(home)}/dagster.yaml lacks {', '.join(lacking)}: runs that wait may be "
            "failed, or NASCAR_RUNS and NASCAR_LAUNCHER not count. Delete the file: it is made "
            "anew with the same databases."
        )
    races = len(instance.get_dynamic_partitions("races"))
    slates = len(instance.get_dynamic_partitions("slates"))
    where = instance.root_directory
    if (server := server_name()) is not None:
        where = f"{server} by the home {home_id(Platform(home=home).root)}"
    return f"{races} races and {slates} slates registered in {where}"


def _daemon(home: str) -> str:
    instance = open_instance(home)
    queued = len(instance.get_run_ids(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])))
    beats = {
        kind: time.time() - status.last_heartbeat.timestamp
        for kind, status in instance.get_daemon_statuses().items()
        if status.last_heartbeat is not None and kind in instance.get_required_daemon_types()
    }
    silent = sorted(kind for kind, age in beats.items() if age >= LAST_HEARTBEAT_SECONDS)
    if len(silent) == len(beats):
        if queued:
            raise EnvironmentFault(f"{queued} runs wait, and no daemon is running.")
        return "not running: what is dropped starts nothing until nascar ui runs"
    if silent:
        raise EnvironmentFault(f"These parts of it give no sign of life: {', '.join(silent)}.")
    return "running"


def _sensors(home: str) -> str:
    instance = open_instance(home)
    states = instance.all_instigator_state()
    faults = []
    for state in sorted(states, key=lambda state: state.name):
        if state.status is InstigatorStatus.STOPPED:
            faults.append(f"{state.name} is stopped")
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].status is TickStatus.FAILURE:
            error = ticks[0].error
            text = (error.cause or error).message.strip() if error else ""
            line = text.splitlines()[0] if text else "no message"
            faults.append(f"the last tick of {state.name} failed: {line}")
    if faults:
        raise EnvironmentFault("; ".join(faults))
    return f"{len(states)} known, none stopped or failing"


def _entries(home: str) -> str:
    """What people entered and cannot be used is named, for it is left out everywhere."""
    from nascar_assets.orchestration.inputs.graph import entry_store

    entries, faults = entry_store(Platform(home=home)).examined()
    if faults:
        raise EnvironmentFault("; ".join(faults))
    return f"{len(entries)} overrides and vetoes"


def _setting_faults(parsers: Sequence[Callable[[], object]]) -> list[str]:
    """What is the matter with the settings, by those who read them."""
    from nascar_assets.orchestration.automation.clock import refresh_cron
    from nascar_assets.orchestration.automation.notify import (
        MAIL_SERVER,
        UI_URL,
        WEBHOOK,
        address_of,
    )
    from nascar_assets.orchestration.automation.sensor_poll import poll_interval, polled_series

    faults = []
    every: list[Callable[[], object]] = [
        *(launcher, runs_at_once, server_url, Keep.from_settings),
        *(poll_interval, polled_series, refresh_cron, _odds),
        *(partial(address_of, name) for name in (UI_URL, WEBHOOK, MAIL_SERVER)),
        partial(known_hosts, "localhost"),
        *parsers,
    ]
    for parse in every:
        try:
            parse()
        except (InputError, EnvironmentFault) as error:
            faults.append(str(error))
    for name in sorted(_unknown()):
        if near := get_close_matches(name, SETTINGS, 1, 0.9):
            faults.append(f"{name}: Nothing reads it. {near[0]} may be meant.")
    if clock := os.environ.get("NASCAR_CLOCK"):
        faults.append(
            f"A rehearsal's clock is set (NASCAR_CLOCK={clock}): sensors and schedules decide by "
            "it, not by the time that it is."
        )
    return faults


def _odds() -> None:
    from nascar_assets.feed.client import open_feed

    if host := os.environ.get("NASCAR_ODDS"):
        try:
            open_feed(host)
        except InputError as error:
            raise InputError(error.message, field="NASCAR_ODDS", remedy=error.remedy) from error


def _settings(faults: Sequence[str]) -> str:
    if faults:
        raise EnvironmentFault(" ".join(faults))
    said = ", ".join(sorted(environment_summary())) or "none set"
    unknown = ", ".join(sorted(_unknown()))
    return f"{said}; set and read by nothing: {unknown}" if unknown else said


def _unknown() -> set[str]:
    """Settings by name that nothing of the platform reads; the API looks after its own."""
    ours = {name for name in os.environ if name.startswith("NASCAR_")}
    return {name for name in ours - set(SETTINGS) if not name.startswith(OF_THE_API)}


def _graph(home: str) -> str:
    from nascar_assets.orchestration.inputs.graph import open_platform_graph

    platform = Platform(home=home)
    with open_platform_graph(platform) as engine:
        engine.read("RETURN 1 AS answer")  # a graph without nodes yet is in order, too
    return redacted(platform.graph_setting or "embedded")


def _models(home: str) -> str:
    """Whether every fit, recalibration and release that is stored can be read, and ratings have
    the features that they learn from."""
    from nascar_assets.feed.schemas import SERIES
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.inputs.past import without_features
    from nascar_assets.orchestration.inputs.process_parameters import KnownModels

    root = Platform(home=home).root
    passed_over = [text for name in SERIES.values() for text in KnownModels(root, name).notices]
    if faults := [*passed_over, *without_features(root, clock_now())]:
        raise EnvironmentFault(" ".join(faults))
    return "all that is stored can be read"


def _upload_folder(home: str) -> str:
    root = Platform(home=home).root
    path = f"slates/.doctor-{uuid.uuid4().hex}"
    root.write(path, b"")
    root.delete(path)
    return root.uri("slates")


def _slates(home: str) -> str:
    """Whether every slate's files are of one run, and open ones have its upload file."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.commands.slate import (
        DAMAGED,
        MIXED,
        UPLOAD_WITHDRAWN,
        slate_states,
    )

    root, now = Platform(home=home).root, clock_now().isoformat()
    states = slate_states(root)
    if damaged := [state["why"] for state in states if state["state"] == DAMAGED]:
        raise EnvironmentFault(" ".join(damaged))
    mixed = [state["slate"] for state in states if state["state"] == MIXED]
    if faults := [fault for slate in mixed for fault in mixture(root, slate, taken_away(slate))]:
        raise EnvironmentFault(f"Files do not belong together: {'; '.join(faults)}.")
    waiting = [state for state in states if now < (state["lock"] or "")]
    without = [state["slate"] for state in waiting if state["state"] == UPLOAD_WITHDRAWN]
    if without:
        raise EnvironmentFault(
            f"{', '.join(without)}: the upload file named a driver who does not race and was "
            "withdrawn, and no portfolio could be made without him."
        )
    return f"{len(waiting)} to come, none without an upload file for want of a driver"


def _contests(home: str) -> str:
    """Whether the standings of contests that were entered are here while the site has them."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.inputs.contest_store import missing_standings, stored_contests

    root = Platform(home=home).root
    if missing := missing_standings(root, clock_now()):
        raise EnvironmentFault(f"No standings were added of {', '.join(missing)}.")
    return f"{stored_contests(root).height} added"


def _feed(feed: str, newest: int) -> str:
    """The newest season that the feed has a schedule of, from `newest` back."""
    from nascar_assets.feed.client import open_feed
    from nascar_assets.feed.paths import schedule_path

    source = open_feed(feed)
    for season in range(newest, 2014, -1):
        if source.read(schedule_path(season)) is not None:
            return redacted(f"{feed} (schedule of {season} there)")
    raise EnvironmentFault(f"{feed} holds no schedule of any season.")


def environment_summary() -> dict[str, str]:
    """The settings that are in force, without secrets."""
    return {
        name: shown_setting(name, value)
        for name, value in sorted(os.environ.items())
        if value and (name in SETTINGS or name.startswith(OF_THE_API))
    }
