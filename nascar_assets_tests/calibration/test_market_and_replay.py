"""A market as a baseline, and the replay of a race."""

import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planted import FixedModel
from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import StartClimatology
from nascar_assets.calibration.market import (
    METHODS,
    Market,
    NotQuotedError,
    power_probabilities,
    read_odds,
    shin_probabilities,
)
from nascar_assets.calibration.replay import replay, surprise
from nascar_assets.calibration.report import backtest_page
from nascar_assets.calibration.tables_text import comparison_grid
from nascar_assets.cli.app import run
from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot

from .world import Planted, levels, world

ODDS = st.lists(st.floats(1.05, 500), min_size=2, max_size=40)


@given(ODDS, st.sampled_from(sorted(METHODS)))
def test_probabilities_sum_to_one_and_keep_the_order_of_the_odds(odds, method):
    found = METHODS[method](np.array(odds))
    assert found.sum() == pytest.approx(1.0)
    assert (found > 0).all()
    order = np.argsort(odds)
    assert (np.diff(found[order]) <= 1e-9).all()


def test_methods_by_hand():
    # 1/odds = .6, .3, .3: squares .36, .09, .09 sum to .54, so the power lies between 1 and 2
    odds = np.array([1 / 0.6, 1 / 0.3, 1 / 0.3])
    power = power_probabilities(odds)
    k = np.log(power[0]) / np.log(0.6)
    assert 1 < k < 2
    np.testing.assert_allclose(power, [0.6**k, 0.3**k, 0.3**k])
    shin = shin_probabilities(odds)
    assert shin[0] > 0.5  # more than in proportion: long shots are shaded
    # Shin's own equation: z from p_1, then q_i^2 / Q = p_i (p_i (1 - z) + z)
    q = np.array([0.6, 0.3, 0.3])
    ratio = q**2 / q.sum()
    z = (ratio[0] - shin[0] ** 2) / (shin[0] - shin[0] ** 2)
    np.testing.assert_allclose(ratio, shin * (shin * (1 - z) + z))
    np.testing.assert_allclose(shin_probabilities(np.array([2.0, 4.0, 4.0])), [0.5, 0.25, 0.25])


@given(st.lists(st.integers(1, 40), min_size=2, max_size=40))
def test_a_fair_book_is_taken_as_it_is_quoted(strength):
    # The chances add up to one, or miss it by their last bits.
    fair = np.array(strength) / sum(strength)
    np.testing.assert_allclose(shin_probabilities(1 / fair), fair, atol=1e-9)


def book(tables, hours_before=24, drop=()):
    rows = ["race_id,driver_id,odds,quoted_at"]
    strength = np.exp(1.5 * levels())
    p = strength / strength.sum()
    for race_id, start in tables.schedule.select("race_id", "start_time").iter_rows():
        at = (start - timedelta(hours=hours_before)).isoformat()
        rows += [
            f"{race_id},{100 + car},{1 / (1.2 * p[car]) + 1e-6 + 1:.3f},{at}"
            for car in range(20)
            if car not in drop
        ]
    return "\n".join(rows).encode()


@pytest.fixture(scope="module")
def tables():
    return world()


@pytest.fixture(scope="module")
def prepared(tables):
    walker = WalkForward(tables.schedule, tables.results, "cup", with_values=False)
    return list(walker.prepare(walker.races(date(2024, 5, 1), date(2024, 5, 20))))[-1]


@pytest.mark.slow
def test_the_forecast_wins_as_often_as_the_market_says(tables, prepared):
    market = Market(read_odds(book(tables, drop=(7,))))
    p = market.win_probabilities(prepared.race)
    made = market.forecast(prepared.history, prepared.race, 20_000, 1)
    np.testing.assert_allclose((made.finish == 1).mean(axis=0), p, atol=0.017)
    unquoted = prepared.race.driver_ids.index("107")
    assert p[unquoted] == pytest.approx(0.5 * np.delete(p, unquoted).min())


