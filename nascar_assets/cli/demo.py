"""`nascar demo`: the whole graph on the generated sample, offline."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json, Timings
from nascar_assets.cli.output import Output


def demo(
    home: Home,
    scenarios: Annotated[
        int, typer.Option(min=10, max=200_000, help="Races to simulate.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=1, help="Seed of the sample and of the run.")] = 1,
    release: Annotated[
        bool,
        typer.Option(help="Whether to go on to the graph and a model version's backtest and gate."),
    ] = True,
    timings: Timings = False,
    as_json: Json = False,
) -> None:
    """Invents two seasons and a race to come, and runs the whole graph on them.

    Its data lie under `demo/` of the data root, apart from real ones.

    Example: nascar demo
    """
    from nascar_assets.cli.slate import show_result
    from nascar_assets.orchestration.commands.demo import complete_graph
    from nascar_assets.orchestration.commands.slate import RunOptions, add_slate, run_slate
    from nascar_assets.orchestration.commands.sync import sync_races
    from nascar_assets.sample import generate_sample, write_sample
    from nascar_assets.sample.generate import SEASONS

    out = Output(as_json)
    own = f"{home.rstrip('/')}/demo"
    sample = generate_sample(seed)
    with tempfile.TemporaryDirectory() as folder:
        write_sample(sample, Path(folder))
        with out.progress("sample") as update:
            synced = sync_races(
                own,
                str(Path(folder) / "feed"),
                ["cup"],
                SEASONS,
                location=code_location(own),
                progress=update,
            )
        registration, _ = add_slate(own, Path(folder) / "salaries" / sample.slate_file)
    out.line(f"{len(synced.races)} invented races materialised")
    with out.progress(registration.slate_id) as update:
        outcome = run_slate(
            own,
            registration.slate_id,
            RunOptions(
                as_of=sample.as_of.isoformat(), n_scenarios=scenarios, seed=seed, settings=""
            ),
            location=code_location(own),
            progress=update,
        )
    if release:
        with out.progress("release") as update:
            found = complete_graph(own, location=code_location(own), notify=update)
        outcome.result["release"] = found
        verdict = "passed" if found["passed"] else "did NOT pass"
        out.line(
            f"model version {found['version']} {verdict} the release gate on {found['races']} "
            f"invented races, {found['scenarios']} scenarios each ({found['seconds']:.0f} s): "
            "starting values with the sample's own spread from day to day, no fits; one small fit "
            f"as of {found['fitted_as_of'][:10]} beside it"
        )
    show_result(out, outcome.result, timings=timings)
    out.line(f"play it in the browser: nascar board --home {own}")
    out.result(outcome.result)
