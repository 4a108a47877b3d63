"""Said and found: a record of slates whose races came out as they were said to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.contest.outlook import contest_outlook
from nascar_assets.contest.track_record import Said, found_of, said_of, sentence, summarised
from nascar_assets.feed.schemas import ENTRIES, RESULTS
from nascar_assets.lineups import PortfolioSettings
from nascar_assets.lineups.projection import project
from nascar_assets.orchestration.commands import track_record
from nascar_assets.orchestration.commands.ledger import add
from nascar_assets.orchestration.commands.ledger import shown as ledger_shown
from nascar_assets.orchestration.commands.track_record import track_record as recorded
from nascar_assets.orchestration.inputs.past import all_results
from nascar_assets.orchestration.inputs.said import FOLDER, keep_said, stored_said, track_rows
from nascar_assets.orchestration.inputs.view_scores import ViewScore, record_result
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.rules.race_day import race_day
from nascar_assets.storage import DataRoot
from nascar_assets_tests.contest.test_ledger import HEADER
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(18, 8)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 430, 8)
PROJECTION = project(POINTS[:400], SLATE, PortfolioSettings())
LINEUPS = np.unique(PROJECTION.field.sample(6, np.random.default_rng(2)), axis=0)


@pytest.fixture(scope="module")
def outlook() -> pl.DataFrame:
    return contest_outlook(POINTS[:400], SLATE, LINEUPS, seed=1)


def said(outlook: pl.DataFrame, *, before_lock: bool = True) -> Said:
    sealed = SLATE.lock - timedelta(hours=1 if before_lock else -1)
    return said_of(
        PROJECTION,
        PROJECTION,
        LINEUPS.tolist(),
        outlook,
        race_id=SLATE.race_id,
        series="cup",
        as_of=SLATE.lock,
        sealed_at=sealed,
        run_id="run",
    )


def outcome(race: int) -> dict[str, int]:
    return {p.driver_id: int(v) for p, v in zip(SLATE.players, POINTS[race], strict=True)}


def rows_of(outlook: pl.DataFrame, races: int) -> list[dict[str, Any]]:
    """What was said of a slate, beside the outcomes of so many races."""
    return [
        {**found_of(said(outlook), outcome(400 + race)), "race_id": str(race)}
        for race in range(races)
    ]


@pytest.mark.slow
def test_what_was_said_is_kept_whole(outlook):
    one = said(outlook)
    again = Said.from_dict(json.loads(json.dumps(one.to_dict())))
    assert found_of(again, outcome(400)) == found_of(one, outcome(400))
    assert again.sealed
    assert again.field.model().ownership == pytest.approx(one.field.model().ownership)
    assert not said(outlook, before_lock=False).sealed


@pytest.mark.slow
def test_what_another_version_said_is_passed_over_with_a_notice(outlook, tmp_path):
    root, one = DataRoot.open(tmp_path), said(outlook)
    content = one.to_dict()
    bodies = {
        "a": json.dumps(content).encode(),
        "b": json.dumps(content | {"newer": 1}).encode(),
        "c": json.dumps([content]).encode(),
        "d": json.dumps(content | {"lock": "2026-02-15T19:30:00"}).encode(),  # no zone
        "e": b"{",
    }
    for name, body in bodies.items():
        root.write(f"store/said/{name}/said.json", body)
    found, (notice,) = stored_said(root)
    assert [item.slate_id for item in found] == [one.slate_id]
    assert "store/said/e/said.json is not used" in notice
    assert "So are 3 others" in notice
    assert track_rows(root, pl.DataFrame({"race_id": ["none"]})) == ([], [notice])
    home = str(tmp_path)
    assert recorded(home)["notices"] == ledger_shown(home)["notices"] == [notice]


@pytest.mark.slow
def test_what_another_version_said_before_lock_is_not_replaced_after_it(
    outlook, monkeypatch, tmp_path
):
    afterwards = said(outlook, before_lock=False)
    root, path = DataRoot.open(tmp_path), "store/said/slate/said.json"
    monkeypatch.setattr(
        "nascar_assets.orchestration.inputs.said.said_of", lambda *_, **__: afterwards
    )
    monkeypatch.setattr("nascar_assets.orchestration.inputs.said.project", lambda *_, **__: None)
    run = MagicMock(root=root, slate_id="slate")
    sealed = json.dumps(said(outlook).to_dict() | {"newer": 1}).encode()
    for stored, stays in ((sealed, True), (b"{", False)):
        root.write(path, stored)
        keep_said(run, "run", [], outlook, *[PortfolioSettings()] * 2, afterwards.sealed_at)
        assert (root.read(path) == stored) is stays


@pytest.mark.slow
def test_found_is_what_the_lineups_scored_and_who_is_absent_scored_nothing(outlook):
    row = found_of(said(outlook), outcome(401))
    scored = POINTS[401][LINEUPS].sum(axis=1) / 20
    assert row["found_points"] == pytest.approx(scored.mean())
    assert row["said_points"] == pytest.approx((POINTS[:400][:, LINEUPS].sum(2) / 20).mean())
    gone = SLATE.players[int(LINEUPS[0][0])].driver_id
    less = found_of(said(outlook), {k: v for k, v in outcome(401).items() if k != gone})
    holds = (LINEUPS[0][0] == LINEUPS).any(axis=1).mean()
    lost = POINTS[401][LINEUPS[0][0]] / 20 * holds
    assert less["found_points"] == pytest.approx(scored.mean() - lost)


def test_a_driver_whose_own_id_came_later_keeps_his_points(outlook, tmp_path):
    root = DataRoot.open(tmp_path)
    listed = said(outlook)
    held = LINEUPS[0][0]
    old = [*listed.players[:held], "990001", *listed.players[held + 1 :]]
    one = replace(listed, players=tuple(old))
    root.write(f"{FOLDER}/{one.slate_id}/said.json", json.dumps(one.to_dict()).encode())

    def store(race_id, ids, at):
        table = pl.DataFrame(
            {
                "race_id": race_id,
                "driver_id": ids,
                "driver_name": [f"Car{at} Fictional" for at in range(len(ids) - 1)] + ["Ada Late"],
                "start": range(1, len(ids) + 1),
                "finish": range(1, len(ids) + 1),
                **dict.fromkeys(("laps_led", "fastest_laps", "laps_completed"), 0),
                **dict.fromkeys(("start_time", "entries_at", "results_at"), at),
            }
        )
        for name, columns in (("entries", ENTRIES), ("race_results", RESULTS)):
            types = {key: columns[key] for key in table.columns if key in columns}
            root.write_frame(table_path(name, race_id), table.select(list(types)).cast(types))

    store(one.race_id, [*(who for who in old if who != "990001"), "990001"], one.as_of)
    before = track_rows(root, all_results(root))
    store("later", ["4030"], one.as_of + timedelta(days=7))
    assert "990001" not in all_results(root)["driver_id"]
    assert track_rows(root, all_results(root)) == before


@pytest.mark.slow
def test_races_that_come_out_as_said_lie_within_their_errors(outlook):
    """30 races of the scenarios' own law: each of five differences is within 3.5 standard errors,
    which fails for one seed in 130 with Student's 29 degrees; the seed is fixed."""
    rows = rows_of(outlook, 30)
    for row in summarised(rows):
        if row["measure"] in ("points", "top10", "top50", "cash", "cash_line"):
            assert abs(row["difference"]) < 3.5 * row["standard_error"] + 1e-9, row
            assert row["lower"] < row["difference"] < row["upper"]
    inside = np.mean([row["cash_line_inside"] for row in rows])
    assert 0.5 < inside <= 1.0  # of 80%: fewer than half in 30 is one in 10,000


