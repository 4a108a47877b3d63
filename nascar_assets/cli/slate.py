"""`nascar slate`: salary files registered, run and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output
from nascar_assets.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Slates: from a salary file to an upload file.")

Race = Annotated[
    str | None,
    typer.Option("--race", help="The race: its id, its key or a part of its name."),
]


@app.command()
def add(
    salaries: Annotated[Path, typer.Argument(help="A salary file (DraftKings or FanDuel).")],
    home: Home,
    race: Race = None,
    as_json: Json = False,
) -> None:
    """Registers a slate from a salary file and prints its key.

    Example: nascar slate add DKSalaries.csv --race "Pennzoil 400"
    """
    from nascar_assets.orchestration.commands.slate import add_slate

    out = Output(as_json)
    registration, notices = add_slate(home, salaries, race)
    for notice in notices:
        out.notice(notice)
    out.line(registration.slate_id)
    out.result({"slate": registration.slate_id, "race": registration.race_key, "notices": notices})


@app.command()
def run(
    context: typer.Context,
    home: Home,
    target: Annotated[
        str | None, typer.Argument(metavar="SLATE-OR-SALARIES.csv", help="A key or a file.")
    ] = None,
    race: Race = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="Cut-off as ISO time with zone. Default: now, or lock once begun."),
    ] = None,
    scenarios: Annotated[
        int, typer.Option(min=10, max=200_000, help="Races to simulate.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=1, help="The same seed repeats the run.")] = 1,
    settings: Annotated[Path | None, typer.Option(help="Portfolio settings (TOML).")] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Search until a bound on the portfolio is proven.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Repeat the run of a run_config.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Materialises everything that the slate needs, and prints forecast and lineups.

    Example: nascar slate run DKSalaries.csv --scenarios 10000 --seed 1
    """
    from nascar_assets.orchestration.commands.repeating import repeat_slate
    from nascar_assets.orchestration.commands.slate import add_slate, run_slate

    out = Output(as_json)
    if source is not None:
        _only_from(context)
        outcome, differences = repeat_slate(home, source, code_location(home))
        for difference in differences:
            out.notice(difference)
    else:
        if target is None:
            raise InputError(
                "No slate was named.", remedy="Give a slate's key, a salary file, or --from."
            )
        slate_id = target
        if target.lower().endswith(".csv") or Path(target).is_file():
            registration, _ = add_slate(home, Path(target), race)
            slate_id = registration.slate_id
        asked = read_settings(settings, home)
        try:
            with out.progress(slate_id) as update:
                outcome = run_slate(
                    home,
                    slate_id,
                    location=code_location(home),
                    as_of=as_of,
                    n_scenarios=scenarios,
                    seed=seed,
                    settings=asked,
                    prove=prove,
                    progress=update,
                )
        except InputError as error:
            from nascar_assets.lineups.problem import located
            from nascar_assets.lineups.settings import SettingsError

            # The asset knows the settings alone; the file that they came from is known here.
            if settings is None or not isinstance(error, SettingsError):
                raise
            raise located(error, asked, file=settings.name) from error
    show_result(out, outcome.result)
    out.result(outcome.result)


@app.command("list")
def list_slates(home: Home, as_json: Json = False) -> None:
    """Shows all slates and how far they have come.

    Example: nascar slate list
    """
    from nascar_assets.orchestration.commands.slate import slate_states
    from nascar_assets.orchestration.resources import Platform

    out = Output(as_json)
    states = slate_states(Platform(home=home).root)
    columns = ("slate", "race", "salary_file", "state", "as_of", "lock")
    out.table("Slates", columns, [[state[name] for name in columns] for state in states], text=6)
    out.result({"slates": states})


@app.command()
def show(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    home: Home,
    as_json: Json = False,
) -> None:
    """Shows a slate's stored forecast and lineups.

    Example: nascar slate show 2026-03-15-cup-dk-classic
    """
    from nascar_assets.orchestration.commands.slate import slate_result, slate_states
    from nascar_assets.orchestration.inputs.slate_lineups import has_lineups
    from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
    from nascar_assets.orchestration.resources import Platform

    out = Output(as_json)
    root = Platform(home=home).root
    Registration.load(root, slate)
    plan = SlatePlan.find(root, slate)
    if plan is None or not has_lineups(root, plan):
        state = next(item for item in slate_states(root) if item["slate"] == slate)
        out.line(f"{slate}: {state['state']}; run it with nascar slate run {slate}")
        for line in state["absent"]:
            out.line(line)
        out.result(state)
        return
    result = slate_result(root, plan)
    show_result(out, result)
    out.result(result)


