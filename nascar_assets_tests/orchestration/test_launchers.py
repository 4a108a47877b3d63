"""Runs on several machines: the setting, the queues, who of the hosts lives, and a real worker."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.code_pointer import CodePointer
from dagster._core.events import EngineEventData
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster_postgres.event_log import PostgresEventLogStorage

from nascar_assets.cli.app import run
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.automation import sensor_runs
from nascar_assets.orchestration.automation.sensor_runs import (
    again,
    is_lost,
    notify_lost,
    unfinished,
)
from nascar_assets.orchestration.commands.doctor import examine
from nascar_assets.orchestration.hosts import presence, run_launcher
from nascar_assets.orchestration.hosts.presence import Lookout, Presence, name_is_taken, say_alive
from nascar_assets.orchestration.hosts.queues import QUEUES, queue_of
from nascar_assets.orchestration.hosts.run_launcher import SettingRunLauncher
from nascar_assets.orchestration.hosts.run_queue import RunQueue
from nascar_assets.orchestration.launchers import Launcher, launcher, runs_at_once
from nascar_assets.orchestration.runs import origin_of
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.postgres_runs import SerialRunStorage
from nascar_assets.orchestration.storage.postgres_storage import server_url
from nascar_assets.orchestration.storage.records import connected
from nascar_assets.orchestration.tags import ATTEMPT, CODE, HOST, LOST, QUEUE
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import MODULE, environment, wait_for
from nascar_assets_tests.service.records import new_database

URL = "postgresql://ada:geheim@127.0.0.1:9/races"
REDIS = "redis://:geheim@127.0.0.1:9/0"


@pytest.mark.slow
def test_without_the_setting_runs_go_on_this_machine(tmp_path: Path) -> None:
    instance = open_instance(str(tmp_path))
    assert isinstance(instance.run_launcher, SettingRunLauncher)
    assert isinstance(instance.run_coordinator, RunQueue)
    assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2  # type: ignore[union-attr]
    assert not instance.get_concurrency_config().run_queue_config.tag_concurrency_limits  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"NASCAR_LAUNCHER": "celry"}, "one of default, celery, kubernetes, docker, or unset"),
        ({"NASCAR_LAUNCHER": "celery"}, "NASCAR_STORAGE: NASCAR_LAUNCHER=celery needs it"),
        ({"NASCAR_LAUNCHER": "celery", "NASCAR_STORAGE": URL}, "NASCAR_BROKER: NASCAR_LAUNCHER"),
        (
            {"NASCAR_LAUNCHER": "celery", "NASCAR_STORAGE": URL, "NASCAR_BROKER": "http://x:geheim@y"},
            "Write it as redis://",
        ),
        (
            {"NASCAR_LAUNCHER": "celery", "NASCAR_STORAGE": URL, "NASCAR_BROKER": "redis://h:6x"},
            "no address of a broker",
        ),
        ({"NASCAR_STORAGE": "mysql://h/n"}, "as postgresql://host:5432/database, user"),
        ({"NASCAR_LAUNCHER": "docker", "NASCAR_STORAGE": URL}, "NASCAR_IMAGE"),
        (
            {"NASCAR_LAUNCHER": "kubernetes", "NASCAR_STORAGE": URL, "NASCAR_IMAGE": "i"},
            "NASCAR_KUBERNETES_CONFIG",
        ),
        ({"NASCAR_RUNS": "0"}, "NASCAR_RUNS: '0' is no number of runs"),
    ],
)  # fmt: skip
def test_a_setting_of_no_use_is_refused_before_anything_is_made(
    settings: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert run(["ui", "--home", str(tmp_path / "home")]) == 2
    text = " ".join(capfd.readouterr().err.split())
    assert said in text
    assert "geheim" not in text
    assert "***" not in text  # nor is an example of ours hidden
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["kubernetes", "docker"])
def test_what_is_not_installed_is_named_with_its_command(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {
        "NASCAR_LAUNCHER": name,
        "NASCAR_STORAGE": URL,
        "NASCAR_IMAGE": "nascar:1",
        "NASCAR_KUBERNETES_CONFIG": "nascar",
    }.items():
        monkeypatch.setenv(key, value)
    package = {"kubernetes": "dagster_k8s", "docker": "dagster_docker"}[name]
    if pytest.importorskip("importlib.util").find_spec(package):
        assert launcher() is Launcher(name)
        if name == "kubernetes":
            with pytest.raises(EnvironmentFault, match="the cluster that this process runs in"):
                SettingRunLauncher.from_config_value(None, {})
        else:
            made: Any = SettingRunLauncher.from_config_value(None, {})
            assert "geheim" not in str(vars(made))
        return
    with pytest.raises(EnvironmentFault, match=f"uv sync --locked --extra {name}"):
        launcher()


@pytest.mark.parametrize(
    ("maker", "module", "named"),
    [
        ("_docker", "dagster_docker.DockerRunLauncher", {"network": None}),
        (
            "_kubernetes",
            "dagster_k8s.K8sRunLauncher",
            {"service_account_name": "default", "job_namespace": "default"},
        ),
    ],
)
def test_what_is_empty_counts_as_not_given(
    maker: str, module: str, named: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    package, name = module.split(".")
    monkeypatch.setitem(sys.modules, package, SimpleNamespace(**{name: lambda **made: made}))
    config = SimpleNamespace(ConfigException=OSError)
    monkeypatch.setitem(sys.modules, "kubernetes.config", config)
    for key in ("DOCKER_NETWORK", "KUBERNETES_ACCOUNT", "KUBERNETES_NAMESPACE"):
        monkeypatch.setenv(f"NASCAR_{key}", "")
    for key in ("NASCAR_IMAGE", "NASCAR_KUBERNETES_CONFIG", "DAGSTER_HOME"):
        monkeypatch.setenv(key, "here")
    made = getattr(run_launcher, maker)(None)
    assert {key: made[key] for key in named} == named


def test_a_worker_needs_a_broker_and_a_queue_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["worker", "--home", str(tmp_path)]) == 2
    assert "Set it to celery" in " ".join(capfd.readouterr().err.split())
    for name, value in {
        "NASCAR_LAUNCHER": "celery",
        "NASCAR_STORAGE": URL,
        "NASCAR_BROKER": REDIS,
    }.items():
        monkeypatch.setenv(name, value)
    assert run(["worker", "--home", str(tmp_path), "--queues", "slates,rest"]) == 2
    assert "'rest' is no queue" in capfd.readouterr().err


def test_a_slate_waits_behind_no_release_and_no_backfill() -> None:
    assert queue_of("slate_job", {}) == "slates"
    assert queue_of("release_job", {}) == "releases"
    assert queue_of("race_job", {}) == "races"
    assert queue_of("race_job", {"nascar/batch": "true"}) == "backfills"
    assert queue_of("slate_job", {"dagster/backfill": "abc"}) == "backfills"
    from nascar_assets.orchestration.jobs import JOBS

    assert {queue_of(job.name, {}) for job in JOBS} == set(QUEUES) - {"backfills"}


@pytest.mark.slow
def test_how_many_runs_go_on_at_once_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_RUNS", "5")
    assert runs_at_once() == 5
    config = open_instance(str(tmp_path)).get_concurrency_config().run_queue_config
    assert config is not None
    assert config.max_concurrent_runs == 5
    monkeypatch.setenv("NASCAR_RUNS", "many")
    with pytest.raises(InputError, match="NASCAR_RUNS"):
        runs_at_once()


@pytest.mark.slow
def test_a_host_is_gone_when_it_says_nothing_new_in_looks_that_do_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, now = open_instance(str(tmp_path)), 0.0
    lookout = Lookout(lambda: now)

    def look(at: float) -> bool:
        nonlocal now
        now = at
        return lookout.silent(instance, "far")

    assert not look(0)
    assert not look(40)
    assert look(80)  # never said a word
    monkeypatch.setattr(presence, "host_name", lambda: "far")
    say_alive(instance)
    assert not look(100)
    assert not look(140)
    say_alive(instance)
    assert not look(170)
    assert not look(300)  # nobody could look for a while: its records may have been away
    assert not look(340)
    assert look(361)


@pytest.mark.slow
def test_a_machine_with_the_name_of_another_that_lives_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = open_instance(str(tmp_path))

    def speak(machine: str) -> None:
        monkeypatch.setattr(presence, "_machine", lambda: machine)
        say_alive(instance)
        monkeypatch.setattr(presence, "_machine", lambda: "here")

    def nothing(_: float) -> None: ...

    assert not name_is_taken(instance, pytest.fail)  # nobody of that name ever spoke
    speak("here")
    assert not name_is_taken(instance, pytest.fail)
    key = f"nascar_host/{presence.host_name()}"  # as an earlier version spoke
    instance.run_storage.set_cursor_values({key: '{"at": 1.0, "word": "a"}'})
    assert not name_is_taken(instance, pytest.fail)
    speak("there")
    assert not name_is_taken(instance, nothing)  # gone since, or this machine before it restarted
    assert not name_is_taken(instance, lambda _: speak("here"))  # another worker of this machine
    speak("there")
    assert name_is_taken(instance, lambda _: speak("there"))


@pytest.mark.slow
def test_a_run_of_another_host_is_judged_by_that_host_s_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = open_instance(str(tmp_path))
    job = _jobs()["schedule_job"]
    far = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={HOST: "far"})
    # Jobs of the API are seen to by its own servers.
    api = dg.DagsterRun(
        job_name="api_optimize", status=dg.DagsterRunStatus.STARTED, tags={HOST: "far"}
    )
    instance.run_storage.add_run(api)
    record = instance.get_run_records(dg.RunsFilter(run_ids=[far.run_id]))[0]
    looks: list[str] = []

    class Told(Lookout):
        def silent(self, instance: dg.DagsterInstance, host: str) -> bool:
            looks.append(host)
            return len(looks) > 1

    monkeypatch.setattr(sensor_runs, "_LOOKOUT", Told())
    now = record.create_timestamp
    assert not is_lost(instance, record, now)
    assert notify_lost(instance, own=True) == []
    assert [item.run_id for item in notify_lost(instance)] == [far.run_id]
    lost = instance.get_run_by_id(far.run_id)
    assert lost is not None
    assert lost.tags[LOST] == "true"
    assert instance.get_run_by_id(api.run_id).status == dg.DagsterRunStatus.STARTED  # type: ignore[union-attr]
    # Where it ran, waited and by which code is not true of the run that repeats it.
    told = lost.with_tags({**lost.tags, QUEUE: "races", CODE: "x"})
    repeated = again(DataRoot.open(tmp_path), told, now)
    assert repeated is not None
    assert not {HOST, QUEUE, CODE, LOST} & repeated.tags.keys()


@pytest.mark.slow
def test_a_run_that_is_cancelled_and_loses_its_host_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, job = open_instance(str(tmp_path)), _jobs()["schedule_job"]
    hung, ended = (
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={HOST: "far"})
        for _ in range(2)
    )
    instance.report_run_canceling(hung)

    def looked(*_: object) -> bool:
        done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "schedule_job")
        instance.report_dagster_event(done, ended.run_id)  # it ends while others are looked at
        return True

    monkeypatch.setattr(sensor_runs, "is_lost", looked)
    assert notify_lost(instance) == []
    found = {run.run_id: run for run in instance.get_runs()}
    assert found[hung.run_id].status is dg.DagsterRunStatus.CANCELED
    assert found[ended.run_id].status is dg.DagsterRunStatus.SUCCESS
    assert LOST not in found[hung.run_id].tags | found[ended.run_id].tags


@pytest.mark.slow
def test_a_run_that_a_person_re_executes_has_nothing_of_what_became_of_the_first(
    tmp_path: Path,
) -> None:
    instance, job = open_instance(str(tmp_path)), _jobs()["schedule_job"]
    first = {HOST: "far", LOST: "machine", ATTEMPT: "5", QUEUE: "races", "nascar/skipped/a": "x"}
    again_by_hand = instance.create_run_for_job(
        job,
        tags={**first, "nascar/race": "2026-cup-01"},
        parent_run_id="one",
        root_run_id="one",
        remote_job_origin=origin_of("schedule_job"),
        job_code_origin=_code(),
    )
    instance.submit_run(again_by_hand.run_id, workspace=None)  # type: ignore[arg-type]
    run = instance.get_run_by_id(again_by_hand.run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert not first.keys() & run.tags.keys()
    assert run.tags["nascar/race"] == "2026-cup-01"
    assert not instance.get_runs(dg.RunsFilter(tags={HOST: "far"}))


@pytest.mark.slow
def test_a_run_in_a_container_of_another_launcher_is_that_one_s_to_judge(tmp_path: Path) -> None:
    # As Dagster's chart sets it: the process number is one of another container.
    (tmp_path / "dagster.yaml").write_text(
        "run_launcher: {module: dagster_celery.launcher, class: CeleryRunLauncher,"
        " config: {default_queue: races}}"
    )
    elsewhere = dg.DagsterInstance.from_config(str(tmp_path))
    here = open_instance(str(tmp_path / "h"))
    own = {HOST: presence.host_name()}
    for instance, tags, lost in ((elsewhere, {}, False), (elsewhere, own, True), (here, {}, True)):
        run = instance.create_run_for_job(
            _jobs()["schedule_job"], status=dg.DagsterRunStatus.STARTED, tags=tags
        )
        data = EngineEventData({"pid": dg.MetadataValue.text(str(2**22 + 1))})
        instance.report_engine_event("began", run, data)
        record = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))[0]
        assert is_lost(instance, record, record.create_timestamp) is lost
    # But for one whose container never began, such as without its image.
    waits = elsewhere.create_run_for_job(
        _jobs()["schedule_job"], status=dg.DagsterRunStatus.STARTING
    )
    (record,) = elsewhere.get_run_records(dg.RunsFilter(run_ids=[waits.run_id]))
    for minutes, lost in ((50, False), (70, True)):
        now = record.update_timestamp.astimezone(UTC) + timedelta(minutes=minutes)
        assert is_lost(elsewhere, record, now) is lost


@pytest.mark.slow
def test_a_run_that_was_made_and_never_handed_on_is_found_after_an_hour(tmp_path: Path) -> None:
    instance = open_instance(str(tmp_path))
    made = instance.create_run_for_job(_jobs()["schedule_job"])
    now = datetime.now(UTC)
    assert unfinished(instance, now) == []
    (record,) = unfinished(instance, now + timedelta(minutes=61))
    assert record.dagster_run.run_id == made.run_id
    assert is_lost(instance, record, now + timedelta(minutes=61))


def _jobs() -> dict[str, dg.JobDefinition]:
    from nascar_assets.definitions import defs

    return {name: defs.resolve_job_def(name) for name in ("schedule_job", "race_job")}


def test_times_of_runs_are_right_whatever_zone_the_server_is_in(
    tmp_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database(postgres.url)
    address = db.make_url(url).set(drivername="postgresql+psycopg2")
    with db.create_engine(address, isolation_level="AUTOCOMMIT").connect() as server:
        name = address.database
        server.execute(db.text(f"ALTER DATABASE \"{name}\" SET timezone = 'America/New_York'"))
    monkeypatch.setenv("NASCAR_STORAGE", url)
    instance = open_instance(str(tmp_path))
    run = instance.create_run_for_job(_jobs()["schedule_job"])
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    for moment in (record.create_timestamp, record.update_timestamp):
        assert abs(datetime.now(UTC) - moment.astimezone(UTC)) < timedelta(minutes=1)
    instance.dispose()


@pytest.fixture
def hosted(
    races: Path, postgres: Any, broker: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A home with races whose runs go through a real broker, with its records in PostgreSQL."""
    for name, value in {
        "NASCAR_HOME": str(races),
        "NASCAR_STORAGE": new_database(postgres.url),
        "NASCAR_LAUNCHER": "celery",
        "NASCAR_BROKER": broker.url,
    }.items():
        monkeypatch.setenv(name, value)
    (races / "dagster" / "dagster.yaml").unlink()
    monkeypatch.setattr(sensor_runs, "_LOOKOUT", Lookout())
    instance = open_instance(str(races))
    yield instance
    instance.wipe()


