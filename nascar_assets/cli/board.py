"""`nascar board`: the slate board of a data root, opened in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import say
from nascar_assets.errors import InputError


def board(
    home: Home,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether to open it in the browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Serves the slate board on this machine alone and opens it.

    Without slates of its own the data root's sample is taken, as nascar demo leaves it.

    Example: nascar board --home data
    """
    from nascar_assets.cli.serve import start

    start(_with_slates(home), port=port, opened=show, as_json=as_json)


def _with_slates(home: str) -> str:
    """The data root, or the sample under it where it has no slate itself.

    Raises:
        InputError: If there is neither.
    """
    from nascar_assets.orchestration.inputs.slate_plan import registered_slates
    from nascar_assets.orchestration.resources import Platform

    sample = f"{home.rstrip('/')}/demo"
    if registered_slates(Platform(home=home).root) or "://" in home:
        return home
    if Path(sample).is_dir() and registered_slates(Platform(home=sample).root):
        say(f"{home} has no slate: this is the sample's, in {sample}.")
        return sample
    if (Path(home) / "store" / "schedule.parquet").is_file():
        return home  # a salary file dropped on the page makes the first slate
    raise InputError(
        f"There is no slate in {home}.",
        field="--home",
        remedy="Make the sample with nascar demo, or bring the feed in with nascar sync.",
    )
