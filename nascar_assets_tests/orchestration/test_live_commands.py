"""`nascar live`: what it prints and writes, and how it refuses what is at fault."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nascar_assets.calibration.laps_ahead import AHEAD
from nascar_assets.cli.app import run
from nascar_assets.errors import InputError
from nascar_assets.orchestration.commands.live import race_row
from nascar_assets.orchestration.inputs.live_forecast import (
    keep_live_forecast,
    keep_refusal,
    make_live_forecast,
)
from nascar_assets.telemetry.state_from_laps import last_lap, state_from_lap_times
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.race_under_way import Race

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


def lap_files(folder: Path) -> list[Path]:
    """Lap times of a feed's races, by season and number."""
    return sorted(folder.rglob("lap-times.json"))


@pytest.fixture(scope="module")
def raced_with_laps(raced: Path) -> tuple[Path, str, int]:
    """The home with races, the feed id of one with laps, and its last lap."""
    path = lap_files(raced / "landing/feed")[-1]
    return raced, path.parent.name, last_lap(path.read_bytes())


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_replay_reads_nothing_after_its_lap(raced_with_laps, races, capsys):
    _, race, last = raced_with_laps
    words = ["live", "replay", race, "--at", "0.5", "--scenarios", "50", "--home", str(races)]
    whole = as_json(capsys, *words)
    assert whole["race_laps"] == last
    assert whole["scores"]["crps"] > 0.0
    running = [row for row in whole["drivers"] if row["position"] is not None]
    assert [row["position"] for row in running] == list(range(1, len(running) + 1))
    assert sum(row["win"] for row in whole["drivers"]) == pytest.approx(1.0)
    path = next(path for path in lap_files(races / "landing/feed") if path.parent.name == race)
    body = json.loads(path.read_bytes())
    for car in body["laps"]:
        car["Laps"] = [lap for lap in car["Laps"] if lap["Lap"] <= whole["lap"] + 1]
        car["RunningPos"] = 1
    path.write_text(json.dumps(body))
    cut = as_json(capsys, *words)
    assert cut["race_laps"] == whole["lap"] + 1
    assert cut["drivers"] == whole["drivers"]
    # As a person sees it.
    assert run(words) == 0
    said = capsys.readouterr().out
    assert f"after lap {whole['lap']} of {whole['scheduled_laps']}" in said
    assert "missed by" in said


@pytest.mark.parametrize(
    ("race", "at", "why"),
    [
        (None, "1.5", "a share of the distance above 0 and below 1"),
        ("2031-cup-99", "0.5", "The schedule holds no race 2031-cup-99"),
        ("first", "0.5", "There are no lap times of race"),
    ],
)
def test_a_replay_that_cannot_be_made_says_why(race, at, why, raced_with_laps, capsys):
    home, with_laps, _ = raced_with_laps
    if race == "first":
        rows = pl.read_parquet(home / "store/schedule.parquet").sort("start_time")
        named = {path.parent.name for path in lap_files(home / "landing/feed")}
        rated = {path.stem for path in (home / "store/driver_ratings").iterdir()}
        bare = pl.col("race_key").is_in(rated) & ~pl.col("race_id").is_in(named)
        race = rows.filter(bare)["race_key"][0]
    assert run(["live", "replay", race or with_laps, "--at", at, "--home", str(home)]) == 2
    assert why in capsys.readouterr().err


def test_a_race_is_named_by_its_id_its_key_or_a_part_of_its_name():
    at = datetime(2026, 3, 1, tzinfo=UTC)
    names = ("Silver 400", "Copper Classic", "Silver Night 300")
    schedule = pl.DataFrame(
        [
            {"race_id": f"{k}", "race_key": f"2026-cup-0{k}", "race_name": name,
             "start_time": at + timedelta(weeks=k), "track_name": "Someplace"}
            for k, name in enumerate(names, 1)
        ]
    )  # fmt: skip
    for name in ("2", "2026-cup-02", "2026-CUP-02", "copper", "The Copper Classic"):
        assert race_row(schedule, name)["race_id"] == "2"
    with pytest.raises(InputError, match=r"RACE: 'silver' names several races.*2026-cup-01.*-03"):
        race_row(schedule, "silver")
    with pytest.raises(InputError, match=r"no race coper.*Nearest: .*2026-cup-02 Copper Classic"):
        race_row(schedule, "coper")


