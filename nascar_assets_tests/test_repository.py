"""The repository keeps its own word: pages that are linked exist, settings are said once."""

import ast
import os
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_every_page_that_is_named_exists():
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("nascar_assets/**/*.py")]
    named = {
        found
        for text in texts
        for found in re.findall(r"docs/[\w./-]+\.(?:md|png)", text.read_text(encoding="utf-8"))
    }
    assert named
    assert sorted(page for page in named if not (ROOT / page).is_file()) == []


def test_links_between_pages_lead_somewhere():
    broken = [
        f"{page.name}: {target}"
        for page in ROOT.glob("docs/*.md")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_test_that_a_page_names_exists():
    """A promise whose test was renamed or taken away is none."""
    tests, named, missing = (
        ROOT / "nascar_assets_tests",
        r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`",
        [],
    )
    promised = [
        (page, *found)
        for page in ROOT.glob("docs/*.md")
        for found in re.findall(named, page.read_text())
    ]
    for page, path, name in promised:
        files = tests.rglob(path.removeprefix(f"{tests.name}/"))
        if not any(f"def {name or 'test_'}" in file.read_text() for file in files):
            missing.append(f"{page.name}: {path}::{name}")
    assert missing == []
    assert len(promised) > 40


def test_whatever_setup_fetches_has_a_hash():
    for lock in ("requirements.lock", "scripts/bootstrap.lock"):
        text = (ROOT / lock).read_text()
        pins = re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert len(pins) >= 3
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), lock
    pinned = (ROOT / "scripts/bootstrap.lock").read_text()
    assert "\nsetuptools==" in pinned  # what builds the project
    for script in ROOT.glob("scripts/*.sh"):
        for line in script.read_text().splitlines():
            if re.search(r"\bpip (install|sync)\b", line) and not line.lstrip().startswith("#"):
                hashed = "--require-hashes" in line
                assert hashed or "--no-deps --build-constraints scripts/bootstrap.lock" in line


def test_every_script_can_be_run_as_it_says():
    scripts = list(ROOT.glob("scripts/*.sh"))
    assert scripts
    assert [script.name for script in scripts if not os.access(script, os.X_OK)] == []


def test_the_code_location_is_the_one_that_the_workspace_names():
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "nascar_assets.definitions"


@pytest.mark.slow
def test_no_function_has_more_than_ten_arguments():
    """What belongs together is one value; a command's arguments are the options that it has.

    A simulation's are left as they are: each is a choice by itself.
    """
    long, seen = [], 0
    for path in sorted((ROOT / "nascar_assets").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([item for item in given if item.arg not in ("self", "cls")])
            command = path.parent.name == "cli" and "Example: nascar" in (
                ast.get_docstring(node) or ""
            )
            kernel = any("njit" in ast.unparse(item) for item in node.decorator_list)
            seen += 1
            if count > 10 and not command and not kernel and node.name != "generate_scenarios":
                long.append(f"{path.name}:{node.lineno} {node.name} has {count}")
    assert seen > 2_000
    assert long == []
