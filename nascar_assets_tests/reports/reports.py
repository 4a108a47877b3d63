"""A report of a made-up slate for the tests."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from nascar_assets.files import SourceFile
from nascar_assets.reports import Provenance, RaceFacts, SlateReport

RACE = RaceFacts(
    name="Lantern 400",
    track="Monarch Ridge",
    track_type="intermediate",
    series="cup",
    laps=267,
    start=datetime(2026, 2, 16, 0, 30, tzinfo=UTC),
    lock=datetime(2026, 2, 16, 0, 30, tzinfo=UTC),
    as_of=datetime(2026, 2, 15, 14, tzinfo=UTC),
)
MADE = Provenance(
    inputs=(SourceFile("salaries.csv", "ab" * 32), SourceFile("weekend-feed.json", "cd" * 32)),
    code_version="0.1.0",
    seed=7,
    n_scenarios=10_000,
    spec_hash="ef" * 32,
    run_config_hash="12" * 32,
    run_id="run-1",
    lineups_run_id="run-1",
)


def report(drivers=("Ada Wheel", "Bo Spanner", "Cy Torque"), n_lineups=3, **changes) -> SlateReport:
    n = len(drivers)
    rng = np.random.default_rng(3)
    ids = [str(970_001 + i) for i in range(n)]
    mean = np.linspace(50.25, 10.75, n)
    levels = np.round(np.arange(0.05, 1.0, 0.05), 2)
    optimal = np.linspace(0.61, 0.07, n)
    parts = {
        "title": "2026-02-15-cup-dk-classic",
        "race": RACE,
        "forecast": pl.DataFrame(
            {
                "driver_id": ids,
                "driver_name": list(drivers),
                "salary": [11_300 - 100 * i for i in range(n)],
                "start": [i + 1 if i else None for i in range(n)],
                "mean_points": mean,
                "sd_points": np.full(n, 20.0),
                "points_p10": mean - 26,
                "points_p50": mean,
                "points_p90": mean + 26,
                "mean_finish": np.linspace(8.5, 30.5, n),
                "win": np.linspace(0.213, 0.0001, n),
                "top5": np.linspace(0.437, 0.011, n),
                "top10": np.linspace(0.688, 0.033, n),
                "mean_laps_led": np.linspace(61.9, 0.1, n),
                "mean_fastest_laps": np.linspace(41.7, 0.2, n),
                "dnf": np.linspace(0.117, 0.183, n),
                "team": ["Bright Racing"] * n,
                "expected_ownership": np.linspace(0.42, 0.03, n),
                "cash_ownership": np.linspace(0.55, 0.01, n),
                "leverage": optimal - np.linspace(0.42, 0.03, n),
                "own_mean_points": [None, 33.25, *[None] * (n - 2)] if n > 1 else [None],
                "optimal_share": optimal,
                "optimal_share_se": np.sqrt(optimal * (1 - optimal) / 10_000),
            }
        ),
        "quantiles": pl.DataFrame(
            {
                "driver_id": np.repeat(ids, len(levels)),
                "level": np.tile(levels, n),
                "points": np.concatenate([np.sort(rng.normal(m, 20, len(levels))) for m in mean]),
            }
        ),
        "lineups": pl.DataFrame(
            {
                "lineup": range(1, n_lineups + 1),
                "drivers": [list(drivers[:6]) for _ in range(n_lineups)],
                "salary": [49_900 - i for i in range(n_lineups)],
                "mean_points": [247.5 - i for i in range(n_lineups)],
                "points_p90": [318.25 + i for i in range(n_lineups)],
            }
        ),
        "exposures": pl.DataFrame(
            {
                "driver_name": list(drivers),
                "lineups": [n_lineups] * n,
                "exposure": [0.875] * n,
                "optimal_share": optimal,
            }
        ),
        "calibration": pl.DataFrame(
            {
                "metric": ["rps_finish", "some_new_metric"],
                "value": [5.391, 0.123],
                "standard_error": [0.061, 0.004],
                "n_races": [97, 96],
                "reference": ["start climatology", "nominal"],
                "reference_value": [5.677, 0.5],
            }
        ),
        "regimes": pl.DataFrame(
            {
                "regime": ["LONG_GREEN", "CHAOS"],
                "frequency": [0.81, 0.19],
                "history_frequency": [0.77, 0.23],
            }
        ),
        "provenance": MADE,
        "overrides": pl.DataFrame(
            {
                "subject": ["Bo Spanner"],
                "field": ["skill"],
                "value": ["0.42"],
                "why": ["new crew chief"],
                "who": ["modeller"],
                "at": ["2026-02-14 18:20 UTC"],
            }
        ),
        "past_races": 44,
        "contests": pl.DataFrame(
            {
                "contest": ["20-max"],
                "kind": ["tournament"],
                "entries": [5_000],
                "own_entries": [3],
                "entry_fee_dollars": [5.0],
                "roi": [0.25],
                "roi_se": [0.031],
                "roi_low": [-0.1],
                "roi_high": [0.55],
                "cash_rate": [0.27],
                "win_rate": [0.0004],
                "any_top_rate": [0.09],
                "duplicates": [1.25],
                "field_contests": [0],
            }
        ),
        "values": pl.DataFrame(
            {
                "contest": ["20-max"],
                "lineup": [1],
                "mean_points": [247.5],
                "points_p90": [318.25],
                "won_dollars": [6.25],
                "won_dollars_se": [0.15],
                "roi": [0.25],
                "win_rate": [0.0004],
                "top_rate": [0.02],
                "cash_rate": [0.27],
                "cash_rate_se": [0.01],
                "duplicates": [1.25],
                "correlation": [None],
            },
            schema_overrides={"correlation": pl.Float64},
        ),
        "track_record": "Of 21 earlier slates lineups said 224.4 points and scored 226.8.",
        "newest_race": "Copper 300",
        "newest_at": datetime(2026, 2, 9, 2, tzinfo=UTC),
        "notices": ("Di Clutch is not in the entry list.",),
        "portfolio": (("Objective", "mean of the best"),),
    }
    return SlateReport(**(parts | changes))
