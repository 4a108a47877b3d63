"""Standings: read whole, zipped or not, and refused where they were cut off."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from nascar_assets.contest import StandingsError, read_standings
from nascar_assets.contest.review import review_contest
from nascar_assets.contest.standings import OtherSlate
from nascar_assets.errors import InputError
from nascar_assets_tests.lineups.slates import made_slate

SLATE = made_slate([8_000] * 9, names=[*"ABCDEFG", "D. Dee", "José Núñez"])
LINEUPS = [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8]]
HEADER = "Rank,EntryId,EntryName,TimeRemaining,Points,Lineup,,Player,Roster Position,%Drafted,FPTS"


def standings_file(lineups=LINEUPS):
    left = []
    for place, lineup in enumerate(lineups, start=1):
        words = " ".join(f"D {SLATE.players[i].name}" for i in lineup)
        left.append(f"{place},{700 + place},some one ({place}/4),0,{300.25 - place},{words}")
    count = np.bincount(np.ravel(lineups), minlength=9) / len(lineups)
    right = [f"{p.name},D,{count[i]:.2%},{40 + i}.5" for i, p in enumerate(SLATE.players)]
    rows = [HEADER]
    for number in range(max(len(left), len(right))):
        mine = left[number] if number < len(left) else ",,,,,"
        theirs = right[number] if number < len(right) else ""
        rows.append(f"{mine},,{theirs}" if theirs else mine)
    return ("\r\n".join(rows) + "\r\n").encode()


def zipped(content, name="contest-standings-77.csv"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("wrap", [bytes, zipped], ids=["plain", "zipped"])
def test_entries_lineups_shares_and_points_are_read(wrap):
    standings = read_standings(wrap(standings_file()), SLATE)
    assert standings.rank.tolist() == [1, 2, 3, 4]
    assert standings.entry_ids == ("701", "702", "703", "704")
    assert standings.points.tolist() == [299.25, 298.25, 297.25, 296.25]
    assert standings.lineups.tolist() == LINEUPS
    # Driver 0 is in one of four lineups, driver 3 in all.
    assert standings.ownership[[0, 3]].tolist() == [0.25, 1.0]
    assert standings.driver_points[8] == 48.5


def test_an_empty_entry_is_kept_as_empty():
    content = standings_file([*LINEUPS, LINEUPS[0]])
    words = " ".join(f"D {SLATE.players[i].name}" for i in LINEUPS[0])
    with pytest.raises(StandingsError, match="printed shares"):
        # Its drivers are still in the printed shares, so it is missed.
        read_standings(content.replace(words.encode(), b"", 1), SLATE)
    content = standings_file().replace(b"296.25", b"0")
    assert read_standings(content, SLATE).points[3] == 0


def test_a_file_truncated_anywhere_among_its_entries_is_refused():
    content = standings_file(LINEUPS * 10)
    start = content.index(b"some one (30/4)") - 10
    for end in range(start, start + 120):
        with pytest.raises(InputError):
            read_standings(content[:end], SLATE)


def test_a_zip_file_truncated_anywhere_is_refused():
    content = zipped(standings_file(LINEUPS * 10))
    for end in range(10, len(content) - 1, 37):
        with pytest.raises(InputError, match="cut off"):
            read_standings(content[:end], SLATE, file="s.zip")


def swap(old, new):
    return standings_file().replace(old, new, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (swap(b"Rank,", b"Place,"), "row 1"),
        (swap(b"TimeRemaining", b"Points"), "row 1, field Points: The column occurs twice"),
        (swap(b"%Drafted", b"Owned"), "row 1, field Player"),
        (swap(b"\n2,702", b"\nx,702"), "row 3, field Rank: 'x'"),
        (swap(b"\n2,702", b"\n2.000,702"), "row 3, field Rank: '2.000' is no rank"),
        (swap(b"\n2,702", b"\n2,701"), "row 3, field EntryId: the entry 701 is there twice"),
        (swap(b"some one (2/4)", b"one, some (2/4)"), "row 3: The row has 12 cells and the header"),
        (swap(b"298.25", b"many"), "row 3, field Points"),
        (swap(b"D A D B D C D D", b"D W D X D Y D Z"), "row 2, field Lineup: 'W'"),
        (swap(b"D B D C D D D E", b" ".join([b"D LOCKED"] * 4)), "row 2, field Lineup: .*hidden"),
        (swap(b" D F,", b","), "row 2, field Lineup: the lineup has 5 drivers"),
        (swap(b"25.00%", b"much"), "row 2, field %Drafted"),
        (HEADER.encode(), "no entries"),
        (zipped(b"x", "readme.md"), "0 CSV files"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_field(content, words):
    with pytest.raises(InputError, match=words):
        read_standings(content, SLATE)


def test_a_form_without_the_players_shows_the_ownership_of_its_lineups():
    """The older export ends with the lineup; a driver whom nobody holds is at 0, the others not."""
    left = [",".join(line.split(",")[:6]) for line in standings_file().decode().split("\r\n")]
    standings = read_standings("\n".join(left).encode(), SLATE)
    assert standings.ownership.tolist() == [0.25, 0.5, 0.5, 1.0, 1.0, 1.0, 0.75, 0.5, 0.5]
    assert np.isnan(standings.driver_points).all()


def test_other_orders_and_fewer_columns_are_read():
    rows = ["EntryName,EntryId,Rank,Points,Lineup,Player,%Drafted,FPTS"]
    for place, lineup in enumerate(LINEUPS, start=1):
        words = " ".join(f"D {SLATE.players[i].name}" for i in lineup)
        rows.append(f'x,{700 + place},"1,40{place}",300.5,{words},A,25%,41.5')
    standings = read_standings("\n".join(rows).encode(), SLATE)
    assert standings.rank.tolist() == [1401, 1402, 1403, 1404]
    assert standings.driver_points[0] == 41.5


def test_entry_ids_that_a_spreadsheet_rounded_are_refused():
    with pytest.raises(InputError, match=r"row 3, field EntryId.*saved by a spreadsheet"):
        read_standings(swap(b"\n2,702,", b"\n2,4.4E+09,"), SLATE)


def test_a_rivals_name_in_no_known_encoding_does_not_cost_the_file():
    standings = read_standings(swap(b"some one (2/4)", b"some \x81 one"), SLATE)
    assert standings.entry_names[1] == "some \ufffd one"
    assert standings.lineups.tolist() == LINEUPS


def test_a_driver_whom_the_salary_file_lacks_is_told_and_counts_as_nobody():
    content = swap(b"D B D C D D D E", b"D Zed D C D D D E").replace(b"50.00%", b"25.00%", 1)
    standings = read_standings(content, SLATE)
    assert standings.lineups.tolist() == [[0, -1, 2, 3, 4, 5], *LINEUPS[1:]]
    assert standings.ownership[1] == 0.25
    (notice,) = standings.notices
    assert notice.startswith("'Zed' is no driver")
    assert "in 1 of the 4 entries" in notice
    assert read_standings(standings_file(), SLATE).notices == ()


def test_a_file_cut_off_within_a_name_is_refused():
    rows = standings_file().decode().split("\r\n")[:5]
    cut = "\n".join(",".join(row.split(",")[:6]) for row in rows).removesuffix("é Núñez")
    with pytest.raises(StandingsError, match=r"row 5, field Lineup: 'Jos'.*cut off here"):
        read_standings(cut.encode(), SLATE)


def test_a_rivals_lineup_with_a_driver_who_did_not_race_is_read_with_what_the_file_says_of_him():
    slate = made_slate([8_000] * 9, names=[p.name for p in SLATE.players], absent=[0])
    standings = read_standings(standings_file().replace(b",40.5", b",0"), slate)
    assert [slate.everyone[i].name for i in standings.lineups[0]] == ["A", "B", "C", "D", "E", "F"]
    assert (standings.ownership[8], standings.driver_points[8]) == (0.25, 0.0)
    own = standings.lineups[1:2]
    review = review_contest(slate, standings, own, None, None, np.full(8, 0.75), np.full(8, 30.0))
    his = review.drivers.filter(name="A").row(0, named=True)
    assert (his["expected_ownership"], his["realised_ownership"]) == (0.0, 0.25)
    assert (his["exposure"], his["realised_points"]) == (0.0, 0.0)
    assert review.drivers.height == 9


def summed_file(left=0, held=LINEUPS * 10, **damaged):
    """Standings in which points are the sums of the drivers' and equal ones tie."""
    fpts = [40.5 + i for i in range(9)]
    lineups = sorted(held, key=lambda lineup: -sum(fpts[i] for i in lineup))
    scores = [sum(fpts[i] for i in lineup) for lineup in lineups]
    lines = standings_file(lineups).decode().split("\r\n")
    for at, score in enumerate(scores):
        cells = lines[at + 1].split(",")
        cells[0], cells[3] = str(1 + sum(other > score for other in scores)), str(left)
        cells[4] = damaged.get(f"row{at + 2}", f"{score:.2f}")
        lines[at + 1] = ",".join(cells)
    return "\n".join(lines).encode()


