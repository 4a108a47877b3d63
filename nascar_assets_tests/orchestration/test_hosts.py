"""Several hosts that share PostgreSQL, a bucket and a broker, of which some vanish.

`make test-hosts` runs it, in a network namespace of its own. One host has daemon, webserver and an
API server, two have workers, one of those another API server. What they make is compared byte for
byte with what one machine makes in a folder.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db

from nascar_assets.orchestration.automation.run_state import races_of
from nascar_assets.orchestration.automation.sensor_runs import lost_and_not_repeated
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.postgres_storage import server_url
from nascar_assets.orchestration.tags import FOR, HOST, LOST, PARTITION, QUEUE, RUN_KEY
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.hosts import HUB, Host, make_hub, own_namespace
from nascar_assets_tests.orchestration.processes import wait_for
from nascar_assets_tests.servers import (
    LocalServer,
    S3Server,
    broker_server,
    postgres_server,
    s3_server,
)
from nascar_assets_tests.service.conftest import request_body

ROUNDS = int(os.environ.get("NASCAR_HOSTS_ROUNDS", "0"))
RACES = int(os.environ.get("NASCAR_HOSTS_RACES", "60"))
IN_A_ROUND = 6
JOBS = 30
PASSWORD = "a-test-s-own-password"

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.timeout(3600 * 6),
    pytest.mark.skipif(not ROUNDS, reason="runs in make test-hosts"),
    pytest.mark.skipif(
        bool(ROUNDS) and not (os.geteuid() == 0 and own_namespace()),
        reason="needs a network namespace of its own, which root can make (make test-hosts)",
    ),
]

NASCAR = (sys.executable, "-m", "nascar_assets.cli")
LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""


@dataclass
class Team:
    """All hosts with what they share."""

    hosts: dict[str, Host]
    servers: dict[str, LocalServer]
    home: str
    backfills: list[list[str]] = field(default_factory=list)

    @property
    def instance(self) -> dg.DagsterInstance:
        return open_instance(self.home)

    @property
    def root(self) -> DataRoot:
        return self.servers["s3"].root("home")  # type: ignore[attr-defined,no-any-return]

    @property
    def races(self) -> list[str]:
        """The keys of all races, in order."""
        return list(self.instance.get_dynamic_partitions("races"))

    def runs(self) -> list[dg.DagsterRun]:
        found = self.instance.get_runs()
        return [run for run in reversed(found) if not run.job_name.startswith("api_")]

    def logs(self) -> str:
        return "\n".join(host.logs() for host in self.hosts.values())


def say(text: str) -> None:
    """Says a figure, which is measured and not asserted."""
    sys.stderr.write(f"{text}\n")


def start_ui(host: Host) -> None:
    """Webserver and daemon apart, as in containers: each with a local folder of its own."""
    words = {"webserver": ("--port", "3000"), "daemon": ()}
    for part, more in words.items():
        local = {"NASCAR_LOCAL": str(host.folder / part)}
        host.start(part, *NASCAR, "ui", "--only", part, *more, **local)


def start_worker(host: Host) -> None:
    host.start("worker", *NASCAR, "worker", "--hands", "1")


def start_api(host: Host) -> None:
    words = ["serve", "--host", host.address, "--port", "8000", "--workers", "1", "--expose"]
    host.start("api", *NASCAR, *words, "--no-board")


@pytest.fixture(scope="module")
def team(
    sample_folder: tuple[Sample, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    """Three hosts, and on a fourth the servers; one of the hosts has synchronised the sample."""
    sample, folder = sample_folder
    base = tmp_path_factory.mktemp("hosts")
    make_hub()
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        servers = {
            "postgres": stack.enter_context(postgres_server(HUB)),
            "s3": stack.enter_context(s3_server(HUB)),
            "broker": stack.enter_context(broker_server(HUB)),
        }
        home = "s3://nascar/home"
        settings = {
            **servers["s3"].settings,  # type: ignore[attr-defined]
            "NASCAR_HOME": home,
            # This server asks for no password, and takes one.
            "NASCAR_STORAGE": servers["postgres"].url.replace("nascar@", f"nascar:{PASSWORD}@"),
            "NASCAR_LAUNCHER": "celery",
            "NASCAR_BROKER": servers["broker"].url,
            "NASCAR_RUNS": "4",
            # The sample's own week; the clock goes on from there.
            "NASCAR_CLOCK": f"{sample.as_of.isoformat()} from {time.time():.0f} x 1",
            "NASCAR_API_RATE_LIMIT": "",
            "NASCAR_API_POLL_LIMIT": "",
            "NASCAR_API_MAX_QUEUED": "1000",
            "NASCAR_API_SPARE_WORKERS": "0",
            "NUMBA_NUM_THREADS": "1",
        }
        for name, value in {**settings, "NASCAR_LOCAL": str(base / "hub")}.items():
            patch.setenv(name, value)
        hosts = {}
        for number, name in enumerate("abc"):
            hosts[name] = Host(name, 11 + number, base, settings)
            stack.callback(hosts[name].close)
        team = Team(hosts, servers, home)
        words = ["--feed", str(folder / "feed"), "--series", "cup", "--seasons", "2024,2025,2026"]
        synced = hosts["a"].run(*NASCAR, "sync", *words, timeout=3600)
        assert synced.returncode == 0, synced.stderr[-3000:]
        start_ui(hosts["a"])
        for name in "bc":
            start_worker(hosts[name])
        for name in "ab":
            start_api(hosts[name])
        yield team


def backfill(team: Team, keys: list[str]) -> None:
    """Asks for races as the UI's button does."""
    params = {
        "selector": {
            "partitionSetName": "race_job_partition_set",
            "repositorySelector": {
                "repositoryLocationName": "nascar_assets.definitions",
                "repositoryName": "__repository__",
            },
        },
        "partitionNames": keys,
    }
    body = json.dumps({"query": LAUNCH, "variables": {"params": params}})
    words = ["-s", "-m", "60", "-H", "Content-Type: application/json", "-d", body]

    def asked() -> bool:
        done = team.hosts["a"].run("curl", *words, "http://127.0.0.1:3000/graphql", timeout=70)
        with suppress(ValueError, KeyError):
            answer = json.loads(done.stdout)["data"]["launchPartitionBackfill"]
            assert answer["__typename"] == "LaunchBackfillSuccess", answer
            return True
        return False

    wait_for("the webserver to take a backfill", asked, 900, every=2)
    team.backfills.append(keys)


