"""Practice from a person's file, as rows of the feed's own table where the feed has none yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from nascar_assets.feed.schemas import PRACTICE
from nascar_assets.views.in_force import KNOWN_TO_FEED, in_force, with_state

SESSION = "Practice by a person's file"


def feed_goes_first(
    statements: pl.DataFrame, practice: pl.DataFrame | None, race_id: str, as_of: datetime
) -> pl.DataFrame:
    """The statements, those of practice out of force where the feed has the race's practice.

    Args:
        statements: A table `VIEWS`.
        practice: `PRACTICE` of the race; none where there is none.
        race_id: The race.
        as_of: The as-of time.
    """
    known = (
        practice is not None
        and not practice.filter(
            pl.col("race_id") == race_id, pl.col("qualifying_at") <= as_of
        ).is_empty()
    )
    if not known:
        return statements
    return with_state(statements, pl.col("family") == "practice", KNOWN_TO_FEED)


def with_practice(
    sources: Mapping[str, pl.DataFrame], statements: pl.DataFrame, race_id: str
) -> dict[str, pl.DataFrame]:
    """The sources of features with the practice that views in force state, known as they landed."""
    stated = in_force(statements, "practice")
    if stated.is_empty():
        return dict(sources)
    rows = stated.pivot(
        "quantity", index=["view_id", "driver_id", "landed_at"], values="value"
    ).select(
        race_id=pl.lit(race_id),
        session=pl.lit(SESSION),
        driver_id="driver_id",
        qualifying_at="landed_at",
        **{name: name for name in stated["quantity"].unique()},
    )
    kept = sources.get("practice", pl.DataFrame(schema=PRACTICE))
    return {**sources, "practice": pl.concat([kept, rows], how="diagonal")}
