"""What the doctor says of the settings: by who reads them, of every one, each fault once."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import nascar_assets
from nascar_assets.cli.app import run
from nascar_assets.orchestration.commands.doctor import OF_THE_API, SETTINGS, environment_summary
from nascar_assets.orchestration.storage.instance import INSTANCE_SETTINGS

SOURCES = Path(nascar_assets.__file__).parent.rglob("*.py")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NASCAR_")]:
        monkeypatch.delenv(name)


def rows(home: Path | str, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[bool, str, str]]:
    run(["doctor", "--home", str(home), "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return {item["name"]: (item["ok"], item["found"], item["remedy"]) for item in checks}


def test_the_list_of_settings_has_all_that_are_read() -> None:
    named = {name for path in SOURCES for name in re.findall(r'"(NASCAR_\w+)"', path.read_text())}
    assert {name for name in named if not name.startswith(OF_THE_API)} == set(SETTINGS)


@pytest.mark.slow
def test_what_is_malformed_is_told_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    malformed = {
        "NASCAR_FEED_SERIES": "cupp",
        "NASCAR_REFRESH_CRON": "garbage",
        "NASCAR_ODDS": "htp://x",
        "NASCAR_NOTIFY_MAIL_SERVER": "foo",
        "NASCAR_NOTIFY_WEBHOOK": "notaurl",
        "NASCAR_UI_URL": "foo",
        "NASCAR_UI_HOSTS": "https://foo",
        "NASCAR_API_KEEP_DAYS": "x",
        "NASCAR_FED": "x",  # nothing reads it
    }
    for name, value in malformed.items():
        monkeypatch.setenv(name, value)
    ok, found, _ = rows(tmp_path, capsys)["settings"]
    assert not ok
    assert [name for name in malformed if name not in found] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("# nobody yet\n", "It holds no key"),
        (f"alice {'1' * 64}\nbob {'1' * 64}\n", "row 2: Its key is that of row 1"),
        (f"alice {'1' * 64}\n", None),
    ],
)
def test_the_file_of_keys_is_read(
    text: str | None,
    said: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = tmp_path / "keys"
    if text is not None:
        keys.write_text(text)
    monkeypatch.setenv("NASCAR_API_KEYS_FILE", str(keys))
    ok, found, _ = rows(tmp_path / "home", capsys)["settings"]
    assert ok is (said is None)
    assert (said or "NASCAR_API_KEYS_FILE") in found
    assert ok or str(keys) in found


@pytest.mark.slow
def test_what_is_empty_counts_as_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "")
    assert rows(tmp_path, capsys)["settings"] == (True, "none set", "")
    monkeypatch.setenv("NASCAR_ELSEWHERE", "1")
    assert "by nothing: NASCAR_ELSEWHERE" in rows(tmp_path, capsys)["settings"][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NASCAR_LAUNCHER", "NASCAR_RUNS", "NASCAR_STORAGE"])
def test_a_setting_that_closes_the_records_is_told_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "zzz")
    faults = {part: row for part, row in rows(tmp_path, capsys).items() if not row[0]}
    assert name in faults.pop("settings")[1]
    assert "dagster storage" in faults
    assert {row[2] for row in faults.values()} == {"See settings."}


@pytest.mark.slow
def test_settings_of_an_object_store_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows("memory:///x", capsys)
    assert "NASCAR_LOCAL" in found["settings"][1]
    assert found["disk space"][2] == "See settings."
    monkeypatch.setenv("NASCAR_LOCAL", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "s3.example")
    found = rows("s3://nascar/home", capsys)
    assert "AWS_ENDPOINT_URL" in found["settings"][1]
    assert {row[2] for part, row in found.items() if not row[0] and part != "settings"} == {
        "See settings."
    }


def test_a_home_that_is_no_location_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASCAR_HOME", "s3:/nascar/home")
    for command in (["doctor"], ["home", "import", "x"], ["sync", "--feed", "x"]):
        assert run(command) == 2
        assert "s3:/nascar/home is neither" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_store_that_refuses_is_told_once(
    s3: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {**s3.settings, "AWS_SECRET_ACCESS_KEY": "wrong", "NASCAR_LOCAL": str(tmp_path)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    faults = {part: row for part, row in rows("s3://nascar/home", capsys).items() if not row[0]}
    said = faults.pop("data root")[1]
    assert "SignatureDoesNotMatch" in said
    assert "<" not in said
    assert {"entries", "upload folder"} <= faults.keys()
    assert {row[2] for row in faults.values()} == {"See data root."}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("sensor: {}", 'unexpected config entry "sensor" at the root.'),
        ("sensor: [", "It is no YAML: while parsing a flow node"),
        ("run_storage: {module: json, class: Nope}", "Couldn't find class Nope in module"),
    ],
)
def test_a_mistake_in_dagsters_settings_is_named_with_its_file(
    more: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "home/dagster/dagster.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"{INSTANCE_SETTINGS}\n{more}\n")
    home = str(tmp_path / "home")
    assert run(["home", "export", str(tmp_path / "out"), "--home", home]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {file}: ")
    assert why in said
    assert said.endswith("or delete the file: it is made anew with the same databases.\n")
    assert len(said) < 500
    found = rows(tmp_path / "home", capsys)
    assert why in found["dagster storage"][1]
    assert found["daemon"][2] == "See dagster storage."


@pytest.mark.slow
def test_what_an_edited_dagster_yaml_lacks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dagster/dagster.yaml"
    file.parent.mkdir()
    file.write_text(INSTANCE_SETTINGS.replace("  start_timeout_seconds: 604800\n", ""))
    ok, found, _ = rows(tmp_path, capsys)["dagster storage"]
    assert not ok
    assert f"{file} lacks start_timeout_seconds:" in found


def test_settings_in_force_are_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASCAR_STORAGE", "postgresql://me:abc@host/nascar")
    monkeypatch.setenv("NASCAR_GRAPH_PASSWORD", "abc")
    monkeypatch.setenv("NASCAR_API_KEEP_DAYS", "3")
    assert environment_summary() == {
        "NASCAR_STORAGE": "postgresql://***@host/nascar",
        "NASCAR_GRAPH_PASSWORD": "***",
        "NASCAR_API_KEEP_DAYS": "3",
    }


def test_a_cron_line_that_is_none_stops_the_ui_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NASCAR_REFRESH_CRON", "garbage")
    assert run(["ui", "--home", str(tmp_path)]) == 2
    assert "NASCAR_REFRESH_CRON" in capsys.readouterr().err
