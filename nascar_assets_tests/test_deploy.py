"""What is in deploy/ can be read, and names commands, settings, ports and addresses that exist."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from dagster._serdes import ConfigurableClassData

from nascar_assets.cli.app import app
from nascar_assets.orchestration.hosts.queues import QUEUES
from nascar_assets.orchestration.hosts.run_queue import RunQueue
from nascar_assets.orchestration.runs import LOCATION
from nascar_assets.orchestration.tags import RACE, SLATE

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PROGRAM: Any = typer.main.get_command(app)
SOURCE = "".join(path.read_text() for path in (ROOT / "nascar_assets").rglob("*.py"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OWN = {
    name: service
    for name, service in COMPOSE["services"].items()
    if service["image"] == "nascar-assets"
}
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

CHART = yaml.safe_load("""
pod: &pod [image, env, envConfigMaps, envSecrets, labels, annotations, resources, nodeSelector,
  affinity, tolerations, podSecurityContext, securityContext, livenessProbe, readinessProbe,
  startupProbe, volumes, volumeMounts, schedulerName]
"": [global, dagsterWebserver, dagster-user-deployments, postgresql, rabbitmq, redis, flower,
  ingress, generatePostgresqlPasswordSecret, generateCeleryConfigSecret, imagePullSecrets,
  computeLogManager, scheduler, runLauncher, pythonLogs, dagsterDaemon, busybox, migrate,
  telemetry, serviceAccount, retention, concurrency, additionalInstanceConfig]
global: [postgresqlSecretName, dagsterHome, serviceAccountName, celeryConfigSecretName,
  dagsterInstanceConfigMap]
dagsterWebserver: [*pod, replicaCount, nameOverride, service, workspace, deploymentLabels,
  enableReadOnly, logLevel, dbStatementTimeout, dbPoolRecycle, pathPrefix]
dagsterDaemon: [*pod, enabled, runCoordinator, heartbeatTolerance, deploymentLabels,
  runMonitoring, runRetries, sensors, schedules]
dagsterDaemon.runCoordinator: [enabled, type, config]
dagsterDaemon.runCoordinator.config: [queuedRunCoordinator, customRunCoordinator]
dagsterDaemon.runCoordinator.config.queuedRunCoordinator: [maxConcurrentRuns,
  tagConcurrencyLimits, dequeueIntervalSeconds, dequeueNumWorkers, dequeueUseThreads,
  blockOpConcurrencyLimitedRuns]
dagsterDaemon.runCoordinator.config.queuedRunCoordinator.tagConcurrencyLimits: [key, value, limit]
dagster-user-deployments: [enabled, enableSubchart, imagePullSecrets, deployments]
dagster-user-deployments.deployments: [*pod, name, port, dagsterApiGrpcArgs, codeServerArgs,
  includeConfigInLaunchedRuns]
runLauncher: [type, config]
runLauncher.config: [celeryK8sRunLauncher, k8sRunLauncher, customRunLauncher]
runLauncher.config.k8sRunLauncher: [image, imagePullPolicy, jobNamespace, loadInclusterConfig,
  kubeconfigFile, envConfigMaps, envSecrets, envVars, volumes, volumeMounts, labels,
  failPodOnRunFailure, resources, schedulerName, securityContext, runK8sConfig]
runLauncher.config.k8sRunLauncher.runK8sConfig: [containerConfig, podSpecConfig,
  podTemplateSpecMetadata, jobSpecConfig, jobMetadata]
postgresql: [image, enabled, postgresqlHost, postgresqlUsername, postgresqlPassword,
  postgresqlDatabase, postgresqlParams, postgresqlScheme, service]
""")
"""The keys that the schema of Dagster's chart knows, of the parts that our values touch."""


def parsed(words: list[str]) -> dict[str, Any]:
    """The parameters of a command line, as the product's parser reads them; nothing is run."""
    command = PROGRAM.commands[words[0]]
    return dict(command.make_context(words[0], words[1:]).params)


