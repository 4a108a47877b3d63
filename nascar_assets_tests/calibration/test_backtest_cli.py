"""`nascar backtest` as a person meets it: what it asks for, what it prints, what it refuses."""

import json
import shutil

import pytest

from nascar_assets.cli.app import run
from nascar_assets.sample import write_sample
from nascar_assets_tests.samples import sample_of

WINDOW = ("--from", "2024-01-01", "--to", "2024-03-31")


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample(sample_of(1), folder)
    for part in ("cacher/2025/1", "loopstats/prod/2025"):  # the schedule and a season will do
        shutil.rmtree(folder / "feed" / part)
    return folder / "feed"


@pytest.fixture
def nascar(capfd, feed, tmp_path):
    def command(*arguments, out="out", feed=feed):
        capfd.readouterr()
        code = run(
            ["backtest", "--feed", str(feed), "--out", str(tmp_path / out), *map(str, arguments)]
        )
        said = capfd.readouterr()
        return code, said.out, " ".join(said.err.split())

    return command


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--from", "2019-01-01", "--to", "2019-12-31"), "schedules hold 2024 to 2026"),
        (("--from", "2026-06-01", "--to", "2026-12-31"), "--from"),
        (("--from", "2025-01-01", "--to", "2024-12-31"), "before it begins"),
        ((*WINDOW, "--series", "arca"), "Known: cup, xfinity, trucks"),
        ((*WINDOW, "--odds", "nowhere.csv"), "nowhere.csv: There is no such file"),
        ((*WINDOW, "--scenarios", "5"), "greater than or equal to 10"),
    ],
)
def test_what_cannot_be_forecast_is_refused_and_nothing_is_written(
    nascar, tmp_path, arguments, text
):
    code, out, err = nascar(*arguments)
    assert code == 2, err
    assert text in err
    assert out == ""
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.slow
def test_without_a_feed_the_files_of_the_data_root_are_read(capfd, feed, tmp_path, monkeypatch):
    monkeypatch.delenv("NASCAR_FEED", raising=False)
    command = ["backtest", "--from", "2019-01-01", "--to", "2019-12-31", "--out", str(tmp_path)]
    home = tmp_path / "home"
    assert run([*command, "--home", str(home)]) == 2
    assert f"{home}/landing/feed" in "".join(capfd.readouterr().err.split())
    shutil.copytree(feed, home / "landing" / "feed", dirs_exist_ok=True)
    assert run([*command, "--home", str(home)]) == 2
    assert "schedules hold 2024 to 2026" in " ".join(capfd.readouterr().err.split())


@pytest.mark.slow
def test_odds_that_are_none_name_row_and_field(nascar, tmp_path):
    odds = tmp_path / "odds.csv"
    odds.write_text("race_id,driver_id,odds,quoted_at\n1,2,0.9,2024-02-01T12:00:00Z\n")
    code, _, err = nascar(*WINDOW, "--odds", odds)
    assert code == 2
    assert "odds.csv" in err
    assert "row 2" in err
    assert "field odds" in err
    odds.write_text("race_id,driver_id,odds,quoted_at\n1,2,1.9,2024-02-01T12:00:00Z\n")
    code, _, err = nascar(*WINDOW, "--odds", odds, "--overround", "magic")
    assert code == 2
    assert "Known: power, shin, proportional" in err


def test_a_folder_that_is_no_feed_says_what_it_should_hold(nascar, tmp_path):
    code, _, err = nascar(*WINDOW, feed=tmp_path)
    assert code == 2
    assert "cacher/<year>/race_list_basic.json" in err


@pytest.mark.slow
def test_a_window_is_forecast_sealed_and_printed_and_taken_up(nascar, feed, tmp_path):
    races = [
        race
        for race in json.loads((feed / "cacher" / "2024" / "race_list_basic.json").read_text())[
            "series_1"
        ]
        if race["race_type_id"] == 1
    ]
    days = sorted(race["race_date"][:10] for race in races)[1:3]
    window = ("--from", days[0], "--to", days[1], "--scenarios", 30)
    code, out, err = nascar(*window)
    assert code == 0, err
    for text in ("running_order", "start_climatology", "Release gate", "Coverage", "report.html"):
        assert text in out
    seals = json.loads((tmp_path / "out" / "seals.json").read_text())["races"]
    assert len(seals) == 2
    before = {path: path.read_bytes() for path in (tmp_path / "out" / "forecasts").iterdir()}
    code, out, err = nascar(*window, "--json")
    assert code == 0, err
    assert json.loads(out)["races"] == 2
    assert {
        path: path.read_bytes() for path in (tmp_path / "out" / "forecasts").iterdir()
    } == before
    one = sorted(before)[0]
    one.write_bytes(one.read_bytes() + b"x")
    code, out, err = nascar(*window)
    assert code == 0
    assert "1 left out, void" in err
    assert "was changed afterwards" in err
    code, _, err = nascar(*window, "--seed", 2)
    assert code == 2
    assert "other settings: seed 1" in err
