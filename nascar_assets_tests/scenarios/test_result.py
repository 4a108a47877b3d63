"""Scenarios as tables and back, their points, their summary, their regimes, their parameters."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.rules import rule_set
from nascar_assets.scenarios import (
    REGIMES,
    STARTING_VALUES,
    ProcessParameters,
    Scenarios,
    classify,
    generate_scenarios,
    summarise,
)
from nascar_assets_tests.scenarios.fields import setup_of

DK = rule_set("dk-classic", date(2025, 3, 1))
MADE = generate_scenarios(None, setup_of(12, 60), 50, 3)


def test_a_round_trip_through_parquet_gives_equal_scenarios(tmp_path):
    MADE.to_polars([DK]).write_parquet(tmp_path / "cars.parquet")
    MADE.races_to_polars().write_parquet(tmp_path / "races.parquet")
    cars = pl.read_parquet(tmp_path / "cars.parquet")
    races = pl.read_parquet(tmp_path / "races.parquet")
    assert Scenarios.from_polars(cars, races) == MADE
    assert (
        Scenarios.from_polars(
            cars.sample(fraction=1.0, shuffle=True, seed=1)
            .sort(pl.col("scenario") != 0, maintain_order=True)
            .sort("scenario", maintain_order=True),
            races.reverse(),
        ).finish.sum()
        == MADE.finish.sum()
    )


def test_the_table_is_narrow_and_says_null_where_a_car_ran_to_the_end():
    cars = MADE.to_polars([DK])
    assert cars.schema["finish"] == pl.Int8
    assert cars.schema["laps_led"] == pl.Int16
    assert cars.height == 50 * 12
    running = cars.filter(pl.col("status") == "running")
    assert running["dnf_lap"].null_count() == running.height
    assert cars["points_dk_classic"].to_numpy().tolist() == MADE.points(DK).reshape(-1).tolist()


def test_tables_that_lack_a_row_or_a_column_are_refused():
    cars, races = MADE.to_polars(), MADE.races_to_polars()
    for bad in (cars.head(-1), cars.drop("finish"), pl.concat([cars.head(-1), cars.head(1)])):
        with pytest.raises(InputError):
            Scenarios.from_polars(bad, races)


def test_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        MADE.finish[0, 0] = 1


def test_points_by_hand():
    # d0 wins from 5th, leads 10 of 60 laps, 4 fastest: 45 + 4 + 2.5 + 1.8 = 53.3 points.
    one = MADE.take(np.array([0]))
    arrays = {name: getattr(one, name).copy() for name in ("start", "finish")}
    arrays["start"][0, 0], arrays["finish"][0, 0] = 5, 1
    led, fast = one.laps_led.copy(), one.fastest_laps.copy()
    led[0, 0], fast[0, 0] = 10, 4
    changed = replace(one, **arrays, laps_led=led, fastest_laps=fast)
    assert changed.points(DK)[0, 0] / DK.points_scale == pytest.approx(53.3)


def test_a_summary_by_hand():
    three = MADE.take(np.arange(3))
    finish = three.finish.copy()
    finish[:, 0] = [1, 2, 6]
    led = np.zeros_like(three.laps_led)
    led[:, 0] = [60, 30, 0]
    led[:, 1] = [0, 30, 60]
    table = summarise(replace(three, finish=finish, laps_led=led), DK)
    row = table.row(0, named=True)
    assert row["finish_mean"] == pytest.approx(3.0)
    # Variance (4 + 1 + 9) / 3 = 14/3, standard error sqrt(14/3 / 3).
    assert row["finish_mean_se"] == pytest.approx(np.sqrt(14 / 9))
    assert row["win"] == pytest.approx(1 / 3)
    assert row["top5"] == pytest.approx(2 / 3)
    assert row["top10"] == 1.0
    assert row["laps_led_mean"] == pytest.approx(30.0)
    assert row["most_laps_led"] == pytest.approx((1 + 0.5) / 3)
    assert table["most_laps_led"].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("label", "green", "top", "winner", "accidents"),
    [
        ("chaos", 85, 60, 60, 8),  # 8 of 40 cars
        ("chaos", 72, 60, 60, 0),  # 28 laps of 100 under caution
        ("fuel_mileage", 90, 55, 8, 4),
        ("dominator", 90, 50, 9, 4),
        ("dominator", 80, 60, 5, 4),  # too many cautions for fuel
        ("long_green", 88, 49, 49, 4),
        ("standard", 87, 49, 49, 4),
    ],
)
def test_regimes_by_their_definitions(label, green, top, winner, accidents):
    code = classify(
        race_laps=np.array([100]),
        green_laps=np.array([green]),
        top_laps_led=np.array([top]),
        winner_laps_led=np.array([winner]),
        accidents=np.array([accidents]),
        field_size=40,
    )
    assert REGIMES[code[0]] == label


def test_stored_parameters_are_equal_and_tampering_shows():
    fitted = replace(
        STARTING_VALUES,
        as_of=datetime(2024, 2, 1, tzinfo=UTC),
        standard_errors={"short": {"kappa": 0.1}},
        prior_spreads={"short": {"sigma_j": 0.1}},
    )
    stored = fitted.to_dict()
    assert ProcessParameters.from_dict(stored) == fitted
    stored["by_type"]["short"]["kappa"] = 9.0
    with pytest.raises(InputError, match="changed"):
        ProcessParameters.from_dict(stored)
    # A fit of another version of the race process is told apart from a changed one.
    del stored["by_type"]["short"]["mechanical_slope"]
    with pytest.raises(InputError, match=r"another version.*mechanical_slope"):
        ProcessParameters.from_dict(stored)


def test_parameters_are_immutable_and_checked():
    with pytest.raises(TypeError):
        STARTING_VALUES.by_type["short"] = None
    with pytest.raises(InputError, match="wreck_out"):
        STARTING_VALUES.with_type("short", wreck_out=1.2)
    with pytest.raises(InputError, match="kappa"):
        STARTING_VALUES.with_type("short", kappa=float("nan"))
    with pytest.raises(InputError, match="dirt"):
        STARTING_VALUES.of("dirt")
