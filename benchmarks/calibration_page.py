"""One command that makes the tables and plots of the calibration page from a feed folder.

`python -m benchmarks.calibration_page FEED --out DIR --page docs/calibration.md` runs the backtest
(or takes it up again), runs the forecasters with a planted fault, and writes the page's tables
between its markers and its pictures beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date

from benchmarks.planted import FixedModel, Peeking, Pulled, Stretched
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import StartClimatology
from nascar_assets.calibration.feed_tables import FeedTables, read_feed_tables
from nascar_assets.calibration.forecasts import Forecaster
from nascar_assets.calibration.gate import Criterion
from nascar_assets.calibration.models import RunningOrderModel
from nascar_assets.calibration.plots import coverage_plot, pit_plot
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.calibration.report import pictures
from nascar_assets.calibration.summary import CLIMATOLOGY, BacktestSummary
from nascar_assets.calibration.tables_text import (
    COVERAGES,
    comparison_table,
    coverage_table,
    gate_grid,
    markdown_table,
    percent_range,
    skill_grid,
)
from nascar_assets.columns.calibration import JOINT_METRICS
from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot

PLANTED_WINDOW = (date(2024, 1, 1), date(2024, 12, 31))
PLANTED_SCENARIOS = 400


def planted_forecasters(tables: FeedTables) -> tuple[Forecaster, ...]:
    """An honest forecaster and three with a fault."""
    honest = RunningOrder(values=False, name="honest")
    return (
        honest,
        Pulled(honest),
        Stretched(honest),
        Peeking(honest, tables.results),
    )


def joint_table(summary: BacktestSummary) -> str:
    """Scores of the joint forecast."""
    return comparison_table(summary, JOINT_METRICS[:5])


def skill_table(summary: BacktestSummary) -> str:
    """The skills as Markdown."""
    return markdown_table(*skill_grid(summary))


def gate_table(criteria: Sequence[Criterion]) -> str:
    """The criteria as Markdown."""
    return markdown_table(*gate_grid(criteria))


def verdict_table(summaries: Sequence[BacktestSummary]) -> str:
    """What each planted forecaster was found to be."""
    rows = []
    for summary in summaries:
        record, verdict = summary.records[summary.model], summary.verdicts[summary.model]
        skill = summary.find("rps_finish", CLIMATOLOGY)
        rows.append(
            [
                summary.model,
                *(f"{100 * (record.value(name) or 0.0):.1f}" for name in COVERAGES[:3]),
                "–" if skill is None else percent_range(skill.skill),
                verdict.dispersion,
                "yes" if verdict.leak_suspected else "no",
            ]
        )
    header = ["", "50% finish", "80% finish", "95% finish", "RPS skill", "found", "leak suspected"]
    return markdown_table(header, rows)


def between(page: str, marker: str, text: str) -> str:
    """The page with what stands between a marker's begin and end replaced.

    Raises:
        InputError: If the page has no such marker.
    """
    begin, end = f"<!-- {marker} begin -->", f"<!-- {marker} end -->"
    if begin not in page or end not in page:
        raise InputError(f"The page has no marker {marker!r}.", field=marker)
    head, rest = page.split(begin, 1)
    _, tail = rest.split(end, 1)
    return f"{head}{begin}\n{text}\n{end}{tail}"


def write_page(
    folder: DataRoot, name: str, summary: BacktestSummary, planted: Sequence[BacktestSummary]
) -> None:
    """Fill in the page and put its pictures beside it.

    Args:
        folder: The folder of the page.
        name: The page's file name.
        summary: The backtest.
        planted: Backtests of the forecasters with a planted fault.
    """
    page = (folder.read(name) or b"").decode()
    settings = summary.settings
    facts = (
        f"{summary.races} races from {settings['from']} to {settings['to']}, series "
        f"{settings['series']}, {settings['scenarios']} scenarios a race, seed "
        f"{settings['seed']}; {len(summary.exclusions)} races of the window left out "
        f"({', '.join(f'{n} {why}' for why, n in summary.as_dict()['exclusion_counts'].items())})."
    )
    for marker, text in (
        ("facts", facts),
        ("comparison", comparison_table(summary)),
        ("joint", joint_table(summary)),
        ("coverage", coverage_table(summary)),
        ("skill", skill_table(summary)),
        ("gate", gate_table(summary.gate)),
        ("aim", gate_table(summary.aim)),
        ("planted", verdict_table(planted)),
    ):
        page = between(page, marker, text)
    images = {f"calibration-{key}": content for key, content in pictures(summary).items()}
    for item in planted:
        record = item.records[item.model]
        images[f"calibration-planted-{item.model}-pit"] = pit_plot(record, ("finish", "points"))
        images[f"calibration-planted-{item.model}-coverage"] = coverage_plot(record)
    for key, content in images.items():
        folder.write(f"images/{key}.png", content)
    folder.write(name, page.encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration_page")
    parser.add_argument("feed", help="folder that mirrors the feed")
    parser.add_argument("--out", required=True, help="folder for the backtests' files")
    parser.add_argument("--page", default="docs/calibration.md", help="page to fill in")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2023, 1, 1))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2026, 12, 31))
    parser.add_argument("--scenarios", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    tables = read_feed_tables(DataRoot(chosen.feed))
    read: Callable[[], FeedTables] = lambda: tables  # noqa: E731
    settings = BacktestSettings(
        chosen.first, chosen.last, scenarios=chosen.scenarios, seed=chosen.seed
    )
    try:
        summary = run_backtest(
            lambda: read_feed_tables(DataRoot(chosen.feed)),
            DataRoot(chosen.out),
            settings,
            model=RunningOrderModel(),
            progress=_report,
        ).summary
        planted = [
            run_backtest(
                read,
                DataRoot(f"{chosen.out}/planted/{forecaster.name}"),
                BacktestSettings(*PLANTED_WINDOW, scenarios=PLANTED_SCENARIOS, seed=chosen.seed),
                model=FixedModel(forecaster),
                baselines=(StartClimatology(),),
                progress=_report,
            ).summary
            for forecaster in planted_forecasters(tables)
        ]
        folder, _, name = chosen.page.rpartition("/")
        write_page(DataRoot(folder or "."), name, summary, planted)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(comparison_table(summary) + "\n")
    return 0


def _report(done: int, total: int, text: str) -> None:
    sys.stderr.write(f"{done}/{total} {text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
