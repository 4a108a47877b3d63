"""A filled entries file after a scratch: every entry mended, the set's settings kept."""

from __future__ import annotations

import numpy as np
import pytest

from nascar_assets.errors import InputError
from nascar_assets.lineups import (
    LockedEntry,
    build_portfolio,
    read_entries,
    swap_entries,
)
from nascar_assets.lineups.problem import CountRule
from nascar_assets_tests.lineups.slates import fill_entries, made_points, made_salaries, made_slate

SALARIES = made_salaries(18, 7)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 200, 7)
NAMES = [player.name for player in SLATE.players]
ASKED = {
    "lineups": 8,
    "objective": "mean",
    "drivers": {NAMES[3]: {"max_exposure": 0.5}, NAMES[9]: {"min_exposure": 0.25}},
}
PORTFOLIO = build_portfolio(POINTS, SLATE, ASKED).drivers
HEADER = "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions"


def empty_file(*contests):
    rows = [f"{5000 + i},Lap,{contest},$1,,,,,,,,Do it" for i, contest in enumerate(contests)]
    return "\r\n".join([HEADER, *rows, ""]).encode()


def lineups_of(content):
    return [set(entry.lineup) for entry in read_entries(content, SLATE)]


def test_few_entries_of_a_portfolio_are_mended_as_part_of_it():
    # Three entries cannot hold driver 9 in a quarter of eight lineups by themselves: the file
    # keeps the first three lineups of the whole set, mended together.
    filled = fill_entries(empty_file("1", "1", "1"), SLATE, PORTFOLIO)
    gone = int(PORTFOLIO[0, 0])
    swap = swap_entries(filled, SLATE, POINTS, ASKED, PORTFOLIO, [NAMES[gone]])
    assert swap.notices == ()
    after = lineups_of(swap.content)
    for before, now in zip(PORTFOLIO[:3].tolist(), after, strict=True):
        assert gone not in now
        assert (set(before) == now) == (gone not in before)
    assert len(swap.changes) == sum(gone in row for row in PORTFOLIO[:3].tolist())
    assert all(f"{NAMES[gone]} out" in change for change in swap.changes)


def test_a_lineup_in_two_contests_is_mended_alike_and_both_entries_are_named():
    filled = fill_entries(empty_file("1", "2"), SLATE, PORTFOLIO)
    # The site may list a lineup's drivers in any order.
    cells = filled.decode().split("\r\n")[2].split(",")
    cells[4:10] = cells[4:10][::-1]
    content = filled.replace(filled.split(b"\r\n")[2], ",".join(cells).encode())
    gone = int(PORTFOLIO[0, 0])
    swap = swap_entries(content, SLATE, POINTS, ASKED, PORTFOLIO, [NAMES[gone]])
    one, other = lineups_of(swap.content)
    assert one == other
    assert gone not in one
    assert [change.split(":")[0] for change in swap.changes] == ["entries 5000, 5001"]


def test_an_illegal_entry_is_named_by_its_row():
    filled = fill_entries(empty_file("1", "1"), SLATE, PORTFOLIO)
    lines = filled.decode().split("\r\n")
    cells = lines[2].split(",")
    cells[5] = cells[4]
    content = filled.replace(lines[2].encode(), ",".join(cells).encode())
    with pytest.raises(InputError, match=r"row 3, field D: the lineup of entry 5001.*than once"):
        swap_entries(content, SLATE, POINTS, ASKED, PORTFOLIO, [NAMES[0]])