def read_settings(path: Path | None, home: str) -> str:
    """The text of a settings file; empty without one.

    A payout table that it names is landed; the name of a contest preset needs none.

    Raises:
        InputError: If the file is missing, no text, or a setting in it is at fault.
    """
    if path is None:
        return ""
    from nascar_assets.files import read_text
    from nascar_assets.lineups.settings import PortfolioSettings
    from nascar_assets.orchestration.commands.files import read_file

    text = read_text(read_file(path), path.name, archives=False).text
    settings = PortfolioSettings.from_toml(text, file=path.name)
    if settings.payout is not None:
        from nascar_assets.contest.presets import PRESETS

        if settings.payout in PRESETS:
            return text
        from nascar_assets.orchestration.inputs.payout_files import land_payouts
        from nascar_assets.orchestration.resources import Platform

        content = read_file(path.parent / settings.payout)
        land_payouts(Platform(home=home).root, settings.payout, content)
    return text


def _only_from(context: typer.Context) -> None:
    """Refuses what a person gave beside `--from`: the RunConfig says all of it.

    Raises:
        InputError: If anything else was given.
    """
    given = [
        name
        for name in ("target", "race", "as_of", "scenarios", "seed", "settings", "prove")
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if given:
        raise InputError(
            f"--from repeats a run as it was and takes nothing beside it, here {', '.join(given)}.",
            remedy="Leave the others out, or run the slate anew without --from.",
        )


def _objective_line(portfolio: dict[str, Any]) -> str:
    """What the portfolio is worth, in the objective's own unit."""
    value, error = portfolio["value"], portfolio["standard_error"]
    objective = portfolio["objective"]
    if objective in ("probability", "top_fraction"):
        worth, shown = f"{value:.1%}", "{:.1%}"
    elif objective == "payout":
        worth, shown = f"${value:,.2f} won by an entry in the mean", "${:,.2f}"
    else:
        worth, shown = f"{value:.2f} points", "{:.2f}"
    spread = "not known: too few scenarios" if error is None else shown.format(error)
    return f"{objective}: {worth} on held-back scenarios (standard error {spread})"


def _show_seconds(out: Output, stages: list[dict[str, Any]], total: float) -> None:
    """What each stage took: its computing, and what went into something else beside it."""
    columns = [name for name in stages[0] if name != "stage"]
    whole = {name: sum(stage[name] for stage in stages) for name in columns}
    between = total - whole["total"]
    rows = [
        *stages,
        {"stage": "between the stages", "log": between, "total": between},
        {"stage": "sum", **whole, "log": whole["log"] + between, "total": total},
    ]
    out.table(
        "Seconds",
        ["stage", *columns],
        [[row["stage"], *(row.get(name, 0.0) for name in columns)] for row in rows],
    )


def show_result(out: Output, result: dict[str, Any]) -> None:
    """Prints a slate's lineups, checks, timings and paths for people."""
    for notice in result["notices"]:
        out.notice(notice)
    out.line(f"{result['slate']}: race {result['race']}, as of {result['as_of']}")
    out.table(
        "Forecast",
        ["driver", "start", "mean points", "10%", "90%", "mean finish", "win %", "laps led"],
        [
            (
                row["name"],
                row["start"],
                row["mean_points"],
                row["p10"],
                row["p90"],
                row["mean_finish"],
                100 * row["win"],
                row["mean_laps_led"],
            )
            for row in result["forecast"]
        ],
    )
    out.table(
        "Lineups",
        ["", "drivers", "salary", "mean points"],
        [
            (
                str(number),
                ", ".join(driver["name"] for driver in lineup["drivers"]),
                lineup["salary"],
                lineup["mean_points"],
            )
            for number, lineup in enumerate(result["lineups"], start=1)
        ],
        text=2,
    )
    if result["contests"]:
        out.table(
            "What the lineups win in contests (returns and chances in %)",
            ["contest", "entries", "own", "fee $", "ROI", "± s.e.", "cash", "win", "top 1%"],
            [
                (
                    row["contest"],
                    row["entries"],
                    row["own_entries"],
                    row["entry_fee_dollars"],
                    100 * row["roi"],
                    100 * row["roi_se"],
                    100 * row["cash_rate"],
                    100 * row["win_rate"],
                    100 * row["any_top_rate"],
                )
                for row in result["contests"]
            ],
        )
        out.line(
            "The lineups were chosen on these scenarios against a modelled field: returns read "
            "high. Compare contests with them."
        )
    out.line(_objective_line(result["portfolio"]))
    if "checks" in result:
        passed = sum(check["passed"] for check in result["checks"])
        out.line(f"checks: {passed} of {len(result['checks'])} passed")
        _show_seconds(out, result["stages"], result["seconds"]["total"])
    out.line(f"upload file: {result['paths']['upload']}")
    out.line(f"report: {result['paths']['report']}")