@pytest.mark.slow
def test_only_quotes_up_to_the_as_of_time_count_and_the_latest_wins(tables, prepared):
    late = read_odds(book(tables, hours_before=-1))
    with pytest.raises(NotQuotedError, match="0 of 20"):
        Market(late).win_probabilities(prepared.race)
    early = read_odds(book(tables, hours_before=30))
    one = early.with_columns(
        odds=pl.when(pl.col("driver_id") == "119").then(1.5).otherwise("odds"),
        quoted_at=pl.col("quoted_at") + timedelta(hours=5),
    )
    both = pl.concat([one, early]).sort("quoted_at")
    np.testing.assert_allclose(
        Market(both).win_probabilities(prepared.race), Market(one).win_probabilities(prepared.race)
    )


def test_a_book_that_cannot_be_solved_leaves_out_its_race_alone(tables, prepared):
    sure = read_odds(book(tables)).with_columns(odds=pl.lit(1.001))
    with pytest.raises(NotQuotedError, match="the method shin"):
        Market(sure, "shin").win_probabilities(prepared.race)
    assert Market(sure, "power").win_probabilities(prepared.race) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (b"race_id,driver_id,odds\n1,2,3", "quoted_at"),
        (b"race_id,driver_id,odds,quoted_at\n1,2,0.9,2024-01-01T00:00:00Z", "row 2, field odds"),
        (b"race_id,driver_id,odds,quoted_at\n1,2,maybe,2024-01-01T00:00:00Z", "decimal odds"),
        (b"race_id,driver_id,odds,quoted_at\n1,2,3.5,2024-01-01 00:00:00", "with its zone"),
        (b"race_id,driver_id,odds,quoted_at\n", "no odds"),
        (
            b"race_id,driver_id,odds,quoted_at\n1,2,+1,200,2024-01-01T00:00:00Z",
            "row 2, field odds: The row has 5 cells",
        ),
        (
            b"race_id,driver_id,odds,american_odds,quoted_at\n1,2,3.5,+900,2024-01-01T00:00:00Z",
            "row 1, field american_odds: The columns odds and american_odds both hold odds",
        ),
        (
            b"race_id,driver_id,odds,Odds,quoted_at\n1,2,3.5,9.5,2024-01-01T00:00:00Z",
            "row 1, field odds: The column occurs twice",
        ),
        (b"", "empty"),
    ],
)
def test_bad_odds_are_refused_with_row_and_field(text, part):
    with pytest.raises(InputError, match=part):
        read_odds(text)


def test_an_unknown_method_is_refused(tables):
    with pytest.raises(InputError, match="magic"):
        Market(read_odds(book(tables)), method="magic")


