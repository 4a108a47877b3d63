"""`nascar slate`: salary files registered, run and shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json, Timings, group
from nascar_assets.cli.output import Output, minute
from nascar_assets.errors import InputError

app = group("Slates: from a salary file to an upload file.", "nascar slate list")

Race = Annotated[
    str | None,
    typer.Option("--race", help="The race: its id, its key or a part of its name."),
]


@app.command()
def add(
    salaries: Annotated[Path, typer.Argument(help="A salary file, as a contest site has it.")],
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
    out.notices(notices)
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
        typer.Option(help="As-of time as ISO time with zone. Default: now, or lock once begun."),
    ] = None,
    scenarios: Annotated[
        int | None,
        typer.Option(min=10, max=200_000, help="Races to simulate: as before, or 10,000."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=1, help="The same seed repeats the run: as before, or 1."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="Portfolio settings (TOML): as before, or none.")
    ] = None,
    default_settings: Annotated[
        bool,
        typer.Option(
            "--default-settings",
            help="Take over no settings, scenarios or seed from the run before.",
        ),
    ] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Search until a bound on the portfolio is proven.")
    ] = False,
    without_views: Annotated[
        bool,
        typer.Option("--without-views", help="Leave out what people stated in nascar views."),
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Repeat the run of a run_config.json.")
    ] = None,
    timings: Timings = False,
    as_json: Json = False,
) -> None:
    """Materialises everything that the slate needs, and prints forecast and lineups.

    Settings, scenarios and seed that are not given are those of the slate's run before.

    Example: nascar slate run DKSalaries.csv --scenarios 10000 --seed 1
    """
    from nascar_assets.orchestration.commands.repeating import repeat_slate
    from nascar_assets.orchestration.commands.slate import RunOptions, run_slate, scan_salaries

    out = Output(as_json)
    if source is not None:
        _only_from(context)
        outcome, differences = repeat_slate(home, source, code_location(home))
        out.notices(differences)
    else:
        if target is None:
            raise InputError(
                "No slate was named.", remedy="Give a slate's key, a salary file, or --from."
            )
        slate_id, salaries = target, None
        if target.lower().endswith(".csv") or Path(target).is_file():
            registration, data, _ = scan_salaries(home, Path(target), race)
            slate_id, salaries = registration.slate_id, (registration, data)
        options = RunOptions(
            as_of=as_of,
            n_scenarios=scenarios,
            seed=seed,
            settings=None if settings is None else read_settings(settings, home),
            afresh=default_settings,
            prove=prove,
            without_views=without_views,
        )
        try:
            with out.progress(slate_id) as update:
                outcome = run_slate(
                    home,
                    slate_id,
                    options,
                    location=code_location(home),
                    salaries=salaries,
                    progress=update,
                    notify=out.notice,
                )
        except InputError as error:
            from nascar_assets.lineups.problem import located
            from nascar_assets.lineups.settings import SettingsError

            # The asset knows the settings alone; the file that they came from is known here.
            if settings is None or not isinstance(error, SettingsError):
                raise
            raise located(error, options.settings or "", file=settings.name) from error
    show_result(out, outcome.result, timings=timings)
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
    out.table(
        "Slates",
        ["slate", "state", "as of", "lock", "race", "salary file"],
        [
            (
                state["slate"],
                state["state"],
                minute(state["as_of"]),
                minute(state["lock"]),
                state["race"],
                state["salary_file"],
            )
            for state in states
        ],
        text=6,
        spare=("salary file", "race", "as of"),
    )
    out.result({"slates": states})


@app.command()
def show(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    home: Home,
    views: Annotated[
        bool, typer.Option("--views", help="Also what people's views did to the forecast.")
    ] = False,
    contest: Annotated[
        str | None,
        typer.Option(help="The contest that each lineup's worth is shown in; the last by default."),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="What the lineups' worths are sorted by: a column of --json.")
    ] = "won_dollars",
    as_json: Json = False,
) -> None:
    """Shows a slate's stored forecast and lineups, and what each lineup is worth.

    Example: nascar slate show 2026-03-15-cup-dk-classic --contest cash --sort cash_rate
    """
    from nascar_assets.orchestration.commands.slate import slate_result, slate_states
    from nascar_assets.orchestration.inputs.slate_lineups import has_lineups
    from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
    from nascar_assets.orchestration.inputs.slate_run import SlateRun
    from nascar_assets.orchestration.inputs.view_tables import views_result
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
    _put_last(result["contests"], contest, sort)
    show_result(out, result, sort=sort)
    if views:
        result["views"] = views_result(SlateRun(root, plan))
        _show_views(out, result["views"])
    out.result(result)


def _put_last(contests: list[dict[str, Any]], name: str | None, sort: str) -> None:
    """Puts the contest whose lineups are to be shown last.

    Raises:
        InputError: If there is no such contest, or nothing of that name to sort by.
    """
    columns = [key for row in contests for one in row.get("lineups") or () for key in one]
    if columns and sort not in columns:
        known = ", ".join(dict.fromkeys(columns))
        raise InputError(f"No lineup has a {sort!r}.", field="--sort", remedy=f"There are {known}.")
    if name is not None:
        if name not in (row["contest"] for row in contests):
            known = ", ".join(row["contest"] for row in contests) or "none"
            raise InputError(
                f"No contest is called {name!r}.", field="--contest", remedy=f"There are {known}."
            )
        contests.sort(key=lambda row: row["contest"] == name)


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
    named = [settings.payout, *(section.payout for section in settings.contests)]
    wanted = [name for name in dict.fromkeys(named) if name is not None]
    if wanted:
        from nascar_assets.contest.presets import PRESETS
        from nascar_assets.orchestration.inputs.payout_files import land_payouts
        from nascar_assets.orchestration.resources import Platform

        for name in wanted:
            if name not in PRESETS:
                content = read_file(path.parent / name)
                land_payouts(Platform(home=home).root, name, content)
    return text


def _only_from(context: typer.Context) -> None:
    """Refuses what a person gave beside `--from`: the RunConfig says all of it.

    Raises:
        InputError: If anything else was given.
    """
    given = [
        name
        for name in context.params
        if name not in ("home", "source", "as_json")
        and (source := context.get_parameter_source(name))
        and source.name == "COMMANDLINE"
    ]
    if given:
        raise InputError(
            f"--from repeats a run as it was and takes nothing beside it, here {', '.join(given)}.",
            remedy="Leave the others out, or run the slate anew without --from.",
        )


def _objective_line(portfolio: dict[str, Any]) -> str:
    """What the portfolio is worth, in the objective's own unit."""
    from nascar_assets.lineups.objectives import OBJECTIVES

    objective = OBJECTIVES[portfolio["objective"]]
    found = objective.text(portfolio["value"], portfolio["standard_error"])
    return f"{portfolio['objective']}, {objective.words}: {found} on held-back scenarios"


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