def _code() -> JobPythonOrigin:
    pointer = CodePointer.from_module(MODULE, "defs", None)
    return JobPythonOrigin("schedule_job", RepositoryPythonOrigin(sys.executable, pointer))


def _asked(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run as the daemon hands it to the broker."""
    job = _jobs()["schedule_job"]
    asked = instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTING,
        remote_job_origin=origin_of("schedule_job"),
        job_code_origin=_code(),
        tags={"dagster/run_key": "asked"},
    )
    instance.run_launcher.launch_run(LaunchRunContext(asked, workspace=None))
    return asked


@contextmanager
def _worker(home: Path, *words: str) -> Iterator[Path]:
    settings = {name: os.environ[name] for name in os.environ if name.startswith("NASCAR_")}
    log = home / "worker.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "nascar_assets.cli", "worker", "--home", str(home), *words],
            env={**environment(home), **settings},
            stdout=out,
            stderr=out,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(30)


def test_a_worker_takes_a_run_from_the_broker(hosted: dg.DagsterInstance, races: Path) -> None:
    asked = _asked(hosted)
    waits = hosted.get_run_by_id(asked.run_id)
    assert waits is not None
    assert waits.tags[QUEUE] == "races"
    record = hosted.get_run_records(dg.RunsFilter(run_ids=[asked.run_id]))[0]
    later = record.update_timestamp + 2 * sensor_runs.START_GRACE
    assert not is_lost(hosted, record, later)  # it waits at the broker
    with _worker(races, "--queues", "races") as log:

        def ended() -> bool:
            found = hosted.get_run_by_id(asked.run_id)
            return found is not None and found.is_finished

        wait_for("the run", ended, 120)
    done = hosted.get_run_by_id(asked.run_id)
    assert done is not None
    assert done.is_success, log.read_text()[-3000:]
    assert done.tags[HOST] == presence.host_name()
    said = log.read_text() + "".join(f"{tag}" for tag in done.tags.values())
    said += "".join(entry.to_json() for entry in hosted.all_logs(asked.run_id))
    for secret in ("a-test-s-own-password", os.environ["NASCAR_STORAGE"]):
        assert secret not in said


def test_what_the_broker_has_lost_is_started_again(
    hosted: dg.DagsterInstance, broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _asked(hosted)
    record = hosted.get_run_records(dg.RunsFilter(run_ids=[asked.run_id]))[0]
    later = record.update_timestamp + 2 * sensor_runs.START_GRACE
    import redis

    redis.Redis.from_url(broker.url).flushdb()
    assert not is_lost(hosted, record, later)  # a worker may have taken it this moment
    monkeypatch.setattr(sensor_runs, "MISSED_SECONDS", 0.0)
    assert is_lost(hosted, record, later)
    assert not is_lost(hosted, record, record.update_timestamp)
    broker("halt")
    try:
        assert not is_lost(hosted, record, later)  # nobody knows
        with pytest.raises(Exception, match=r"broker on 127.0.0.1:\d+ does not answer") as fault:
            _asked(hosted)
        assert "Start it, or correct NASCAR_BROKER" in str(fault.value)
        assert "a-test-s-own-password" not in str(fault.value)
        assert type(fault.value).__mro__[1].__name__ == "DagsterUserCodeUnreachableError"
        (found,) = [f for f in examine(os.environ["NASCAR_HOME"], None, 2026) if f.name == "broker"]
        assert not found.ok
        assert "The broker on 127.0.0.1" in found.found
        assert "nothing is lost" in found.remedy
    finally:
        broker("resume")


def test_a_run_that_is_handed_out_twice_is_one_worker_s(hosted: dg.DagsterInstance) -> None:
    run, storage = _asked(hosted), hosted.run_storage
    assert isinstance(storage, SerialRunStorage)
    with ThreadPoolExecutor(4) as pool:
        hosts = [f"host-{number}" for number in range(4)]
        got = list(pool.map(lambda host: storage.claim(run.run_id, {HOST: host}), hosts))
    assert sorted(got) == [False, False, False, True]
    taken = hosted.get_run_by_id(run.run_id)
    assert taken is not None
    assert taken.tags[HOST] == hosts[got.index(True)]
    gone = _asked(hosted)
    hosted.report_run_canceled(gone)
    assert not storage.claim(gone.run_id, {HOST: "host"})


def test_a_worker_of_another_version_refuses_the_run_and_says_so(
    hosted: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nascar_assets.orchestration.hosts import celery_worker

    asked = _asked(hosted)
    monkeypatch.setattr(celery_worker, "code_on_disk", lambda: "0.1.0+other")
    worker = celery_worker.RunWorker(hosted, Presence(hosted), _never)
    assert worker.carry_out(asked.run_id) == "refused"
    refused = hosted.get_run_by_id(asked.run_id)
    assert refused is not None
    assert refused.status == dg.DagsterRunStatus.FAILURE
    assert refused.tags[LOST] == "machine"  # it is repeated after a pause
    (entry,) = [e for e in hosted.all_logs(asked.run_id) if "Install the same version" in e.message]
    assert "0.1.0+other" in entry.message
    assert refused.tags[CODE] in entry.message
    assert worker.carry_out(asked.run_id) == "not to be run any more"


def _never(_: dg.DagsterRun) -> list[str]:
    raise AssertionError("it is not to be run")


def test_a_run_whose_process_dies_or_is_cancelled_ends_as_such(
    hosted: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nascar_assets.orchestration.hosts import celery_worker

    monkeypatch.setattr(celery_worker, "ASK_SECONDS", 0.1)
    still = Presence(hosted)
    killed, cancelled, cut_off = _asked(hosted), _asked(hosted), _asked(hosted)

    def slow(_: dg.DagsterRun) -> list[str]:
        return [sys.executable, "-c", "import time; time.sleep(60)"]

    dies = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert celery_worker.RunWorker(hosted, still, lambda _: dies).carry_out(killed.run_id) == "lost"
    assert hosted.get_run_by_id(killed.run_id).tags[LOST] == "true"  # type: ignore[union-attr]
    worker = celery_worker.RunWorker(hosted, still, slow)
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(worker.carry_out(cancelled.run_id)))
    thread.start()
    time.sleep(0.5)
    assert hosted.run_launcher.terminate(cancelled.run_id)
    thread.join(30)
    assert outcome == ["cancelled"]
    ended = hosted.get_run_by_id(cancelled.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.CANCELED
    # A host that cannot be heard ends its runs itself: others are about to start them again.
    monkeypatch.setattr(still, "unheard", lambda: True)
    assert worker.carry_out(cut_off.run_id) == "lost"


def test_a_host_cut_off_ends_its_run_also_while_the_records_give_no_answer(
    hosted: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nascar_assets.orchestration.hosts import celery_worker

    monkeypatch.setattr(celery_worker, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(presence, "UNHEARD_SECONDS", 2.0)
    asked, said = _asked(hosted), tmp_path / "pid"
    records = server_url()
    assert records is not None
    silent = db.create_engine(records).connect()

    def slow(_: dg.DagsterRun) -> list[str]:
        silent.execute(db.text("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE"))
        return ["sh", "-c", f"echo $$ > {said}; exec sleep 60"]

    worker, outcome = celery_worker.RunWorker(hosted, Presence(hosted), slow), []
    thread = threading.Thread(target=lambda: outcome.append(worker.carry_out(asked.run_id)))
    thread.start()
    try:
        wait_for("the run's process", lambda: said.exists() and said.read_text().strip(), 30)
        process = Path("/proc") / said.read_text().strip()
        wait_for("its end", lambda: not process.exists(), 20, every=0.1)
        assert outcome == []  # what became of it is told once the records answer
    finally:
        silent.close()
    thread.join(30)
    assert outcome == ["lost"]


def test_a_process_keeps_one_connection_to_the_records_and_opens_it_anew(
    hosted: dg.DagsterInstance, postgres: Any
) -> None:
    run, opened = _asked(hosted), []
    assert isinstance(hosted.event_log_storage, PostgresEventLogStorage)
    engine = hosted.event_log_storage._engine
    assert engine is hosted.run_storage._engine  # type: ignore[attr-defined]
    db.event.listen(engine, "connect", lambda *_: opened.append(1))
    for number in range(20):
        hosted.report_engine_event(f"event {number}", run)
        assert hosted.get_run_by_id(run.run_id) is not None
    assert len(opened) <= 1
    postgres("halt")
    postgres("resume")
    hosted.report_engine_event("after a restart", run)
    assert hosted.all_logs(run.run_id)[-1].message == "after a restart"
    assert len(opened) in (1, 2)


@pytest.mark.parametrize("webserver", [False, True])
def test_the_server_gives_up_a_host_that_vanished_with_a_lock(
    hosted: dg.DagsterInstance, webserver: bool
) -> None:
    if webserver:
        hosted.optimize_for_webserver(statement_timeout=15_000, pool_recycle=1, max_overflow=1)
    for storage in ("runs", "events", "schedules"):
        with connected(hosted, storage) as connection:
            found = {
                name: connection.execute(db.text(f"SHOW {name}")).scalar()
                for name in ("tcp_keepalives_idle", "tcp_keepalives_count", "lock_timeout")
            }
        assert found == {
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_count": "3",
            "lock_timeout": "1min",
        }


def test_the_webserver_outlives_a_restart_of_the_records_and_ends_long_statements(
    hosted: dg.DagsterInstance, postgres: Any
) -> None:
    run = _asked(hosted)
    hosted.optimize_for_webserver(statement_timeout=200, pool_recycle=3600, max_overflow=20)
    asked = {
        "runs": lambda: hosted.get_run_by_id(run.run_id),
        "events": lambda: hosted.get_dynamic_partitions("races"),
        "ticks": lambda: hosted.all_instigator_state(),
    }
    for ask in asked.values():
        ask()
    postgres("halt")
    postgres("resume")
    for ask in asked.values():
        ask()
    for storage in ("runs", "events", "schedules"):
        with (
            connected(hosted, storage) as connection,
            pytest.raises(db.exc.OperationalError, match="statement timeout"),
        ):
            connection.execute(db.text("SELECT pg_sleep(5)"))


def test_tags_and_status_that_hosts_write_at_once_are_all_kept(hosted: dg.DagsterInstance) -> None:
    run = hosted.create_run_for_job(_jobs()["schedule_job"], tags={"dagster/run_key": "at once"})
    written = [[f"nascar/test-{thread}-{n}" for n in range(10)] for thread in range(4)]

    def write(tags: list[str]) -> None:
        for tag in tags:
            hosted.add_run_tags(run.run_id, {tag: "yes"})

    threads = [threading.Thread(target=write, args=(tags,)) for tags in written]
    for thread in threads:
        thread.start()
    hosted.report_run_failed(run, "in between")
    for thread in threads:
        thread.join(60)
    found = hosted.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE
    assert {tag for tags in written for tag in tags} <= found.tags.keys()
