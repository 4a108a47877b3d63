"""The calls about slates, each typed by its contract.

Example:
    with Client("http://127.0.0.1:8000") as client:
        for row in client.call(slates.forecast("2026-02-15-cup-dk-classic")).rows:
            print(row.name, row.mean_points, row.optimal_share)
"""

from __future__ import annotations

from urllib.parse import quote

from nascar_assets.client.calls import Call, M, bytes_of, value_of
from nascar_assets.service.slate_contracts import (
    DriverDetail,
    RaceSummary,
    SlateContests,
    SlateDetail,
    SlateExposures,
    SlateForecast,
    SlateLineups,
    SlateList,
    SlateProvenance,
    SlateRecord,
)

ROOT = "/api/v1/slates"


def slates() -> Call[SlateList]:
    """Every slate, the next to lock first."""
    return Call("GET", ROOT, value_of(SlateList))


def slate(key: str) -> Call[SlateDetail]:
    """One slate with its newest run."""
    return _read(key, "", SlateDetail)


def forecast(key: str) -> Call[SlateForecast]:
    """The forecast of its players."""
    return _read(key, "/forecast", SlateForecast)


def race(key: str) -> Call[RaceSummary]:
    """The race as the scenarios have it, beside what was."""
    return _read(key, "/scenarios/summary", RaceSummary)


def driver(key: str, driver_id: str) -> Call[DriverDetail]:
    """One player, by the feed's id or the site's own."""
    return _read(key, f"/drivers/{quote(driver_id, safe='')}", DriverDetail)


def lineups(key: str) -> Call[SlateLineups]:
    """The portfolio of the newest run."""
    return _read(key, "/lineups", SlateLineups)


def exposures(key: str) -> Call[SlateExposures]:
    """Its exposures against their bounds."""
    return _read(key, "/exposures", SlateExposures)


def contests(key: str) -> Call[SlateContests]:
    """What it is expected to win."""
    return _read(key, "/contests", SlateContests)


def record(key: str) -> Call[SlateRecord]:
    """How past forecasts kept their word."""
    return _read(key, "/record", SlateRecord)


def provenance(key: str) -> Call[SlateProvenance]:
    """Where the numbers come from."""
    return _read(key, "/provenance", SlateProvenance)


def upload(key: str) -> Call[bytes]:
    """The upload file."""
    return Call("GET", f"{path_of(key)}/upload.csv", bytes_of)


def report(key: str) -> Call[bytes]:
    """The report, one HTML page."""
    return Call("GET", f"{path_of(key)}/report.html", bytes_of)


def path_of(key: str) -> str:
    """The path of a slate."""
    return f"{ROOT}/{quote(key, safe='')}"


def _read(key: str, rest: str, model: type[M]) -> Call[M]:
    return Call("GET", f"{path_of(key)}{rest}", value_of(model))