def quiet(team: Team) -> bool:
    """Whether all that was asked for has come and ended, and nothing lost is still to be repeated.

    False also where the records are away.
    """
    with suppress(Exception):
        runs, instance = team.runs(), team.instance
        if not all(run.is_finished for run in runs):
            return False
        asked = Counter(key for keys in team.backfills for key in keys)
        done = _backfilled(team, runs)
        return done == asked and not lost_and_not_repeated(instance, datetime.now(UTC))
    return False


def _of_backfill(run: dg.DagsterRun) -> bool:
    return "dagster/backfill" in run.tags or "nascar/backfill" in run.tags


def _backfilled(team: Team, runs: Sequence[dg.DagsterRun]) -> Counter[str]:
    """How often each race was made by a backfill."""
    order = team.instance.get_dynamic_partitions("races")
    ended = [run for run in runs if _of_backfill(run) and run.is_success]
    return Counter(key for run in ended for key in races_of(run, order))


def reached(team: Team) -> object:
    """The newest event of any run: a run that takes its time says something now and then."""
    with suppress(Exception):
        return team.instance.event_log_storage.get_maximum_record_id()
    return None


def wait_quiet(team: Team, what: str) -> None:
    try:
        wait_for(what, partial(quiet, team), 300, every=3, moves=partial(reached, team))
    except TimeoutError as error:
        table = "\n".join(f"{r.run_id} {r.job_name} {r.status} {r.tags}" for r in team.runs())
        raise AssertionError(f"{error}\n{table}\n{team.logs()}") from error


def nothing_lost_or_doubled(team: Team) -> None:
    runs = team.runs()
    keys = Counter(run.tags[RUN_KEY] for run in runs if RUN_KEY in run.tags)
    assert [key for key, count in keys.items() if count > 1] == []
    again = Counter(run.tags[FOR] for run in runs if FOR in run.tags and run.is_success)
    assert [key for key, count in again.items() if count > 1] == []
    for run in runs:  # what follows a backfill may have begun just now
        fine = run.is_success or LOST in run.tags or not run.is_finished
        assert fine, (run, team.instance.all_logs(run.run_id)[-3:])
        assert not run.is_finished or HOST in run.tags or LOST in run.tags, run
    asked = Counter(key for keys in team.backfills for key in keys)
    assert _backfilled(team, runs) == asked


