"""NASCAR's own odds, asked for beside the feed: a board of an open slate's race lands as a view.

The fantasy games' host has one file for each race, under the feed's own race ids. It is one more
file that may be there: nothing waits for it, and what surprises goes to the quarantine. Each board
that says something new is kept with its time as well, for `nascar backtest --odds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nascar_assets.errors import InputError
from nascar_assets.feed.client import FeedSource
from nascar_assets.feed.landing import KNOWN_BEFORE
from nascar_assets.files import SourceFile
from nascar_assets.orchestration.automation.week import SlateWeek
from nascar_assets.orchestration.inputs.views import LANDED as VIEWS_LANDED
from nascar_assets.orchestration.storage.quarantine import put_in_quarantine
from nascar_assets.redaction import redacted
from nascar_assets.storage import DataRoot
from nascar_assets.views.odds_feed import BoardNotOpen, board_name, feed_board
from nascar_assets.views.statement import Stated

PATH = "api/v1/live/odds/race/{race_id}.json"
"""Where the host has the board of a race."""
BOARDS = "landing/odds"
QUARANTINE = "quarantine/odds"
FILE = "nascar-odds.json"
"""The file's name among a slate's views; without its ending it is their author."""


@dataclass(frozen=True)
class OddsReport:
    """What asking for boards did, by race id.

    Attributes:
        changed: Races whose board says something new.
        unchanged: Races whose board says what it said.
        missing: Races without a board yet.
        refused: Why a board was refused.
    """

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    refused: Mapping[str, str]


def asked_races(
    races: Mapping[str, str], weeks: Mapping[str, SlateWeek], now: datetime
) -> dict[str, list[str]]:
    """The races whose boards are asked for, each with its slates.

    A board goes on while the race is run, so it is asked for before the start alone.

    Args:
        races: Race id by slate.
        now: The time by the sensors' clock.
    """
    found: dict[str, list[str]] = {}
    for slate, week in weeks.items():
        if week.is_open(now) and week.lock <= now + KNOWN_BEFORE:
            found.setdefault(races[slate], []).append(slate)
    return found


def land_odds(
    source: FeedSource, root: DataRoot, races: Mapping[str, list[str]], now: datetime
) -> OddsReport:
    """Lands the board of each race as a view of each of its slates, where it says something new.

    Args:
        source: The host of the odds.
        races: Slates by race id.
        now: The time by the sensors' clock.

    Raises:
        FeedReadError: If the host could not be read.
        StorageFault: If a write failed.
    """
    changed: list[str] = []
    unchanged: list[str] = []
    missing: list[str] = []
    refused: dict[str, str] = {}
    for race_id, slates in races.items():
        data = None
        try:
            data = source.read(PATH.format(race_id=race_id))
            if data is None or data.strip() in (b"", b"null"):
                missing.append(race_id)
                continue
            rows = _rows(data, race_id)
        except BoardNotOpen:
            missing.append(race_id)
            continue
        except InputError as error:
            refused[race_id] = str(error)
            _refuse(root, source, race_id, data, error)
            continue
        behind = [slate for slate in slates if _landed(root, slate, race_id) != rows]
        for slate in behind:
            root.write(f"{VIEWS_LANDED}/{slate}/{FILE}", data)
        if behind:
            root.write(f"{BOARDS}/{board_name(race_id, now)}", data)
        (changed if behind else unchanged).append(race_id)
    return OddsReport(tuple(changed), tuple(unchanged), tuple(missing), refused)


def _rows(data: bytes, race_id: str) -> tuple[Stated, ...]:
    return feed_board(data, SourceFile.of(FILE, data), race_id).rows


def _landed(root: DataRoot, slate: str, race_id: str) -> tuple[Stated, ...] | None:
    """What the slate's landed board states; none where there is none, or it is no board."""
    data = root.read(f"{VIEWS_LANDED}/{slate}/{FILE}")
    try:
        return None if data is None else _rows(data, race_id)
    except InputError:
        return None


def _refuse(
    root: DataRoot, source: FeedSource, race_id: str, data: bytes | None, error: InputError
) -> None:
    digest = None if data is None else SourceFile.of(FILE, data).sha256
    report = {
        "file": PATH.format(race_id=race_id),
        "source": redacted(source.location),
        "reason": str(error),
        "sha256": digest,
    }
    put_in_quarantine(root, f"{QUARANTINE}/{race_id}.json", data, report)
