"""Finished contests as they are kept: one row each, with its field, its scores and its prizes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.columns.column import types_of
from nascar_assets.columns.contests import CONTESTS
from nascar_assets.contest.field_fit import SeenContest
from nascar_assets.contest.payouts import PayoutTable
from nascar_assets.contest.standings import SHARE_SLACK, Standings, StandingsError
from nascar_assets.lineups.ownership import CASH_NAME, KINDS, kind_of_prizes
from nascar_assets.rules import rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.slates.slate import Slate

Floats = npt.NDArray[np.float64]

_CASH = re.compile(CASH_NAME, re.I)
_AGREE = 0.8  # of drivers, whose printed points have to be the race's where its results are known
_POINT = 0.5  # printed points may be rounded, and differ by a corrected lap or two


@dataclass(frozen=True, slots=True)
class ContestFacts:
    """What is known of a contest beside its standings.

    Attributes:
        contest_id: The site's id, or the file's hash.
        name: Its name; empty where not known.
        kind: Its kind, where somebody said it.
        payouts: Its prizes, where known.
        entry_fee_cents: Price of an entry, where known.
    """

    contest_id: str
    name: str = ""
    kind: str | None = None
    payouts: PayoutTable | None = None
    entry_fee_cents: int | None = None

    @property
    def found_kind(self) -> str:
        """The kind that somebody said, else by prizes, else by the name."""
        if self.kind is not None:
            return self.kind
        if self.payouts is not None:
            return kind_of_prizes(self.payouts.prizes_cents)
        return KINDS[0] if _CASH.search(self.name) else KINDS[1]

    @property
    def fee(self) -> int | None:
        """The fee that is known, else the payout table's."""
        if self.entry_fee_cents is not None or self.payouts is None:
            return self.entry_fee_cents
        return self.payouts.entry_fee_cents


def agreement(standings: Standings, official: Floats) -> float:
    """Share of drivers whose printed points are the race's; NaN where none can be compared.

    Args:
        standings: A contest.
        official: [M] contest points by the race's results, NaN where a driver has none.
    """
    known = ~np.isnan(standings.driver_points) & ~np.isnan(official)
    if not known.any():
        return math.nan
    return float((np.abs(standings.driver_points - official)[known] <= _POINT).mean())


def check_race(standings: Standings, official: Floats, slate: Slate, file: str) -> None:
    """Refuses final standings whose drivers' points are not those of the slate's race.

    Raises:
        StandingsError: Saying how many agree.
    """
    share = agreement(standings, official)
    if not standings.live and share < _AGREE:
        raise StandingsError(
            f"drivers' points are those of race {slate.race_key} for {share:.0%} of them only: it "
            "is another slate's, or was downloaded before the race ended.",
            file=file,
            field="FPTS",
            remedy="Name the slate with --slate, or download it again once the contest is over.",
        )


def contest_record(
    standings: Standings,
    slate: Slate,
    facts: ContestFacts,
    *,
    mean_points: Mapping[str, float],
    expected: Mapping[str, float],
    official: Floats,
    own_entries: Iterable[str],
    file: str,
    sha256: str,
    known_at: datetime,
) -> pl.DataFrame:
    """A contest's row, `CONTESTS`.

    Args:
        standings: The contest.
        slate: Its slate.
        facts: What is known of it beside.
        mean_points: Projections as of lock, by driver id.
        expected: Ownerships that were expected, by driver id.
        official: [M] contest points by the race's results; they stand in where none are printed.
        own_entries: The site's ids of own entries.
        file: The file's name.
        sha256: Hash of its bytes.
        known_at: When it was added.
    """
    from nascar_assets.contest.settlement import settle_scores

    points = np.where(np.isnan(standings.driver_points), official, standings.driver_points)
    scores = np.sort(standings.points)[::-1]
    entries = scores.shape[0]
    prizes = None if facts.payouts is None else facts.payouts.prizes_cents
    paid = None if prizes is None else min(int((prizes > 0).sum()), entries)
    won: npt.NDArray[np.int64] | None = None
    if facts.payouts is not None:
        units = np.rint(standings.points * slate.rules.points_scale).astype(np.int64)
        won = settle_scores(units, facts.payouts)
    place = {entry: at for at, entry in enumerate(standings.entry_ids)}
    own = [place[entry] for entry in own_entries if entry in place]
    everyone = slate.everyone
    row = {
        "contest_id": facts.contest_id,
        "slate_id": slate.slate_id,
        "race_key": slate.race_key,
        "rules": slate.rules.key,
        "lock": slate.lock,
        "name": facts.name,
        "kind": facts.found_kind,
        "state": "live" if standings.live else "final",
        "entries": entries,
        "entry_fee_cents": facts.fee,
        "prizes_cents": None if prizes is None else prizes.tolist(),
        "paid": paid,
        "cash_line_points": float(scores[paid - 1]) if paid else None,
        "winning_points": float(scores[0]),
        "file": file,
        "sha256": sha256,
        "known_at": known_at,
        "drivers": [
            {
                "driver_id": player.driver_id,
                "name": player.name,
                "salary": player.salary,
                "mean_points": mean_points.get(player.driver_id),
                "expected_ownership": expected.get(player.driver_id),
                "ownership": float(np.nan_to_num(standings.ownership[at])),
                "points": None if np.isnan(points[at]) else float(points[at]),
            }
            for at, player in enumerate(everyone)
        ],
        "scores": scores.tolist(),
        "own": [
            {
                "entry_id": standings.entry_ids[at],
                "driver_ids": [everyone[i].driver_id for i in standings.lineups[at] if i >= 0],
                "points": float(standings.points[at]),
                "place": int((standings.points > standings.points[at]).sum()) + 1,
                "won_cents": None if won is None else int(won[at]),
            }
            for at in own
        ],
        "notices": list(standings.notices),
    }
    return pl.DataFrame([row], schema=types_of(CONTESTS))


def other_entries(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows `CONTESTS` of a slate hold other entries: none changes after lock."""
    held = {row["driver_id"]: row["ownership"] for row in one["drivers"]}
    return one["entries"] != other["entries"] or any(
        abs(held.get(row["driver_id"], row["ownership"]) - row["ownership"]) > SHARE_SLACK
        for row in other["drivers"]
    )


def seen_contests(records: pl.DataFrame) -> Sequence[SeenContest]:
    """The finished contests of some records that the field can be fitted on.

    Drivers without a projection (they did not race, or the slate had not been run) are left out;
    a contest where they were in a tenth of the places is left out as a whole.
    """
    found = []
    for row in records.filter(pl.col("state") == "final").iter_rows(named=True):
        rules = rule_set(row["rules"], race_day(row["lock"]))
        drivers = [item for item in row["drivers"] if item["mean_points"] is not None]
        ownership = np.array([item["ownership"] for item in drivers])
        if ownership.sum() < 0.9 * rules.roster_size:
            continue
        points = [item["points"] for item in drivers]
        scored = None not in points
        found.append(
            SeenContest(
                contest_id=row["contest_id"],
                kind=row["kind"],
                mean_points=np.array([item["mean_points"] for item in drivers]),
                salaries=np.array([item["salary"] for item in drivers], np.int64),
                cap=rules.salary_cap,
                roster_size=rules.roster_size,
                ownership=ownership,
                entries=row["entries"],
                driver_points=np.array([0.0 if value is None else value for value in points]),
                cash_line=row["cash_line_points"] if scored else None,
                paid=row["paid"] if scored else None,
                winning=row["winning_points"] if scored else None,
            )
        )
    return found
