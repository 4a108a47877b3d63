"""The calls about slates, each typed by its contract.

Example:
    with Client("http://127.0.0.1:8000") as client:
        for row in client.call(slates.forecast("2026-02-15-cup-dk-classic")).rows:
            print(row.name, row.mean_points, row.optimal_share)
"""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from nascar_assets.client.calls import Call, M, bytes_of, of_ended, read_by, value_of
from nascar_assets.service.slate_contracts import (
    DriverDetail,
    EntriesResult,
    JobResult,
    PortfolioRequest,
    PortfolioResult,
    RaceSummary,
    RunRequest,
    SettingsChecked,
    SettingsText,
    SlateContests,
    SlateDetail,
    SlateExposures,
    SlateForecast,
    SlateJob,
    SlateLineups,
    SlateList,
    SlateProvenance,
    SlateRecord,
    SlateRunResult,
)
from nascar_assets.service.view_contracts import ViewTaken

ROOT = "/api/v1/slates"
CSV = "text/csv"
FILE = {"Content-Type": CSV}
Made = PortfolioResult | EntriesResult | SlateRunResult | ViewTaken
_RESULT: TypeAdapter[Made] = TypeAdapter(JobResult)


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
    return Call("GET", f"{path_of(key)}/upload.csv", bytes_of(CSV))


def report(key: str) -> Call[bytes]:
    """The report, one HTML page."""
    return Call("GET", f"{path_of(key)}/report.html", bytes_of("text/html"))


def add(
    content: bytes, filename: str, *, race: str | None = None, wait: float | None = None
) -> Call[SlateJob]:
    """Sends a salary file: its slate is registered and run."""
    params = {"filename": filename, "race": race, "wait": wait}
    return Call("POST", ROOT, value_of(SlateJob), params, content, FILE, again=False)


def run(key: str, request: RunRequest | None = None) -> Call[SlateJob]:
    """Runs a slate again with what is known now."""
    return send(key, "/runs", request or RunRequest(), SlateJob)


def check(key: str, sent: SettingsText) -> Call[SettingsChecked]:
    """Settings as values and as TOML, found sound."""
    return send(key, "/settings", sent, SettingsChecked, again=True)


def portfolio(key: str, request: PortfolioRequest, *, wait: float | None = None) -> Call[SlateJob]:
    """Chooses a portfolio on the slate's stored scenarios."""
    return send(key, "/portfolios", request, SlateJob, wait=wait)


def entries(
    key: str,
    content: bytes,
    filename: str,
    *,
    portfolio: str | None = None,
    swap: bool = False,
    contest: str | None = None,
    wait: float | None = None,
) -> Call[SlateJob]:
    """Fills an entries file with the slate's lineups or a portfolio's, or mends it."""
    params = {
        "filename": filename,
        "portfolio": portfolio,
        "swap": swap,
        "contest": contest,
        "wait": wait,
    }
    path = f"{path_of(key)}/entries"
    return Call("POST", path, value_of(SlateJob), params, content, FILE, again=False)


def job(run_id: str) -> Call[SlateJob]:
    """Where a job of any kind stands."""
    return Call("GET", job_path(run_id), value_of(SlateJob))


def cancel(run_id: str) -> Call[SlateJob]:
    """Stops a job."""
    return Call("DELETE", job_path(run_id), value_of(SlateJob))


def result(run_id: str) -> Call[Made]:
    """What came of a job that has completed."""
    return Call(
        "GET",
        f"{job_path(run_id)}/result",
        lambda answer: read_by(_RESULT.validate_json, of_ended(answer).content, answer),
    )


def file(run_id: str) -> Call[bytes]:
    """The file that a job made: a portfolio's upload file, an entries file filled."""
    return Call("GET", f"{job_path(run_id)}/file.csv", bytes_of(CSV))


def job_path(run_id: str) -> str:
    """The path of a job."""
    return f"/api/v1/jobs/{quote(run_id, safe='')}"


def path_of(key: str) -> str:
    """The path of a slate."""
    return f"{ROOT}/{quote(key, safe='')}"


def _read(key: str, rest: str, model: type[M]) -> Call[M]:
    return Call("GET", f"{path_of(key)}{rest}", value_of(model))


def send(
    key: str,
    rest: str,
    sent: BaseModel,
    model: type[M],
    *,
    wait: float | None = None,
    again: bool = False,
) -> Call[M]:
    """A call that posts a value as JSON to a path under a slate's.

    Args:
        rest: What follows the slate's path.
        wait: Seconds that the answer may wait for the job to end.
        again: Whether it may be sent again where nobody knows whether it arrived.
    """
    return Call(
        "POST",
        f"{path_of(key)}{rest}",
        value_of(model),
        {"wait": wait},
        sent.model_dump_json(by_alias=True, exclude_unset=True).encode(),
        {"Content-Type": "application/json"},
        again=again,
    )