def test_the_sentence_counts_slates_and_says_when_they_were_said(outlook):
    assert sentence([]) is None
    rows = rows_of(outlook, 3)
    text = sentence(rows)
    assert text is not None
    assert text.startswith("Over 3 earlier slates sealed before their races, lineups said ")
    late = [{**row, "sealed": False} for row in rows]
    assert "forecast afterwards as of their locks" in (sentence(late) or "")
    # One that was sealed outweighs any that were not.
    assert (sentence([*late, rows[0]]) or "").startswith("Over 1 earlier slate sealed")


def test_cash_lines_of_sealed_slates_are_counted_apart(outlook, tmp_path, monkeypatch, capsys):
    rows = rows_of(outlook, 4)
    for at, row in enumerate(rows):
        row |= {"sealed": at == 0, "cash_line_inside": at > 1, "lock": SLATE.lock}
    monkeypatch.setattr(track_record, "track_rows", lambda *_: (rows, []))
    found = recorded(str(tmp_path))
    assert found["cash_lines_inside"] == {"slates": 1, "races": 1, "share": 0.0, "said": 0.8}
    assert found["cash_lines_inside_afterwards"]["share"] == pytest.approx(2 / 3)
    assert run(["track-record", "--home", str(tmp_path)]) == 0
    before, after = capsys.readouterr().out.split("Said afterwards")
    assert "cash lines inside their 80% intervals: 0% of 1 slate" in before
    assert "cash lines inside their 80% intervals: 67% of 3 slates" in after


