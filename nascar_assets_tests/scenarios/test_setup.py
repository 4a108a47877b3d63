"""Bad races are refused with the field at fault; the stated fallbacks are used and told."""

from dataclasses import replace

import pytest

from nascar_assets.scenarios import Entry, RaceSetup, RaceSetupError, generate_scenarios
from nascar_assets_tests.scenarios.fields import setup_of


def with_entry(setup: RaceSetup, place: int, **changes) -> RaceSetup:
    entries = list(setup.entries)
    entries[place] = replace(entries[place], **changes)
    return replace(setup, entries=tuple(entries))


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("driver_id", {"driver_id": "d1"}),
        ("driver_id", {"driver_id": ""}),
        ("level", {"level": float("nan")}),
        ("level", {"level": float("inf")}),
        ("level_sd", {"level_sd": float("nan")}),
        ("level_sd", {"level_sd": -0.1}),
        ("skill_reference", {"skill_reference": 1.5}),
        ("start", {"start": 0}),
        ("start", {"start": 37}),
    ],
)
def test_an_entry_at_fault_is_refused_by_field(field, change):
    with pytest.raises(RaceSetupError) as caught:
        with_entry(setup_of(), 0, **change)
    assert caught.value.field == field


def test_two_cars_on_one_starting_position_are_refused_by_name():
    setup = setup_of()
    with pytest.raises(RaceSetupError, match="d0 and d1"):
        with_entry(setup, 1, start=setup.entries[0].start)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("scheduled_laps", {"scheduled_laps": 39}),
        ("scheduled_laps", {"scheduled_laps": 601}),
        ("stage_ends", {"stage_ends": (60, 30)}),
        ("stage_ends", {"stage_ends": (0,)}),
        ("stage_ends", {"stage_ends": (120,)}),
        ("entries", {"entries": tuple(Entry(str(k)) for k in range(5))}),
        ("entries", {"entries": tuple(Entry(str(k)) for k in range(51))}),
    ],
)
def test_a_race_out_of_range_is_refused_by_field(field, change):
    with pytest.raises(RaceSetupError) as caught:
        replace(setup_of(), **change)
    assert caught.value.field == field


def test_a_salary_file_of_more_cars_than_race_says_what_can_be_done():
    with pytest.raises(RaceSetupError, match=r"has 61 entries.*wait for the list.*leave rows"):
        replace(setup_of(), entries=tuple(Entry(str(k)) for k in range(61)))


@pytest.mark.parametrize(
    ("length", "assumed"), [(0.5, "short"), (1.5, "intermediate"), (None, "intermediate")]
)
def test_an_unknown_track_type_falls_back_by_length_and_says_so(length, assumed):
    setup = replace(setup_of(), track_type="dirt", track_length=length)
    assert setup.track_type == assumed
    assert "dirt" in setup.notices[0]
    assert setup.notices[0] in generate_scenarios(None, setup, 10, 1).diagnostics.notices
