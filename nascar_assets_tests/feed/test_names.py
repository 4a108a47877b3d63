"""Driver names: markers, spellings, resolution without guessing."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nascar_assets.feed.name_tables import NAME_ALIASES
from nascar_assets.feed.names import (
    DriverDirectory,
    clean_name,
    normalise_name,
    with_canonical_ids,
)

DRIVERS = {
    "3774": "AJ Allmendinger",
    "3888": "Ricky Stenhouse Jr",
    "3368": "Martin Truex Jr",
    "4092": "John H. Nemechek",
    "4113": "Daniel Suárez",
    "4133": "Austin Hill",
    "4516": "Austin J Hill",
    "4096": "Corey LaJoie",
    "4416": "Nicholas Sanchez",
    "4490": "Andres Perez De Lara",
    "4469": "Shane Van Gisbergen",
    "4104": "Bubba Wallace",
    "4236": "Trey Hutchens III",
    "13": "Ty Dillon",
}


def directory(drivers: dict[str, str] | None = None) -> DriverDirectory:
    named = DRIVERS if drivers is None else drivers
    return DriverDirectory.from_frames(
        pl.DataFrame({"driver_id": list(named), "driver_name": list(named.values())})
    )


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Sammy Smith #", "Sammy Smith"),
        ("* Greg Biffle(i)", "Greg Biffle"),
        ("Nick Sanchez # (P)", "Nick Sanchez"),
        ("  Joey  Logano ", "Joey Logano"),
        ("Austin J  Hill", "Austin J Hill"),
    ],
)
def test_markers_are_taken_off(raw, cleaned):
    assert clean_name(raw) == cleaned


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A.J. Allmendinger", "AJ Allmendinger"),
        ("A. J. Allmendinger", "AJ Allmendinger"),
        ("B J McLeod", "BJ McLeod"),
        ("Martin Truex, Jr.", "Martin Truex Jr"),
        ("Daniel Suárez (i)", "daniel suarez"),
        ("Pato O'Ward", "Pato O’Ward"),
        ("Jean-Karl Vernay", "Jean Karl Vernay"),
        ("Søren Ødegård", "Soren Odegard"),
    ],
)
def test_spellings_of_one_name_are_alike(one, other):
    assert normalise_name(one) == normalise_name(other)


@example("\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL J}")
@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing_more(name):
    once = normalise_name(name)
    assert normalise_name(once) == once


@pytest.mark.slow
@given(st.sampled_from(sorted(DRIVERS)), st.sampled_from(["{}", " {} ", "* {} #", "{} (i)", "{}*"]))
def test_every_driver_is_found_by_his_own_name_whatever_its_marks(driver_id, marks):
    name = DRIVERS[driver_id]
    for spelling in (name, name.upper(), name.lower()):
        found = directory().resolve(marks.format(spelling))
        assert (found.driver_id, found.how) == (driver_id, "exact")


@pytest.mark.parametrize(
    ("name", "driver_id", "how"),
    [
        ("A.J. Allmendinger", "3774", "exact"),
        ("Ricky Stenhouse Jr.", "3888", "exact"),
        ("Ricky Stenhouse", "3888", "suffix"),
        ("Martin Truex", "3368", "suffix"),
        ("John Hunter Nemechek", "4092", "initials"),
        ("Daniel Suarez", "4113", "exact"),
        ("Corey La Joie", "4096", "spacing"),
        ("Nick Sanchez", "4416", "given name"),
        ("Andres Perez", "4490", "alias"),
        ("Shane van Gisbergen", "4469", "exact"),
        ("Darrell Wallace Jr.", "4104", "alias"),
        ("Trey Hutchens", "4236", "suffix"),
        ("Tyler Dillon", "13", "given name"),
    ],
)
def test_other_spellings_are_resolved(name, driver_id, how):
    found = directory().resolve(name)
    assert (found.driver_id, found.how) == (driver_id, how)


def test_an_initial_tells_two_drivers_apart():
    assert directory().resolve("Austin Hill").driver_id == "4133"
    assert directory().resolve("Austin J. Hill").driver_id == "4516"
    alone = directory({"4133": "Austin Hill"}).resolve("Austin J Hill")
    assert alone.driver_id is None
    assert alone.candidates == ("Austin Hill (4133)",)


@pytest.mark.parametrize("name", ["J Nemechek", "Nemechek", "Cory Lajoie", "Nobody Known", ""])
def test_what_is_not_sure_is_not_resolved(name):
    found = directory().resolve(name)
    assert found.driver_id is None
    assert found.how == "unknown"


def test_an_unknown_name_comes_with_the_nearest():
    assert directory().resolve("Cory Lajoie").candidates == ("Corey LaJoie (4096)",)
    assert directory().resolve("Qqqq Zzzz").candidates == ()


def test_one_name_for_two_drivers_is_not_guessed():
    found = directory({"1": "Jason White", "2": "Jason White", "3": "Joey Gase"})
    resolution = found.resolve("Jason White")
    assert resolution.driver_id is None
    assert resolution.how == "ambiguous"
    assert resolution.candidates == ("Jason White (1)", "Jason White (2)")


def test_two_suffixes_are_two_drivers():
    found = directory({"1": "Dale Earnhardt Sr", "2": "Dale Earnhardt Jr"})
    assert found.resolve("Dale Earnhardt Jr.").driver_id == "2"
    assert found.resolve("Dale Earnhardt").how == "ambiguous"
    son = directory({"2": "Dale Earnhardt Jr"})
    assert son.resolve("Dale Earnhardt III").driver_id is None
    assert son.resolve("Dale Earnhardt").driver_id == "2"


def test_a_placeholder_id_is_merged_into_the_one_driver_of_its_name_and_told():
    found = directory({**DRIVERS, "990002": "Nick Sanchez", "990006": "Andres Perez"})
    assert found.merged == {"990002": "4416", "990006": "4490"}
    assert len(found.notices) == 2
    assert "990002" in found.notices[0]
    assert found.resolve("Nick Sanchez").driver_id == "4416"
    assert found.canonical("990002") == "4416"
    frame = pl.DataFrame({"driver_id": ["990002", "13"], "x": [1, 2]})
    assert with_canonical_ids(frame, found)["driver_id"].to_list() == ["4416", "13"]


def test_a_placeholder_of_an_unknown_or_doubtful_name_stays_itself():
    found = directory({"1": "Jason White", "2": "Jason White", "990001": "Jason White"})
    assert found.merged == {}
    alone = directory({"1": "Joey Gase", "990003": "Brand Newcomer"})
    assert alone.merged == {}
    assert alone.resolve("Brand Newcomer").driver_id == "990003"


def test_the_latest_spelling_is_shown_and_every_spelling_is_found():
    frame = pl.DataFrame(
        {
            "driver_id": ["7", "7"],
            "driver_name": ["Erik Old-Name", "Erik Newname"],
            "start_time": [datetime(2025, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)],
        }
    )
    found = DriverDirectory.from_frames(frame)
    assert found.names == {"7": "Erik Old-Name"}
    assert found.resolve("Erik Newname").driver_id == "7"


def test_the_alias_table_is_normalised_and_mutual():
    for name, others in NAME_ALIASES.items():
        assert normalise_name(name) == name
        assert all(name in NAME_ALIASES[other] for other in others)