def test_the_ledgers_forecast_is_of_draftkings_slates_sealed_before_lock(outlook, tmp_path, capsys):
    home, one = str(tmp_path), said(outlook)
    root = DataRoot.open(home)
    told = {row["kind"]: row["roi"] for row in one.contests if row["contest"] == "150-max"}
    later = [{**row, "roi": -0.9} for row in one.contests]
    others = {
        "a": one.to_dict(),
        "b": one.to_dict() | {"rules": "fd-classic", "contests": later},
        "c": said(outlook, before_lock=False).to_dict() | {"contests": later},
    }
    for name, content in others.items():
        root.write(f"{FOLDER}/{name}/said.json", json.dumps(content).encode())
    days = (race_day(SLATE.lock), race_day(SLATE.lock) - timedelta(days=7))
    rows = [
        f"NAS,Classic,{at},NAS $5K 20-Max (Cup),9{at},{day},3,200,$9.00,$0.00,100,${fee},$400,20"
        for at, (day, fee) in enumerate(zip(days, (5, 95), strict=True))
    ]
    history = tmp_path / "history.csv"
    history.write_text("\n".join([HEADER, *rows]))
    add(home, history)
    whole = ledger_shown(home)["returns"][0]
    assert whole["forecast_roi"] == pytest.approx(told["tournament"])
    assert whole["forecast_share_of_fees"] == pytest.approx(0.05)
    assert run(["ledger", "show", "--home", home]) == 0
    assert f"{told['tournament']:+.1%}  " in capsys.readouterr().out


def test_slates_of_one_race_are_one_observation_and_sites_points_stay_apart(outlook):
    first, second = rows_of(outlook, 2)
    other = {**first, "slate": "other", "rules": "fd-classic", "found_points": 999.0}
    other |= {"said_roi": first["said_roi"] + 0.2}
    points, elsewhere = (row for row in summarised([first, other]) if row["measure"] == "points")
    assert (points["site"], elsewhere["site"]) == ("DraftKings", "FanDuel")
    assert points["found"] == pytest.approx(first["found_points"])
    assert elsewhere["found"] == 999.0
    assert points["standard_error"] is None
    roi = next(row for row in summarised([first, other, second]) if row["measure"] == "roi")
    assert (roi["slates"], roi["races"]) == (3, 2)
    apart = [row["found_roi"] - row["said_roi"] for row in (first, second)]
    assert roi["difference"] == pytest.approx(np.mean([apart[0] - 0.1, apart[1]]))
    text = sentence([first, other]) or ""
    assert text.startswith("Over 2 earlier slates of 1 race sealed before their races, lineups ")
    assert "DraftKings points" in text
    assert "FanDuel points and scored 999.0" in text
    assert "standard error" not in text


def test_views_of_two_slates_of_one_race_are_one_observation():
    one = ViewScore("dk", "1", 40, 10.0, 9.0)
    two = ViewScore("fd", "1", 40, 10.0, 11.0)
    record = record_result([one, two])
    assert record["standard_error"] is None
    assert record["says"].startswith("Your views: CRPS +0.0% over 2 slates of 1 race (lower")
    assert record_result([one, two, ViewScore("dk2", "2", 40, 10.0, 8.0)])["change"] == (
        pytest.approx(-0.1)
    )
