"""An as-of time that cannot be is refused with the limit that it breaks and its field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.orchestration.assets.calibration import (
    ProcessFit,
    process_fit,
    recalibration,
)
from nascar_assets.orchestration.assets.slate import resolve_as_of
from nascar_assets.orchestration.resources import Platform

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
LOCK = NOW + timedelta(hours=6)


def test_without_a_wish_it_is_now_and_never_after_the_latest() -> None:
    assert resolve_as_of(None, LOCK, NOW) == NOW
    assert resolve_as_of(None, LOCK, LOCK + timedelta(days=1)) == LOCK
    assert resolve_as_of("2026-03-15T14:00:00-04:00", LOCK, NOW) == LOCK


@pytest.mark.parametrize(
    "asked",
    [
        "tomorrow",
        "2026-03-15T12:00:00",
        "2026-03-15T18:00:01Z",
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_a_slates_as_of_is_refused_by_its_option(asked: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_as_of(asked, LOCK, NOW)
    assert caught.value.field == "--as-of"
    if asked.endswith("Z"):
        assert f"after the slate's lock, {LOCK.isoformat()}" in str(caught.value)


@pytest.mark.parametrize(
    "asset", [process_fit, recalibration], ids=lambda asset: asset.key.path[-1]
)
@pytest.mark.parametrize("asked", ["tomorrow", "2026-03-15T12:00:00", "9998-01-01T00:00:00Z"])
def test_a_fits_as_of_is_refused_by_its_own_field(
    asset: dg.AssetsDefinition, asked: str, tmp_path: Path
) -> None:
    """A fit belongs to no slate: its limit is the present, its field is in the run's settings."""
    with pytest.raises(InputError) as caught:
        asset.op.compute_fn.decorated_fn(
            config=ProcessFit(as_of=asked),
            platform=Platform(home=str(tmp_path)),
            schedule=pl.DataFrame(schema=SCHEDULE),
        )
    assert caught.value.field == "as_of"
    assert "slate" not in str(caught.value)
    if asked.endswith("Z"):
        assert "after the present" in str(caught.value)
