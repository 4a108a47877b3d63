"""The route of a race under way: its answer is the stored series, its refusals say why."""

import asyncio
import json
from datetime import UTC, datetime

import polars as pl
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.orchestration.inputs.live_forecast import keep_live_forecast, keep_refusal
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.service.live_routes import add_live_routes
from nascar_assets.service.problems import RequestRefused
from nascar_assets.storage import DataRoot

DRIVER = {
    "driver_id": "1", "name": "A", "position": 1, "laps_down": 0, "moving": True,
    "points_now": 40.0, "mean_points": 45.5, "points_p10": 10.0, "points_p50": 44.0,
    "points_p90": 80.0, "expected_finish": 3.2, "start": 4, "laps_led": 7,
    "finish_p10": 1, "finish_p50": 3, "finish_p90": 9, "win": 0.4, "top_5": 0.8, "top_10": 0.9,
}  # fmt: skip


def forecast(lap):
    return {
        "race_key": "2026-cup-05", "race_id": "5600", "lap": lap, "scheduled_laps": 267,
        "flag": "green", "notices": [],
        "slates": {
            slate: {"drivers": [row], "contest": {"name": "150-max", "entries": 1000},
                    "lineups": [], "entries": []}
            for slate, row in (("s", DRIVER), ("t", {**DRIVER, "driver_id": "2", "win": 0.1}))
        },
    }  # fmt: skip


@pytest.fixture
def root(tmp_path):
    made = DataRoot.open(tmp_path)
    row = {"race_key": "2026-cup-05", "race_id": "5600"}
    made.write_frame(table_path("schedule"), pl.DataFrame([row], schema_overrides=SCHEDULE))
    return made


@pytest.fixture
def client(root):
    app = FastAPI()
    add_live_routes(app, root, asyncio.Event())
    return TestClient(app)


@pytest.mark.parametrize("name", ["2026-cup-05", "5600"])
def test_the_answer_is_the_newest_forecast_with_its_series(name, root, client):
    for lap in (60, 120):
        keep_live_forecast(root, forecast(lap), datetime.now(UTC))
    keep_refusal(root, "2026-cup-05", "The feed goes backwards.", datetime.now(UTC))
    answer = client.get(f"/api/v1/races/{name}/live").json()
    assert answer["lap"] == 120
    assert [point["lap"] for point in answer["series"]] == [60, 120]
    assert answer["series"][0]["win"] == {"1": 0.4}
    assert answer["series"][0]["win_by_slate"] == {"s": {"1": 0.4}, "t": {"2": 0.1}}
    # As forecasts of older versions are, which did not say it.
    assert answer["slates"]["t"]["drivers"][0]["win_before"] is None
    assert answer["refused"]["reason"] == "The feed goes backwards."
    assert 0 <= answer["age_s"] < 60


@pytest.mark.parametrize(
    ("name", "code"), [("2026-cup-05", "NO_LIVE_FORECAST"), ("2031-cup-01", "RACE_UNKNOWN")]
)
def test_what_is_not_there_is_said(name, code, client):
    with pytest.raises(RequestRefused) as refused:
        client.get(f"/api/v1/races/{name}/live")
    assert code in json.dumps(vars(refused.value), default=str)
