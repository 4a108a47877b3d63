"""One entries file of three contests: each its own lineups, limits in dollars, bytes kept."""

from __future__ import annotations

import numpy as np
import pytest

from nascar_assets.errors import InputError
from nascar_assets.lineups import InfeasiblePortfolio, build_portfolio, read_entries
from nascar_assets.lineups.contest_entries import fill_contests
from nascar_assets.lineups.settings import PortfolioSettings, SettingsError
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(14, 3)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 120, 3)
PORTFOLIO = build_portfolio(POINTS, SLATE, {"lineups": 4}, prove=False).drivers.tolist()
NAMES = [player.name for player in SLATE.players]
HEAD = "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions"
CONTESTS = (
    ("11", "NAS Double Up", "$5", 2),
    ("22", "NAS 20-Max", "$3", 4),
    ("33", "NAS SE", "$10", 1),
)
TOML = """
lineups = 4
[[contests]]
name = "*double up*"
objective = "mean"
[[contests]]
id = "22"
objective = "cvar"
"""


def entries_file():
    rows, number = [HEAD], 900
    for contest, name, fee, count in CONTESTS:
        for _ in range(count):
            rows.append(f'{number},"{name}",{contest},{fee},,,,,,,,keep me')
            number += 1
    return ("\r\n".join(rows) + "\r\n").encode()


def filled(toml, content=None, **options):
    return fill_contests(
        content or entries_file(), SLATE, POINTS, PortfolioSettings.from_toml(toml), PORTFOLIO,
        lambda name: pytest.fail(name), **options,
    )  # fmt: skip


def by_contest(content):
    found = {}
    for entry in read_entries(content, SLATE):
        if entry.lineup is None:
            continue
        found.setdefault(entry.contest_id, []).append(tuple(sorted(entry.lineup)))
    return found


def test_each_contest_has_its_own_lineups_and_none_is_repeated():
    done = filled(TOML)
    held = by_contest(done.content)
    assert {key: len(rows) for key, rows in held.items()} == {"11": 2, "22": 4, "33": 1}
    every = [row for rows in held.values() for row in rows]
    assert len(set(every)) == len(every)
    # Each by its own objective: the best two means of all lineups are in the cash game.
    best = build_portfolio(POINTS, SLATE, {"lineups": 2, "objective": "mean"}, prove=False)
    assert set(held["11"]) == {tuple(row) for row in best.drivers.tolist()}
    # A contest without a section has the portfolio's.
    assert held["33"][0] in {tuple(row) for row in PORTFOLIO}
    assert done.content.count(b"keep me") == 7
    assert [line.split(",")[0] for line in done.content.decode().splitlines()[1:]] == [
        str(900 + i) for i in range(7)
    ]


def test_lineups_come_again_only_where_a_section_says_so():
    both = TOML.replace('objective = "cvar"', 'objective = "mean"')
    apart = by_contest(filled(both).content)
    assert not set(apart["11"]) & set(apart["22"])
    again = by_contest(filled(both + "repeat = true\n").content)
    assert set(again["11"]) < set(again["22"])


def test_no_lineup_comes_into_a_contest_beside_one_that_stays_as_it_is():
    both = TOML.replace('objective = "cvar"', 'objective = "mean"')
    first = filled(both, contest_id="11").content
    for contest in ("22", "33"):
        first = filled(both, first, contest_id=contest).content
    every = [row for rows in by_contest(first).values() for row in rows]
    assert len(set(every)) == len(every) == 7
    cash = filled(both, contest_id="11").content
    lines = cash.split(b"\r\n")
    locked = [line.replace(b")", b") (LOCKED)") if b",11," in line else line for line in lines]
    held = by_contest(filled(both, b"\r\n".join(locked)).content)
    assert held["11"] == by_contest(first)["11"]
    assert not set(held["11"]) & set(held["22"])
    again = by_contest(filled(both + "repeat = true\n", cash, contest_id="22").content)
    assert set(again["11"]) < set(again["22"])


