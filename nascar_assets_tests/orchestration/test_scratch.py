"""A driver is scratched after lineups were entered: everything that names him is mended."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.feed.paths import loop_stats_path, weekend_path
from nascar_assets.lineups import InfeasiblePortfolio
from nascar_assets.orchestration.commands import entries
from nascar_assets.orchestration.commands.doctor import examine
from nascar_assets.orchestration.commands.replay import replay_slate
from nascar_assets.orchestration.commands.slate import (
    UPLOAD_WITHDRAWN,
    RunOptions,
    add_slate,
    run_portfolio,
    run_slate,
    slate_states,
)
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.feed.feed_files import loop_row, loop_stats
from nascar_assets_tests.orchestration.processes import daemon, progress, runs, wait_for
from nascar_assets_tests.orchestration.ticks import settle_files

NOW = datetime(2026, 2, 14, 22, tzinfo=UTC)
"""The evening before the race: the grid is set."""

SLATE = "2026-02-15-cup-dk-classic"
CAPS = """
lineups = 4
max_shared = 5
[drivers."{out}"]
points_multiplier = 2.0
max_exposure = 0.75
[[groups]]
drivers = ["{out}", "{other}"]
at_most = 1
[[rules]]
if = ["{out}"]
then = ["{other}"]
at_most = 0
"""

Files = tuple[Sample, Path]
Clock = Callable[[datetime], str]


@pytest.fixture(autouse=True)
def set_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """Sets the clock of this process and of a daemon, to `NOW` at first; returns the setting."""
    written, setting = tmp_path / "clock.txt", f"@{tmp_path / 'clock.txt'}"

    def to(moment: datetime) -> str:
        aside = written.with_suffix(".aside")
        aside.write_text(f"{moment.isoformat()} from {time.time():.3f} x 1")
        aside.replace(written)
        return setting

    monkeypatch.setenv("NASCAR_CLOCK", to(NOW))
    return to


def drivers_of(sample: Sample) -> list[dict[str, str]]:
    """The rows of the slate's salary file."""
    text = sample.salaries[sample.slate_file].decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def scratched(sample: Sample, name: str) -> bytes:
    """The salary file with the later columns, one driver out."""
    header, *rows = sample.salaries[sample.slate_file].decode("utf-8-sig").splitlines()
    lines = [f"{header},Status,Starting"]
    lines += [row + (",OUT," if f",{name}," in row else ",,") for row in rows]
    return ("\n".join(lines) + "\n").encode()


def run(home: Path, settings: str) -> None:
    as_of = NOW.isoformat()
    location = code_location(str(home))
    options = RunOptions(as_of, n_scenarios=60, settings=settings)
    run_slate(str(home), SLATE, options, location=location)


def race_is_run(home: Path, sample: Sample, out: str) -> None:
    """The result lands before the schedule knows it: cars finish as they started, without him."""
    landing = home / "landing/feed"
    feed = json.loads((landing / weekend_path(2026, "cup", sample.race_id)).read_text())
    feed["weekend_race"][0] |= {"actual_laps": 267, "number_of_leaders": 1}
    rows = [r for r in feed["weekend_race"][0]["results"] if r["driver_fullname"] != out]
    rows.sort(key=lambda row: row["starting_position"] or 99)
    for place, row in enumerate(rows, start=1):
        row |= {
            "finishing_position": place,
            "laps_completed": 267,
            "laps_led": 267 * (place == 1),
            "finishing_status": "Running",
        }
    loops = [
        loop_row(row["driver_id"], place, lead_laps=row["laps_led"], laps=267, fast_laps=0)
        for place, row in enumerate(rows, start=1)
    ]
    found: dict[str, Any] = {
        loop_stats_path(2026, "cup", sample.race_id): [
            {**loop_stats(loops, int(sample.race_id))[0], "act_laps": 267}
        ],
        weekend_path(2026, "cup", sample.race_id): feed,
    }
    for path, value in found.items():
        (landing / path).parent.mkdir(parents=True, exist_ok=True)
        (landing / path).write_text(json.dumps(value))
    settle_files(home)


