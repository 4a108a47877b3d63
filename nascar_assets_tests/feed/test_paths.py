"""Paths of the feed: written and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.feed import paths

SERIES = st.sampled_from(["cup", "xfinity", "trucks"])


def test_paths_are_those_of_the_live_feed():
    assert paths.schedule_path(2026) == "cacher/2026/race_list_basic.json"
    assert paths.weekend_path(2026, "cup", 5600) == "cacher/2026/1/5600/weekend-feed.json"
    assert paths.loop_stats_path(2025, "xfinity", "5510") == "loopstats/prod/2025/2/5510.json"
    assert paths.lap_averages_path(2023, "trucks", 1) == "cacher/2023/3/1/lap-averages.json"
    assert paths.lap_times_path(2023, "cup", 1) == "cacher/2023/1/1/lap-times.json"
    assert paths.pit_data_path(2023, "cup", 1) == "cacher/2023/1/1/live-pit-data.json"


@given(st.sampled_from(paths.RACE_KINDS), st.integers(1000, 9999), SERIES, st.integers(1, 10**9))
def test_every_race_path_is_read_back(kind, season, series, race_id):
    path = paths.race_path(kind, season, series, race_id)
    assert paths.parse_path(path) == (kind, season, series, str(race_id))


def test_a_schedule_path_is_read_back():
    assert paths.parse_path(paths.schedule_path(2024)) == ("schedule", 2024, None, None)


@pytest.mark.parametrize(
    "path",
    ["cacher/2026/9/1/weekend-feed.json", "cacher/2026/1/1/other.json", "x", "loopstats/1.json"],
)
def test_other_paths_mean_nothing(path):
    assert paths.parse_path(path) is None


def test_an_unknown_series_is_refused():
    with pytest.raises(InputError, match="indycar"):
        paths.weekend_path(2026, "indycar", 1)