def with_locked(content, *rows):
    """The file with rows of entries marked as locked."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(
        line.replace(b")", b") (LOCKED)") if at in rows else line for at, line in enumerate(lines)
    )


def test_bounds_over_a_contest_s_set_count_its_locked_entries():
    first = filled(TOML).content
    locked = with_locked(first, 3, 4)
    one, other = map(set, by_contest(first)["22"][:2])
    star = min(one & other)
    half = f'[contests.drivers."{NAMES[star]}"]\nmax_exposure = 0.5\n'
    rows = by_contest(filled(TOML + half, locked).content)["22"]
    assert [set(row) for row in rows[:2]] == [one, other]
    assert sum(star in row for row in rows) == 2
    away = min(set(range(len(NAMES))) - one - other)
    half = f'[contests.drivers."{NAMES[away]}"]\nmin_exposure = 0.5\n'
    rows = by_contest(filled(TOML + half, locked).content)["22"]
    assert sum(away in row for row in rows) == 2
    # Where the locked ones leave too few for a minimum, all others have him.
    every = f'[contests.drivers."{NAMES[away]}"]\nmin_exposure = 0.75\n'
    rows = by_contest(filled(TOML + every, locked).content)["22"]
    assert [away in row for row in rows] == [False, False, True, True]
    for most in (2, 3):
        content = with_locked(first, 3)
        rows = by_contest(filled(TOML + f"max_shared = {most}\n", content).content)["22"]
        assert max(len(one & set(row)) for row in rows[1:]) <= most
    # In dollars, too: $10 in the other contest, and $3 on each of the two locked entries here.
    limit = f'[drivers."{NAMES[star]}"]\nmax_dollars = 19\n'
    head, rest = TOML.split("[[contests]]", 1)
    done = filled(head + limit + "[[contests]]" + rest, locked, contest_id="22")
    assert sum(star in row for row in by_contest(done.content)["22"]) <= 3


def test_lineups_that_other_contests_have_are_named_where_too_few_are_left():
    # Three drivers in every lineup and three of four others: four lineups for six entries.
    locks = "".join(f'[drivers."{NAMES[i]}"]\nlock = true\n' for i in (11, 12, 13))
    outs = "".join(f'[drivers."{NAMES[i]}"]\nexclude = true\n' for i in range(7))
    head, rest = TOML.split("[[contests]]", 1)
    toml = head + locks + outs + "[[contests]]" + rest
    with pytest.raises(InfeasiblePortfolio) as caught:
        filled(toml)
    error = caught.value
    assert error.reason == (
        "contest 22 (NAS 20-Max): only 3 lineups keep these settings; 4 are wanted"
    )
    assert error.conflict[-1] == (
        "no lineup that another contest has (repeat = true in its section allows them)"
    )
    filled(toml + "repeat = true\n")


def test_fees_are_counted_and_limits_in_dollars_hold():
    free = {row.name: row for row in filled(TOML).at_risk}
    total = sum(row.dollars for row in free.values())
    assert total == pytest.approx(6 * (2 * 5 + 4 * 3 + 10))  # six drivers of each entry's fee
    star = max((row for row in free.values()), key=lambda row: row.dollars).name
    limit = f'[drivers."{star}"]\nmax_dollars = 9\n'
    head, rest = TOML.split("[[contests]]", 1)
    section = '[[contests]]\nid = "33"\n[[contests]]'
    held = {row.name: row for row in filled(head + limit + section + rest).at_risk}
    assert held[star].dollars <= 9
    assert held[star].limit == 9
    # Without a section of its own a contest takes the portfolio as it is.
    most = max(NAMES, key=lambda name: sum(NAMES.index(name) in row for row in PORTFOLIO))
    with pytest.raises(InputError, match=r"above max_dollars = 0\.50"):
        filled(f'lineups = 4\n[drivers."{most}"]\nmax_dollars = 0.5\n')


def test_a_group_s_dollars_hold_over_all_contests():
    names = ", ".join(f'"{name}"' for name in NAMES[:3])
    group = f'[[groups]]\ndrivers = [{names}]\nname = "dear"\nmax_dollars = 12\n'
    head, rest = TOML.split("[[contests]]", 1)
    done = filled(head + group + '[[contests]]\nid = "33"\n[[contests]]' + rest)
    (dear,) = (row for row in done.at_risk if row.name == "dear")
    assert dear.dollars <= 12
    fees = {key: float(fee[1:]) for key, _, fee, _ in CONTESTS}
    counted = sum(
        fees[key]
        for key, rows in by_contest(done.content).items()
        for row in rows
        if set(row) & {0, 1, 2}
    )
    assert counted == pytest.approx(dear.dollars)


@pytest.mark.parametrize("fee", ["5.00 USD", "EUR 25", "12-Jan", "1e3", "-5", "1.000"])
def test_a_fee_that_is_no_amount_is_refused_where_dollars_are_limited_and_else_told(fee):
    content = entries_file().replace(b",11,$5,", f",11,{fee},".encode(), 1)
    done = filled(TOML, content)
    assert done.notices[0] == "Without a fee in dollars, and not in the dollars at risk: 900."
    assert sum(row.dollars for row in done.at_risk) == pytest.approx(6 * (5 + 4 * 3 + 10))
    limit = f'[drivers."{NAMES[0]}"]\nmax_dollars = 500\n'
    with pytest.raises(InputError, match=f"row 2, field Entry Fee: '{fee}' is no fee in dollars"):
        filled(TOML.replace("[[", limit + "[[", 1), content)


@pytest.mark.parametrize(("fee", "told"), [("", True), ("Free", False), ("$0.00", False)])
def test_an_entry_without_a_fee_costs_nothing(fee, told):
    content = entries_file().replace(b",11,$5,", f",11,{fee},".encode(), 1)
    limit = f'[drivers."{NAMES[0]}"]\nmax_dollars = 500\n'
    notices = filled(TOML.replace("[[", limit + "[[", 1), content).notices
    assert any("Without a fee" in notice for notice in notices) == told
    assert not any("Without a fee" in notice for notice in filled(TOML, content).notices)


def test_brackets_of_a_contest_s_name_are_plain_text():
    content = entries_file().replace(b"NAS 20-Max", b"NAS $5K [20 Entry Max]")
    for pattern in ("*[20 entry max]*", "NAS $5K [20 Entry Max]", "*[[]20 ent?y*"):
        toml = f'lineups = 4\n[[contests]]\nname = "{pattern}"\nobjective = "mean"\n'
        notices = filled(toml, content, contest_id="22").notices
        own = [notice for notice in notices if "lineups of its own" in notice]
        expected = [] if "[[]" in pattern else ["Contest 22 (NAS $5K [20 Entry Max])"]
        assert [notice.split(":")[0] for notice in own] == expected


def test_a_section_for_no_contest_of_the_file_is_told():
    assert not any("no contest" in notice for notice in filled(TOML).notices)
    toml = TOML + '[[contests]]\nname = "*tripel up*"\n[[contests]]\nname = "*20*"\nid = "22"\n'
    one, other = (notice for notice in filled(toml).notices if "no contest" in notice)
    assert one.startswith("contests.2 (name '*tripel up*') is for no contest of the file")
    assert other.startswith("contests.3 (name '*20*', id '22') is for no contest of the file")


def test_more_entries_than_a_contest_takes_are_refused():
    with pytest.raises(InputError, match="has 4 entries, and its max_entries is 3"):
        filled(TOML + "max_entries = 3\n")
    with pytest.raises(InputError, match="has 4 entries but the portfolio has 3 lineups"):
        fill_contests(
            entries_file(), SLATE, POINTS, PortfolioSettings(), PORTFOLIO[:3], lambda _: None
        )
    with pytest.raises(SettingsError, match="needs a name or an id"):
        PortfolioSettings.from_toml("[[contests]]\nlineups = 3\n")


def test_a_portfolio_that_other_contests_used_up_is_told_with_how_many_to_build():
    asked = PortfolioSettings.of({"contests": [{"name": "none"}]})
    said = (
        r"Small\) has 3 entries but the portfolio has 4 lineups, and 3 of them are in .* other "
        r"contests. Build a portfolio of 8,.* repeat = true"
    )
    rows = [f"{100 + k},{'Big' if k < 3 else 'Small'},{k // 3},$1,,,,,,,," for k in range(6)]
    rows += [f"{200 + k},Last,9,$1,,,,,,,," for k in range(2)]
    content = "\r\n".join([HEAD, *rows, ""]).encode()
    with pytest.raises(InputError, match=said):
        fill_contests(content, SLATE, POINTS, asked, PORTFOLIO, lambda _: (None, None))


def test_a_limit_in_dollars_of_one_contest_is_refused():
    section = f'[contests.drivers."{NAMES[0]}"]\nmax_dollars = 3.0\n'
    with pytest.raises(
        SettingsError, match=r"over all contests: put it under \[drivers\]"
    ) as error:
        PortfolioSettings.from_toml(TOML + section, file="s.toml")
    assert (error.value.field, error.value.row) == ("contests.1.drivers", 9)


def test_the_same_file_and_settings_give_the_same_bytes():
    assert filled(TOML).content == filled(TOML).content
    assert np.array(PORTFOLIO).shape == (4, 6)
