"""compute_all_metrics and assess_scenario_calibration: any form of input, exact and validated."""

import numpy as np
import polars as pl
import pytest

from nascar_assets.calibration import assess_scenario_calibration, compute_all_metrics, score_race
from nascar_assets.calibration.metrics_crps import crps_ensemble
from nascar_assets.errors import InputError


def race(seed=0, m=300, n=12, spread=0.0):
    """A forecast and an outcome drawn alike (or, with `spread`, one that is too sharp)."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=n)
    noise = rng.normal(size=(m + 1, n))
    noise[1:] *= np.exp(-spread)
    finish = (np.argsort(np.argsort(-(level + noise), axis=1), axis=1) + 1).astype(np.int16)
    led = np.where(finish == 1, 60, 0) + np.where(finish == 2, 40, 0)
    fast = np.where(finish == 1, 50, 0)
    start = np.arange(1, n + 1)
    status = rng.integers(0, 3, (m + 1, n))
    ids = tuple(str(100 + i) for i in range(n))
    forecast = {
        "driver_ids": ids,
        "start": start,
        "finish": finish[1:],
        "laps_led": led[1:],
        "fastest_laps": fast[1:],
        "status": status[1:],
    }
    names = np.array(["running", "accident", "mechanical"])
    outcome = pl.DataFrame(
        {
            "driver_id": ids,
            "start": start,
            "finish": finish[0].astype(np.int32),
            "laps_led": led[0],
            "fastest_laps": fast[0],
            "status": names[status[0]],
        }
    )
    return forecast, outcome


def test_headline_and_the_rest_from_a_mapping_and_results_rows():
    forecast, outcome = race()
    found = compute_all_metrics(forecast, outcome.sample(fraction=1.0, shuffle=True, seed=4))
    for name in ("crps", "log_score", "coverage_50", "coverage_80", "coverage_95"):
        assert np.isfinite(found[name])
    assert found.variable == "points"
    assert found.crps == found["crps_points"]
    assert found.log_score == found["log_score_finish"]
    expected = crps_ensemble(forecast["finish"], outcome["finish"].to_numpy()).mean()
    assert found["crps_finish"] == pytest.approx(expected)
    assert found["rps_finish"] == pytest.approx(expected)
    for event in ("win", "top_5", "top_10", "most_laps_led", "retired"):
        assert 0 <= found[f"brier_{event}"] <= 1
    for functional in ("best_six", "most_laps_led", "leaders", "retirements"):
        assert found[f"crps_{functional}"] >= 0


def test_points_are_scored_by_the_rules():
    forecast, outcome = race()
    found = compute_all_metrics(forecast, outcome)
    places = np.array([45, *range(42, 33, -1), 32, 31])
    mine = (
        places[forecast["finish"] - 1]
        + forecast["start"]
        - forecast["finish"]
        + 0.25 * forecast["laps_led"]
        + 0.45 * forecast["fastest_laps"]
    )
    truth = (
        places[outcome["finish"].to_numpy() - 1]
        + outcome["start"].to_numpy()
        - outcome["finish"].to_numpy()
        + 0.25 * outcome["laps_led"].to_numpy()
        + 0.45 * outcome["fastest_laps"].to_numpy()
    )
    assert found["crps"] == pytest.approx(crps_ensemble(mine, truth).mean())


def test_a_value_with_attributes_and_rows_of_a_forecast_file_give_the_same():
    forecast, outcome = race()

    class Value:
        pass

    value = Value()
    for name, array in forecast.items():
        setattr(value, name, array)
    m, n = forecast["finish"].shape
    rows = pl.DataFrame(
        {
            "scenario": np.repeat(np.arange(m), n),
            "driver_id": list(forecast["driver_ids"]) * m,
            "start": np.tile(forecast["start"], m),
            "finish": forecast["finish"].ravel(),
            "laps_led": forecast["laps_led"].ravel(),
            "fastest_laps": forecast["fastest_laps"].ravel(),
            "status": np.array(["running", "accident", "mechanical"])[forecast["status"]].ravel(),
        }
    ).sample(fraction=1.0, shuffle=True, seed=1)
    base = compute_all_metrics(forecast, outcome)
    for other in (compute_all_metrics(value, outcome), compute_all_metrics(rows, outcome)):
        for name in ("crps", "log_score", "coverage_80", "brier_retired", "energy_points"):
            assert other[name] == pytest.approx(base[name])


def test_plain_arrays_of_places_and_of_anything_else():
    forecast, outcome = race()
    ranks = compute_all_metrics(forecast["finish"], outcome["finish"].to_numpy())
    assert ranks.variable == "finish"
    assert ranks.log_score == ranks["log_score_finish"]
    rng = np.random.default_rng(0)
    values = compute_all_metrics(rng.normal(size=(500, 8)), rng.normal(size=8))
    assert values.variable == "value"
    assert np.isfinite(values.log_score)
    single = compute_all_metrics(rng.normal(size=500), 0.3)
    assert single.drivers == 1


def test_weights_count_like_repeated_scenarios():
    forecast, outcome = race(m=40)
    repeats = np.random.default_rng(1).integers(1, 4, 40)
    repeated = {
        name: np.repeat(array, repeats, axis=0) if np.ndim(array) == 2 else array
        for name, array in forecast.items()
    }
    weighted = compute_all_metrics(forecast, outcome, weights=repeats)
    plain = compute_all_metrics(repeated, outcome)
    for name in (
        "crps",
        "rps_finish",
        "brier_win",
        "brier_most_laps_led",
        "brier_retired",
        "energy_points",
        "variogram_points",
        "crps_best_six",
        "width_80_points",
        "rank_correlation",
    ):
        assert weighted[name] == pytest.approx(plain[name]), name
    assert weighted.effective_scenarios < 40


def test_bad_input_is_refused_or_left_out_with_the_reason():
    forecast, outcome = race()
    with pytest.raises(InputError, match="not in the results"):
        compute_all_metrics(forecast, outcome.head(11))
    found = compute_all_metrics(forecast, outcome.head(11), missing="exclude")
    assert found.drivers == 11
    assert found.excluded == {"111": "in the forecast, not in the results"}
    late = pl.concat([outcome, outcome.head(1).with_columns(driver_id=pl.lit("7"))])
    assert "not in the forecast" in str(
        compute_all_metrics(forecast, late, missing="exclude").excluded["7"]
    )
    with pytest.raises(InputError, match="unequal size"):
        compute_all_metrics({**forecast, "laps_led": forecast["laps_led"][:5]}, outcome)
    broken = forecast["finish"].astype(float)
    broken[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        compute_all_metrics({**forecast, "finish": broken}, outcome)
    with pytest.raises(InputError, match="twice"):
        compute_all_metrics(forecast, pl.concat([outcome, outcome.head(1)]))
    with pytest.raises(InputError, match="no results"):
        compute_all_metrics(
            {"driver_ids": forecast["driver_ids"], "finish": forecast["finish"]},
            outcome.with_columns(finish=pl.lit(None, pl.Int32)),
        )
    with pytest.raises(InputError, match="Unknown status"):
        compute_all_metrics(forecast, outcome.with_columns(status=pl.lit("parked")))


def test_unknown_loop_statistics_leave_out_points_and_keep_the_finish():
    forecast, outcome = race()
    none = pl.lit(None, pl.Int32)
    found = compute_all_metrics(forecast, outcome.with_columns(laps_led=none, fastest_laps=none))
    assert found.variable == "finish"
    assert "crps_points" not in found


def test_places_of_drivers_left_out_still_count():
    forecast, outcome = race(n=12)
    scores = score_race(forecast, outcome.filter(pl.col("finish") != 3), missing="exclude")
    hits = (forecast["finish"] == outcome["finish"].to_numpy()).sum(axis=0)
    kept = outcome["finish"].to_numpy() != 3
    np.testing.assert_allclose(
        scores.per_driver["log_score_finish"], -np.log((hits[kept] + 0.5) / (300 + 6))
    )


def test_record_over_races_by_group():
    races = [(*race(seed), {"track_type": "short" if seed % 2 else "road"}) for seed in range(12)]
    record = assess_scenario_calibration(races)
    assert record.races == 12
    assert record.drivers == 144
    assert record.metrics["crps"].standard_error > 0
    assert set(record.groups["track_type"]) == {"short", "road"}
    assert record.groups["track_type"]["road"]["crps"].races == 6
    assert record.value("coverage_80") == pytest.approx(0.8, abs=0.12)
    assert record.pit["finish"].sum() == pytest.approx(1.0)
    assert set(record.headline()) == {
        "crps",
        "log_score",
        "coverage_50",
        "coverage_80",
        "coverage_95",
    }
    table = record.to_polars()
    assert table.filter(pl.col("group") == "track_type").height > 50
    assert record.as_dict()["metrics"]["crps"]["races"] == 12


def test_no_races_give_an_empty_record_with_the_reason():
    record = assess_scenario_calibration([])
    assert record.headline() is None
    assert "no past race" in record.reason
