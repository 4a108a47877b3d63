"""The feature catalogue as a page: `python -m nascar_assets.telemetry.catalogue_page`."""

from __future__ import annotations

import sys

from nascar_assets.telemetry.catalogue import FEATURES, LAP_FEATURES, Feature
from nascar_assets.telemetry.contract import FeatureAvailabilityContract

_KNOWN = {
    "previous_race": "after the previous race",
    "practice": "after practice",
    "qualifying": "after qualifying",
    "lap": "after the lap",
}


def catalogue_page() -> str:
    """The page `docs/features.md`, as Markdown."""
    lines = [
        "# Feature catalogue",
        "",
        "Made from the code by `python -m nascar_assets.telemetry.catalogue_page`; a test holds the"
        " two together.",
        "",
        "## Features of a slate",
        "",
        "One row per entrant of the race, as of the slate's as-of time. Every row carries"
        " `available_at`, the latest moment at which something that the row uses became known;"
        " it never lies after the as-of time. A feature whose stage lies after that time is null.",
        "",
        *_table(FEATURES),
        "",
        "## Features of single laps",
        "",
        "Computed for every lap of a race from that lap and earlier ones of the same driver. They"
        " reach a slate only as aggregates of past races. Grid, red-flag and pit laps are treated"
        " as [telemetry.md](telemetry.md) says.",
        "",
        *_table(LAP_FEATURES),
        "",
        "## Never features",
        "",
        "Results of the race itself; a table or a landed file that holds one is refused: "
        + ", ".join(f"`{name}`" for name in sorted(FeatureAvailabilityContract.FORBIDDEN))
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _table(features: tuple[Feature, ...]) -> list[str]:
    rows = ["| feature | meaning | unit | source | known |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| `{item.name}` | {item.meaning} | {item.unit} | {item.source} |"
        f" {_KNOWN[item.known_after]} |"
        for item in features
    ]
    return rows


if __name__ == "__main__":
    sys.stdout.write(catalogue_page())
