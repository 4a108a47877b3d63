"""One command that writes skill and coverage by stage and series into the calibration page.

`nascar backtest --as-of all --series all --out OUT ...` makes the backtests;
`python -m benchmarks.stages_page OUT --page docs/calibration.md` reads their `metrics.json` and
fills in the page's tables between the markers `stages` and `series`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.calibration_page import between
from nascar_assets.calibration.stages import STAGES
from nascar_assets.calibration.summary import CLIMATOLOGY
from nascar_assets.calibration.tables_text import markdown_table
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SERIES, TRACK_TYPES

LEVELS = (50, 80, 95)


def stage_rows(folder: Path) -> Iterator[list[str]]:
    """Every backtest of a folder: races, skills with intervals, order, coverage."""
    for series, stage, found in _backtests(folder):
        record = found["forecasters"][found["model"]]["metrics"]
        yield [
            series,
            stage,
            str(found["races"]),
            *(_skill(found, metric, "all", "all") for metric in ("rps_finish", "crps_points")),
            f"{record['rank_correlation']['value']:.3f}",
            *(_coverage(record, variable) for variable in ("finish", "points")),
        ]


def type_rows(folder: Path) -> Iterator[list[str]]:
    """Finish skill and coverage at the start by series and track type."""
    for series, stage, found in _backtests(folder):
        if stage != STAGES[-1].name:
            continue
        for kind in TRACK_TYPES:
            groups = found["forecasters"][found["model"]]["groups"]["track_type"]
            if kind in groups:
                yield [
                    series,
                    kind,
                    str(groups[kind]["rps_finish"]["races"]),
                    *(
                        _skill(found, metric, "track_type", kind)
                        for metric in ("rps_finish", "crps_points")
                    ),
                    *(_coverage(groups[kind], variable) for variable in ("finish", "points")),
                ]


def _backtests(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for series in SERIES.values():
        for stage in STAGES:
            path = folder / series / stage.name / "metrics.json"
            if path.exists():
                yield series, stage.name, json.loads(path.read_text())


def _skill(found: dict[str, Any], metric: str, group: str, label: str) -> str:
    for item in found["comparisons"]:
        key = (item["metric"], item["against"], item["group"], item["label"])
        if key == (metric, CLIMATOLOGY, group, label):
            value, lower, upper = (100 * item["skill"][x] for x in ("value", "lower", "upper"))
            return f"{value:.1f}% ({lower:.1f} to {upper:.1f})"
    return "–"


def _coverage(metrics: dict[str, Any], variable: str) -> str:
    return " / ".join(f"{100 * metrics[f'coverage_{x}_{variable}']['value']:.0f}" for x in LEVELS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages_page")
    parser.add_argument("out", type=Path, help="folder of the backtests")
    parser.add_argument("--page", type=Path, default=Path("docs/calibration.md"))
    chosen = parser.parse_args(arguments)
    shared = ["finish skill", "points skill"]
    cover = ["finish within 50 / 80 / 95%", "points within 50 / 80 / 95%"]
    try:
        page = between(
            chosen.page.read_text(),
            "stages",
            markdown_table(
                ["series", "stage", "races", *shared, "right order (rho)", *cover],
                list(stage_rows(chosen.out)),
            ),
        )
        page = between(
            page,
            "series",
            markdown_table(
                ["series", "tracks", "races", *shared, *cover], list(type_rows(chosen.out))
            ),
        )
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    chosen.page.write_text(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
