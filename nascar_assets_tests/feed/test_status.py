"""Status texts of the feed."""

from __future__ import annotations

import json

import polars as pl
import pytest

from nascar_assets.calibration import borrowed
from nascar_assets.calibration.baselines import PastStarts
from nascar_assets.calibration.inputs import retired
from nascar_assets.errors import InputError
from nascar_assets.feed.status import STATUS_CODES, STATUSES, car_status, status_codes
from nascar_assets.history.ratings import rate_history
from nascar_assets.scenarios import race_events
from nascar_assets.scenarios.past_races import past_races
from nascar_assets_tests.calibration.world import world
from nascar_assets_tests.feed.real_feed import real_data


@pytest.mark.parametrize(
    ("text", "disqualified", "expected"),
    [
        ("Running", False, ("running", True)),
        ("running", False, ("running", True)),
        ("Accident", False, ("accident", True)),
        ("Crash", False, ("accident", True)),
        ("DVP", False, ("accident", True)),
        ("Dvp ", False, ("accident", True)),
        ("Engine", False, ("mechanical", True)),
        ("Rear gear", False, ("mechanical", True)),
        ("Running", True, ("disqualified", True)),
        ("Accident", True, ("accident", True)),  # he was out before anybody looked at his car
        ("Engine", True, ("mechanical", True)),
        ("Disqualified", False, ("disqualified", True)),
        ("Abducted", False, ("mechanical", False)),
        (None, False, ("mechanical", False)),
        ("", True, ("disqualified", False)),
    ],
)
def test_texts(text, disqualified, expected):
    assert car_status(text, disqualified=disqualified) == expected


@pytest.mark.real_data
def test_every_text_of_the_real_feed_is_known():
    unknown = set()
    for path in sorted((real_data() / "feed/cacher").glob("*/*/*/weekend-feed.json")):
        for row in json.loads(path.read_bytes())["weekend_race"][0]["results"]:
            text = row["finishing_status"]
            if text is not None and not car_status(text, disqualified=False)[1]:
                unknown.add(text)
    assert unknown == set()


def test_codes_are_those_of_stored_forecasts_and_of_the_race():
    """Files hold the names and kernels the codes: neither may move."""
    assert STATUSES == ("running", "accident", "mechanical")
    assert STATUS_CODES == {"running": 0, "accident": 1, "mechanical": 2, "disqualified": 0}
    assert (race_events.RUNNING, race_events.ACCIDENT, race_events.MECHANICAL) == (0, 1, 2)
    ends = ["mechanical", "running", "disqualified", "accident"]
    assert status_codes(pl.Series(ends)).tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize("unknown", ["parked", "", None])
def test_an_unknown_status_has_no_code(unknown):
    with pytest.raises(InputError, match="Unknown status") as caught:
        status_codes(pl.Series(["running", unknown], dtype=pl.String))
    assert repr(unknown) in str(caught.value)
    assert caught.value.field == "status"


@pytest.mark.parametrize("unknown", ["parked", "Running"])
def test_an_unknown_status_is_refused_wherever_races_are_read(unknown):
    """Nowhere does it pass for a car that ran to the end."""
    tables = world(seasons=(2023,), races=3)
    ratings = rate_history(tables.results)
    first = pl.col("driver_id") == "100"
    results = tables.results.with_columns(
        status=pl.when(first).then(pl.lit(unknown)).otherwise("status")
    )
    later = results["results_at"].max()
    for read in (
        lambda: borrowed.races_to_borrow(results, "short"),
        lambda: PastStarts.of(results, None),
        lambda: retired(results["status"].to_numpy()),
        lambda: past_races(results, ratings, tables.schedule, later),
    ):
        with pytest.raises(InputError, match=f"Unknown status '{unknown}'"):
            read()
