"""Late scratch: as few drivers replaced as possible, every setting kept, the change listed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nascar_assets.lineups import InfeasiblePortfolio, build_portfolio, late_swap
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(18, 7)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 200, 7)
NAMES = [player.name for player in SLATE.players]
ASKED = {
    "lineups": 12,
    "objective": "mean",
    "max_shared": 4,
    "drivers": {NAMES[3]: {"max_exposure": 0.5}, NAMES[9]: {"min_exposure": 0.25}},
}


def portfolio():
    return build_portfolio(POINTS, SLATE, ASKED).drivers


@pytest.mark.slow
def test_one_driver_a_lineup_is_replaced_where_that_is_enough():
    before = portfolio()
    gone = int(np.bincount(before.ravel()).argmax())
    swap = late_swap(POINTS, SLATE, ASKED, before, [NAMES[gone]])
    affected = [i for i, row in enumerate(before.tolist()) if gone in row]
    assert sorted(change.lineup - 1 for change in swap.changes) == affected
    assert all(change.out == NAMES[gone] for change in swap.changes)
    for number, (old, new) in enumerate(zip(before.tolist(), swap.drivers.tolist(), strict=True)):
        coming = [NAMES[i] for i in new if i not in old]
        assert coming == [c.into for c in swap.changes if c.lineup == number + 1]
        assert gone not in new
        assert sum(SALARIES[i] for i in new) <= 50_000
    rows = [set(row) for row in swap.drivers.tolist()]
    assert max(len(a & b) for a, b in combinations(rows, 2)) <= 4
    assert sum(3 in row for row in rows) <= 6
    assert sum(9 in row for row in rows) >= 3


def test_settings_about_the_scratched_driver_are_set_aside_and_told():
    before = portfolio()
    swap = late_swap(POINTS, SLATE, ASKED, before, [SLATE.players[9].site_id])
    assert not (swap.drivers == 9).any()
    assert any("minimum exposure of" in n and "set aside" in n for n in swap.notices)


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("least", [1, 2])
def test_a_rule_that_the_scratched_driver_alone_kept_throws_nobody_else_out(by_hand, least):
    # Named by hand or out by the slate, it comes to the same: only he goes.
    salaries = [9_000, 8_800, 8_600, 8_400, 8_200, 8_000, 7_800, 7_600, 7_400, 7_200, 7_000, 6_800]
    whole = made_slate(salaries)
    slate = whole if by_hand else made_slate(salaries, absent=[1])
    names = [player.name for player in whole.players]
    ids = {player.site_id: i for i, player in enumerate(slate.everyone)}
    before = [
        [ids[whole.players[i].site_id] for i in row]
        for row in ([0, 1, 2, 5, 9, 10], [0, 1, 2, 6, 9, 11])
    ]
    rule = {"if": [names[0]], "then": [names[1], names[2]][:least], "at_least": least}
    points = made_points([player.salary for player in slate.players], 50, 1)
    swap = late_swap(
        points, slate, {"lineups": 2, "rules": [rule]}, before, names[1:2] if by_hand else []
    )
    assert [change.out for change in swap.changes] == [names[1], names[1]]
    assert any(f"if {names[0]} then at least {least} of" in n for n in swap.notices)


@pytest.mark.parametrize("dear", [False, True])
def test_a_lineup_without_the_driver_gives_way_where_that_takes_fewer_changes(dear):
    salaries = [*[8_000] * 5, 10_000, 2_000, 2_000, *[9_600] * 5]
    slate = made_slate(salaries)
    points = made_points(salaries, 40, 1)
    if dear:  # whatever changes costs fewer points than to give him away
        points[:, 6] = 3_000
    # The second lineup, 48,000 for five, can take nobody but the cheap driver 6, who may be in
    # one lineup only: the first lineup takes somebody else for him. By itself it would change five.
    asked = {"lineups": 2, "drivers": {slate.players[6].name: {"max_exposure": 0.5}}}
    before = [[0, 1, 2, 3, 4, 6], [7, 8, 9, 10, 11, 12]]
    swap = late_swap(points, slate, asked, before, [slate.players[7].name])
    assert swap.drivers[1].tolist() == [6, 8, 9, 10, 11, 12]
    assert [change.lineup for change in swap.changes] == [1, 2]
    assert swap.notices[-1].startswith("2 drivers change for 1 scratched places")


def test_a_scratch_that_no_change_mends_names_the_conflict():
    slate = made_slate([8_000] * 8)
    points = made_points([8_000] * 8, 40, 1)
    name = [player.name for player in slate.players]
    asked = {"lineups": 2, "drivers": {name[7]: {"exclude": True}}}
    with pytest.raises(InfeasiblePortfolio) as error:
        late_swap(points, slate, asked, [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 6]], [name[6]])
    # Six drivers are left, who make one lineup.
    assert f"exclude {name[7]}" in error.value.conflict
    assert f"{name[6]} is scratched" in error.value.conflict


def test_locked_lineups_of_absent_drivers_share_those_who_race_only():
    slate = made_slate([8_000] * 14, absent=[12, 13])
    points = made_points([8_000] * 12, 40, 1)
    # The locked ones share four drivers, as many as they may; who does not race is none of them.
    before = [[0, 1, 2, 3, 4, 12], [0, 1, 2, 3, 5, 13], [6, 7, 8, 9, 10, 12]]
    swap = late_swap(points, slate, {"max_shared": 4}, before, [], fixed=[0, 1])
    assert swap.drivers[:2].tolist() == before[:2]
    assert [change.out for change in swap.changes] == [slate.absent[0].name]


def test_no_scratch_changes_nothing():
    before = portfolio()
    swap = late_swap(POINTS, SLATE, ASKED, before, [])
    assert swap.changes == ()
    assert (swap.drivers == before).all()
