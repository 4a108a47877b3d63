"""A race's scores as a table and back: one row per driver, the race's own numbers repeated."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.backtest_tasks import Scored
from nascar_assets.calibration.race_scores import RaceScores
from nascar_assets.errors import InputError

_SIDES = ("low", "high")
_EVENT = ("probability", "happened")


def scores_to_table(scores: RaceScores) -> pl.DataFrame:
    """The scores as a table; `scores_from_table` gives an equal value back.

    Args:
        scores: One race's scores.

    Returns:
        One row per driver: `race_id`, `driver_id`, `group.<label>`, `score.<metric>`,
        `pit.<variable>.low` and `.high`, `event.<event>.probability` and `.happened`; repeated in
        every row `race.<score>`, `race_pit.<functional>.low` and `.high`, `scenarios`,
        `effective_scenarios` and `excluded` as JSON.
    """
    columns: dict[str, Any] = {"driver_id": list(scores.driver_ids)}
    columns |= {f"score.{name}": values for name, values in scores.per_driver.items()}
    for kind, names, pairs in (
        ("pit", _SIDES, scores.pit),
        ("event", _EVENT, scores.events),
    ):
        for name, both in pairs.items():
            for side, values in zip(names, both, strict=True):
                columns[f"{kind}.{name}.{side}"] = values
    once: dict[str, Any] = {
        "race_id": scores.race_id,
        **{f"group.{name}": label for name, label in scores.groups.items()},
        **{f"race.{name}": float(value) for name, value in scores.joint.items()},
        **{
            f"race_pit.{name}.{side}": float(value)
            for name, both in scores.joint_pit.items()
            for side, value in zip(_SIDES, both, strict=True)
        },
        "scenarios": scores.scenarios,
        "effective_scenarios": float(scores.effective_scenarios),
        "excluded": json.dumps(dict(scores.excluded), sort_keys=True),
    }
    return pl.DataFrame(columns).with_columns(
        pl.lit(value).alias(name) for name, value in once.items()
    )


def scores_from_table(table: pl.DataFrame) -> RaceScores:
    """One race's scores from their table; a column that is null throughout says nothing.

    Raises:
        InputError: If a column that every such table has is missing.
    """
    try:
        return _from_table(table)
    except (pl.exceptions.PolarsError, json.JSONDecodeError, IndexError) as error:
        raise InputError(f"The table of scores cannot be read: {error}.", field="scores") from error


def scored_to_table(scored: Scored) -> pl.DataFrame:
    """A race of a backtest as a table: the rows of every forecaster, one after the other.

    Args:
        scored: Scores by forecaster, with the tier of each driver.

    Returns:
        The columns of `scores_to_table`, and before them `forecaster`, `tier` and the
        `effective` share of scenarios. A score that a forecaster does not have is null.
    """
    return pl.concat(
        [
            scores_to_table(scores).select(
                pl.lit(name).alias("forecaster"),
                pl.Series("tier", list(scored.tiers), dtype=pl.String),
                pl.lit(scored.effective, dtype=pl.Float64).alias("effective"),
                pl.all(),
            )
            for name, scores in scored.scores.items()
        ],
        how="diagonal",
    )


def scored_from_table(table: pl.DataFrame) -> Scored:
    """A race of a backtest from its table.

    Raises:
        InputError: If a column that every such table has is missing.
    """
    parts = table.partition_by("forecaster", as_dict=True, maintain_order=True)
    first = next(iter(parts.values()))
    return Scored(
        scores={str(name): scores_from_table(rows) for (name,), rows in parts.items()},
        tiers=tuple(first["tier"].to_list()),
        untilted={},
        effective=first["effective"][0],
    )


def _from_table(table: pl.DataFrame) -> RaceScores:
    found = {column.name: column for column in table if column.null_count() < table.height}

    def named(kind: str) -> dict[str, pl.Series]:
        start = f"{kind}."
        return {name[len(start) :]: c for name, c in found.items() if name.startswith(start)}

    def pairs(kind: str, sides: tuple[str, str]) -> dict[str, tuple[Any, Any]]:
        columns = named(kind)
        end = f".{sides[0]}"
        names = [name[: -len(end)] for name in columns if name.endswith(end)]
        return {
            name: (
                np.array(columns[f"{name}.{sides[0]}"].to_numpy()),
                np.array(columns[f"{name}.{sides[1]}"].to_numpy()),
            )
            for name in names
        }

    return RaceScores(
        race_id=table["race_id"][0],
        driver_ids=tuple(table["driver_id"].to_list()),
        groups={name: column[0] for name, column in named("group").items()},
        per_driver={name: np.array(c.to_numpy()) for name, c in named("score").items()},
        pit=pairs("pit", _SIDES),
        events=pairs("event", _EVENT),
        joint={name: column[0] for name, column in named("race").items()},
        joint_pit={
            name: (float(low[0]), float(high[0]))
            for name, (low, high) in pairs("race_pit", _SIDES).items()
        },
        scenarios=table["scenarios"][0],
        effective_scenarios=table["effective_scenarios"][0],
        excluded=json.loads(table["excluded"][0]),
    )
