"""Days are counted in US Eastern time, whatever the day is by UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from nascar_assets.rules.race_day import race_day


@pytest.mark.parametrize(
    ("start", "day"),
    [
        (datetime(2025, 5, 31, 23, tzinfo=UTC), date(2025, 5, 31)),
        (
            datetime(2025, 6, 1, 0, 30, tzinfo=UTC),
            date(2025, 5, 31),
        ),  # 20:30 EDT the evening before
        (datetime(2025, 6, 1, 4, tzinfo=UTC), date(2025, 6, 1)),  # midnight EDT
        (datetime(2025, 2, 2, 4, 30, tzinfo=UTC), date(2025, 2, 1)),  # 23:30 EST
    ],
)
def test_the_eastern_day(start: datetime, day: date) -> None:
    assert race_day(start) == day