def ended(home: Path, job: str, count: int) -> bool:
    """Whether so many runs of a job have come to their end."""
    found = runs(home, job)
    return len(found) == count and all(run.is_finished for run in found)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_scratch_is_rehearsed_with_a_daemon_and_without_hands(
    races: Path, sample_folder: Files, tmp_path: Path, set_clock: Clock
) -> None:
    sample, folder = sample_folder
    home, rows = races, drivers_of(sample)
    out, other = rows[0]["Name"], rows[1]["Name"]
    cell = f"{out} ({rows[0]['ID']})"
    settings = CAPS.format(out=out, other=other)
    add_slate(str(home), folder / "salaries" / sample.slate_file)
    run(home, settings)
    upload = home / "slates" / SLATE / "upload.csv"
    assert cell in upload.read_text()
    empty = "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions\n" + "".join(
        f"{number},Lap,77,$1,,,,,,,,Do it\n" for number in range(1, 5)
    )
    mine, mended = tmp_path / "mine.csv", tmp_path / "mended.csv"
    (tmp_path / "empty.csv").write_text(empty)
    entries.fill(str(home), SLATE, tmp_path / "empty.csv", mine)
    held = mine.read_text().count(cell)
    assert held
    settle_files(home)
    moves = partial(progress, home, time.time())
    with daemon(home, NASCAR_CLOCK=set_clock(NOW)):
        newer = home / "landing/salaries" / sample.slate_file
        newer.write_bytes(scratched(sample, out))
        settle_files(home)
        wait_for("the refresh", lambda: ended(home, "slate_job", 2), 180, moves=moves)
        assert cell not in upload.read_text()
        done = entries.swap(str(home), SLATE, mine, [], mended)
        before = len(runs(home, "race_job"))
        set_clock(NOW + timedelta(days=2))
        race_is_run(home, sample, out)
        wait_for("the result", lambda: ended(home, "race_job", before + 1), 180, moves=moves)
        assert all(run.is_success for run in runs(home) if run.is_finished)
        assert len(runs(home, "slate_job")) == 2
    plan = SlatePlan.load(DataRoot.open(home), SLATE)
    assert (plan.settings, plan.n_scenarios) == (settings, 60)
    field = pl.read_parquet(home / "store/slate" / f"{SLATE}.parquet")
    absent = field.filter(pl.col("reason").is_not_null())
    assert absent.filter(pl.col("status").is_not_null()).select(
        "name", "status", "reason"
    ).rows() == [(out, "OUT", "marked OUT in the salary file")]
    cars = pl.read_parquet(home / "store/scenario_summary" / f"{SLATE}.parquet")["driver_name"]
    assert out not in cars.to_list()  # nor is he forecast
    assert other in cars.to_list()
    assert len([change for change in done.changes if f"{out} out" in change]) == held
    assert cell not in mended.read_text()
    assert len(mended.read_text().splitlines()) == 5
    filled = tmp_path / "filled.csv"
    entries.fill(str(home), SLATE, mine, filled)
    assert cell not in filled.read_text()
    lineups = [
        [cell.rsplit(" (", 1)[0] for cell in row[4:10]]
        for path in (filled, mine)
        for row in list(csv.reader(io.StringIO(path.read_text())))[1:]
    ]
    header = "Rank,EntryId,EntryName,TimeRemaining,Points,Lineup"
    standings = [header] + [
        f"{place},{900 + place},one,0,{200 - place},{' '.join(f'D {name}' for name in lineup)}"
        for place, lineup in enumerate(lineups, start=1)
    ]
    (tmp_path / "standings.csv").write_text("\n".join(standings) + "\n")
    found = replay_slate(str(home), SLATE, tmp_path / "standings.csv")
    contest = found["contest"]
    assert [lineup["rank"] for lineup in contest["lineups"]] == [1, 2, 3, 4]
    (his,) = [row for row in contest["drivers"] if row["name"] == out]
    assert (his["exposure"], his["realised_ownership"]) == (0.0, held / 8)


@pytest.mark.slow
def test_a_lock_on_a_scratched_driver_withdraws_the_upload_file_and_is_told(
    races: Path, sample_folder: Files, tmp_path: Path
) -> None:
    sample, folder = sample_folder
    home, out = races, drivers_of(sample)[0]["Name"]
    settings = f'lineups = 2\n[drivers."{out}"]\nlock = true\n'
    add_slate(str(home), folder / "salaries" / sample.slate_file)
    run(home, settings)
    upload = home / "slates" / SLATE / "upload.csv"
    assert upload.read_text().count(out) == 2
    newer = tmp_path / sample.slate_file
    newer.write_bytes(scratched(sample, out))
    add_slate(str(home), newer)
    with pytest.raises(InfeasiblePortfolio, match=f"lock {out}, who does not race.*no upload file"):
        run(home, settings)
    assert not upload.exists()
    (state,) = slate_states(DataRoot.open(home))
    assert state["state"] == UPLOAD_WITHDRAWN
    assert state["absent"] == [f"{out} does not race (marked OUT in the salary file)."]
    finding = next(item for item in examine(str(home), None, 2026) if item.name == "slates")
    assert not finding.ok
    assert SLATE in finding.found
    told: list[str] = []
    holds = settings.replace("lock = true", "max_exposure = 0.5")
    run_portfolio(str(home), SLATE, holds, code_location(str(home)), told.append)
    assert "it is run again" in told[0]
    plan = SlatePlan.load(DataRoot.open(home), SLATE)
    assert (plan.settings, plan.n_scenarios) == (holds, 60)
    assert out not in upload.read_text()
    assert slate_states(DataRoot.open(home))[0]["state"] == "ready"
    assert not (upload.parent / "upload_withdrawn.csv").exists()
