"""The package as people get it: what a wheel holds and shows, and that both locks say the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nascar_assets.cli.app import run

PROJECT = Path(__file__).resolve().parents[1]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
# What somebody with the wheel alone can do: make the sample, find every page and table.
USE = """
import nascar_assets, sys
from importlib.resources import files
from nascar_assets.feed.tracks import TRACKS
from nascar_assets.reports import slate_report
from nascar_assets.sample import generate_sample
print(nascar_assets.__file__)
assert generate_sample(1).files and TRACKS and slate_report
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the tracked files alone, as from a clean clone."""
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((PROJECT / name).read_bytes())
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=clone, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    return [name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()]


@pytest.mark.slow
def test_a_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked() if name.startswith("nascar_assets/")}
    assert f"-{DECLARED['project']['version']}-" in wheel.name


@pytest.mark.slow
def test_a_wheel_is_used_away_from_its_clone(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(place)
    environment = {**os.environ, "PYTHONPATH": str(place)}

    def said(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    assert Path(said("-c", USE)).is_relative_to(place)
    assert said("-m", "nascar_assets.cli", "--version").endswith(DECLARED["project"]["version"])


def test_the_version_is_the_one_of_pyproject(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"nascar {DECLARED['project']['version']}\n"


def test_both_locks_hold_the_same_and_what_is_asked_for() -> None:
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    locked = {
        (package["name"], package["version"]): {
            file["hash"] for file in [*package.get("wheels", []), package.get("sdist")] if file
        }
        for package in lock["package"]
        if "registry" in package["source"]
    }
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    exported = {
        (match[1], match[2]): set(re.findall(r"--hash=(sha256:\w+)", match[3]))
        for match in re.finditer(r"^([\w.-]+)==([^\s;]+)(.*)$", text, re.MULTILINE)
    }
    (own,) = (package for package in lock["package"] if package["name"] == "nascar-assets")
    assert exported.items() <= locked.items(), "run: make lock"
    # What only optional packages bring along is in the one lock alone: nobody's setup installs it.
    needs = {package["name"]: package.get("dependencies", []) for package in lock["package"]}
    reached, left = set(), [item for more in own["optional-dependencies"].values() for item in more]
    while left:
        name = left.pop()["name"]
        if name not in reached:
            reached.add(name)
            left += needs[name]
    assert {name for name, _ in locked.keys() - exported.keys()} <= reached, "run: make lock"
    optional = DECLARED["project"]["optional-dependencies"]
    wanted = [*DECLARED["project"]["dependencies"], *DECLARED["dependency-groups"]["dev"]]
    wanted += [item for more in optional.values() for item in more]
    meant = own["metadata"]["requires-dist"] + own["metadata"]["requires-dev"]["dev"]
    asked = {
        f"{item['name']}{_extras(item)}{item.get('specifier', '').replace(' ', '')}"
        for item in meant
    }
    assert asked == set(wanted), "run: make lock"
    assert own["version"] == DECLARED["project"]["version"], "run: make lock"


def _extras(item: dict[str, Any]) -> str:
    return f"[{','.join(item['extras'])}]" if item.get("extras") else ""
