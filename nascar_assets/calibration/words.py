"""The words of statistics with a plain name beside them, wherever people look."""

from __future__ import annotations

METRICS = {
    "crps": "miss in contest points (CRPS)",
    "crps_dk_points": "miss in contest points (CRPS)",
    "crps_points": "miss in contest points (CRPS)",
    "crps_finish": "miss in places (CRPS)",
    "rps_finish": "miss in places (RPS)",
    "log_score": "surprise at the finish (log score)",
    "log_score_finish": "surprise at the finish (log score)",
    "brier_win": "error of win chances (Brier)",
    "brier_top5": "error of top 5 chances (Brier)",
    "brier_top_5": "error of top 5 chances (Brier)",
    "brier_top10": "error of top 10 chances (Brier)",
    "brier_top_10": "error of top 10 chances (Brier)",
    "brier_most_laps_led": "error of most laps led (Brier)",
    "rank_correlation": "right order, 1 is best (rank correlation rho)",
    "coverage_50": "outcomes inside the middle 50%",
    "coverage_80": "outcomes inside the middle 80%",
    "coverage_95": "outcomes inside the middle 95%",
}
"""Plain names of metrics; of all but coverage and rho less is better."""

FORECASTERS = {
    "running_order": "this model (running_order)",
    "start_climatology": "history of each start (start_climatology)",
    "attrition_plackett_luce": "ratings and luck (attrition_plackett_luce)",
}
"""Plain names of forecasters; others go by their own."""


def plain_name(metric: str) -> str:
    """A metric's name for people."""
    return METRICS.get(metric, metric.replace("_", " ").lower())


def forecaster(name: str) -> str:
    """A forecaster's name for people."""
    return FORECASTERS.get(name, name)