def filled(text: str) -> str:
    """Compose's variables with what stands for them where nothing is set."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", lambda found: found[1] or "x", text)


def known(name: str) -> bool:
    """Whether the product, or what it stands on, reads a setting."""
    api = name.removeprefix("NASCAR_API_").lower()
    return (
        f'"{name}"' in SOURCE
        or (name.startswith("NASCAR_API_") and re.search(rf"\b{api}\b", SOURCE) is not None)
        or name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "NUMBA_CACHE_DIR", "HANDS")
    )


def test_each_service_of_ours_runs_a_command_that_is_there() -> None:
    assert {"webserver", "daemon", "worker", "worker-slates", "api"} <= OWN.keys()
    for name, service in OWN.items():
        words = [filled(word) for word in service["command"]]
        given = parsed(words)
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name  # none of them has a login
            assert int(port.rsplit(":", 1)[1]) == given["port"], name
        for word in service.get("healthcheck", {}).get("test", [])[3:]:
            path = word.split(f"127.0.0.1:{given['port']}")[1]
            assert f'"{path}"' in SOURCE or path == "/server_info", (name, path)
        for queue in (given.get("queues") or "").split(","):
            assert queue in ("", *QUEUES), name


def test_each_setting_is_one_that_the_product_reads() -> None:
    for name, service in OWN.items():
        unknown = [setting for setting in service["environment"] if not known(setting)]
        assert unknown == [], name
    assert not known("NASCAR_LAUNCHR")
    text = (DEPLOY / "Dockerfile").read_text()
    named = set(re.findall(r"\b(NASCAR_\w+)=", text))
    for path in [*UNITS, DEPLOY / "systemd" / "settings.example"]:
        named |= set(
            re.findall(r"^(?:Environment=)?((?:NASCAR|AWS|NUMBA)_\w+)=", path.read_text(), re.M)
        )
    assert len(named) > 8
    assert [setting for setting in sorted(named) if not known(setting)] == []


def test_each_sync_of_the_page_names_its_feed() -> None:
    """Neither the chart's settings nor the example of Compose's have one."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    lines = re.findall(r"(?:nascar|worker) (sync [^`\n]*)", page)
    assert len(lines) == 2
    assert [line for line in lines if not parsed(shlex.split(line))["feed"]] == []


def test_each_variable_of_compose_is_in_the_example_and_no_secret_is() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    rows = [
        line.partition("=")
        for line in (DEPLOY / "env.example").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert used == {name for name, _, _ in rows}
    assert {value for name, _, value in rows if re.search("PASSWORD|KEY|SECRET", name)} == {""}
    for setting in ("password", "secret"):
        assert not re.search(rf"{setting}: [^$\s{{\[]", text, re.IGNORECASE)


def test_services_wait_for_services_that_are_there() -> None:
    names = COMPOSE["services"].keys()
    for name, service in COMPOSE["services"].items():
        for other, how in service.get("depends_on", {}).items():
            assert other in names, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in COMPOSE["services"][other], (name, other)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(("/", ".")) or source in COMPOSE["volumes"], (name, volume)
    # Also `compose run` of a command alone starts what it needs.
    assert all("s3" in service["depends_on"] for service in OWN.values())


def test_the_server_of_buckets_is_the_one_that_is_tested() -> None:
    (version,) = re.findall(r"^version=(v[\d.]+)", (ROOT / "scripts/s3.sh").read_text(), re.M)
    assert COMPOSE["services"]["s3"]["image"].endswith(f":{version}")


def test_the_image_is_small_and_nobody_s_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    stages = re.split(r"^FROM ", text, flags=re.M)[1:]
    assert all(stage.startswith("python:3.11-slim") for stage in stages)
    users = re.findall(r"^USER (\S+)", stages[-1], re.M)
    assert users == ["10001:10001"]
    assert "HEALTHCHECK" in stages[-1]
    # Dagster's launchers and its chart give what the image is to run as arguments alone.
    assert "ENTRYPOINT" not in re.sub("#.*", "", stages[-1])
    assert 'CMD ["nascar", "doctor"]' in stages[-1]
    assert all(service["entrypoint"] == ["nascar"] for service in OWN.values())
    for line in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+)", text, re.M):
        *sources, _ = line.split()
        assert [source for source in sources if not (ROOT / source).exists()] == []
    assert parsed(["doctor"])
    (extras,) = re.findall(r'^ARG EXTRAS="(.*)"', text, re.M)
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in pyproject for extra in extras.split())


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_is_there(path: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", path.read_text(), re.M)
    line = line.replace("%i", "8000" if "api" in path.name else "slates").replace("$HANDS", "1")
    lines = re.findall(r"exec ([^;]+?) ;;", line) or [line]
    for words in map(shlex.split, lines):
        assert words[0] == "/opt/nascar/.venv/bin/nascar"
        parsed(words[1:])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_units_are_what_systemd_takes(tmp_path: Path) -> None:
    copies = []
    for path in UNITS:
        copy = tmp_path / path.name.replace("@", "@8000" if "api" in path.name else "@all")
        # A program that is there stands for the one that is installed later.
        text = path.read_text().replace("/opt/nascar/.venv/bin/nascar", "/bin/true")
        copy.write_text(text.replace("User=nascar", "User=root"))
        copies.append(str(copy))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "nascar" in line]
    assert ours == []


def test_values_for_dagster_s_chart_have_keys_that_it_knows() -> None:
    values = yaml.safe_load((DEPLOY / "helm" / "dagster-values.yaml").read_text())

    def unknown(found: Any, path: str) -> list[str]:
        if isinstance(found, list):
            return [name for item in found for name in unknown(item, path)]
        if not isinstance(found, dict) or path not in CHART:
            return []
        named = {key: f"{path}.{key}".lstrip(".") for key in found}
        there = {
            name for item in CHART[path] for name in (item if isinstance(item, list) else [item])
        }
        return [
            *(name for key, name in named.items() if key not in there),
            *(name for key, where in named.items() for name in unknown(found[key], where)),
        ]

    assert unknown(values, "") == []
    values["dagsterDaemon"]["runCoordinator"]["maxRuns"] = 1
    assert unknown(values, "") == ["dagsterDaemon.runCoordinator.maxRuns"]
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    # A run has its settings and its memory from the launcher, not from the server of the code.
    assert not deployment["includeConfigInLaunchedRuns"]["enabled"]
    for part in (deployment, launcher, values["dagsterDaemon"], values["dagsterWebserver"]):
        assert part["envConfigMaps"] == [{"name": "nascar-settings"}]
        assert part["envSecrets"] == [{"name": "nascar-secrets"}]


def test_our_user_can_open_the_port_of_dagster_s_webserver_and_is_asked_there() -> None:
    values = yaml.safe_load((DEPLOY / "helm" / "dagster-values.yaml").read_text())
    webserver = values["dagsterWebserver"]
    assert webserver["service"]["port"] >= 1024
    assert webserver["readinessProbe"]["httpGet"]["port"] == webserver["service"]["port"]
    # A run that is executed again begins afresh, and slates never wait behind a backfill.
    own = values["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    given = ConfigurableClassData(own["module"], own["class"], yaml.safe_dump(own["config"]))
    coordinator = given.rehydrate(as_type=RunQueue)
    limits = coordinator.get_run_queue_config()
    assert limits.max_concurrent_runs == -1
    assert {limit["key"] for limit in limits.tag_concurrency_limits} > {SLATE, RACE}
    # A home that moves keeps its cursors and switches, which go by the name of the code.
    (server,) = webserver["workspace"]["servers"]
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert server == {"host": deployment["name"], "port": deployment["port"], "name": LOCATION}
    assert values["generatePostgresqlPasswordSecret"] is False  # it would hold "test"


def test_values_of_the_api_s_chart_are_used_and_there() -> None:
    chart = DEPLOY / "helm" / "nascar-api"
    values = yaml.safe_load((chart / "values.yaml").read_text())
    text = "".join(path.read_text() for path in (chart / "templates").glob("*.yaml"))
    used = set(re.findall(r"\.Values\.([\w.]+)", text))
    for name in used:
        found: Any = values
        for part in name.split("."):
            assert part in found, name
            found = found[part]
    assert {name.split(".")[0] for name in used} == values.keys()
    (args,) = re.findall(r"args: (\[.*\])", text)
    words = yaml.safe_load(re.sub(r"\{\{ \.Values\.(\w+) \}\}", lambda m: str(values[m[1]]), args))
    given = parsed(words)
    assert given["port"] == values["port"]
    # A service named nascar-api would put NASCAR_API_PORT and the like into the environment.
    assert "enableServiceLinks: false" in text
    assert all(f'"{path}"' in SOURCE for path in re.findall(r"path: (/\w+),", text))
    assert [
        name for name in re.findall(r"name: ((?:NASCAR|AWS)_\w+)", text) if not known(name)
    ] == []


def test_all_charts_and_the_image_are_of_this_version() -> None:
    (version,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    (dagster,) = re.findall(r'"dagster==(.*)"', (ROOT / "pyproject.toml").read_text())
    chart = yaml.safe_load((DEPLOY / "helm/nascar-api/Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version
    text = (DEPLOY / "helm/dagster-values.yaml").read_text()
    assert f"version {dagster}" in text
    assert set(re.findall(r'tag: "(.*?)"', text)) == {version}
    yaml.safe_load(text)


def test_what_a_container_serves_is_asked_for_its_health() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    main = runpy.run_path(str(DEPLOY / "healthy.py"))["main"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert main([f"{address}/ready"]) == 0
        assert main([f"{address}/ready", f"{address}/other"]) == 1
        server.shutdown()
    assert main([f"{address}/ready"]) == 1
