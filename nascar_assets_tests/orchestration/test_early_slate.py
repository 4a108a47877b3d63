"""A slate of the Monday: cars as of the last race, said first, and sane beside the race day's."""

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.history.schemas import EQUIPMENT_CHANCE
from nascar_assets.orchestration.inputs.slate_files import record_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import read_table, table_path
from nascar_assets.service.slate_record import record


@pytest.fixture
def monday(world, home, capsys):
    """The slate's result as of six days before the race, and the home with its tables."""
    as_of = (world.sample.as_of - timedelta(days=6)).isoformat()
    words = ["slate", "run", world.slate, "--as-of", as_of, "--scenarios", "300", "--json"]
    assert run([*words, "--home", str(home)]) == 0
    return json.loads(capsys.readouterr().out)


def test_before_the_entry_list_a_slate_says_so_and_is_sane(world, home, monday):
    assert monday["notices"][0].startswith("Not known yet: entry list (")
    assert "starting order" in monday["notices"][0]
    (known,) = (c for c in monday["checks"] if c["name"].endswith("sources_are_known"))
    assert not known["passed"]
    root = Platform(home=str(home)).root
    field = read_table(root, "slate_field", world.slate)
    assert field["team"].null_count() < field.height / 4
    assert (field[EQUIPMENT_CHANCE] <= 1.0).all()
    assert read_table(root, "slate", world.slate)["team"].null_count() < field.height / 4
    # It is judged by forecasts that knew no starting order either, and says so.
    page = (root.read(f"slates/{world.slate}/report.html") or b"").decode()
    assert "each made before its starting order was known" in page
    said = record(SlateRun.load(root, world.slate))
    assert said.measured.endswith("before its starting order was known")
    assert "before their starting order was known" in said.sentences[0].text
    scored = read_table(root, "race_scores_no_grid", said.recent[0].race_key)
    assert said.recent[0].crps == pytest.approx(scored["score.crps_points"].mean())
    early = {row["driver_id"]: row["mean_points"] for row in monday["forecast"]}
    late = {row["driver_id"]: row["mean_points"] for row in world.result["forecast"]}
    both = [driver for driver in early if driver in late]
    order = np.corrcoef(
        pl.Series([early[d] for d in both]).rank(), pl.Series([late[d] for d in both]).rank()
    )[0, 1]
    # Without the grid the order of expected points is much the same, not another one.
    assert order > 0.5


def test_the_record_of_another_site_s_slate_holds_no_scores_by_these_rules(world, home):
    root = Platform(home=str(home)).root
    ours = record(SlateRun.load(root, world.slate))
    path = record_path(world.slate)
    stored = json.loads(root.read(path) or b"")
    assert "contest" not in stored  # DraftKings' is as it was
    root.write(path, json.dumps({**stored, "contest": "fd-classic"}).encode())
    other = record(SlateRun.load(root, world.slate))
    assert other.measured == f"{ours.measured}; points are FanDuel's"
    assert ours.recent
    assert other.recent == ()
    for race in ours.recent:  # as a FanDuel slate keeps them
        scores = read_table(root, "race_scores", race.race_key)
        root.write_frame(table_path("race_scores", f"{race.race_key}-fd-classic"), scores)
    kept = record(SlateRun.load(root, world.slate)).recent
    assert [race.crps for race in kept] == [race.crps for race in ours.recent]
    # Whose points are told beside the forecast's are FanDuel's too.
    assert [race.worst.points for race in kept] != [race.worst.points for race in ours.recent]