def test_lineups_of_ones_own_are_mended_by_themselves_and_what_they_break_is_told():
    own = PORTFOLIO[:2].copy()
    legal = [i for i in range(18) if i not in own[0]]
    own[0, 0] = max(legal, key=lambda i: -SALARIES[i])
    own = own[[0]]
    filled = fill_entries(empty_file("1"), SLATE, own)
    asked = {**ASKED, "drivers": {NAMES[int(own[0, 1])]: {"max_exposure": 0.5}}}
    gone = int(own[0, 2])
    swap = swap_entries(filled, SLATE, POINTS, asked, PORTFOLIO[1:], [NAMES[gone]])
    # The file's one lineup holds a driver who may be in half of the lineups: already broken.
    assert "not in the slate's portfolio" in swap.notices[0]
    assert "the file does not keep it as it is" in swap.notices[1]
    assert lineups_of(swap.content)[0] >= set(own[0].tolist()) - {gone}
    assert len(swap.changes) == 1


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({"drivers": {NAMES[0]: {"max_exposure": 0.3}}}, {0}),
        ({"groups": [{"drivers": [NAMES[0], NAMES[3]], "max_exposure": 0.3}]}, {0, 3}),
    ],
)
def test_what_lineups_of_ones_own_had_passed_before_may_stay_and_goes_no_further(asked, held):
    # The best driver by far is in four locked lineups of eight; whoever is free to takes him in.
    salaries = [8_000] * 14
    slate, points = made_slate(salaries), made_points(salaries, 40, 1)
    points[:, 0] = 2_000
    rng = np.random.default_rng(4)
    own = [[0, 1, *row] for row in ([4, 5, 6, 7], [8, 9, 10, 11], [4, 6, 8, 10], [5, 7, 9, 11])]
    own += [[1, 2, *sorted(rng.choice(np.arange(4, 14), 4, replace=False))] for _ in range(4)]
    filled = fill_entries(empty_file(*["1"] * 8), slate, np.array(own))
    lines = filled.split(b"\r\n")
    lines[1:5] = [line.replace(b")", b") (LOCKED)") for line in lines[1:5]]
    swap = swap_entries(b"\r\n".join(lines), slate, points, asked, PORTFOLIO, [NAMES[1]])
    after = [set(e.lineup) for e in read_entries(swap.content, slate)]
    assert any("no change goes further from it" in notice for notice in swap.notices)
    assert sum(bool(row & held) for row in after) == 4


def test_a_minimum_that_lineups_of_ones_own_had_missed_asks_for_nobody_in_his_place():
    salaries = [8_000] * 13 + [11_000]  # the group's other driver fits into no lineup
    slate, points = made_slate(salaries), made_points(salaries, 40, 1)
    own = np.array([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11], [1, 3, 5, 7, 9, 11]])
    asked = {"groups": [{"drivers": [NAMES[0], NAMES[13]], "min_exposure": 0.6}]}
    filled = fill_entries(empty_file(*["1"] * 3), slate, own)
    swap = swap_entries(filled, slate, points, asked, PORTFOLIO, [NAMES[0]])
    assert len(swap.changes) == 1


def test_an_overlap_that_lineups_of_ones_own_had_passed_before_grows_no_further():
    salaries = [8_000] * 14
    slate, points = made_slate(salaries), made_points(salaries, 40, 1)
    points[:, 0] = 2_000  # who is free to takes him in
    own = np.array([[0, 2, 3, 4, 5, 6], [1, 2, 3, 8, 9, 10]])
    lines = fill_entries(empty_file("1", "1"), slate, own).split(b"\r\n")
    lines[1] = lines[1].replace(b")", b") (LOCKED)")
    content = b"\r\n".join(lines)
    swap = swap_entries(content, slate, points, {"max_shared": 1}, PORTFOLIO, [NAMES[1]])
    one, other = lineups_of(swap.content)
    assert len(one & other) == 2
    assert any("max_shared = 1: the file does not keep it" in notice for notice in swap.notices)


