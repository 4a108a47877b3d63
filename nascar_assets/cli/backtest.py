"""`nascar backtest`: walk-forward forecasts of past races, sealed before their outcome is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output

if TYPE_CHECKING:
    from concurrent.futures import Future

    from nascar_assets.calibration.feed_tables import FeedTables
    from nascar_assets.calibration.forecasts import Forecaster
    from nascar_assets.calibration.summary import BacktestSummary
    from nascar_assets.errors import InputError
    from nascar_assets.views.odds_gain import OddsGain

FEW = 5
"""Races that a notice names; `metrics.json` has them all."""


SHOWN = {
    "rps_finish": "miss in places (RPS)",
    "log_score_finish": "surprise (log score)",
    "brier_win": "win chance (Brier)",
    "brier_top_10": "top 10 (Brier)",
    "rank_correlation": "right order (rho)",
    "crps_points": "miss in points (CRPS)",
}
"""Scores on the terminal by short name; the report has all of them."""


def backtest(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First date.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last date.")],
    folder: Annotated[Path, typer.Option("--out", help="Where forecasts and report go.")],
    home: Home,
    feed: Annotated[
        Path | None,
        typer.Option(
            envvar="NASCAR_FEED",
            help="A folder like the feed. Default: the feed's files in the data root.",
        ),
    ] = None,
    series: Annotated[str, typer.Option(help="cup, xfinity, trucks or all.")] = "cup",
    as_of: Annotated[
        Literal["monday", "entry-list", "practice", "qualifying", "start", "all"],
        typer.Option("--as-of", help="Stage of the week at which each race is forecast."),
    ] = "start",
    scenarios: Annotated[int, typer.Option(min=10, max=100_000, help="For each race.")] = 2_000,
    seed: Annotated[int, typer.Option(min=1)] = 1,
    odds: Annotated[
        Path | None,
        typer.Option(
            help="Odds as CSV (race_id, driver_id, odds, quoted_at): the market as a baseline. "
            "A folder of such boards: what they add to the forecast."
        ),
    ] = None,
    odds_format: Annotated[
        Literal["american", "decimal"] | None,
        typer.Option(help="What odds without a sign are: american or decimal."),
    ] = None,
    overround: Annotated[
        str, typer.Option(help="How the overround goes: power, shin or proportional.")
    ] = "power",
    as_json: Json = False,
) -> None:
    """Forecasts every points race of the window from what was known at its start, and scores it.

    Or from what was known at an earlier stage of its week, measured against the same yardstick: the
    climatology of the starting order. Of several stages or series each has a folder of its own. An
    interrupted backtest goes on where it stopped.

    Example: nascar backtest --feed feed --from 2025-01-01 --to 2025-06-30 --out backtest
    """
    from nascar_assets.calibration import tables_text as text
    from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
    from nascar_assets.calibration.baselines import standard_baselines
    from nascar_assets.calibration.feed_tables import read_feed_tables
    from nascar_assets.calibration.market import Market, read_odds
    from nascar_assets.calibration.stages import STAGES, stage
    from nascar_assets.errors import InputError
    from nascar_assets.feed.landing import LANDING
    from nascar_assets.feed.schemas import SERIES
    from nascar_assets.orchestration.commands.files import read_file
    from nascar_assets.storage import DataRoot
    from nascar_assets.views.odds_gain import gain_result, odds_gain, read_boards, sealed_gains

    out = Output(as_json)
    files = DataRoot.open(f"{home}/{LANDING}" if feed is None else feed)
    baselines = list(standard_baselines())
    boards = market = None
    if odds is not None and odds.is_dir():
        endings = (".csv", ".tsv", ".json")
        paths = sorted(path for path in odds.iterdir() if path.suffix.lower() in endings)
        files_read = {path.name: read_file(path) for path in paths}
        boards, notices = read_boards(files_read, odds_format)
        out.notices(notices)
    elif odds is not None:
        market = Market(read_odds(read_file(odds), file=odds.name, form=odds_format), overround)
        baselines.append(market)
    every = list(SERIES.values()) if series == "all" else [series]
    runs = list(product(every, STAGES if as_of == "all" else [stage(as_of)]))
    tables = lru_cache(maxsize=1)(partial(read_feed_tables, files)) if len(runs) > 1 else None
    summaries = {}
    gains: dict[str, OddsGain] = {}
    unquoted: InputError | None = None
    early_fits: dict[str, Future[Forecaster]] = {}
    for name, at in runs:
        label = f"{name}, {at.name}"
        with out.progress(label) as update:
            done = run_backtest(
                tables or partial(read_feed_tables, files),
                DataRoot.open(folder / name / at.name if tables else folder),
                BacktestSettings(
                    first=first.date(),
                    last=last.date(),
                    series=name,
                    scenarios=scenarios,
                    seed=seed,
                    stage=at,
                ),
                baselines=baselines,
                progress=update,
                early_fits=early_fits,
            )
        summaries[label] = done.summary
        if boards is not None:
            sealed = {
                race: (done.folder.read_forecast(race) or b"", seal.as_of)
                for race, seal in done.seals.items()
                if race in done.scored
            }
            try:
                gains[label] = odds_gain(
                    sealed_gains(sealed, done.tables.schedule, done.tables.results, boards)
                )
            except InputError as error:
                unquoted = error
                out.notice(f"{label}: {error.message}")
    excluded = {race for summary in summaries.values() for race in summary.exclusions}
    out.notices(not_in_history(done.tables, last.date(), excluded))
    measured = {label: gain_result(found) for label, found in gains.items()}
    if tables:
        out.table("Skill over start climatology, and coverage", *text.stage_grid(summaries))
        for label, summary in summaries.items():
            out.notices(f"{label}: {text}" for text in _notices(summary))
        out.line(f"reports: {folder}/SERIES/STAGE/report.html")
        out.result(
            {
                label: {
                    **summary.as_dict(),
                    **({"odds": measured[label]} if label in measured else {}),
                }
                for label, summary in summaries.items()
            }
        )
    else:
        window = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
        _show(
            out, next(iter(summaries.values())), window, folder, next(iter(measured.values()), None)
        )
    for label, found in gains.items():
        _show_gain(out, label, found)
    if unquoted is not None and not gains:
        raise unquoted
    if market and not any(market.name in summary.records for summary in summaries.values()):
        raise InputError(
            "No race of the window has odds that can be used.",
            field="--odds",
            remedy="Check the file's race ids, driver ids and times.",
        )


def _show_gain(out: Output, label: str, found: OddsGain) -> None:
    """What boards of odds add: walk-forward, at each confidence, by track type and hours before."""
    from nascar_assets.views.odds_gain import FEWEST_EARLIER

    judged = found.walk_forward
    rows = [*([] if judged is None else [judged]), *found.fixed, *found.groups]
    out.table(
        f"{label}: gain of the finish's RPS by odds, in percent",
        ["", "races", "gain", "± error", "95% from", "to"],
        [
            (
                row.label,
                row.races,
                100 * row.gain,
                *(
                    (100 * row.standard_error, *(100 * end for end in row.interval))
                    if row.races > 1
                    else (None, None, None)
                ),
            )
            for row in rows
        ],
    )
    if judged is None:
        out.line(
            f"{len(found.races)} races have boards; the first {FEWEST_EARLIER} only choose a "
            "confidence, so nothing is known out of sample yet: those above are in sample"
        )
    else:
        out.line(
            "walk-forward, and by track type and hours: each race at the confidence that did best "
            f"on the races before it, from the {FEWEST_EARLIER + 1}th on; single confidences are "
            "in sample"
        )
    weight = found.default_weight
    out.line(
        f"weight by these boards: {weight:g}; nascar views add takes it as --confidence {weight:g}"
        if weight
        else "weight by these boards: 0, the default of odds; the 95% interval is not above 0"
    )


def _show(
    out: Output,
    summary: BacktestSummary,
    window: str,
    folder: Path,
    gain: dict[str, Any] | None = None,
) -> None:
    """Prints one backtest: scores, coverage, skill, gate, and what was left out."""
    from nascar_assets.calibration import tables_text as text

    window = f"{summary.races} races, {window}"
    _, rows = text.comparison_grid(summary, tuple(SHOWN))
    out.table(f"{window}: mean scores, lower is better but for rho", ["by", *SHOWN.values()], rows)
    for half, variable in ((text.COVERAGES[:3], "finish"), (text.COVERAGES[3:], "points")):
        header, rows = text.coverage_grid(summary, half)
        short = [name.removesuffix(variable).strip() for name in header]
        out.table(f"Coverage of central intervals of {variable}, in percent", short, rows)
    _, rows = text.skill_grid(summary)
    out.table(
        "Skill over start climatology, and log score minus attrition Plackett-Luce's",
        ["", "races", "RPS finish", "CRPS points", "log score"],
        [[*row[:4], row[5]] for row in rows],
    )
    out.table("Release gate", *text.gate_grid(summary.gate))
    out.notices(_notices(summary))
    out.line(f"report: {folder / 'report.html'}")
    out.result({**summary.as_dict(), **({} if gain is None else {"odds": gain})})


def _notices(summary: BacktestSummary) -> Iterator[str]:
    """What one backtest leaves out, and what came up while it ran."""
    yield from left_out(summary.exclusions)
    for market, reasons in summary.unquoted.items():
        listed = _few([why.rstrip(".") for why in reasons.values()], "; ")
        yield f"{market} has no forecast of {len(reasons)} of {summary.races} races: {listed}"
    if summary.gained:
        yield f"results came in meanwhile, run again: {', '.join(summary.gained)}"
    if summary.drift is not None and summary.drift.alarms.size:
        yield f"skill left its control limits in {summary.drift.alarms.size} races"


def left_out(exclusions: Mapping[str, str]) -> Iterator[str]:
    """Races that were left out, a notice for each reason."""
    found: dict[str, list[str]] = {}
    for race, why in exclusions.items():
        found.setdefault(why, []).append(race)
    for why, races in found.items():
        yield f"{len(races)} left out, {why.rstrip('.')}: {_few(races, ', ')}"


def not_in_history(tables: FeedTables, last: date, excluded: Collection[str]) -> Iterator[str]:
    """A notice of damaged races that are none of those left out: no forecast learns from them."""
    from nascar_assets.calibration.feed_tables import AT_FAULT

    rows = tables.schedule.select("race_id", "race_key", "start_time").iter_rows()
    others = {race: key for race, key, start in rows if start.date() <= last}
    lost = [
        f"{others[race]}, {why.rstrip('.')}"
        for race, why in tables.problems
        if race in others and others[race] not in excluded
    ]
    if lost:
        yield f"{len(lost)} left out of the history, {AT_FAULT}: {_few(lost, '; ')}"


def _few(texts: Sequence[str], between: str) -> str:
    more = f" and {len(texts) - FEW} more" if len(texts) > FEW else ""
    return between.join(texts[:FEW]) + more
