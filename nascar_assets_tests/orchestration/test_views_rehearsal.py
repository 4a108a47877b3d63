"""A player's Sunday from files alone: views taken, the slate run with and without, and scored."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.client import FeedReadError, HttpFeed
from nascar_assets.lineups import PortfolioSettings, read_entries
from nascar_assets.lineups.problem import for_contest
from nascar_assets.lineups.upload import read_upload
from nascar_assets.orchestration.automation.odds_poll import BOARDS, asked_races, land_odds
from nascar_assets.orchestration.automation.sensor_poll import poll_job
from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks
from nascar_assets.orchestration.automation.sensor_views import new_files, take_landed
from nascar_assets.orchestration.commands.entries import filled, swapped
from nascar_assets.orchestration.inputs.late_news import take_in_news
from nascar_assets.orchestration.inputs.live_forecast import _left_out, _win_before
from nascar_assets.orchestration.inputs.payout_files import land_payouts
from nascar_assets.orchestration.inputs.slate_files import upload_path, withdrawn_path
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_scores import record_words, slate_view_score
from nascar_assets.orchestration.inputs.view_tables import moved_by_views
from nascar_assets.orchestration.inputs.views import (
    add_view,
    changed_at,
    drop_view,
    view_records,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.service import slate_answers
from nascar_assets.service.slate_work import Chosen, choose_portfolio, kept_run
from nascar_assets.slates.slate import SlatePlayer
from nascar_assets.storage import DataRoot
from nascar_assets.views.odds_gain import read_boards
from nascar_assets.views.record import ViewRecord
from nascar_assets.views.statement import ReadOptions, UnusableView
from nascar_assets_tests.lineups.slates import stated
from nascar_assets_tests.orchestration.conftest import SCENARIOS, World, copy_of
from nascar_assets_tests.orchestration.test_late_news import blank


def nascar(home: Path, *words: str) -> tuple[int, dict[str, Any]]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run([*words, "--home", str(home), "--json"])
    return code, json.loads(said.getvalue()) if said.getvalue().strip() else {}


@pytest.fixture(scope="module")
def sunday(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The demo's slate with projections, ownership, odds and a start at the rear, run."""
    base = tmp_path_factory.mktemp("sunday")
    home, slate = copy_of(world.home, base / "home"), world.slate
    lock = SlatePlan.load(DataRoot.open(home), slate).lock
    before = lock - timedelta(hours=3)
    clock = f"{before.isoformat()} from {time.time():.0f} x 1"
    forecast = pl.read_csv(home / f"slates/{slate}/forecast.csv")
    names = forecast["driver_name"].to_list()
    files = {
        "projections.csv": "Name,Fpts\n"
        + "\n".join(
            f'"{name}",{mean + (8 if name == names[9] else 0):.2f}'
            for name, mean in forecast.select("driver_name", "mean_points").iter_rows()
        ),
        "owned.csv": "Name,Own%\n"
        + "\n".join(f'"{name}",{100 * 6 / len(names):.1f}' for name in names),
        "odds.txt": f"{names[0]}, -115\n{names[1]} +300\n{names[2]} 9/2\n",
    }
    for name, text in files.items():
        (base / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASCAR_CLOCK", clock)
        for name in files:
            code, said = nascar(home, "views", "add", slate, str(base / name), "--author", name)
            assert (code, said["fresh"]) == (0, True)
        code, again = nascar(
            home, "views", "add", slate, str(base / "owned.csv"), "--author", "owned.csv"
        )
        assert (code, again["fresh"]) == (0, False)
        rear = names[3]
        words = ("views", "rear", slate, rear, "--scored", "grid", "--why", "<b>backup</b> car")
        assert nascar(home, *words)[0] == 0
    code, result = nascar(home, "slate", "run", slate, "--scenarios", str(SCENARIOS))
    assert code == 0
    code, shown = nascar(home, "slate", "show", slate, "--views")
    assert code == 0
    return {
        "home": home,
        "slate": slate,
        "names": names,
        "rear": rear,
        "before": before,
        "lock": lock,
        "pure": world.result,
        "result": result,
        "views": shown["views"],
    }


def test_the_views_move_what_they_should_and_the_report_says_so(sunday: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in sunday["views"]["drivers"]}
    favoured, rear = rows[sunday["names"][9]], rows[sunday["rear"]]
    assert favoured["mean_points"] > favoured["mean_points_before"] + 1.5
    assert rear["start"] == len(sunday["result"]["forecast"])
    assert rear["scored_start"] < rear["start"]
    assert sunday["views"]["effective_scenarios"] >= SCENARIOS / 2
    forecast = sunday["result"]["forecast"]
    held = [row["expected_ownership"] for row in forecast if row["salary"] is not None]
    assert held == pytest.approx([6 / len(held)] * len(held), abs=0.01)
    odds = next(view for view in sunday["views"]["views"] if view["file"] == "odds.txt")
    assert odds["counts"] == {"without weight": 3}
    before = {tuple(d["name"] for d in one["drivers"]) for one in sunday["pure"]["lineups"]}
    after = {tuple(d["name"] for d in one["drivers"]) for one in sunday["result"]["lineups"]}
    assert before != after
    page = (sunday["home"] / f"slates/{sunday['slate']}/report.html").read_text()
    assert "&lt;b&gt;backup&lt;/b&gt; car" in page
    assert "<b>backup</b>" not in page
    assert 'id="views"' in page


def test_both_forecasts_are_stored_and_scored(sunday: dict[str, Any]) -> None:
    run_of = SlateRun.load(DataRoot.open(sunday["home"]), sunday["slate"])
    field = run_of.table("slate_field")
    size = field.height
    results = field.with_columns(
        finish=pl.int_range(1, size + 1, dtype=pl.Int32),
        start=pl.col("start").fill_null(size),
        laps_led=pl.lit(0, pl.Int32),
        fastest_laps=pl.lit(0, pl.Int32),
        laps_completed=pl.lit(100, pl.Int32),
    )
    score = slate_view_score(run_of, results)
    assert score is not None
    assert score.drivers == size
    assert score.crps_without != score.crps_with
    assert score.change == pytest.approx(score.crps_with / score.crps_without - 1)
    words = record_words([score, score])
    assert words.startswith(f"Your views: CRPS {100 * score.change:+.1f}% over 2 slates of 1 race")
    assert record_words([]) == ""


def test_live_forecasts_go_on_from_the_race_without_what_was_said_of_its_end(
    sunday: dict[str, Any],
) -> None:
    run_of = SlateRun.load(DataRoot.open(sunday["home"]), sunday["slate"])
    name = run_of.slate.players[0].name
    plan = replace(run_of.plan, settings=f'[drivers."{name}"]\npoints_multiplier = 1.2\n')
    views, factors = _left_out(SlateRun(run_of.root, plan))
    assert "(projections.csv (projections.csv)) is of the race before it began" in views
    assert f"on the points of {name} are not" in factors
    rear = next(row for row in sunday["views"]["drivers"] if row["name"] == sunday["rear"])
    assert rear["start"] > rear["scored_start"]
    with_rear = _win_before(run_of)
    assert sum(with_rear.values()) == pytest.approx(1.0)
    vars(run_of)["setup"] = run_of.setup_without_views
    pure = _win_before(run_of)
    effects = run_of.table("view_effects")
    for driver, win_before in effects.select("driver_id", "win_before").iter_rows():
        assert pure[driver] == pytest.approx(win_before)
    assert pure != with_rear


def test_a_run_without_views_is_the_run_before_there_were_any(
    sunday: dict[str, Any], world: World
) -> None:
    home = sunday["home"]
    words = ("slate", "run", sunday["slate"], "--without-views", "--scenarios", str(SCENARIOS))
    code, _ = nascar(home, *words)
    assert code == 0
    upload = f"slates/{sunday['slate']}/upload.csv"
    assert (home / upload).read_bytes() == (world.home / upload).read_bytes()
    assert not (home / f"store/pure_scenarios/{sunday['slate']}.parquet").exists()
    views = SlateRun.load(DataRoot.open(home), sunday["slate"]).views
    states = set(views["state"])
    assert states == {"the run was asked to go without views", "without weight"}


def test_exposures_of_views_hold_wherever_lineups_are_chosen(home: Path, world: World) -> None:
    root, slate_id = DataRoot.open(home), world.slate
    run_of = kept_run(root, slate_id)
    slate, plan = run_of.slate, run_of.plan

    def most_held(upload: bytes) -> SlatePlayer:
        return slate.players[int(np.bincount(read_upload(slate, upload).ravel()).argmax())]

    star = most_held(root.read(upload_path(slate_id)) or b"")
    views = stated(("max_exposure", "exposures", star.driver_id, 0.0))
    vars(run_of)["views"] = views

    # The portfolio of the API and the board, with the bound beside the exposure.
    shown: list[Chosen] = []
    settings = PortfolioSettings(lineups=5)
    choose_portfolio(root, slate_id, settings, "r", lambda *_: None, shown.append)
    upload = shown[0].upload
    assert star.site_id.encode() not in upload
    other = most_held(upload)
    answer = slate_answers.exposure_rows(
        run_of, {star.driver_id: {"exposure": 0.0, "expected_ownership": 0.2}}, 5, settings
    )
    assert answer[0].max_exposure == 0.0

    # Views that were accepted and that no lineups keep, or no field, never stop it.
    least = [("min_exposure", "exposures", one.driver_id, 1.0) for one in slate.players[:8]]
    field = [("ownership", "ownership", one.driver_id, 0.0) for one in slate.players]
    vars(run_of)["views"] = stated(*least, *field)
    choose_portfolio(root, slate_id, PortfolioSettings(lineups=2), "r", print, shown.append)
    notices = shown[-1].result.lineups.notices
    assert "No lineups keep the views, they are set aside (v.csv (me))" in notices[0]
    assert "Ownerships of 0% leave the field no lineup to play" in notices[1]
    vars(run_of)["views"] = views

    # Entries of a section, filled and mended.
    run_of.plan = replace(plan, settings='[[contests]]\nid = "77"\nobjective = "mean"\n')
    own, _ = filled(run_of, blank(500, 5, "77"), "DKEntries.csv")
    done, _ = swapped(run_of, own, [other.name], "DKEntries.csv")
    assert star.site_id.encode() not in own
    assert star.site_id.encode() not in done

    # Shares of a portfolio that leave no lineup to a contest of one give way, and it is said.
    share = [("max_exposure", "exposures", one.driver_id, 0.6) for one in slate.players]
    vars(run_of)["views"] = stated(*share)
    single, told = filled(run_of, blank(500, 1, "77"), "DKEntries.csv")
    assert "No lineups keep the views, they are set aside" in told.notices[0]
    (entry,) = read_entries(single, slate, file="DKEntries.csv")
    _, told = swapped(run_of, single, [slate.players[entry.lineup[0]].name], "DKEntries.csv")
    assert "No lineups keep the views, they are set aside" in told.notices[0]

    # Late news mends the upload file under them too, unless it was entered before they landed.
    late = SlateRun(root, replace(plan, as_of=plan.lock - timedelta(minutes=20)))
    racing = tuple(player for player in slate.players if player != other)
    late.slate = replace(slate, players=racing, absent=(*slate.absent, replace(other, reason="x")))
    vars(late)["views"] = views
    before = root.read(upload_path(slate_id)) or b""
    root.write(withdrawn_path(slate_id), upload)
    (mended,) = take_in_news(late).mended
    assert not any("set aside" in notice for notice in mended.notices)
    assert star.site_id.encode() not in (root.read(str(mended.after)) or b"")
    root.write(withdrawn_path(slate_id), before)
    mended = take_in_news(late).mended[-1]
    assert mended.after is not None
    assert "No change keeps the views, they are set aside" in mended.notices[0]


def test_the_prizes_of_a_payout_file_say_which_field_is_meant(home: Path, world: World) -> None:
    run_of = SlateRun.load(DataRoot.open(home), world.slate)
    driver = run_of.slate.players[0].driver_id
    vars(run_of)["views"] = stated(
        ("cash_ownership", "ownership", driver, 0.9),
        ("tournament_ownership", "ownership", driver, 0.1),
    )
    land_payouts(run_of.root, "double.csv", b"places,prize\n1-50,$10\nentries,100\n")
    land_payouts(run_of.root, "steep.csv", b"places,prize\n1,$500\n2-50,$1\nentries,100\n")
    held: dict[str | None, float] = dict.fromkeys(("steep.csv", "20-max", "gone.csv", None), 0.1)
    held |= {"double.csv": 0.9, "cash": 0.9}
    for payout, share in held.items():
        asked = run_of.with_views(PortfolioSettings(payout=payout))
        assert asked.drivers[driver].ownership == pytest.approx(share)
        section = {"id": "1", **({} if payout is None else {"payout": payout})}
        asked = run_of.with_views(PortfolioSettings.of({"contests": [section]}))
        own = for_contest(run_of.slate, asked, asked.contests[0], 5)
        assert own.drivers[driver].ownership == pytest.approx(share)
        assert asked.drivers[driver].ownership == pytest.approx(0.1)


@pytest.fixture
def root(world: World, tmp_path: Path) -> DataRoot:
    """What adding a view reads of the demo's home, without its laps and pictures."""
    for part in ("store/entries", "store/schedule.parquet", f"slates/{world.slate}"):
        source = world.home / part
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        copy_of(source, tmp_path / part)
    return DataRoot.open(tmp_path)


def names_of(root: DataRoot, world: World) -> list[str]:
    return [row["name"] for row in world.result["forecast"]]


def test_nothing_of_a_file_with_a_bad_row_is_taken(root: DataRoot, world: World) -> None:
    names = names_of(root, world)
    text = f'Name,Fpts\n"{names[0]}",40\n"{names[1]}x",30\n"{names[2]}",20\n'
    now = datetime(2026, 2, 15, 12, tzinfo=UTC)
    with pytest.raises(UnusableView) as caught:
        add_view(root, world.slate, text.encode(), "p.csv", author="me", now=now)
    assert caught.value.faults[0].nearest[0].startswith(names[1])
    assert view_records(root, world.slate) == []


def test_another_weight_takes_the_place_of_the_view_and_a_drop_takes_it_back(
    root: DataRoot, world: World
) -> None:
    names = names_of(root, world)
    text = f'Name,Fpts\n"{names[0]}",40\n'.encode()
    now = datetime(2026, 2, 15, 12, tzinfo=UTC)
    first = add_view(root, world.slate, text, "p.csv", author="me", now=now)
    later = add_view(
        root,
        world.slate,
        text,
        "p.csv",
        author="me",
        now=now + timedelta(hours=1),
        confidence=0.9,
        options=ReadOptions(),
    )
    assert (first.fresh, later.fresh) == (True, True)
    assert [one.dropped_at is None for one in view_records(root, world.slate)] == [False, True]
    assert later.table["confidence"].to_list() == [0.9]
    lock = slate_weeks(root, [world.slate])[world.slate].lock
    assert changed_at(root, world.slate, lock) == changed_at(root, world.slate)
    assert changed_at(root, world.slate, now - timedelta(hours=1)) is None
    drop_view(root, world.slate, later.record.view_id, now + timedelta(hours=2))
    with pytest.raises(InputError, match="was dropped before"):
        drop_view(root, world.slate, later.record.view_id, now + timedelta(hours=3))
    held = [one for one in view_records(root, world.slate) if one.holds(now + timedelta(hours=2))]
    assert held == []


@pytest.mark.parametrize("ending", [".data", ".json"])
def test_a_view_that_cannot_be_kept_leaves_the_one_whose_place_it_takes(
    ending: str, root: DataRoot, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 2, 15, 12, tzinfo=UTC)
    text = f'Name,Fpts\n"{names_of(root, world)[0]}",40\n'.encode()
    first = add_view(root, world.slate, text, "p.csv", author="me", now=now)
    again = partial(add_view, root, world.slate, text, "p.csv", author="me", confidence=0.0)
    with monkeypatch.context() as full:

        def write(self: DataRoot, path: str, data: bytes, put: Any = DataRoot.write) -> None:
            if path.startswith("views/") and path.endswith(ending):
                raise EnvironmentFault("No space left on device.")
            put(self, path, data)

        full.setattr(DataRoot, "write", write)
        with pytest.raises(EnvironmentFault):
            again(now=now + timedelta(hours=1))
    assert view_records(root, world.slate) == [first.record]
    changed = changed_at(root, world.slate)
    assert changed is not None
    later = again(now=now + timedelta(hours=2))
    assert view_records(root, world.slate) == [
        first.record.dropped(now + timedelta(hours=2)),
        later.record,
    ]
    assert later.record.silent
    found = changed_at(root, world.slate)  # its forecast moved where what counted was replaced
    assert found is not None
    assert found > changed


def test_the_first_view_in_a_views_place_drops_it_where_a_clock_was_set_back(
    root: DataRoot, world: World
) -> None:
    now = datetime(2026, 2, 15, 12, tzinfo=UTC)
    text = f'Name,Fpts\n"{names_of(root, world)[0]}",40\n'.encode()

    def add(confidence: float, hours: int) -> ViewRecord:
        said = partial(add_view, root, world.slate, text, "p.csv", author="me")
        return said(confidence=confidence, now=now + timedelta(hours=hours)).record

    first, later, earlier = add(0.5, 0), add(0.2, 2), add(0.3, 1)
    dropped = {one.view_id: one.dropped_at for one in view_records(root, world.slate)}
    assert dropped[first.view_id] == earlier.landed_at
    assert dropped[earlier.view_id] is None
    assert dropped[later.view_id] == earlier.landed_at


def test_a_view_after_lock_is_not_said_to_count(
    home: Path, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = DataRoot.open(home)
    lock = slate_weeks(root, [world.slate])[world.slate].lock
    driver = names_of(root, world)[3]
    words = ["views", "rear", world.slate, driver, "--scored", "grid", "--home", str(home)]
    for hours, counts in ((-1, True), (1, False)):
        moment = (lock + timedelta(hours=hours)).isoformat()
        monkeypatch.setenv("NASCAR_CLOCK", f"{moment} from {time.time():.0f} x 1")
        assert run([*words, "--why", f"backup car {hours}"]) == 0
        said = capsys.readouterr()
        assert ("It counts from the slate's next run on" in said.out) == counts
        assert ("does not count in its forecasts" in said.out + said.err) == (not counts)


def test_files_that_land_are_taken_once_and_bad_ones_go_to_quarantine(
    root: DataRoot, world: World, closed: set[str]
) -> None:
    names = names_of(root, world)
    folder = Path(root.location) / f"landing/views/{world.slate}"
    folder.mkdir(parents=True)
    (folder / "mine.csv").write_text(f'Name,Fpts\n"{names[0]}",40\n')
    (folder / "bad.csv").write_text("Name,Fpts\nNobody Atall,40\n")
    (folder.parent / "no-slate").mkdir()
    (folder.parent / "no-slate/x.csv").write_text("Name,Fpts\nA B,1\n")
    old = time.time() - 60
    for path in folder.parent.rglob("*.csv"):
        os.utime(path, (old, old))
    now = datetime(2026, 2, 15, 12, tzinfo=UTC)
    notices, fresh = take_landed(root, datetime.now(UTC), now)
    (record,) = view_records(root, world.slate)
    assert (record.author, record.landed_at) == ("mine", now)
    bad = f"landing/views/{world.slate}/bad.csv"
    assert "no driver is called so" in notices[bad]
    assert bad in fresh
    assert "none is called 'no-slate'" in notices["landing/views/no-slate/x.csv"]
    assert root.exists(f"quarantine/views/{world.slate}_bad.csv.report.json")
    drop_view(root, world.slate, record.view_id, now)
    notices, fresh = take_landed(root, datetime.now(UTC), now + timedelta(hours=1))
    assert bad in notices
    assert not fresh
    assert len(view_records(root, world.slate)) == 1
    # One that may not be read any more keeps no other out.
    closed.add(bad)
    (folder / "next.csv").write_text(f'Name,Fpts\n"{names[0]}",30\n')
    os.utime(folder / "next.csv", (old, old))
    notices, _ = take_landed(root, datetime.now(UTC), now + timedelta(hours=2))
    assert "Permission denied" in notices[bad]
    assert [one.author for one in view_records(root, world.slate)] == ["mine", "next"]


def test_a_file_that_is_put_back_counts_again_and_one_that_was_dropped_does_not(
    root: DataRoot, world: World
) -> None:
    names = names_of(root, world)
    folder = Path(root.location) / f"landing/views/{world.slate}"
    now = datetime(2026, 2, 15, 12, tzinfo=UTC)

    def held(points: dict[str, int]) -> list[tuple[str, bytes]]:
        """The views that hold, each as author and file, once files say so."""
        nonlocal now
        now += timedelta(minutes=1)
        for path, value in points.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(f'Name,Fpts\n"{names[0]}",{value}\n')
            os.utime(folder / path, (time.time() - 60, time.time() - 60))
        take_landed(root, datetime.now(UTC), now)
        return sorted(
            (one.author, (root.read(f"views/{world.slate}/{one.view_id}.data") or b"")[-3:-1])
            for one in view_records(root, world.slate)
            if not one.dropped_by(now)
        )

    for value in (40, 20, 40):
        assert held({"mine.csv": value}) == [("mine", str(value).encode())]
    assert held({}) == [("mine", b"40")]
    assert held({"again.csv": 40}) == [("mine", b"40")]  # a copy says nothing new
    assert held({"old.csv": 20}) == [("mine", b"40"), ("old", b"20")]  # what gave way does
    # Files of one name in two folders do not take each other's place again and again.
    apart = {"a/mine.csv": 30, "b/mine.csv": 31}
    wanted = [("a/mine", b"30"), ("b/mine", b"31"), ("mine", b"40"), ("old", b"20")]
    assert held(apart) == wanted

    # What a person sends under the file's name stands beside it, and the file is not read again.
    def send(value: int) -> None:
        data = f'Name,Fpts\n"{names[0]}",{value}\n'.encode()
        add_view(root, world.slate, data, "mine.csv", author="mine", now=now, confidence=0.6)

    send(50)
    wanted = sorted([*wanted, ("mine", b"50")])
    assert held({}) == wanted
    assert held({}) == wanted
    count = len(view_records(root, world.slate))
    for one in view_records(root, world.slate):
        if not one.dropped_by(now):
            drop_view(root, world.slate, one.view_id, now + timedelta(seconds=1))
    assert held({}) == []
    assert len(view_records(root, world.slate)) == count
    assert held({"mine.csv": 20}) == [("mine", b"20")]
    # What comes to say the same as somebody else's stands beside it.
    assert held({"yours.csv": 70}) == [("mine", b"20"), ("yours", b"70")]
    assert held({"yours.csv": 20}) == [("mine", b"20"), ("yours", b"20")]
    assert held({}) == [("mine", b"20"), ("yours", b"20")]


def test_no_view_takes_the_place_of_another_authors(root: DataRoot, world: World) -> None:
    text = f'Name,Fpts\n"{names_of(root, world)[0]}",40\n'.encode()
    add = partial(
        add_view, root, world.slate, text, "p.csv", now=datetime(2026, 2, 15, 12, tzinfo=UTC)
    )
    mine, yours = add(author="me"), add(author="you")
    again = add(author="me")
    assert (mine.notices, again.fresh) == ((), False)
    for added, other in ((yours, mine), (again, yours)):
        (notice,) = added.notices
        assert f"nascar views drop {world.slate} {other.record.view_id}" in notice
    assert yours.table["author"].to_list() == ["me", "you"]
    add(author="you", confidence=0.9)
    held = [one for one in view_records(root, world.slate) if one.dropped_at is None]
    assert sorted((one.author, one.confidence) for one in held) == [("me", None), ("you", 0.9)]


def test_odds_on_one_driver_raise_his_chance_with_their_weight(
    root: DataRoot, world: World
) -> None:
    run_of = SlateRun.load(DataRoot.open(world.home), world.slate)
    now = run_of.plan.lock - timedelta(hours=3)
    driver = world.result["forecast"][5]
    made = run_of.scenarios
    at = made.driver_ids.index(driver["driver_id"])

    def chance(confidence: float) -> float:
        data = f"driver,odds\n{driver['name']},+{100 * (1 / (own + 0.25) - 1):.0f}\n".encode()
        book = {"author": "book", "now": now, "confidence": confidence}
        added = add_view(root, world.slate, data, "odds.csv", **book)
        vars(run_of)["views"] = added.table
        return float((moved_by_views(run_of, made).finish[:, at] == 1).mean())

    own = float((made.finish[:, at] == 1).mean())
    seen = [chance(confidence) for confidence in (0.0, 0.3, 0.6, 1.0)]
    assert seen[0] == own
    assert seen == sorted(seen)
    assert seen[-1] > own + 0.15


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odds_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A host of odds and the folder that it serves."""
    folder = tmp_path_factory.mktemp("odds")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_nascars_own_odds_land_as_a_view_where_they_say_something_new(
    root: DataRoot, world: World, odds_host: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = odds_host
    race_id = Registration.load(root, world.slate).race_id
    weeks = slate_weeks(root, [world.slate])
    lock = weeks[world.slate].lock
    now = lock - timedelta(hours=5)
    races = asked_races({world.slate: race_id}, weeks, now)
    assert races == {race_id: [world.slate]}
    for moment in (lock, lock + timedelta(hours=1), lock - timedelta(days=9)):
        assert asked_races({world.slate: race_id}, weeks, moment) == {}  # the board goes on
    drivers = [(row["driver_id"], row["name"]) for row in world.result["forecast"]]
    board = folder / f"api/v1/live/odds/race/{race_id}.json"
    board.parent.mkdir(parents=True)

    def poll(chances: dict[int, float] | None = None, **more: Any) -> tuple[int, int, int, int]:
        if chances is not None:
            options = [
                {"driver_id": drivers[at][0], "name": drivers[at][1], "odds": {"probability": p}}
                for at, p in chances.items()
            ]
            market = {"market_type": "winner", "race_id": int(race_id), "options": options}
            board.write_text(json.dumps({"markets": [market], **more}))
        feed = HttpFeed(address, min_interval_s=0.0, sleep=lambda _: None)
        found = land_odds(feed, root, races, now)
        parts = (found.changed, found.unchanged, found.missing, found.refused)
        return tuple(len(part) for part in parts)  # type: ignore[return-value]

    landed = f"landing/views/{world.slate}/nascar-odds.json"
    assert poll() == (0, 0, 1, 0)
    assert poll({}) == (0, 0, 1, 0)  # a board that is not open is no surprise
    assert poll({0: 0.99}) == (0, 0, 1, 0)  # who won last week
    for surprise in ('{"markets": 5}', '{"markets": [', "<html>", '{"markets": [1]}'):
        board.write_text(surprise)
        assert poll() == (0, 0, 0, 1)
    assert poll({0: True}) == (0, 0, 0, 1)  # type: ignore[dict-item]
    assert root.exists(f"quarantine/odds/{race_id}.json")
    assert root.exists(f"quarantine/odds/{race_id}.json.report.json")
    assert not root.exists(landed)

    def take(at: datetime) -> tuple[dict[str, str], set[str], list[Any]]:
        old = time.time() - 60
        os.utime(root.local_path(landed), (old, old))
        notices, fresh = take_landed(root, datetime.now(UTC), at)
        held = [one for one in view_records(root, world.slate) if not one.dropped_by(at)]
        return notices, fresh, held

    assert poll({0: 0.99, 1: 0.2, 2: 0.1}) == (1, 0, 0, 0)
    notices, fresh, (first,) = take(now)
    assert "as of a race that is over" in notices[landed]
    assert fresh == {landed}
    assert (first.author, first.silent) == ("nascar-odds", True)
    assert changed_at(root, world.slate) is None  # no weight: nothing to run again
    assert poll({0: 0.99, 1: 0.2, 2: 0.1}, updated="later") == (0, 1, 0, 0)
    now += timedelta(minutes=15)
    assert poll({1: 0.2, 2: 0.05}) == (1, 0, 0, 0)
    assert not take(now)[1]  # nobody is notified of each board
    assert changed_at(root, world.slate) is None
    data = root.read(landed) or b""
    add_view(
        root,
        world.slate,
        data,
        "nascar-odds.json",
        author="nascar-odds",
        now=now + timedelta(minutes=1),
        confidence=0.3,
    )
    assert changed_at(root, world.slate) is not None
    now += timedelta(hours=1)
    assert poll({1: 0.25, 2: 0.1}) == (1, 0, 0, 0)
    _, _, (held,) = take(now)
    assert (held.confidence, held.silent, len(view_records(root, world.slate))) == (0.3, False, 4)
    kept = {item.path.rsplit("/", 1)[-1]: root.read(item.path) or b"" for item in root.list(BOARDS)}
    quotes, _ = read_boards(kept)
    assert quotes.sort("odds")["odds"].to_list() == pytest.approx([4, 5, 5, 10, 10, 20])
    assert quotes["quoted_at"].max() == now.replace(microsecond=0)
    with pytest.raises(FeedReadError):
        land_odds(HttpFeed("http://127.0.0.1:9", sleep=lambda _: None), root, races, now)
    monkeypatch.delenv("NASCAR_FEED", raising=False)
    monkeypatch.setenv("NASCAR_ODDS", str(folder / "nowhere"))
    platform = Platform(home=root.location)
    assert poll_job.execute_in_process(resources={"platform": platform}).success


def test_of_copies_that_land_at_once_one_is_taken() -> None:
    names = ("s/proj (1).csv", "s/proj.csv", "t/proj.csv")
    files = [(f"landing/views/{name}", "hash") for name in names]
    assert [path for _, path, _ in new_files(files, {})] == [files[0][0], files[2][0]]
