"""`nascar doctor`: whether everything is in order, and how to mend what is not."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import typer

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output
from nascar_assets.errors import InputError


def doctor(home: Home, as_json: Json = False) -> None:
    """Looks at Python, packages, settings, data root, Dagster's storage, graph and feed.

    Example: nascar doctor
    """
    from nascar_assets.orchestration.commands.doctor import environment_summary, examine

    out = Output(as_json)
    feed, this_year = os.environ.get("NASCAR_FEED"), datetime.now(UTC).year
    findings = examine(home, feed, this_year, [_service])
    out.table(
        "Health",
        ["part", "state", "found"],
        [(item.name, "ok" if item.ok else "NOT OK", item.found) for item in findings],
        text=3,
        wraps=["found"],
    )
    for item in findings:
        if not item.ok:
            out.line(f"{item.name}: {item.remedy}")
    healthy = all(item.ok for item in findings)
    out.result(
        {
            "ok": healthy,
            "environment": environment_summary(),
            "checks": [
                {"name": item.name, "ok": item.ok, "found": item.found, "remedy": item.remedy}
                for item in findings
            ],
        }
    )
    if not healthy:
        raise typer.Exit(1)


def _service() -> None:
    """Reads the settings of the API as it does, with its file of keys."""
    from nascar_assets.service.clients import ApiKeys
    from nascar_assets.service.settings import ServiceSettings

    path = ServiceSettings.from_environment().keys_file
    if path is not None and not ApiKeys.read(path).names:
        raise InputError(
            "It holds no key, so the API lets nobody in.",
            file=path,
            field="NASCAR_API_KEYS_FILE",
            remedy="nascar serve --new-key NAME prints a key and its line.",
        )
