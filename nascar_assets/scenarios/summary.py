"""A forecast in one table: what the scenarios say of each driver, with Monte Carlo errors."""

from __future__ import annotations

import numpy as np
import polars as pl

from nascar_assets.rules import RuleSet
from nascar_assets.scenarios.result import Scenarios

QUANTILES: tuple[float, ...] = (0.05, 0.10, 0.25, 0.5, 0.75, 0.90, 0.95)


def summarise(scenarios: Scenarios, rule_set: RuleSet) -> pl.DataFrame:
    """One row per driver, in the order of `driver_ids`.

    Args:
        scenarios: The scenarios.
        rule_set: The contest whose points are summarised.

    Returns:
        driver_id; mean_points, sd_points, points_p05 to points_p95 (contest points);
        finish_mean, start_mean; win, top5, top10, dnf, most_laps_led (chances); laps_led_mean,
        laps_led_share, fastest_laps_mean; and `{name}_se`, the Monte Carlo standard error of each
        mean and chance.
    """
    n = len(scenarios)
    points = scenarios.points(rule_set) / rule_set.points_scale
    columns: dict[str, object] = {"driver_id": list(scenarios.driver_ids)}

    def add_mean(name: str, values: np.ndarray) -> None:
        columns[name] = values.mean(axis=0)
        columns[f"{name}_se"] = values.std(axis=0) / np.sqrt(n)

    add_mean("mean_points", points)
    columns["sd_points"] = points.std(axis=0)
    for share, values in zip(QUANTILES, np.quantile(points, QUANTILES, axis=0), strict=True):
        columns[f"points_p{round(100 * share):02d}"] = values
    add_mean("finish_mean", scenarios.finish.astype(np.float64))
    columns["start_mean"] = scenarios.start.mean(axis=0)
    add_mean("win", scenarios.finish == 1)
    add_mean("top5", scenarios.finish <= 5)
    add_mean("top10", scenarios.finish <= 10)
    add_mean("dnf", scenarios.status != 0)
    greatest = scenarios.laps_led.max(axis=1, keepdims=True)
    leads = scenarios.laps_led == greatest
    # Where several cars led equally many laps, they share the honour.
    add_mean("most_laps_led", leads / leads.sum(axis=1, keepdims=True))
    add_mean("laps_led_mean", scenarios.laps_led.astype(np.float64))
    columns["laps_led_share"] = (scenarios.laps_led / scenarios.race_laps[:, None]).mean(axis=0)
    add_mean("fastest_laps_mean", scenarios.fastest_laps.astype(np.float64))
    return pl.DataFrame(columns)