@pytest.mark.slow
def test_the_market_is_compared_on_the_races_it_quotes(tables, tmp_path, monkeypatch, capsys):
    odds = read_odds(book(tables)).filter(pl.col("race_id").is_in(["24002", "24004", "24005"]))
    result = run_backtest(
        lambda: tables,
        DataRoot(tmp_path),
        BacktestSettings(
            date(2024, 1, 1), date(2024, 3, 20), scenarios=60, workers=1, report=False
        ),
        model=FixedModel(Planted()),
        baselines=(StartClimatology(), Market(odds)),
    )
    assert result.summary.races == 6
    assert [*result.summary.unquoted["market_power"]] == [f"2024-cup-0{n}" for n in (1, 3, 6)]
    assert all("0 of 20" in why for why in result.summary.unquoted["market_power"].values())
    assert result.summary.records["market_power"].races == 3
    compared = result.summary.find("rps_finish", "market_power")
    assert compared.skill.races == 3
    # Its scores are not beside the model's of other races: those of its own are below them.
    _, rows = comparison_grid(result.summary, ("rps_finish",))
    assert [name for name, _ in rows][2:] == ["market_power, 3 of 6 races", "planted there"]
    theirs, ours = (float(value) for _, value in rows[2:])
    assert ours - theirs == pytest.approx(compared.difference.value, abs=0.0011)
    page = backtest_page(result.summary, dict.fromkeys(("coverage", "pit", "reliability"), b""))
    assert "market_power has no forecast of 3 of the races" in page
    for name, value in rows[2:]:
        assert re.search(rf"<td>{name}</td>\s*<td>{value}</td>", page)
    there = result.summary.as_dict()["model_there"]["market_power"]["rps_finish"]
    assert there == pytest.approx(ours, abs=0.0006)
    # As the command says it; a market that quotes no race is refused when all else is shown.
    (tmp_path / "odds.csv").write_bytes(book(tables))
    words = ["backtest", "--odds", str(tmp_path / "odds.csv"), "--out", str(tmp_path)]
    words += ["--from", "2024-01-01", "--to", "2024-03-20", "--home", str(tmp_path)]
    records = {"planted": result.summary.records["planted"]}
    none = replace(result, summary=replace(result.summary, records=records, there={}))
    damaged = replace(tables, problems=(("23001", "cut off."), ("24020", "after the window.")))
    result = replace(result, tables=damaged)
    for done, code in ((result, 0), (none, 2)):
        monkeypatch.setattr(
            "nascar_assets.calibration.backtest.run_backtest", lambda *_, done=done, **__: done
        )
        assert run(words) == code
        said = capsys.readouterr()
        assert "market_power has no forecast of 3 of 6 races: 0 of 20 drivers of race" in said.err
        assert ("market_power, 3 of 6 races" in said.out) == (code == 0)
        assert ("No race of the window has odds that can be used" in said.err) == (code == 2)
        assert "Release gate" in said.out
        lost = "1 left out of the history, feed file at fault: 2023-cup-01, cut off\n"
        assert (lost in said.err) == (code == 0)


def forecast():
    rng = np.random.default_rng(0)
    ids = [str(100 + i) for i in range(8)]
    points = np.round(rng.normal(30, 10, (999, 8)), 2)
    points[:, 0] = np.arange(999)
    return {"driver_ids": ids, "points": points}, {
        "driver_ids": ids,
        "points": np.array([499.0, 30, 30, 30, 30, 30, 30, 90]),
    }


def test_surprise_by_hand():
    # the median: tail 2 * .5 = 1, 0 bits; one in 32 on either side: 5 bits
    np.testing.assert_allclose(
        surprise(np.array([0.5, 1 - 1 / 64]), np.array([0.5, 1.0])), [0.0, 5.0]
    )


def test_replay_of_drivers_and_lineups():
    scenarios, outcome = forecast()
    lineups = [("100", "101", "102"), ("105", "106", "107"), ("101", "102", "103")]
    found = replay(
        scenarios, outcome, lineups=lineups, optimum=("100", "107"), names={"107": "Winner"}
    )
    assert found.drivers["driver_id"][0] == "107"
    assert found.drivers["name"][0] == "Winner"
    first = found.drivers.filter(pl.col("driver_id") == "100").row(0, named=True)
    assert first["percentile"] == pytest.approx(50.0, abs=0.2)
    assert first["surprise"] == pytest.approx(0.0, abs=0.01)
    assert (first["low_80"], first["high_80"]) == (99.0, 899.0)
    assert found.lineups["points"].to_list() == [559.0, 150.0, 90.0]
    assert found.lineups["rank"].to_list() == [1, 2, 3]
    assert found.best["lineup"] == 1
    assert found.best["forecast_rank"] == 1
    assert found.optimum["points"] == 589.0
    with pytest.raises(InputError, match="Lineup 1 holds driver 9"):
        replay(scenarios, outcome, lineups=[("9",)])
    with pytest.raises(InputError, match="contest points"):
        replay(
            {"driver_ids": ["1", "2"], "finish": [[1, 2]]},
            {"driver_ids": ["1", "2"], "finish": [1, 2]},
        )