def _show_forecast(out: Output, rows: list[dict[str, Any]]) -> None:
    """The forecast, the best means first; under a person's factors the mean under them as well."""
    scaled = any("own_mean_points" in row for row in rows)
    columns: dict[str, Callable[[dict[str, Any]], Any]] = {
        "driver": lambda row: row["name"],
        "salary": lambda row: row["salary"],
        "start": lambda row: row["start"],
        "mean pts": lambda row: _digits(row["mean_points"]),
        "your pts": lambda row: _digits(row.get("own_mean_points")),
        "pts/ $1k": lambda row: _digits(row["points_per_1000"]),
        "10%": lambda row: _digits(row["points_p10"], 0),
        "90%": lambda row: _digits(row["points_p90"], 0),
        "mean fin.": lambda row: _digits(row["mean_finish"]),
        "win %": lambda row: _digits(row["win"], share=True),
        "laps led": lambda row: _digits(row["mean_laps_led"]),
        "own %": lambda row: _digits(row["expected_ownership"], share=True),
        "cash own %": lambda row: _digits(row["cash_ownership"], share=True),
        "opt. %": lambda row: _digits(row["optimal_share"], share=True),
        "lev. %": lambda row: _digits(row["leverage"], share=True),
    }
    if not scaled:
        del columns["your pts"]
    out.table(
        "Forecast",
        list(columns),
        [[cell(row) for cell in columns.values()] for row in rows],
        spare=("laps led", "mean fin.", "start", "10%", "90%", "cash own %"),
    )
    out.line("pts/ $1k: mean points per 1,000 dollars of salary")
    out.line("10%, 90%: points that one race in ten stays below, and one in ten exceeds")
    out.line("own: share of rivals' tournament lineups expected to hold the driver; cash own: the")
    out.line("same in cash games")
    out.line("opt.: share of simulated races whose best lineup holds the driver")
    out.line("lev.: opt. less own, what he is worth beyond how often rivals hold him")
    if scaled:
        out.line("your pts: the mean under your points_multiplier, by which lineups are chosen")


