"""The forecast in others' headers: columns, units and names as they read them."""

import csv
import io

import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.reports.exports import HEADERS, export

FORECAST = pl.DataFrame(
    {
        "driver_name": ["Ann Ode", "=cmd()", "Bo Li"],
        "site_id": ["11", "12", "13"],
        "mean_points": [30.126, 10.0, 41.5],
        "sd_points": [14.0, 5.0, 20.25],
        "points_p90": [50.0, 20.0, 70.5],
        "expected_ownership": [0.125, None, 0.4],
        "win": [0.014, 0.0, 0.2],
        "top3": [0.1, 0.0, 0.5],
        "top5": [0.2, 0.01, 0.6],
        "top10": [0.4, 0.05, 0.9],
    }
)


def rows(header):
    return list(csv.reader(io.StringIO(export(FORECAST, header))))


def test_each_kind_has_its_header_and_the_best_driver_first():
    for header, columns in HEADERS.items():
        table = rows(header)
        assert table[0] == list(columns)
        assert table[1][0].startswith("Bo Li")
        assert len(table) == 4


def test_points_shares_and_chances_are_in_the_units_of_the_header():
    assert rows("fpts")[2] == ["Ann Ode", "30.13"]
    assert rows("ceiling")[1] == ["Bo Li", "20.25", "70.50"]
    assert rows("name-id")[1] == ["Bo Li (13)", "41.50"]
    assert rows("ownership")[2:] == [["Ann Ode", "12.50"], ["'=cmd()", ""]]
    assert rows("chances")[2] == ["Ann Ode", "1.40", "10.00", "20.00", "40.00"]


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(InputError, match="fpts, projection"):
        export(FORECAST, "fanfic")