def test_a_worse_rank_with_more_points_is_refused_once_it_is_over():
    assert read_standings(summed_file(), SLATE).rank[[0, 19, 20, 39]].tolist() == [1, 1, 21, 31]
    with pytest.raises(StandingsError, match=r"row 40, field Points: rank 31 has 25,800.00 points"):
        read_standings(summed_file(row40="25800"), SLATE)
    live = read_standings(summed_file(left=30, row40="25800"), SLATE)  # ranks lag the points
    assert (live.rank[38], live.points[38]) == (31, 25_800)


def test_a_few_entries_with_other_points_than_their_drivers_are_refused_once_it_is_over():
    with pytest.raises(StandingsError, match=r"row 2, field Points: the entry has 27,600.00 point"):
        read_standings(summed_file(row2="27600"), SLATE)
    assert read_standings(summed_file(left=30, row2="27600"), SLATE).points[0] == 27600
    # Where none is the sum, as of other drivers' points, nothing follows from it.
    assert len(read_standings(standings_file(), SLATE).entry_ids) == 4


def test_a_little_held_driver_whose_points_were_corrected_in_one_list_is_named():
    held = [*LINEUPS[1:] * 14, *LINEUPS[:1] * 2]
    corrected = summed_file(held=held).replace(b",40.5", b",42.5")
    (notice,) = read_standings(corrected, SLATE).notices
    assert notice.startswith("The printed points of 'A' are not")
    assert "the 2 that hold him have 2.00 points fewer than their drivers" in notice
    # One of his two entries alone, or each by another amount: that is damage.
    for damaged in ({"row45": "250"}, {"row44": "250", "row45": "249"}):
        with pytest.raises(StandingsError, match=r"the entry has 250\.00 points"):
            read_standings(summed_file(held=held, **damaged), SLATE)


