"""A filled entries file of several contests, of either site, mended contest by contest."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.lineups import PortfolioSettings, build_portfolio, read_entries, swap_entries
from nascar_assets.lineups.contest_entries import fill_contests
from nascar_assets.lineups.raw_csv import read_raw
from nascar_assets.rules import rule_set
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate
from nascar_assets_tests.lineups.test_contest_entries import (
    NAMES,
    POINTS,
    PORTFOLIO,
    SLATE,
    TOML,
    by_contest,
    filled,
)

FEES = {"11": 5, "22": 3, "33": 10}


def swapped(content, toml, gone, **options):
    asked = PortfolioSettings.from_toml(toml)
    return swap_entries(content, SLATE, POINTS, asked, PORTFOLIO, [NAMES[gone]], **options)


def in_most(content):
    held = [driver for rows in by_contest(content).values() for row in rows for driver in row]
    return max(set(held), key=held.count)


@pytest.mark.slow
def test_each_contest_is_mended_by_itself_and_no_lineup_comes_into_two():
    content = filled(TOML).content
    gone = in_most(content)
    done = swapped(content, TOML, gone)
    before, after = by_contest(content), by_contest(done.content)
    every = [row for rows in after.values() for row in rows]
    assert not any(gone in row for row in every)
    assert len(set(every)) == len(every)
    for key, rows in before.items():
        for old, new in zip(rows, after[key], strict=True):
            assert len(set(old) - set(new)) == (gone in old)  # the fewest changes
    assert len(done.changes) == sum(gone in row for rows in before.values() for row in rows)
    assert sum(row.dollars for row in done.at_risk) == pytest.approx(6 * (2 * 5 + 4 * 3 + 10))


def test_a_section_for_no_contest_of_the_file_is_told_in_mending_too():
    content = filled("lineups = 4\n", contest_id="11").content
    toml = 'lineups = 4\n[[contests]]\nname = "*tripel up*"\n'
    (notice,) = swapped(content, toml, in_most(content)).notices
    assert notice.startswith("contests.0 (name '*tripel up*') is for no contest of the file")


def test_a_fee_that_is_no_amount_is_refused_in_mending_where_dollars_are_limited():
    content = filled("lineups = 4\n", contest_id="11").content.replace(b",11,$5,", b",11,5 USD,")
    gone = in_most(content)
    assert (
        "not in the dollars at risk: 900, 901" in swapped(content, "lineups = 4\n", gone).notices[0]
    )
    limit = f'lineups = 4\n[drivers."{NAMES[0]}"]\nmax_dollars = 500\n'
    with pytest.raises(InputError, match="row 2, field Entry Fee: '5 USD' is no fee"):
        swapped(content, limit, gone)


@pytest.mark.slow
def test_a_lineup_comes_again_only_where_its_section_says_so():
    cash = '[[contests]]\nid = "11"\nobjective = "mean"\n'
    other = '[[contests]]\nid = "22"\nobjective = "mean"\nrepeat = true\n'
    toml = "lineups = 4\n" + cash + other
    content = filled(toml).content
    both = set(by_contest(content)["11"])
    assert both < set(by_contest(content)["22"])
    gone = next(iter(both))[0]
    apart = by_contest(swapped(content, toml.replace("repeat = true\n", ""), gone).content)
    assert not {row for row in apart["11"] if gone in row}
    hit = [at for at, row in enumerate(by_contest(content)["22"]) if gone in row]
    assert not {apart["22"][at] for at in hit} & set(apart["11"])
    again = by_contest(swapped(content, toml, gone).content)
    assert set(again["11"]) & set(again["22"])


@pytest.mark.slow
def test_a_limit_in_dollars_holds_over_all_contests_and_locked_entries_stay():
    content = filled(TOML).content
    gone = in_most(content)
    free = swapped(content, TOML, gone)
    before = {row.name: row.dollars for row in filled(TOML).at_risk}
    star = max(free.at_risk, key=lambda row: row.dollars - before.get(row.name, 0.0))
    assert star.dollars > before.get(star.name, 0.0)
    limit = f'[drivers."{star.name}"]\nmax_dollars = {max(before.get(star.name, 0.0), 1.0)}\n'
    toml = TOML.replace("[[contests]]", limit + "[[contests]]", 1)
    (held,) = [
        r for r in swapped(content, toml, gone).at_risk if r.name == star.name
    ] or [None]  # fmt: skip
    assert held is None or held.dollars <= max(before.get(star.name, 0.0), 1.0)

    first = content.split(b"\r\n")[1]
    locked = content.replace(first, first.replace(b")", b") (LOCKED)"))
    done = swapped(locked, TOML, gone)
    assert first.replace(b")", b") (LOCKED)") in done.content
    assert done.notices[0].startswith("Locked, and left as it is: 900")


SITES = {
    site: made_slate(made_salaries(12, 5), rules=rule_set(f"{site}-classic", date(2026, 3, 15)))
    for site in ("dk", "fd")
}
SITE_POINTS = made_points(made_salaries(12, 5), 60, 5)


def site_file(site, name, rows, end, quoted):
    slate = SITES[site]
    columns = list(slate.site.entry_columns.values())
    columns += [slate.site.entry_driver] * slate.rules.roster_size
    held = {"entry_id": "", "contest_id": "", "contest_name": name, "entry_fee": "0.25"}
    lines = [[*columns, "", "Instructions"]]
    for number in range(rows):
        cells = {**held, "entry_id": str(700 + number), "contest_id": str(1 + number % 2)}
        lines.append([cells[part] for part in slate.site.entry_columns])
        lines[-1] += [""] * slate.rules.roster_size + ["", "Do it"]
    quote = '"' if quoted else ""
    text = end.join(
        ",".join(
            f'"{c}"' if "," in c or "\n" in c else f"{quote}{c.replace(chr(34), '')}{quote}"
            for c in row
        )
        for row in lines
    )
    return (text + end).encode()


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@example(
    site="dk", name="One, two", rows=4, end="\n", quoted=False, bom=False, sections=True, gone=10
)
@given(
    site=st.sampled_from(["dk", "fd"]),
    name=st.sampled_from(["One, two", "plain", "M\u00fcller", "two\nlines"]),
    rows=st.integers(1, 4),
    end=st.sampled_from(["\n", "\r\n"]),
    quoted=st.booleans(),
    bom=st.booleans(),
    sections=st.booleans(),
    gone=st.integers(0, 11),
)
def test_filling_and_mending_change_only_the_drivers_cells(
    site, name, rows, end, quoted, bom, sections, gone
):
    slate = SITES[site]
    toml = 'lineups = 4\nobjective = "mean"\n' + '[[contests]]\nid = "2"\n' * sections
    asked = PortfolioSettings.from_toml(toml)
    portfolio = build_portfolio(SITE_POINTS, slate, {"lineups": 4}, prove=False).drivers.tolist()
    blank = b"\xef\xbb\xbf" * bom + site_file(site, name, rows, end, quoted)
    full = fill_contests(
        blank, slate, SITE_POINTS, asked, portfolio, lambda name: pytest.fail(name), file="e.csv"
    ).content
    mended = swap_entries(
        full, slate, SITE_POINTS, asked, portfolio, [slate.players[gone].name], file="e.csv"
    ).content
    lead, size = len(slate.site.entry_columns), slate.rules.roster_size
    for content in (full, mended):
        raw = read_raw(content, file="e.csv")
        for entry in read_entries(content, slate, file="e.csv"):
            for place in range(size):
                raw.rows[entry.row - 1].replace(lead + place, "")
        assert emptied(raw.to_bytes(), lead, size) == emptied(blank, lead, size)
        assert content.startswith(b"\xef\xbb\xbf") == bom
    held = {frozenset(entry.lineup) for entry in read_entries(mended, slate, file="e.csv")}
    for old, new in zip(
        read_entries(full, slate, file="e.csv"), read_entries(mended, slate, file="e.csv"),
        strict=True,
    ):  # fmt: skip
        assert gone not in (new.lineup or ())
        changes = len(set(old.lineup) - set(new.lineup))
        assert changes >= (gone in old.lineup)
        if changes > (gone in old.lineup):  # what takes one change only is in the file already
            assert gone in old.lineup
            assert one_change(slate, old.lineup, gone) <= held
        # Who stays keeps his cell.
        assert all(
            a == b or a not in new.lineup for a, b in zip(old.lineup, new.lineup, strict=True)
        )
    assert np.array(portfolio).shape == (4, size)


def one_change(slate, lineup, gone):
    """The legal lineups that differ from one by the driver who takes a place."""
    rest = set(lineup) - {gone}
    found = {frozenset({*rest, new}) for new in range(len(slate.players)) if new not in lineup}
    salary = [player.salary for player in slate.players]
    return {one for one in found if sum(salary[i] for i in one) <= slate.rules.salary_cap}


def emptied(content, lead, size):
    """A file whose drivers' cells are empty alike, quoted or not."""
    raw = read_raw(content, file="e.csv")
    for row in raw.rows[1:]:
        if len(row.cells) >= lead + size and row.value(0).strip().isdigit():
            for place in range(size):
                row.replace(lead + place, "x")
    return raw.to_bytes()
