"""One name for one thing: the glossary's old names stand in no identifier, column or page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = sorted((ROOT / "nascar_assets").rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

OLD_NAMES = re.compile(
    r"(^|_)(cut_?off|known_by|dk_id|fd_id|points_x20|points_q\d+|points_mean|told|aside)(_|$)"
    r"|^(least|most)$|(?-i:^_?MOST_)",
    re.IGNORECASE,
)
"""Parts of identifiers, columns and keys of JSON that the glossary replaced."""

OLD_WORDS = re.compile(
    r"cut-?offs?\b|known_by|dk_id|points_x20|points_q\d\d|points_mean|keeps? (its|their) word", re.I
)
"""What no page and no text of the program says any more."""

OF_THE_LIBRARY = {"cutoff"}
"""An argument of `difflib.get_close_matches`."""


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of a module and texts that are names of columns or keys, with their lines."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.arg):
            yield node.arg, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, line
        elif isinstance(node, ast.keyword) and node.arg and node.arg not in OF_THE_LIBRARY:
            yield node.arg, line
        elif isinstance(node, ast.Constant) and re.fullmatch(r"[A-Za-z]\w*", str(node.value)):
            yield str(node.value), line


def old_names(text: str) -> list[str]:
    return [
        f"{line}: {name}" for name, line in identifiers(ast.parse(text)) if OLD_NAMES.search(name)
    ]


@pytest.mark.parametrize(
    "line",
    ["def f(cutoff): ...", "frame['points_mean']", "x.dk_id", "told = 1", "race(points_x20=1)"],
)
def test_an_old_name_is_found(line: str) -> None:
    assert old_names(line)


def test_names_of_the_glossary_pass() -> None:
    assert not old_names("def f(as_of, points_p10, mean_points, site_id, at_most): ...")


@pytest.mark.slow
def test_no_old_name_is_left_in_the_code() -> None:
    found = {str(path.relative_to(ROOT)): old_names(path.read_text("utf-8")) for path in CODE}
    assert not {path: names for path, names in found.items() if names}


@pytest.mark.slow
def test_no_old_word_is_left_on_a_page_or_in_a_docstring() -> None:
    found = {}
    for path in PAGES:
        found[path.name] = [match.group(0) for match in OLD_WORDS.finditer(path.read_text("utf-8"))]
    for path in CODE:
        texts = (
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        found[str(path.relative_to(ROOT))] = [
            match.group(0) for text in texts for match in OLD_WORDS.finditer(text)
        ]
    assert not {path: words for path, words in found.items() if words}


def test_the_glossary_is_on_the_page_of_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for name in ("as_of", "points_multiplier", "level", "site_id", "field", "ContestEntry"):
        assert f"`{name}`" in page, f"the glossary has no row for {name}"