def test_in_a_contest_of_less_than_twenty_entries_points_at_odds_prove_nothing():
    few = summed_file(held=LINEUPS * 4, row17="200")
    assert read_standings(few, SLATE).points[-1] == 200


def test_a_second_row_of_a_driver_does_not_take_the_first_one_s_place():
    content = standings_file(LINEUPS * 4).decode().split("\r\n")
    content[12] += ",,D. Dee,D,0.00%,0.0"
    standings = read_standings("\n".join(content).encode(), SLATE)
    assert (standings.ownership[7], standings.driver_points[7]) == (0.5, 47.5)


def test_a_form_without_players_says_that_it_cannot_be_seen_to_be_whole():
    rows = [",".join(line.split(",")[:6]) for line in standings_file().decode().split("\r\n")]
    read = read_standings("\n".join(rows[:3]).encode(), SLATE)
    assert len(read.entry_ids) == 2
    assert "whether entries are missing from it" in read.notices[-1]
    assert read_standings(standings_file(), SLATE).notices == ()


def test_only_another_slate_s_drivers_are_said_to_be_another_slate_s():
    with pytest.raises(OtherSlate):
        read_standings(swap(b"D A D B D C D D", b"D W D X D Y D Z"), SLATE)
    for content in (swap(b"Rank,", b"Place,"), swap(b" D F,", b","), HEADER.encode()):
        with pytest.raises(InputError) as fault:
            read_standings(content, SLATE)
        assert not isinstance(fault.value, OtherSlate)


def test_a_file_in_an_archive_goes_by_its_own_name():
    read = read_standings(
        zipped(standings_file(), "contest-standings-55555.csv"), SLATE, file="x.zip"
    )
    assert read.file.endswith("contest-standings-55555.csv")
