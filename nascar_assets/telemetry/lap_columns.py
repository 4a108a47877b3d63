"""The columns of the table of lap features: the laps' own, rolling windows, green runs."""

from __future__ import annotations

from nascar_assets.columns import feed
from nascar_assets.columns.column import Column, Columns, taken
from nascar_assets.telemetry.catalogue import LAP_FEATURES
from nascar_assets.telemetry.windows import DEFAULT_WINDOWS, window_laps

_ANY = "<N>"


def _windowed(window: str) -> dict[str, Column]:
    """The rolling features of one window, its laps in place of N."""
    n = str(window_laps(window))
    return {
        item.name.replace(_ANY, n): Column(
            item.column.kind,
            item.meaning.replace("last N laps", f"last {n} laps of the driver, this one included"),
            item.unit,
            "laps",
        )
        for item in LAP_FEATURES
        if _ANY in item.name
    }


LAP_FEATURE_COLUMNS: Columns = {
    **taken("laps", feed.LAPS),
    **{name: item for window in DEFAULT_WINDOWS for name, item in _windowed(window).items()},
    **{item.name: item.column for item in LAP_FEATURES if _ANY not in item.name},
}
"""One row per race, driver and lap."""
