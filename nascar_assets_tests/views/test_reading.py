"""Files of views in every header that is met: read right, or refused with each row and reason."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.reports.exports import HEADERS, export
from nascar_assets.slates.slate import SlatePlayer
from nascar_assets.views.people import People, resolved_whole
from nascar_assets.views.reading import read_view, rear_file
from nascar_assets.views.statement import ReadOptions, UnusableView

RACE = "5600"
DRIVERS = {
    "4030": "Kyle Larson",
    "454": "Denny Hamlin",
    "4180": "Corey Heim",
    "4025": "Daniel Suárez",
    "3989": "Martin Truex Jr",
    "4001": "Austin Hill",
}


def people() -> People:
    players = [
        SlatePlayer(driver, name, f"4{number}7", 9_000)
        for number, (driver, name) in enumerate(DRIVERS.items(), 100)
    ]
    frame = pl.DataFrame(
        {
            "driver_id": [*DRIVERS, "9", "10"],
            "driver_name": [*DRIVERS.values(), "Kyle Busch", "Ross Chastain"],
        }
    )
    gone = SlatePlayer("77", "Carson Hocevar", "999", 5_000, reason="marked OUT")
    return People.of([*players, gone], DRIVERS.items(), DriverDirectory.from_frames(frame))


def read(text: str, **options: object) -> dict[tuple[str, str], float]:
    """What a text states, by driver id and quantity."""
    view = read_view(text.encode(), "view.csv", RACE, ReadOptions(**options))  # type: ignore[arg-type]
    found = resolved_whole(view, people())
    return {(driver, row.quantity): row.value for driver, row in found.rows}


LARSON, HAMLIN, HEIM = "4030", "454", "4180"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name,Fpts\nKyle Larson,51.3", {(LARSON, "mean_points"): 51.3}),
        (
            "name,stddev,CEILING\nKyle Larson,18,80",
            {(LARSON, "sd_points"): 18.0, (LARSON, "ceiling_points"): 80.0},
        ),
        ("Projection;Player\n51,3;Kyle Larson", {(LARSON, "mean_points"): 51.3}),
        ("Player;Best Lap\nKyle Larson;32,456", {(LARSON, "best_lap_time_s"): 32.456}),
        ("Player;Own%\nKyle Larson;12,345%", {(LARSON, "ownership"): 0.12345}),
        ("Name + ID,Fpts\nKyle Larson (41007),51", {(LARSON, "mean_points"): 51.0}),
        ("ID,Proj Points\n41017,40", {(HAMLIN, "mean_points"): 40.0}),
        ("First Name,Last Name,Proj\nKyle,Larson,51", {(LARSON, "mean_points"): 51.0}),
        ("driver_id,mean_points\n4030,51", {(LARSON, "mean_points"): 51.0}),
        ("Name,Own%\nKyle Larson,35.5", {(LARSON, "ownership"): 0.355}),
        ("Name,Own\nKyle Larson,35.5%", {(LARSON, "ownership"): 0.355}),
        ("Name,Projected Ownership\nKyle Larson,0.355", {(LARSON, "ownership"): 0.355}),
        (
            "Name,Cash Own%,GPP Own%\nKyle Larson,60,40",
            {(LARSON, "cash_ownership"): 0.6, (LARSON, "tournament_ownership"): 0.4},
        ),
        (
            "Name,Salary,Min Exposure,Max Exposure\nKyle Larson,9000,0,40",
            {(LARSON, "min_exposure"): 0.0, (LARSON, "max_exposure"): 0.4},
        ),
        (
            "Name,W,T3,T5,T10\nKyle Larson,18.1,40,52,70",
            {
                (LARSON, "win"): 0.181,
                (LARSON, "top3"): 0.40,
                (LARSON, "top5"): 0.52,
                (LARSON, "top10"): 0.70,
            },
        ),
        ("driver,odds\nKyle Larson, -115", {(LARSON, "odds_win"): 1 + 100 / 115}),
        ("driver,odds\nKyle Larson,9/2", {(LARSON, "odds_win"): 5.5}),
        (
            "CoreyHeim+300\nKyle Larson -115",
            {(HEIM, "odds_win"): 4.0, (LARSON, "odds_win"): 215 / 115},
        ),
        (
            "Kyle Larson\n+450\nCorey Heim\n5.50",
            {(LARSON, "odds_win"): 5.5, (HEIM, "odds_win"): 5.5},
        ),
        ("Kyle Larson, +1,200", {(LARSON, "odds_win"): 13.0}),
        (
            "driver,market,odds\nKyle Larson,Top 3,+100\nKyle Larson,winner,+450",
            {(LARSON, "odds_top3"): 2.0, (LARSON, "odds_win"): 5.5},
        ),
        (
            f"race_id,driver_id,odds,quoted_at\n{RACE},4030,+450,2026-03-14T10:00:00Z\n1,454,+300,"
            "2026-03-07T10:00:00Z",
            {(LARSON, "odds_win"): 5.5},
        ),
        (
            "Driver,Rear Start\nKyle Larson,grid\nDenny Hamlin,\nCorey Heim,Rear",
            {(LARSON, "rear_start"): 0.0, (HEIM, "rear_start"): 1.0},
        ),
        (
            "FullName,BestLapTime,OverAllAvg,Con5Lap,Con10Lap\nKyle Larson,29.1,30.2,29.5,999",
            {
                (LARSON, "best_lap_time_s"): 29.1,
                (LARSON, "average_lap_time_s"): 30.2,
                (LARSON, "best_5_lap_time_s"): 29.5,
            },
        ),
        (
            "Name,Fpts\nDaniel Suarez,31\nmartin truex,30",
            {("4025", "mean_points"): 31.0, ("3989", "mean_points"): 30.0},
        ),
    ],
)
def test_a_header_is_read(text: str, expected: dict[tuple[str, str], float]) -> None:
    assert read(text) == pytest.approx(expected)


def test_a_salary_export_is_a_projection_only_where_the_person_says_so() -> None:
    text = (
        "Position,Name + ID,Name,ID,Roster Position,Salary,Game Info,TeamAbbrev,AvgPointsPerGame\n"
        "D,Kyle Larson (41007),Kyle Larson,41007,D,9000,x,y,47.5"
    )
    with pytest.raises(InputError, match="--column AvgPointsPerGame"):
        read(text)
    assert read(text, projection="avgpointspergame") == {(LARSON, "mean_points"): 47.5}
    with pytest.raises(InputError, match="No column beside drivers' names is called 'Mine'"):
        read(text, projection="Mine")


@pytest.mark.parametrize("odds", ["450", "100", "1,200"])
def test_an_unsigned_whole_number_of_odds_is_refused_unless_its_form_is_said(odds: str) -> None:
    text = f'driver,odds\nKyle Larson,"{odds}"'
    with pytest.raises(UnusableView, match=r"American or decimal.*--odds american"):
        read(text)
    number = float(odds.replace(",", ""))
    assert read(text, odds="american") == {(LARSON, "odds_win"): 1 + number / 100}
    assert read(text, odds="decimal") == {(LARSON, "odds_win"): number}


@pytest.mark.parametrize("when", ["9999-12-31", "9999-12-31T23:59:59-05:00", "soon"])
def test_a_time_that_there_is_not_is_named(when: str) -> None:
    with pytest.raises(UnusableView, match=rf"(?s)row 2.*Kyle Larson.*'{when}' is no time"):
        read(f"Name,odds,quoted_at\nKyle Larson,+450,{when}")


def test_american_odds_are_never_decimal() -> None:
    assert read("driver,odds\nKyle Larson,+450") == {(LARSON, "odds_win"): 5.5}


def test_a_second_column_of_odds_is_left_out_with_a_notice() -> None:
    text = b"driver,odds,American Odds\nKyle Larson,5.5,+300\nDenny Hamlin,,+900\nCorey Heim,7.5,"
    view = read_view(text, "view.csv", RACE)
    assert [row.value for row in view.rows] == [5.5, 10.0, 7.5]
    assert view.notices == ("Where 'odds' holds odds, those of 'American Odds' are left out.",)
    assert read_view(text.replace(b"+300", b""), "view.csv", RACE).notices == ()
    twice = read_view(text.replace(b"American Odds", b"Moneyline"), "view.csv", RACE)
    assert "left out: Moneyline" in twice.notices[0]
    named = read_view(b"Driver,Name,odds\nKyle Larson,Corey Heim,5.5", "view.csv", RACE)
    assert "left out: Name" in named.notices[0]


def test_shares_that_may_be_percent_are_refused_with_both_readings() -> None:
    text = "Name,Own%\nKyle Larson,0.35\nDenny Hamlin,0.25"
    with pytest.raises(InputError, match=r"0.35% as percent and 35% as a share.*0.6% or 60%"):
        read(text)
    assert read(text, unit="share")[LARSON, "ownership"] == 0.35
    assert read(text, unit="percent")[LARSON, "ownership"] == pytest.approx(0.0035)
    with pytest.raises(InputError, match="percent or shares"):
        read("Name,Own\nKyle Larson,35%\nDenny Hamlin,25")


def test_every_row_that_cannot_be_used_is_named_with_the_nearest_driver() -> None:
    text = (
        "Name,Fpts\nKyle Larsen,50\nDenny Hamlin,40\nNobody Atall,3\nRoss Chastain,20\n"
        "Corey Heim,12\nAustin Hill,9"
    )
    with pytest.raises(UnusableView) as caught:
        read(text)
    faults = {fault.row: fault for fault in caught.value.faults}
    assert set(faults) == {2, 4, 5}
    assert faults[2].nearest[0].startswith("Kyle Larson")
    assert faults[4].nearest == ()
    assert "not of this slate" in faults[5].reason
    assert "nothing is taken" in str(caught.value)


def test_a_file_of_another_slate_is_noticed() -> None:
    text = "Name,Fpts\n" + "\n".join(f"Other Driver{n},1" for n in range(9)) + "\nKyle Larson,2"
    with pytest.raises(UnusableView, match="9 of 10 names are not of this slate"):
        read(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Name,Fpts\nKyle Larson,many", "no number"),
        ("Name,Own%\nKyle Larson,130", "above all there is"),
        ("Name,stddev\nKyle Larson,0", "above 0"),
        ("Driver,Rear Start\nKyle Larson,yes", "grid or rear"),
        ("driver,odds\nKyle Larson,+50", "American odds"),
        ("driver,market,odds\nKyle Larson,fastest lap,+150", "none of win"),
        ("Name,Fpts\nKyle Larson,50\nKyle Larson,51", "50 on row 2"),
        ("Name,Fpts\nDaniel Suarez,31\nDaniel Suárez,30", "of whom row 2 states otherwise"),
        ("Name + ID,Fpts\nDenny Hamlin (41007),51", "the id is that of Kyle Larson"),
        ("driver_id,driver_name,Fpts\n4030,Denny Hamlin,51", "the id is that of Kyle Larson"),
        ("driver,odds,quoted_at\nKyle Larson,+150,2026-03-14T10:00", "has no zone"),
    ],
)
def test_a_cell_at_fault_is_named(text: str, reason: str) -> None:
    with pytest.raises(UnusableView, match=reason):
        read(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("driver,odds\nKyle Larson,+1,200", "row 2: The row has 3 cells and the header 2"),
        ("Name,Fpts\nKyle Larson,45.2,long runs", "'long runs' is beyond it.*or take it out"),
        ("Name,Fpts,Buzz\nKyle Larson,45,2,low", "'low' is beyond it"),
        ("Name,Fpts,Own%,Buzz\nLarson, Jr,45,2%,low", "'low' is beyond it"),
        ("Name,Start,Fpts,Own%,Buzz\nKyle Larson, Jr,5,45.2,,low", "'low' is beyond it"),
        ("one,two\nthree,four", "states nothing that is known"),
        ("Name,Fpts\nKyle Larson,", "every cell of a known column is empty"),
        ("Name,Fpts,Projection\nKyle Larson,1,2", "both hold the same quantity"),
        ("race_id,driver_id,odds\n1,4030,+150", "are of other races"),
        ("Name,Fpts\nCarson Hocevar,12", "Nobody whom the file names races"),
    ],
)
def test_a_file_that_states_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "Name,Fpts,Notes\nKyle Larson,45.2,fast in practice, slow in traffic",
        'Name,Fpts\nKyle Larson,45.2,,"Made by X"',
        "Name,Fpts\nKyle Larson,45.2,,",
    ],
)
def test_notes_beyond_the_header_that_shift_nothing_are_left_out(text: str) -> None:
    assert read(text) == {(LARSON, "mean_points"): 45.2}


@pytest.mark.parametrize(
    "row", ["5599,Kyle Larson,+1,200,2026-03-14T10:00Z", "5599,Kyle Larson,+150,soon"]
)
def test_a_damaged_row_of_another_race_does_not_cost_the_file(row: str) -> None:
    text = f"race_id,driver,odds,quoted_at\n{RACE},Kyle Larson,+300,2026-03-14T10:00Z\n{row}\n"
    assert read(text) == {(LARSON, "odds_win"): 4.0}


def test_rows_of_who_does_not_race_and_unknown_columns_are_left_out_with_a_notice() -> None:
    view = read_view(b"Name,Fpts,Buzz\nKyle Larson,5,1\nCarson Hocevar,2,1", "v.csv", RACE)
    found = resolved_whole(view, people())
    assert [driver for driver, _ in found.rows] == [LARSON]
    assert found.notices == ("Carson Hocevar does not race (marked OUT).",)
    assert view.notices == ("Columns that state nothing known are left out: Buzz.",)


@pytest.mark.parametrize("rest", ["Field", "The Field", "Any Other Driver"])
def test_a_bet_on_everybody_else_is_left_out_with_a_notice(rest: str) -> None:
    view = read_view(f"Kyle Larson +450\n{rest} +900".encode(), "view.csv", RACE)
    found = resolved_whole(view, people())
    assert [driver for driver, _ in found.rows] == [LARSON]
    assert found.notices == (f"{rest} is a bet on every driver not named: left out.",)
    with pytest.raises(UnusableView, match="no driver is called so"):
        read(f"Name,Fpts\nKyle Larson,51\n{rest},3")


def test_the_odds_feed_is_parsed_as_described_and_refused_where_it_surprises() -> None:
    option = {"name": "Kyle Larson", "driver_id": 4030, "odds": {"probability": 0.2}}
    over = {"name": "Denny Hamlin", "driver_id": 454, "odds": {"probability": 0.99}}
    market = {"market_type": "winner", "race_id": 5600, "options": [option, over]}
    other = {"market_type": "winner", "race_id": 5599, "options": [option]}
    board = json.dumps({"markets": [market, other]})
    assert read(board) == {(LARSON, "odds_win"): 5.0}
    for broken in (
        '{"markets": 3}',
        "[1, 2]",
        "{",
        json.dumps({"markets": [{**market, "options": [{}]}]}),
    ):
        with pytest.raises(InputError, match="another form"):
            read(broken)
    with pytest.raises(InputError, match="states nothing of race"):
        read(json.dumps({"markets": [other]}))


def test_a_start_at_the_rear_is_a_file_like_any_other() -> None:
    assert read(rear_file([("Kyle Larson", "rear")]).decode()) == {(LARSON, "rear_start"): 1.0}


@settings(deadline=None, max_examples=15)
@given(
    values=st.lists(
        st.tuples(st.floats(-20, 120), st.floats(0.5, 40), st.floats(0.02, 1), st.floats(0.02, 1)),
        min_size=len(DRIVERS),
        max_size=len(DRIVERS),
    )
)
def test_what_is_exported_can_be_read_back(
    values: list[tuple[float, float, float, float]],
) -> None:
    names = list(DRIVERS.values())
    forecast = pl.DataFrame(
        {
            "driver_name": names,
            "site_id": [f"4{number}7" for number in range(100, 100 + len(names))],
            "mean_points": [row[0] for row in values],
            "sd_points": [row[1] for row in values],
            "points_p90": [row[0] + row[1] for row in values],
            "expected_ownership": [row[2] for row in values],
            **{name: [row[3] for row in values] for name in ("win", "top3", "top5", "top10")},
        }
    )
    columns = {
        "mean_points": "mean_points",
        "sd_points": "sd_points",
        "ceiling_points": "points_p90",
        "ownership": "expected_ownership",
        **{name: name for name in ("win", "top3", "top5", "top10")},
    }
    for header in HEADERS:
        found = read(export(forecast, header), unit="percent")
        assert found
        for (driver, quantity), value in found.items():
            expected = forecast[columns[quantity]][names.index(DRIVERS[driver])]
            assert value == pytest.approx(expected, abs=0.0051), (header, quantity)
