"""What a slate's views do to its scenarios: applied, and told apart from the forecast without."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.columns import views as columns
from nascar_assets.columns.column import types_of
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.views.in_force import in_force, sources_of
from nascar_assets.views.quantities import QUANTITIES

if TYPE_CHECKING:
    from nascar_assets.scenarios import RaceSetup, Scenarios

PURE = "pure_scenarios"
"""The table of the scenarios before views moved them, where some did."""

TARGETS = "view_targets"
"""The table of what scenarios were tilted to, where they were."""

TILTING = ("projections", "chances", "odds")
"""Families of views that scenarios are tilted to."""

VIEW_TARGETS = types_of(columns.VIEW_TARGETS)
VIEW_EFFECTS = types_of(columns.VIEW_EFFECTS)


def scenarios_with_views(
    run: SlateRun, simulate: Callable[[RaceSetup], Scenarios]
) -> tuple[Scenarios, list[str]]:
    """A slate's scenarios as its views in force move them; those without are kept beside them.

    Without such views they are the scenarios as they come.

    Returns:
        The scenarios, and what a person should know.
    """
    pure = simulate(run.setup_without_views)
    base = pure if run.setup == run.setup_without_views else simulate(run.setup)
    stated = in_force(run.views, *TILTING)
    made, targets = base, pl.DataFrame(schema=VIEW_TARGETS)
    notices: list[str] = []
    if not stated.is_empty():
        made, targets, notices = _tilted(run, base, stated)
    _keep(run, PURE, None if made is pure else _cars(run, pure))
    _keep(run, TARGETS, None if targets.is_empty() else targets)
    return made, notices


def moved_by_views(run: SlateRun, made: Scenarios) -> Scenarios:
    """Scenarios of the race with its starts at the rear, tilted as the views in force say."""
    stated = in_force(run.views, *TILTING)
    return made if stated.is_empty() else _tilted(run, made, stated)[0]


def tilted(run: SlateRun) -> bool:
    """Whether views tilted a slate's scenarios."""
    return run.has(TARGETS)


def error_factor(run: SlateRun) -> float:
    """What Monte Carlo errors of the slate's scenarios are multiplied by.

    Errors are worked out as of scenarios that are drawn one by one. Those that views tilted were
    drawn again by weight, some more than once, and are worth fewer: the errors are those of as many
    equal ones. 1 where nothing was tilted.
    """
    targets = run.rows(TARGETS)
    return math.sqrt(run.plan.n_scenarios / targets[0]["effective_scenarios"]) if targets else 1.0


def _tilted(
    run: SlateRun, base: Scenarios, stated: pl.DataFrame
) -> tuple[Scenarios, pl.DataFrame, list[str]]:
    from nascar_assets.lineups.portfolio import HELD_BACK_EVERY
    from nascar_assets.views.targets import OwnMoments, blended_targets
    from nascar_assets.views.tilting import tilt

    own = OwnMoments(base.driver_ids, base.points(run.rules) / run.rules.points_scale, base.finish)
    targets, notices = blended_targets(stated, own)
    if not targets:
        return base, pl.DataFrame(schema=VIEW_TARGETS), list(notices)
    found = tilt(own, targets, run.plan.seed, HELD_BACK_EVERY)
    table = pl.DataFrame(
        [
            {
                "driver_id": base.driver_ids[target.driver],
                "name": run.names[base.driver_ids[target.driver]],
                "quantity": target.quantity,
                "threshold": target.threshold if target.quantity == "ceiling_points" else None,
                "own": target.own,
                "wanted": target.wanted,
                "reached": reached,
                "effective_scenarios": found.effective,
                "share": found.share,
            }
            for target, reached in zip(targets, found.reached, strict=True)
        ],
        schema=VIEW_TARGETS,
    )
    said = [*notices, f"Views move the scenarios: {_worth(len(base), found.effective)}."]
    if found.share < 1.0:
        said[-1] = (
            f"Views move the scenarios {found.share:.0%} of the way that their confidence asks for "
            f"({_confidences(stated, found.share)}): further, fewer than half of the scenarios "
            f"would count ({_worth(len(base), found.effective)})."
        )
    if any(found.missed):
        said.append(_contradiction(table.filter(pl.Series(found.missed)), stated))
    made = replace(base.take(found.rows), diagnostics=base.diagnostics)
    return made, table, said


def _contradiction(missed: pl.DataFrame, stated: pl.DataFrame) -> str:
    """Which targets cannot all hold, how far they came, and whose views of these drivers count."""

    def as_words(row: dict[str, Any]) -> str:
        quantity, points = QUANTITIES[row["quantity"]], row["threshold"]
        words = quantity.words if points is None else f"chance of {points:g} points"
        form = ".1%" if quantity.unit == "share" or points is not None else ".1f"
        return (
            f"the {words} of {row['name']} to {row['reached']:{form}}, not {row['wanted']:{form}}"
        )

    listed = "; ".join(map(as_words, missed.head(4).iter_rows(named=True)))
    more = f" and {missed.height - 4} more" if missed.height > 4 else ""
    whose = sources_of(stated.join(missed, on="driver_id", how="semi"))
    return f"Views that cannot all hold give way to each other ({whose}): {listed}{more}."