def tables(root: DataRoot) -> dict[str, bytes]:
    """The races' tables by path."""
    paths = [item.path for item in root.list("store") if item.path.endswith(".parquet")]
    return {path: root.read(path) or b"" for path in paths if "-cup-" in path.rsplit("/", 1)[-1]}


def as_one_machine(team: Team, raced: Path) -> None:
    here, there = tables(DataRoot.open(raced)), tables(team.root)
    here = {path: data for path, data in here.items() if path in there or "/slate" not in path}
    assert len(here) > 100
    differ = [path for path, data in here.items() if there.get(path) != data]
    assert differ == []


def test_a_backfill_spreads_over_workers_and_makes_the_tables_of_one_machine(
    team: Team, raced: Path
) -> None:
    order, began = team.races, time.monotonic()
    for first in range(0, RACES, len(order)):  # more than there are: again from the first on
        backfill(team, order[: RACES - first])
        wait_quiet(team, "the backfill")
    say(f"{RACES} races on two hosts in {time.monotonic() - began:.0f} s")
    nothing_lost_or_doubled(team)
    of_backfill = [run for run in team.runs() if _of_backfill(run)]
    assert {run.tags[HOST] for run in of_backfill} == {"host-b", "host-c"}
    assert {run.tags[QUEUE] for run in of_backfill} == {"backfills"}
    as_one_machine(team, raced)


def test_a_slate_of_the_week_is_run_by_a_worker(
    team: Team, sample_folder: tuple[Sample, Path]
) -> None:
    sample, folder = sample_folder
    salaries = (folder / "salaries" / sample.slate_file).read_bytes()
    team.root.write(f"landing/salaries/{sample.slate_file}", salaries)

    def ran() -> bool:
        with suppress(Exception):
            return any(run.job_name == "slate_job" and run.is_success for run in team.runs())
        return False

    wait_for("the slate's run", ran, 400, every=3, moves=partial(reached, team))
    wait_quiet(team, "the week")
    (first, *_) = (run for run in team.runs() if run.job_name == "slate_job")
    assert first.tags[QUEUE] == "slates"
    assert first.tags[HOST] in ("host-b", "host-c")
    nothing_lost_or_doubled(team)
    slate = first.tags[PARTITION]
    shown = team.hosts["c"].run(*NASCAR, "slate", "show", slate, "--json")
    assert shown.returncode == 0, shown.stderr
    assert team.root.exists(f"slates/{slate}/upload.csv")


