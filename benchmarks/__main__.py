"""Runs every benchmark and writes one table: `make bench`, or `python -m benchmarks NAME ...`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GROUPS = (
    "platform",
    "telemetry",
    "history",
    "constraints",
    "scenarios",
    "calibration",
    "lineups",
    "service",
)
"""Modules of this package; each has `rows()`, which yields what it measured.

A row holds `name`, `value`, `unit`, and where they apply `target`, `peak_mb` and `note`.
"""

RESULTS = Path("bench-results")


def main(names: list[str]) -> int:
    """Measures the groups named (all of them by default), each in a process of its own."""
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        sys.stderr.write(f"No benchmark is called {unknown[0]}. Known: {', '.join(GROUPS)}.\n")
        return 2
    RESULTS.mkdir(exist_ok=True)
    table: list[dict[str, Any]] = []
    failed = False
    for name in names or GROUPS:
        sys.stderr.write(f"{name} ...\n")
        run = subprocess.run(
            [sys.executable, "-c", _ONE.format(name=name)], stdout=subprocess.PIPE, text=True
        )
        failed = failed or run.returncode != 0
        for line in run.stdout.splitlines():
            if line.startswith("{"):
                table.append({"group": name, **json.loads(line)})
    text = _markdown(table)
    (RESULTS / "latest.md").write_text(text)
    sys.stdout.write(text)
    return 1 if failed else 0


_ONE = """
import importlib, json, sys
for row in importlib.import_module("benchmarks.{name}").rows():
    print(json.dumps(row), flush=True)
"""


def _markdown(table: list[dict[str, Any]]) -> str:
    head = (
        f"# Benchmarks\n\nMeasured {datetime.now(UTC):%Y-%m-%d} with {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {platform.machine()}.\n\n"
        "| group | what | measured | target | peak MB | note |\n"
        "| --- | --- | ---: | ---: | ---: | --- |\n"
    )
    lines = [
        f"| {row['group']} | {row['name']} | {_number(row['value'])} {row['unit']} | "
        f"{_target(row)} | {_number(row.get('peak_mb'))} | {row.get('note', '')} |"
        for row in table
    ]
    return head + "\n".join(lines) + "\n"


def _target(row: dict[str, Any]) -> str:
    target = row.get("target")
    return (
        "" if target is None else f"{target} {row['unit']}" if _is_number(target) else str(target)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else f"{value}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
