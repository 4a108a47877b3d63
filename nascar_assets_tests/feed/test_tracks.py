"""The track catalogue, and the rule for tracks that are not in it."""

from __future__ import annotations

import csv

import pytest

from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.feed.tracks import TRACKS, describe_track, known_track
from nascar_assets_tests.feed.real_feed import real_data


def unknown(name: str, distance: float | None = 100.0, laps: int | None = 100, plate: bool = False):
    return describe_track(
        "99999",
        name,
        2026,
        restrictor_plate=plate,
        scheduled_distance=distance,
        scheduled_laps=laps,
    )


def test_spans_of_one_track_do_not_overlap():
    for track in TRACKS:
        assert track.track_type in TRACK_TYPES
        others = [other for other in TRACKS if other.track_id == track.track_id]
        for season in range(2015, 2031):
            holding = [
                other
                for other in others
                if other.first_season <= season <= (other.last_season or 9999)
            ]
            assert len(holding) <= 1, (track.name, season)


def test_tracks_change_with_the_years():
    types = [known_track("111", season).track_type for season in (2021, 2022, 2026)]
    assert types == ["intermediate", "superspeedway", "superspeedway"]
    assert known_track("214", 2024).length_miles == 3.41
    assert known_track("214", 2025).length_miles == 2.4
    assert known_track("0", 2026) is None


@pytest.mark.parametrize(
    ("name", "distance", "laps", "plate", "track_type", "length"),
    [
        ("Someplace Speedway", 250.0, 100, True, "superspeedway", 2.5),
        ("Someplace Road Course", 200.0, 100, False, "road", 2.0),
        ("Someplace Street Circuit", 100.0, 100, False, "road", 1.0),
        ("Someplace Roval", 100.0, 100, False, "road", 1.0),
        ("Someplace Speedway", 124.9, 100, False, "short", 1.249),
        ("Someplace Speedway", 125.0, 100, False, "intermediate", 1.25),
        ("Someplace Speedway", None, 100, False, "intermediate", 0.0),
        ("Someplace Speedway", 100.0, None, False, "intermediate", 0.0),
    ],
)
def test_a_track_that_is_not_in_the_catalogue(name, distance, laps, plate, track_type, length):
    track = unknown(name, distance, laps, plate)
    assert (track.track_type, track.length_miles) == (track_type, length)


def test_the_catalogue_goes_before_the_feeds_flag():
    # The feed once set the restrictor plate for Richmond.
    track = describe_track(
        "26", "Richmond", 2024, restrictor_plate=True, scheduled_distance=300, scheduled_laps=400
    )
    assert track.track_type == "short"


@pytest.mark.real_data
def test_lengths_are_those_of_the_published_table():
    table = list(csv.DictReader((real_data() / "tracks.csv").open(encoding="utf-8")))
    compared = 0
    for season in (2022, 2024, 2026):
        for track in TRACKS:
            if track is not known_track(track.track_id, season):
                continue
            lengths = [
                (float(row["length_mi"]), row["road_course"] == "True")
                for row in table
                if int(row["first_year_in_scope"]) <= season
                and season <= int(row["last_year_in_scope_or_schedule"])
                and row["facility"].split()[0] == track.name.split()[0]
                and row["facility"].split()[1] == track.name.split()[1]
            ]
            same_kind = [length for length, road in lengths if road == (track.track_type == "road")]
            if same_kind:
                compared += 1
                assert track.length_miles in same_kind, (track.name, season)
    assert compared > 60
