"""Skill of the ratings on the real Cup races since 2023, each forecast from earlier races only."""

import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("NASCAR_REAL_DATA")


@pytest.mark.real_data
@pytest.mark.skipif(not FOLDER, reason="NASCAR_REAL_DATA names no folder of real feed files")
def test_levels_beat_start_climatology_on_real_races():
    from benchmarks.history import climatology, cup_races, read_points, scores, skill
    from benchmarks.rank_mixture import START_MIXTURES
    from nascar_assets.history.ratings import rate_history

    tables = read_points(Path(FOLDER) / "feed")
    ratings = rate_history(tables.results, features=tables.features)
    races = cup_races(tables.results, ratings)
    table = scores(races, climatology(races), lambda race: START_MIXTURES)
    assert table.height >= 96
    value, error = skill(table)
    assert value > 0.065
    assert value > 5 * error
    assert table["rho"].mean() > 0.425
    for (kind,), part in table.group_by("track_type"):
        own, _ = skill(part)
        assert own > 0.0, kind