def _show_views(out: Output, views: dict[str, Any]) -> None:
    """Who said what when, and the forecast of each driver without and with it."""
    if not views["views"]:
        out.line("No views: the forecast is the model's own.")
        return
    out.table(
        "Views",
        ["id", "author", "landed", "states", "drivers", "confidence", "counts", "why"],
        [
            (
                row["view_id"],
                row["author"],
                minute(row["landed_at"]),
                ", ".join(row["states"]),
                row["drivers"],
                f"{row['confidence']:g}",
                ", ".join(f"{count} {state}" for state, count in row["counts"].items()),
                row["why"],
            )
            for row in views["views"]
        ],
        text=8,
        wraps=["states", "counts", "why"],
    )
    if views["effective_scenarios"] is not None:
        out.line(
            f"The scenarios are worth {views['effective_scenarios']:,.0f} equal ones; views were "
            f"taken at {100 * views['share']:.0f}% of their confidence."
        )
    if not views["drivers"]:
        out.line("No view moves the scenarios.")
        return
    out.table(
        "The forecast without and with the views",
        ["driver", "mean before", "mean pts", "win % before", "win %", "opt. % before", "opt. %"],
        [
            (
                row["name"],
                _digits(row["mean_points_before"]),
                _digits(row["mean_points"]),
                _digits(row["win_before"], share=True),
                _digits(row["win"], share=True),
                _digits(row["optimal_share_before"], share=True),
                _digits(row["optimal_share"], share=True),
            )
            for row in views["drivers"]
        ],
    )


def _digits(value: float | None, digits: int = 1, *, share: bool = False) -> str | None:
    if value is None:
        return None
    text = f"{100 * value if share else value:.{digits}f}"
    return text if float(text) else text.lstrip("-")


def _field_line(contests: list[dict[str, Any]]) -> str:
    """What the returns rest on."""
    from nascar_assets.contest.field_fit import sharpness_words

    return (
        "Returns are of races that the lineups were not chosen on. The field's sharpness is "
        f"{sharpness_words(contests)}; beside the return stand those against a sharp field and a "
        "dull one."
    )


def _show_values(out: Output, contest: dict[str, Any], sort: str) -> None:
    """What each lineup is worth in one contest, the best first."""
    values = contest.get("lineups") or []
    if not values:
        return
    rows = sorted(values, key=lambda one: (-(one[sort] or 0.0), one["lineup"]))
    out.table(
        f"What each lineup is worth in the contest {contest['contest']} (chances, return in %)",
        [
            *("lineup", "mean pts", "90%", "won $", "± $", "return", "win", "top 1%"),
            *("cash", "± cash", "twins", "corr."),
        ],
        [
            (
                str(row["lineup"]),
                _digits(row["mean_points"]),
                _digits(row["points_p90"]),
                row["won_dollars"],
                row["won_dollars_se"],
                100 * row["roi"],
                _digits(row["win_rate"], 2, share=True),
                _digits(row["top_rate"], share=True),
                _digits(row["cash_rate"], share=True),
                _digits(row["cash_rate_se"], share=True),
                row["duplicates"],
                row["correlation"],
            )
            for row in rows
        ],
        spare=("90%", "± cash", "corr."),
    )
    out.line("twins: rivals expected with the same lineup; corr.: of its points with the others'")


def show_result(
    out: Output, result: dict[str, Any], *, timings: bool = False, sort: str = "won_dollars"
) -> None:
    """Prints a slate's lineups, checks and paths for people; what each stage took on request."""
    out.notices(result["notices"])
    out.line(f"{result['slate']}: race {result['race']}, as of {result['as_of']}")
    _show_forecast(out, result["forecast"])
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
        wraps=["drivers"],
    )
    if result["contests"]:
        out.table(
            "What the lineups win in contests (returns and chances in %)",
            [
                *("contest", "entries", "own", "fee $", "return", "± error"),
                *("sharp field", "dull field", "cash", "win", "any in top 1%"),
            ],
            [
                (
                    row["contest"],
                    row["entries"],
                    row["own_entries"],
                    row["entry_fee_dollars"],
                    100 * row["roi"],
                    100 * row["roi_se"],
                    _digits(row.get("roi_low"), 2, share=True),
                    _digits(row.get("roi_high"), 2, share=True),
                    100 * row["cash_rate"],
                    100 * row["win_rate"],
                    100 * row["any_top_rate"],
                )
                for row in result["contests"]
            ],
        )
        out.line(
            "cash: share of own entries that win something; win, any in top 1%: share of races in"
        )
        out.line("which any of them comes first or is in the best hundredth")
        out.line(_field_line(result["contests"]))
        _show_values(out, result["contests"][-1], sort)
    out.line(_objective_line(result["portfolio"]))
    if "checks" in result:
        failed = [check["name"] for check in result["checks"] if not check["passed"]]
        every = len(result["checks"])
        which = f", not {', '.join(failed)}" if failed else ""
        out.line(f"checks: {every - len(failed)} of {every} passed{which}")
        if timings:
            _show_seconds(out, result["stages"], result["seconds"]["total"])
    out.line(f"upload file: {result['paths']['upload']}")
    out.line(f"report: {result['paths']['report']}")