def _worth(scenarios: int, effective: float) -> str:
    return f"{scenarios:,} are worth {effective:,.0f} equal ones"


def _confidences(stated: pl.DataFrame, share: float) -> str:
    """The confidences that were asked for and those that were reached."""
    asked = sorted(stated["confidence"].unique().to_list())
    return ", ".join(f"{share * value:.2f} in place of {value:.2f}" for value in asked)


def _cars(run: SlateRun, made: Scenarios) -> pl.DataFrame:
    """Place and points of every car in every scenario."""
    points = f"points_{run.rules.key.replace('-', '_')}"
    return made.to_polars([run.rules]).select("scenario", "driver_id", "finish", points)


def _keep(run: SlateRun, table: str, frame: pl.DataFrame | None) -> None:
    """Writes a table of the slate, or removes that of a run before."""
    path = table_path(table, run.slate_id)
    if frame is not None:
        run.root.write_frame(path, frame)
    elif run.root.exists(path):
        run.root.delete(path)


@dataclass(frozen=True)
class PureScenarios:
    """The scenarios without views.

    Attributes:
        driver_ids: The cars.
        finish: Places [n, N].
        points: Contest points in units of 1 / `points_scale` [n, N].
    """

    driver_ids: tuple[str, ...]
    finish: npt.NDArray[np.integer[Any]]
    points: npt.NDArray[np.int32]


def pure_scenarios(run: SlateRun) -> PureScenarios | None:
    """A slate's scenarios without its views; none where no view moves them."""
    if not run.has(PURE):
        return None
    cars = run.table(PURE)
    n = cars["scenario"].n_unique()
    drivers = tuple(cars["driver_id"][: cars.height // n].to_list())
    finish, points = (cars[name].to_numpy().reshape(n, len(drivers)) for name in cars.columns[2:4])
    return PureScenarios(drivers, finish, points)


def effects_table(run: SlateRun, optima: pl.DataFrame, summary: pl.DataFrame) -> pl.DataFrame:
    """A table `VIEW_EFFECTS`, those whom the views move furthest first.

    Args:
        optima: Optimal shares with the views.
        summary: The forecast with the views.
    """
    from nascar_assets.orchestration.inputs.portfolio import best_lineups

    pure = pure_scenarios(run)
    if pure is None:
        return pl.DataFrame(schema=VIEW_EFFECTS)
    pool = run.slate
    place = {driver: at for at, driver in enumerate(pure.driver_ids)}
    cars = [place[player.driver_id] for player in pool.players]
    points = np.ascontiguousarray(pure.points[:, cars])
    best = best_lineups(points, pool.players, pool.rules)
    before = pl.DataFrame(
        {
            "driver_id": [player.driver_id for player in pool.players],
            "name": [player.name for player in pool.players],
            "mean_points_before": points.mean(axis=0) / pool.rules.points_scale,
            "win_before": (pure.finish[:, cars] == 1).mean(axis=0),
            "optimal_share_before": best.optimal_share,
        }
    )
    starts = pl.DataFrame(
        [
            (entry.driver_id, entry.start, entry.scored_start or entry.start)
            for entry in run.setup.entries
        ],
        schema={"driver_id": pl.String, "start": pl.Int32, "scored_start": pl.Int32},
        orient="row",
    )
    return (
        before.join(starts, on="driver_id", how="left")
        .join(summary.select("driver_id", "mean_points", "win"), on="driver_id", how="left")
        .join(optima.select("driver_id", "optimal_share"), on="driver_id", how="left")
        .select(list(VIEW_EFFECTS))
        .sort(
            (pl.col("mean_points") - pl.col("mean_points_before")).abs(), "name",
            descending=[True, False],
        )
    )  # fmt: skip


def views_of(run: SlateRun) -> list[dict[str, Any]]:
    """A slate's views, one row each: who said what when, how much it counts, and what of it does.

    In the order in which they landed.
    """
    rows = []
    for part in run.views.partition_by("view_id", maintain_order=True):
        first = part.row(0, named=True)
        states = dict(part.group_by("state", maintain_order=True).len().iter_rows())
        rows.append(
            {
                **{name: first[name] for name in ("view_id", "file", "author", "why")},
                "landed_at": first["landed_at"].isoformat(),
                "states": [
                    QUANTITIES[name].words for name in part["quantity"].unique(maintain_order=True)
                ],
                "drivers": part["driver_id"].n_unique(),
                "confidence": first["confidence"],
                "counts": states,
            }
        )
    return rows


def views_result(run: SlateRun) -> dict[str, Any]:
    """What people stated of a slate's race and what it did, for programs.

    `views` (one row each), `targets` (what the scenarios were tilted to), `drivers` (the forecast
    without and with), `effective_scenarios` and `share` of the confidence reached; both none where
    nothing was tilted.
    """

    targets = run.rows(TARGETS)
    return {
        "views": views_of(run),
        "targets": targets,
        "drivers": run.rows("view_effects"),
        "effective_scenarios": targets[0]["effective_scenarios"] if targets else None,
        "share": targets[0]["share"] if targets else None,
    }
