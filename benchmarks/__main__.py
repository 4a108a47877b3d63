"""Runs benchmarks and writes their tables: `make bench`, or `python -m benchmarks NAME ...`."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GROUPS = (
    "platform",
    "telemetry",
    "laps",
    "history",
    "constraints",
    "scenarios",
    "calibration",
    "views",
    "lineups",
    "live",
    "service",
    "board",
    "growth",
)
"""Modules of this package; each has `rows()`, which yields what it measured.

A row holds `name`, `value`, `unit`, and where they apply `target`, `peak_mb` and `note`. A target
is a number that the value stays at or below, or a text: `< 10`, or `>= 60` where more is better.
"""

RESULTS = Path("bench-results")
PAGE = Path("docs/benchmarks.md")


def main(names: list[str]) -> int:
    """Measures the groups named (all of them by default), each in a process of its own.

    Each group's rows are kept, so that the page shows the newest of every group.
    """
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        sys.stderr.write(f"No benchmark is called {unknown[0]}. Known: {', '.join(GROUPS)}.\n")
        return 2
    RESULTS.mkdir(exist_ok=True)
    failed = False
    for name in names or GROUPS:
        sys.stderr.write(f"{name} ...\n")
        run = subprocess.run(
            [sys.executable, "-c", _ONE.format(name=name)], stdout=subprocess.PIPE, text=True
        )
        rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        measured = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "machine": _machine(), "rows": rows}
        if run.returncode != 0:
            failed = True
            measured["failure"] = f"ended with exit code {run.returncode}"
        (RESULTS / f"{name}.json").write_text(json.dumps(measured, indent=1))
        sys.stdout.write(_section(name, measured) + "\n")
    PAGE.write_text(_page())
    return 1 if failed else 0


_ONE = """
import importlib, json, sys
for row in importlib.import_module("benchmarks.{name}").rows():
    print(json.dumps(row), flush=True)
"""


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"


def _page() -> str:
    head = (
        "# Benchmarks\n\nWritten by `make bench`; `python -m benchmarks NAME` measures one group "
        "again, `python -m benchmarks laps` the 200 million laps, which take 5 GB of the temporary "
        "folder while they are measured. Wall times unless a row says otherwise; values beyond "
        "their target are in bold.\n"
    )
    # What was measured elsewhere stays as the page has it.
    _, *parts = re.split(r"^## ", PAGE.read_text() if PAGE.exists() else "", flags=re.M)
    sections = {part.partition("\n")[0].lower(): f"## {part.strip()}\n" for part in parts}
    for name in GROUPS:
        if (stored := RESULTS / f"{name}.json").exists():
            sections[name] = _section(name, json.loads(stored.read_text()))
    return "\n".join([head, *(sections[name] for name in GROUPS if name in sections)])


def _section(name: str, measured: dict[str, Any]) -> str:
    lines = [
        f"## {name.capitalize()}",
        "",
        f"Measured {measured['day']} with {measured['machine']}.",
        "",
        "| what | measured | target | peak MB | note |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for row in measured["rows"]:
        value = f"{_number(row['value'])} {row['unit']}".strip()
        if _missed(row["value"], row.get("target")):
            value = f"**{value}**"
        lines.append(
            f"| {row['name']} | {value} | {_target(row)} | {_number(row.get('peak_mb'))} | "
            f"{row.get('note') or ''} |"
        )
    if "failure" in measured:
        lines += ["", f"The group did not end: it {measured['failure']}."]
    return "\n".join(lines) + "\n"


def _missed(value: float | None, target: float | str | None) -> bool:
    if value is None or target is None:
        return False
    if isinstance(target, int | float):
        return value > target
    bound = re.fullmatch(r"(<=?|>=?) ?([\d.]+)", target)
    if bound is None:
        return False
    sign, limit = bound[1], float(bound[2])
    return value > limit if sign.startswith("<") else value < limit


def _target(row: dict[str, Any]) -> str:
    target = row.get("target")
    return "" if target is None else f"{target} {row['unit']}".strip()


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else f"{value}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
