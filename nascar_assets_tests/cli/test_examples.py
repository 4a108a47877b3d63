"""Every command has an example that its own parser takes, and the options that all have."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import typer

from nascar_assets.cli.app import app
from nascar_assets.ontology import Statement

PROGRAM: Any = typer.main.get_command(app)


def commands(group: Any = PROGRAM, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each command, such as `("slate", "run")`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def groups(group: Any = PROGRAM, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each command that has others below it; of the program itself an empty one."""
    yield path
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*path, name))


def found(path: tuple[str, ...]) -> Any:
    """The command at a path."""
    command = PROGRAM
    for name in path:
        command = command.commands[name]
    return command


def parsed_example(path: tuple[str, ...]) -> dict[str, Any]:
    """The parameters of a command's example, as its parser reads them; nothing is run."""
    command = found(path)
    (line,) = [
        text for text in command.help.splitlines() if text.strip().startswith("Example: nascar ")
    ]
    words = shlex.split(line.split("Example: nascar ")[1])
    assert tuple(words[: len(path)]) == path
    return dict(command.make_context(" ".join(path), words[len(path) :]).params)


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_a_command_parses_its_own_example(path: tuple[str, ...]) -> None:
    parsed_example(path)


@pytest.mark.parametrize("path", list(groups()), ids=lambda path: " ".join(path) or "nascar")
def test_a_group_has_an_example_of_one_of_its_commands(path: tuple[str, ...]) -> None:
    (line,) = [text for text in found(path).help.splitlines() if text.startswith("Example: nascar")]
    words = shlex.split(line)[2:]
    (command,) = [one for one in commands() if tuple(words[: len(one)]) == one]
    assert command[: len(path)] == path
    found(command).make_context(" ".join(command), words[len(command) :])


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_a_command_has_the_options_that_all_have(path: tuple[str, ...]) -> None:
    options = {option for parameter in found(path).params for option in parameter.opts}
    assert {"--home", "--json"} <= options


@pytest.mark.parametrize("action", ["override", "veto"])
def test_an_example_of_the_ontology_can_be_entered_of_a_driver(action: str) -> None:
    given = parsed_example(("ontology", action))
    entry = Statement(
        action=action,
        subject="driver",
        subject_id=given["name"],
        name=given["code" if action == "veto" else "field"],
        value=None if action == "veto" else float(given["value"]),
        author="somebody",
        reason=given["why"],
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert entry.reason