HUNDREDS = [90, 85, 82, 80, 78, 76, 74, 72, 70, 68, 66, 64]
TEAMS = ["H", "H", "H", "H", "J", "J", "J", "P", "P", "P", "Q", "Q"]
PAIR = CountRule(f"veto of the ontology: {NAMES[0]} not with {NAMES[1]}", 0, 0b11, 0, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"teams": {"H": {"at_most": 2}}}, "at most 2 of H: set aside"),
        ({"drivers": {NAMES[4]: {"lock": True}}}, f"lock {NAMES[4]}: set aside"),
        ({"groups": [{"name": "g", "drivers": NAMES[:3], "at_most": 1}]}, ": set aside"),
        ({"salary_min": 46_500}, "salary of at least 46,500 in every lineup: set aside"),
        ({"ownership_max": 0.01}, "add up to at most 1%: set aside"),
        ({"drivers": {NAMES[0]: {"exclude": True}}}, f"exclude {NAMES[0]}: lineups that do not"),
        ({"vetoes": [PAIR]}, f"{PAIR.label}: lineups that do not keep it are changed"),
    ],
)
def test_rules_that_lineups_of_ones_own_did_not_keep_are_set_aside_but_exclusions(asked, said):
    salaries = [100 * dollars for dollars in HUNDREDS]
    slate = made_slate(salaries, teams=TEAMS, absent=[11])
    points = made_points(salaries, 60, 1)[:, :11]
    own = [[0, 1, 2, 7, 8, 10], [3, 5, 7, 8, 9, 11]]
    content = fill_entries(empty_file("1", "1"), made_slate(salaries, teams=TEAMS), own)
    settings = {key: value for key, value in asked.items() if key != "vetoes"}
    swap = swap_entries(
        content, slate, points, settings, own[:0], [], vetoes=asked.get("vetoes", ())
    )
    assert any(said in notice for notice in swap.notices)
    kept = read_entries(swap.content, slate)[0].lineup == tuple(own[0])
    assert kept == ("set aside" in said)
    assert len(swap.changes) == 2 - kept


def test_a_scratched_driver_whom_no_entry_holds_changes_no_byte():
    filled = fill_entries(empty_file("1", "1"), SLATE, PORTFOLIO)
    nobody = next(i for i in range(18) if i not in PORTFOLIO)
    swap = swap_entries(filled, SLATE, POINTS, ASKED, PORTFOLIO, [NAMES[nobody]])
    assert swap.content == filled
    assert swap.changes == ()
    assert swap.entries == 2


def test_a_file_in_which_nothing_is_filled_is_refused():
    with pytest.raises(InputError, match="no entry in the file is filled"):
        swap_entries(empty_file("1"), SLATE, POINTS, ASKED, np.array(PORTFOLIO), [NAMES[0]])


def test_who_is_absent_is_replaced_without_being_named_and_locked_entries_stay():
    filled = fill_entries(empty_file("1", "1", "1", "1"), SLATE, PORTFOLIO)
    gone = int(PORTFOLIO[0, 0])
    slate = made_slate(SALARIES, absent=[gone])
    points = np.delete(POINTS, gone, axis=1)
    lines = filled.split(b"\r\n")
    locked = lines[1].replace(b")", b") (LOCKED)")
    one_locked = filled.replace(lines[1], locked)
    asked = {**ASKED, "drivers": {**ASKED["drivers"], NAMES[gone]: {"max_exposure": 0.5}}}
    after = build_portfolio(points, slate, asked).drivers
    for content, kept in ((filled, 0), (one_locked, 1)):
        swap = swap_entries(content, slate, points, asked, after, [])
        held = read_entries(swap.content, slate)
        for entry, before in zip(held, read_entries(content, slate), strict=True):
            absent = max(before.lineup) >= len(slate.players)
            if before.locked:
                assert entry == before
                assert absent
            else:
                assert max(entry.lineup) < len(slate.players)
                assert (entry.lineup == before.lineup) == (not absent)
        names = [change for change in swap.changes if f"{NAMES[gone]} out" in change]
        assert len(names) == len(swap.changes) == sum(gone in row for row in PORTFOLIO[kept:4])
        assert (swap.notices[0] == "Locked, and left as it is: 5000.") == bool(kept)
    all_locked = filled.replace(b")", b") (LOCKED)")
    with pytest.raises(LockedEntry, match="every filled entry"):
        swap_entries(all_locked, slate, points, asked, after, [])