def test_show_gives_the_newest_forecast_its_age_and_why_a_feed_was_refused(
    world: World, home: Path, capsys
):
    race = Race(home, world.slate)
    words = ["live", "show", race.key, "--home", str(home)]
    assert run(words) == 2
    assert f"landing/live/{race.key}/" in capsys.readouterr().err  # what to do
    assert run(["live", "show", "2031-cup-99", "--home", str(home)]) == 2
    assert "The schedule holds no race" in capsys.readouterr().err
    state = state_from_lap_times(race.until(40), race.row)
    made = make_live_forecast(race.root, race.key, state, n=100)
    keep_live_forecast(race.root, made, datetime.now(UTC))
    keep_refusal(race.root, race.key, "The feed goes backwards.", datetime.now(UTC))
    found = as_json(capsys, *words)
    assert (found["lap"], found["refused"]["reason"]) == (40, "The feed goes backwards.")
    assert 0 <= found["age_s"] < 120
    assert run(words) == 0
    said = capsys.readouterr()
    assert f"after lap 40 of {race.laps}" in said.out
    assert " s old" in said.out
    assert "the newest feed was refused: The feed goes backwards." in said.out + said.err


def test_a_backtest_writes_a_forecast_for_each_share_and_compares(world: World, tmp_path, capsys):
    # With one race before it there is nothing to fit, which would take most of a minute.
    feed = tmp_path / "feed"
    shutil.copytree(world.feed, feed, ignore=shutil.ignore_patterns("2024"))
    schedule = pl.read_parquet(world.home / "store/schedule.parquet")
    named = [path.parent.name for path in lap_files(feed)]
    races = schedule.filter(pl.col("race_id").is_in(named)).sort("start_time").head(2)
    day, end = races["start_time"].dt.convert_time_zone("US/Eastern").dt.date()
    races, damaged = races.head(1), races.row(1, named=True)
    path = next(path for path in lap_files(feed) if path.parent.name == damaged["race_id"])
    path.write_bytes(path.read_bytes()[:500])
    out = tmp_path / "live"
    words = ["live", "backtest", "--feed", str(feed), "--home", str(tmp_path / "none")]
    window = ["--from", f"{day}", "--to", f"{end}", "--out", str(out), "--scenarios", "20"]
    found = as_json(capsys, *words, *window)
    names = {row["forecaster"] for row in found["by_fraction"]}
    assert {"live", "before the race", "running order"} <= names
    assert {row["fraction"] for row in found["by_fraction"]} == set(SHARES)
    why = found["exclusions"].pop(damaged["race_key"])
    assert why.startswith("feed file at fault: ")
    assert f"{damaged['race_id']}/lap-times.json" in why
    assert set(found["exclusions"].values()) <= {"no lap times"}
    replay = ["live", "replay", damaged["race_key"], *words[2:]]
    assert run(replay) == 2
    assert f"cannot be forecast: {why.rstrip('.')}" in capsys.readouterr().err
    laps = races["scheduled_laps"][0]
    assert {(row["fraction"], row["laps_ahead"]) for row in found["laps_ahead"]} == {
        (share, k) for share in SHARES for k in AHEAD if round(share * laps) + k <= laps
    }
    assert {row["forecaster"] for row in found["laps_ahead"]} == {"live", "running order"}
    written = {path.name for path in (out / "forecasts").iterdir()}
    assert written == {f"{r}-{share:g}.parquet" for r in races["race_id"] for share in SHARES}
    made = pl.read_parquet(out / "forecasts" / f"{races['race_id'][0]}-0.5.parquet")
    assert made.height > 0
    kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run([*words, *window, "--seed", "2"]) == 2
    assert "holds a backtest with other settings: seed 1" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept
    assert run([*words, "--from", "1990-01-01", "--to", "1990-12-31", "--out", str(out)]) == 2
    assert "has results and lap times in this feed" in capsys.readouterr().err
