"""Status texts of the feed."""

from __future__ import annotations

import json

import pytest

from nascar_assets.feed.status import car_status
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
