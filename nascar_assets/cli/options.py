"""Options that every command has."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def _default_home() -> str:
    return os.environ.get("NASCAR_HOME", "data")


Home = Annotated[
    str,
    typer.Option(
        "--home",
        default_factory=_default_home,
        show_default="NASCAR_HOME, or data",
        help="The data root: everything the platform reads and writes.",
    ),
]

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]

Timings = Annotated[bool, typer.Option("--timings", help="Also print what each stage took.")]