def test_jobs_of_the_api_go_on_where_one_of_two_servers_is_killed(team: Team) -> None:
    import httpx

    urls = [f"http://{team.hosts[name].address}:8000" for name in "ab"]
    for url in urls:
        wait_for(f"the API on {url}", partial(_ready, url), 900, every=1)
    body, asked = request_body(n_scenarios=200), []
    for number in range(JOBS):
        answer = httpx.post(
            f"{urls[number % 2]}/api/v1/optimize", json={**body, "random_seed": number}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        asked.append(answer.json()["run_id"])
    team.hosts["b"].vanish()
    gone = time.monotonic()

    left = list(asked)

    def ended() -> bool:
        while left:
            url = f"{urls[0]}/api/v1/optimize/{left[0]}/status"
            if httpx.get(url, timeout=60).json()["status"] != "completed":
                return False
            left.pop(0)
        return True

    what = "all jobs on the server that is left"
    wait_for(what, ended, 300, every=1, moves=lambda: len(left))
    say(f"all {JOBS} jobs {time.monotonic() - gone:.0f} s after one of two servers vanished")
    runs = team.instance.get_runs(dg.RunsFilter(run_ids=asked))
    assert sorted(run.run_id for run in runs) == sorted(asked)
    assert all(run.is_success for run in runs)
    back(team, "b")


def _ready(url: str) -> bool:
    import httpx

    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    return False


def back(team: Team, name: str) -> None:
    """A host that had vanished is there again, as after a restart."""
    team.hosts[name].cable(plugged=True)
    start_worker(team.hosts[name])
    if name == "b":
        start_api(team.hosts[name])


def vanishes(name: str) -> Callable[[Team, float], None]:
    def happen(team: Team, seconds: float) -> None:
        team.hosts[name].vanish()
        time.sleep(seconds)
        back(team, name)

    return happen


def unplugged(team: Team, seconds: float) -> None:
    """A host goes on working and cannot be heard, for longer than the others wait for it."""
    team.hosts["c"].cable(plugged=False)
    time.sleep(70 + seconds)
    team.hosts["c"].cable(plugged=True)


def away(server: str, said: str) -> Callable[[Team, float], None]:
    def happen(team: Team, seconds: float) -> None:
        team.servers[server]("halt")
        try:
            until = time.monotonic() + 60 + seconds
            done = team.hosts["b"].run(*NASCAR, "doctor")
            text = " ".join((done.stdout + done.stderr).split())
            assert done.returncode == 1
            assert said in text, text
            assert "a-test-s-own" not in text
            time.sleep(max(0.0, until - time.monotonic()))
        finally:
            team.servers[server]("resume")

    return happen


def daemon_vanishes(team: Team, seconds: float) -> None:
    """The host of the daemon is gone; its daemon goes on when it is there again."""
    team.hosts["a"].vanish()
    time.sleep(seconds)
    team.hosts["a"].cable(plugged=True)
    start_ui(team.hosts["a"])
    start_api(team.hosts["a"])


EVENTS: list[tuple[str, Callable[[Team, float], None]]] = [
    ("a worker's host vanishes", vanishes("b")),
    ("the broker is away", away("broker", "The broker on")),
    ("the daemon's host vanishes", daemon_vanishes),
    ("PostgreSQL is away", away("postgres", "PostgreSQL on 10.213.77.1")),
    ("a host is unplugged", unplugged),
    ("a worker's host vanishes", vanishes("c")),
    ("the bucket is away", away("s3", "See to the store")),
]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_what_happens_at_a_random_moment_loses_and_doubles_nothing(
    number: int, team: Team, raced: Path
) -> None:
    chance = random.Random(number)
    name, happen = EVENTS[number % len(EVENTS)]
    order = team.races
    first = chance.randrange(len(order) - IN_A_ROUND)
    backfill(team, order[first : first + IN_A_ROUND])
    time.sleep(chance.uniform(5, 40))
    happen(team, chance.uniform(1, 20))
    wait_quiet(team, f"all that was asked for, after {name}")
    nothing_lost_or_doubled(team)
    as_one_machine(team, raced)


def test_no_log_no_page_and_no_record_holds_a_password(team: Team) -> None:
    secrets = (PASSWORD, *S3Server.KEYS.values())
    said = b"".join(
        path.read_bytes()
        for host in team.hosts.values()
        for path in host.folder.rglob("*")
        if path.is_file() and "graph" not in path.parts
    )
    # The host may have come back just now: its servers answer once they have begun.
    ask = partial(
        team.hosts["a"].run,
        *("curl", "-sS", "-m", "60", "--retry", "60", "--retry-delay", "1", "--retry-connrefused"),
    )
    page = json.dumps({"query": "{ instance { info } version }"})
    words = ["-H", "Content-Type: application/json", "-d", page]
    asked = [ask(*words, "http://127.0.0.1:3000/graphql")]
    assert "run_launcher" in asked[0].stdout, asked
    for path in ("ready", "health", "metrics", "openapi.json"):
        asked.append(ask(f"http://{team.hosts['a'].address}:8000/{path}"))
        assert asked[-1].returncode == 0, asked[-1]
        assert asked[-1].stdout, asked[-1]
    said += b"".join(answer.stdout.encode() for answer in asked)
    assert len(said) > 100_000
    assert [secret for secret in secrets if secret.encode() in said] == []
    # Runs with their tags and settings, events, ticks, cursors: every row of Dagster's records.
    server = server_url()
    assert server is not None
    with db.create_engine(server).connect() as records:
        tables = db.inspect(records).get_table_names()
        assert {"runs", "event_logs", "job_ticks", "kvs"} <= set(tables)
        for table in tables:
            for secret in secrets:
                query = f'SELECT count(*) FROM "{table}" r WHERE r::text LIKE :secret'
                found = records.execute(db.text(query), {"secret": f"%{secret}%"}).scalar()
                assert found == 0, (table, secret)
