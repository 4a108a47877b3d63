"""The slates' routes over the demo's home: what they tell is what the run stored."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg
import httpx
import polars as pl
import pytest

from nascar_assets.client import Refused, slates
from nascar_assets.client.calls import refusal
from nascar_assets.orchestration.inputs.slate_files import upload_path
from nascar_assets.orchestration.inputs.slate_plan import plan_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.views import add_view
from nascar_assets.service.app import create_app
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import Manifest

UNLIMITED = {"rate_limit": "", "poll_limit": ""}


class Local:
    """The application on a home, asked without a socket; its workers are not started."""

    def __init__(self, home) -> None:
        self.app = create_app(str(home), ServiceSettings(**UNLIMITED))

    def get(self, path: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                return await http.get(path, headers=headers)

        return asyncio.run(ask())

    def call(self, call) -> Any:
        answer = self.get(call.path)
        if answer.status_code >= 400:
            raise refusal(answer)
        return call.read(answer)


@pytest.fixture(scope="module")
def api(world):
    return Local(world.home)


def _table(world, name: str) -> pl.DataFrame:
    return pl.read_parquet(world.home / "store" / name / f"{world.slate}.parquet")


def test_slates_say_how_far_they_are(api, world):
    (found,) = api.call(slates.slates()).slates
    assert (found.slate, found.state, found.site) == (world.slate, "ready", "DraftKings")
    assert found.locked == (found.lock.isoformat() < "2026-02-16")
    detail = api.call(slates.slate(world.slate))
    assert detail.n_scenarios == world.result["n_scenarios"]
    assert detail.run_id == _table(world, "lineups")["run_id"][0]
    assert {check.name for check in detail.checks} >= {"scenarios.laws_of_the_race"}
    assert all(check.passed for check in detail.checks)
    assert list(detail.notices) == world.result["notices"]


def test_one_slate_that_cannot_be_read_does_not_hide_the_others(api, world):
    registered = (world.home / "slates" / world.slate / "registration.json").read_bytes()
    lost = {**json.loads(registered), "race_key": "gone", "race_id": "999999"}
    broken = {"cut-off": registered[:40], "lost-race": json.dumps(lost).encode()}
    for name, content in broken.items():
        (world.home / "slates" / name).mkdir()
        (world.home / "slates" / name / "registration.json").write_bytes(content)
    try:
        found = api.call(slates.slates())
    finally:
        for name in broken:
            shutil.rmtree(world.home / "slates" / name)
    assert [item.slate for item in found.slates] == [world.slate]
    cut, lost = found.unreadable
    assert (cut.slate, lost.slate) == ("cut-off", "lost-race")
    assert "damaged" in cut.message
    assert "(gone), which the schedule does not have" in lost.message
    assert all(item.remedy for item in found.unreadable)


def test_what_a_first_visitor_asks_for_is_read_ahead(world):
    reads = Local(world.home).app.state.service.reads
    reads.read_ahead()
    held = {name for slate, name in reads._answers if slate == world.slate}
    assert {"record", "forecast", "lineups", "exposures", "contests", "race"} <= held
    first = reads.of_run(world.slate, "forecast")
    assert reads.of_run(world.slate, "forecast") is first


def test_the_forecast_is_the_one_that_the_command_line_shows(api, world):
    found = api.call(slates.forecast(world.slate))
    shown = {row["driver_id"]: row for row in world.result["forecast"]}
    assert [row.mean_points for row in found.rows] == sorted(
        (row.mean_points for row in found.rows), reverse=True
    )
    assert {row.driver_id for row in found.rows} == {k for k, v in shown.items() if v["salary"]}
    for row in found.rows:
        other = shown[row.driver_id]
        assert row.mean_points == pytest.approx(other["mean_points"], abs=1e-4)
        for name in ("salary", "start", "win", "optimal_share", "expected_ownership"):
            assert getattr(row, name) == other[name], name
        assert row.leverage == pytest.approx(row.optimal_share - row.expected_ownership)


def test_tables_come_as_csv_where_that_is_asked_for(api, world):
    path = f"/api/v1/slates/{world.slate}/forecast"
    answer = api.get(path, accept="text/csv, application/json;q=0.5")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    model = api.call(slates.forecast(world.slate))
    assert [float(row["mean_points"]) for row in rows] == [row.mean_points for row in model.rows]
    for accept in ("*/*", "application/json, text/csv", "text/csv;q=0.1, application/*"):
        assert api.get(path, accept=accept).headers["content-type"] == "application/json"


def test_what_has_not_changed_is_not_sent_again(api, world):
    parts = ("", "/forecast", "/record", "/upload.csv", "/report.html", "/views")
    for path in ("", *(f"/{world.slate}{part}" for part in parts)):
        first = api.get(f"/api/v1/slates{path}")
        for known in (first.headers["ETag"], "*"):
            again = api.get(f"/api/v1/slates{path}", **{"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
    path = f"/api/v1/slates/{world.slate}/forecast"
    tags = {api.get(path, accept=kind).headers["ETag"] for kind in ("text/csv", "*/*")}
    assert len(tags) == 2


def test_a_view_that_has_not_changed_is_not_sent_again(home, world):
    name = world.result["forecast"][0]["name"]
    data, now = f'Name,Max Exposure\n"{name}",90%\n'.encode(), datetime(2026, 2, 15, 12, tzinfo=UTC)
    root = DataRoot(str(home))
    view = add_view(root, world.slate, data, "limits.csv", author="a", why="w", now=now).record
    path = f"/api/v1/slates/{world.slate}/views/{view.view_id}"
    first = Local(home).get(path)
    assert first.json()["view_id"] == view.view_id
    again = Local(home).get(path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_race_and_its_drivers_are_those_of_the_scenarios(api, world):
    races, cars = _table(world, "scenario_races"), _table(world, "scenarios")
    found = api.call(slates.race(world.slate))
    shares = Counter(races["regime"].cast(pl.String).to_list())
    for item in found.regimes:
        assert item.share == pytest.approx(shares[item.regime] / races.height)
    counts = {item.name: item for item in found.counts}
    assert counts["cautions"].scenarios.mean == pytest.approx(races["cautions"].mean())
    out = (cars["status"].cast(pl.String) == "accident").sum() / races.height
    assert counts["accidents"].scenarios.mean == pytest.approx(out)
    assert found.track_races
    assert all(row.date < "2026-02-15" for row in found.track_races)

    best = api.call(slates.forecast(world.slate)).rows[0]
    one = api.call(slates.driver(world.slate, best.site_id))
    own = cars.filter(pl.col("driver_id") == best.driver_id)
    assert one.forecast == best
    assert one.finish.bars[0].share == pytest.approx((own["finish"] == 1).mean())
    for part in (one.points, one.finish, one.laps_led):
        assert sum(bar.share for bar in part.bars) == pytest.approx(1)
    assert one.points.mean == pytest.approx(best.mean_points)
    assert one.history[0].date > one.history[-1].date
    assert one.rating is not None
    assert {"avg_finish_position", "qualifying_position"} <= {item.name for item in one.features}


def test_lineups_exposures_and_contests_are_the_portfolios(api, world):
    stored, found = _table(world, "lineups"), api.call(slates.lineups(world.slate))
    assert [[d.driver_id for d in row.drivers] for row in found.rows] == stored[
        "driver_ids"
    ].to_list()
    assert sum(item.pairs for item in found.overlap) == stored.height * (stored.height - 1) // 2
    assert found.best.mean > max(row.mean_points for row in found.rows)
    held = Counter(driver for ids in stored["driver_ids"].to_list() for driver in ids)
    for row in api.call(slates.exposures(world.slate)).rows:
        assert row.lineups == held[row.driver_id]
        assert row.exposure == pytest.approx(held[row.driver_id] / stored.height)
    rows = api.call(slates.contests(world.slate)).rows
    assert [row.contest for row in rows] == [row["contest"] for row in world.result["contests"]]
    upload = api.call(slates.upload(world.slate))
    assert upload == (world.home / upload_path(world.slate)).read_bytes()
    assert api.call(slates.report(world.slate)).startswith(b"<!doctype html>")
    source = api.call(slates.provenance(world.slate))
    assert source.constraint_spec_hash == world.result["constraint_spec_hash"]


def test_the_record_says_in_words_what_its_numbers_say(api, world):
    found = api.call(slates.record(world.slate))
    held = next(row for row in found.metrics if (row.group, row.metric) == ("all", "coverage_80"))
    assert f"held {held.value:.0%} of the time" in found.sentences[0].text
    texts = " ".join(item.text for item in found.sentences)
    wide = next(row for row in found.metrics if (row.group, row.metric) == ("all", "coverage_95"))
    error = wide.standard_error or 0.0
    assert ("The 95% ranges" in texts) == (abs(wide.value - 0.95) > max(0.03, 2 * error))
    # Of the season before: the sample's race opens its own.
    raced_at = SlateRun.load(DataRoot(str(world.home)), world.slate).results["start_time"].max()
    assert f"is of the race on {raced_at:%Y-%m-%d}, " in texts
    assert found.data_through > raced_at
    assert len(found.recent) == found.races
    assert [race.date for race in found.recent] == sorted(
        (race.date for race in found.recent), reverse=True
    )
    mean = sum(race.coverage_80 * race.drivers for race in found.recent) / sum(
        race.drivers for race in found.recent
    )
    assert mean == pytest.approx(held.value, abs=0.02)
    for item in found.pit:
        assert sum(item.shares) == pytest.approx(1)
    wins = [item for item in found.reliability if item.event == "win"]
    # In every race one car wins, and the chances of all cars add up to one.
    assert sum(item.forecasts * item.happened for item in wins) == pytest.approx(found.races)
    assert sum(item.forecasts * item.said for item in wins) == pytest.approx(found.races, rel=0.01)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nowhere", 404, "SLATE_UNKNOWN"),
        ("no%20key", 404, "SLATE_UNKNOWN"),
        ("a" * 300, 404, "SLATE_UNKNOWN"),
        ("{slate}/drivers/nobody", 404, "DRIVER_UNKNOWN"),
    ],
)
def test_what_is_not_there_is_said(api, world, path, status, code):
    answer = api.get(f"/api/v1/slates/{path.format(slate=world.slate)}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_slate_that_was_not_run_or_is_run_again_says_so(home, world, monkeypatch):
    api, root = Local(home), DataRoot(str(home))
    forecast = api.get(f"/api/v1/slates/{world.slate}/forecast")
    lineups = home / "store" / "lineups" / f"{world.slate}.parquet"
    stored = lineups.read_bytes()
    lineups.unlink()  # as of a run that did not come to its lineups
    plan = root.read(plan_path(world.slate)) or b""
    root.write(plan_path(world.slate), plan.replace(b'"seed": 1', b'"seed": 2'))
    with pytest.raises(Refused, match="SLATE_NOT_READY"):
        api.call(slates.lineups(world.slate))
    assert api.call(slates.forecast(world.slate)).rows  # of the players there is one
    found = api.call(slates.slate(world.slate))
    assert (found.state, found.data) == ("not finished", "stale")
    assert "A run of it began and has not come to its lineups." in found.data_notes
    whole = Manifest.load(root, world.slate)
    assert whole is not None
    Manifest(whole.files, (), "another run").save(root, world.slate)
    for ended, words in ((False, "its lineups come when it ends"), (True, "did not come to its")):
        run = SimpleNamespace(is_finished=ended)
        monkeypatch.setattr(dg.DagsterInstance, "get_run_by_id", lambda *_, run=run: run)
        refused = api.get(f"/api/v1/slates/{world.slate}/lineups").json()
        assert words in refused["message"]
        assert ("POST" in (refused["remedy"] or "")) == ended
    whole.save(root, world.slate)
    lineups.write_bytes(stored)
    root.write(plan_path(world.slate), plan)
    assert api.get(f"/api/v1/slates/{world.slate}/forecast").json() == forecast.json()
    root.delete(plan_path(world.slate))
    with pytest.raises(Refused, match="SLATE_NOT_READY"):
        api.call(slates.forecast(world.slate))
