"""Text from outside: nothing in it steers a terminal, wherever it is shown."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nascar_assets
from nascar_assets.cli.app import run
from nascar_assets.cli.output import Output, say
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.automation.notify import Notice
from nascar_assets.orchestration.metadata import image, preview, shown, table_metadata, text_table
from nascar_assets.visible import visible

HOSTILE = [
    "\\[/]",
    "[red]Kyle[/red]",
    "![x](http://127.0.0.1:3000/graphql?query=mutation)",
    "<script>alert(1)</script>",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "Kyle\u202enosraL",
    "two\nlines\r\tand a tab",
    "zero\u200bwidth\u2028line",
    "\udcff.csv",
]
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def steers(text: str) -> bool:
    import unicodedata

    return any(unicodedata.category(letter) in STEERING for letter in text)


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_is_one_line_that_steers_nothing(text: str) -> None:
    assert not steers(visible(text))
    if not steers(text) and text.isprintable():
        assert visible(text) == text


def test_names_stay_as_they_are() -> None:
    for name in ("Daniel Su\u00e1rez", "\u738b\u5c0f\u660e", "O'Brien, Jr.", "a\u00a0b"):
        assert visible(name) == name
    assert visible("\x1b[2J\u202e") == "\\x1b[2J\\u202e"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_is_not_steered(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=False)
    out.line(text)
    out.notice(text)
    out.table(text, ["driver", text], [(text, 1.5), ("other", None)])
    with out.progress(text) as update:
        update(1, 2, text)
    say(text, "red")
    said = capsys.readouterr()
    for stream in (said.out, said.err):
        assert not steers(stream.replace("\n", ""))
        assert visible(text) in stream


@pytest.mark.parametrize("text", HOSTILE)
def test_json_keeps_the_text_and_steers_nothing(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Output(as_json=True).result({text: [text], "name": "\U0001f3c1 Su\u00e1rez"})
    said = capsys.readouterr().out
    assert not steers(said.replace("\n", ""))
    assert json.loads(said) == {text: [text], "name": "\U0001f3c1 Su\u00e1rez"}
    assert "Su\u00e1rez" in said


@pytest.mark.parametrize("text", HOSTILE)
def test_errors_and_notices_are_told_safely(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    error = InputError(f"no driver {text}", file=text, remedy=text)
    assert error.message == f"no driver {text}"
    notice = Notice(text, f"{text}\nnascar doctor")
    for said in (str(error), str(EnvironmentFault(text)), notice.subject):
        assert visible(text) in said
        assert not steers(said)
    assert notice.text.split("\n")[-1] == "nascar doctor"
    assert not steers(notice.text.replace("\n", ""))
    if "\x00" not in text:
        assert run(["slate", "show", text, "--home", str(tmp_path)]) == 2
        assert not steers(capsys.readouterr().err.replace("\n", ""))


@pytest.mark.parametrize("text", HOSTILE)
def test_metadata_holds_no_markdown_and_no_link(text: str) -> None:
    made = shown(
        {"a": text}, notices=[text, text], none=[], counts={text: 1}, rows=[{"file": text}]
    )
    assert made["a"] == dg.MetadataValue.text(visible(text))
    assert made["none"] == dg.MetadataValue.text("none")
    assert made["notices"].text.count(visible(text)) >= 2
    assert made["counts"].value == {visible(text): 1}
    assert made["rows"].value == [{"file": visible(text)}]
    ready = {"image": image("![x](data:)"), **table_metadata("t", pl.DataFrame({"n": [1]}))}
    assert shown(ready) == {**ready, "content_hash": shown(ready)["content_hash"]}
    assert shown(made) == made
    frame = pl.DataFrame({"name": [text.encode("utf-8", "replace").decode()], "n": [1]})
    for table in (preview(frame), text_table(["", text], [["x", text]])):
        assert isinstance(table, dg.TableMetadataValue)
        assert not steers(json.dumps([record.data for record in table.records]))


ROOT = Path(nascar_assets.__file__).parent
ONE_PLACE = {"orchestration/metadata.py"}


def modules(*folders: str) -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


@pytest.mark.slow
def test_metadata_is_made_in_one_place() -> None:
    """No other module makes metadata values, and none hands a dict of its own to Dagster."""
    wrong = []
    for name, tree in modules("orchestration", "service"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "MetadataValue":
                wrong.append(f"{name}:{node.lineno} MetadataValue")
            given = [
                word.value
                for word in getattr(node, "keywords", [])
                if isinstance(node, ast.Call) and word.arg in ("metadata", "tags_metadata")
            ]
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.endswith(("add_output_metadata", "add_asset_metadata")):
                given += node.args[:1]  # type: ignore[attr-defined]
            wrong += [
                f"{name}:{value.lineno} {ast.unparse(value)[:60]}"
                for value in given
                if isinstance(value, (ast.Dict, ast.DictComp))
                and ast.unparse(value) != "{}"
                and called != "RaceOutput"  # which hands it to `shown` itself
            ]
    assert [item for item in wrong if item.split(":")[0] not in ONE_PLACE] == []


@pytest.mark.slow
def test_the_terminal_is_written_in_one_place() -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules("cli")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write", "Console")
        and name != "cli/output.py"
    ]
    assert wrong == []