def test_a_lineup_with_a_driver_who_did_not_race_has_no_score_and_stops_no_other():
    scenarios, outcome = forecast()
    raced = {
        "driver_ids": [driver for driver in outcome["driver_ids"] if driver != "105"],
        "points": np.delete(outcome["points"], 5),
    }
    lineups = [("105", "106", "107"), ("100", "101", "102")]
    found = replay(scenarios, raced, lineups=lineups)
    assert found.lineups["points"][0] is None
    assert found.lineups["rank"].to_list() == [None, 1]
    assert found.best["lineup"] == 2
    assert found.excluded == {"105": "in the forecast, not in the results"}
    with pytest.raises(InputError, match="know nothing"):
        replay(scenarios, raced, lineups=[("100", "nobody")])


def quoted(odds, column="odds"):
    return f"race_id,driver_id,{column},quoted_at\n5600,4153.0,{odds},2026-03-15T12:00:00Z".encode()


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("+450", 5.5),
        ("-115", 1 + 100 / 115),
        ("+100", 2.0),
        ("EVEN", 2.0),
        ("9/2", 5.5),
        ("5.5", 5.5),
        ("101.0", 101.0),
        ("+10000", 101.0),
    ],
)
def test_odds_are_read_by_sign_stroke_and_point(text, decimal):
    read = read_odds(quoted(text))
    assert read["odds"].to_list() == [pytest.approx(decimal)]
    assert read["driver_id"].to_list() == ["4153"]


@pytest.mark.parametrize(
    "text", ["inf", "nan", "1.0", "0", "-inf", "1e3", "+50", "-99", "5/0", "", "1e308", "-5.5"]
)
def test_what_is_no_odds_is_refused_by_row(text):
    with pytest.raises(InputError, match="row 2, field odds"):
        read_odds(quoted(text))


@pytest.mark.parametrize("text", ["4.500", "12.250"])
def test_odds_that_may_be_thousands_are_refused(text):
    assert read_odds(quoted(text))["odds"].to_list() == [float(text)]
    german = quoted("ODDS").replace(b",", b";")
    with pytest.raises(InputError, match=f"row 2, field odds: {text} may be .*decimal commas"):
        read_odds(german.replace(b"ODDS", text.encode()))
    assert read_odds(german.replace(b"ODDS", b"4,50"))["odds"].to_list() == [4.5]


def test_a_file_of_blank_cells_lacks_its_columns():
    with pytest.raises(InputError, match="field race_id: The column is missing"):
        read_odds(b",,,\n")


def test_a_whole_number_without_a_sign_needs_a_word_which_it_is():
    with pytest.raises(InputError, match="row 2, field odds: 450 may be American or decimal"):
        read_odds(quoted("450"))
    assert read_odds(quoted("450"), form="american")["odds"].to_list() == [5.5]
    assert read_odds(quoted("450"), form="decimal")["odds"].to_list() == [450.0]
    assert read_odds(quoted("450", "american_odds"))["odds"].to_list() == [5.5]
    assert read_odds(quoted("450", "decimal_odds"))["odds"].to_list() == [450.0]
    with pytest.raises(InputError, match="row 2, field decimal_odds"):
        read_odds(quoted("+450", "decimal_odds"))
    with pytest.raises(InputError, match="row 2, field american_odds"):
        read_odds(quoted("5.5", "american_odds"))


def test_ids_that_a_spreadsheet_rounded_and_times_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"row 2, field driver_id.*saved by a spreadsheet"):
        read_odds(quoted("5.5").replace(b"4153.0", b"4.1E+03"))
    with pytest.raises(InputError, match="row 2, field quoted_at"):
        read_odds(quoted("5.5").replace(b"2026-03-15T12:00:00Z", b"9999-12-31T23:59:59-12:00"))
