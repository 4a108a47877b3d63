"""A finished contest taken in from its standings: its slate found, its row kept."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nascar_assets.contest.payouts import PayoutTable, payout_table
from nascar_assets.contest.records import (
    ContestFacts,
    agreement,
    check_race,
    contest_record,
    other_entries,
)
from nascar_assets.contest.standings import OtherSlate, Standings, read_standings
from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.contest_store import (
    keep_contest,
    known_contests,
    scan_contests,
)
from nascar_assets.orchestration.inputs.official import official_points
from nascar_assets.orchestration.inputs.past import all_results
from nascar_assets.orchestration.inputs.slate_lineups import (
    EnteredContest,
    has_lineups,
    load_contests,
    load_entered,
    stored_players,
)
from nascar_assets.orchestration.inputs.slate_plan import slate_plans
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot

_NUMBER = re.compile(r"contest-standings-(\d+)", re.I)  # as the site names the file
_SAME = 0.8  # share of drivers whose printed points have to be a race's for it to be that race's


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding a contest.

    Attributes:
        record: Its row.
        fresh: Whether it says anything new.
        notices: What a person should know.
        replaced: Those of them that tell of a row whose place these took: of another slate or
            id, or of final standings with other entries; empty where there was none.
    """

    record: dict[str, Any]
    fresh: bool
    notices: tuple[str, ...]
    replaced: str = ""


def add_standings(
    root: DataRoot,
    content: bytes,
    file: str,
    now: datetime,
    *,
    slate_id: str | None = None,
    payouts: PayoutTable | None = None,
    kind: str | None = None,
    name: str | None = None,
) -> Added:
    """Adds a contest from the bytes of its standings file.

    Args:
        content: The file, zipped or not.
        slate_id: Its slate; found by drivers, own entries and points where it is not given.
        payouts: Its prizes, where known; else those that were said before.
        kind: `cash` or `tournament`, where a person says it or said it before.
        name: Its name, where a person says it or said it before.

    Raises:
        InputError: If the file is at fault or of no slate that is there.
    """
    digest = hashlib.sha256(content).hexdigest()
    run, read = _slate_of(root, content, file, digest, now, slate_id)
    slate, official = run.slate, official_points(run.slate, all_results(root, run.as_of))
    check_race(read, official, slate, file)
    entered = load_contests(root, slate.slate_id)
    contest = _contest_of(read, entered)
    lineups = run.table("lineups") if has_lineups(root, run.plan) else None
    # Lineups of an earlier version may lack them; the race is over, and nothing is run again.
    own = {} if lineups is None or "players" not in lineups else stored_players(lineups)
    contest_id = contest or _number(read.file) or _known_as(root, digest)
    # One contest counts once: what was kept of it elsewhere goes, and what was said of it stays.
    known = known_contests(root, contest_id, digest)
    before = max(
        known,
        key=lambda one: (
            one["slate_id"] == slate.slate_id,
            one["contest_id"] == contest_id,
            one["known_at"],
        ),
        default=None,
    )
    said = ContestFacts(contest_id, name or "", kind, payouts)
    facts = _facts(said, before, entered.get(contest_id))
    cash = facts.found_kind == "cash"
    owned = "cash_ownership" if cash else "expected_ownership"
    # What was kept as said before the race stays as it is, whatever was run since.
    of_race = {"race_key": run.plan.race_key, "rules": slate.rules.key}
    seen = before if before is not None and of_race.items() <= before.items() else None
    means = _kept(seen, "mean_points")
    same_kind = seen is not None and seen["kind"] == facts.found_kind
    expected = _kept(seen, "expected_ownership") if same_kind else {}
    record = contest_record(
        read,
        slate,
        facts,
        mean_points=means or {driver: row["mean_points"] for driver, row in own.items()},
        expected=expected
        or {driver: row[owned] for driver, row in own.items() if row.get(owned) is not None},
        official=official,
        own_entries=load_entered(root, slate.slate_id),
        file=file,
        sha256=digest,
        known_at=now,
    )
    notices = list(read.notices)
    if read.live:
        notices.append(
            "The race was going on when this was downloaded: it is kept as live and nothing is "
            "learnt from it. Add the final standings too, within a week of the race."
        )
    if facts.payouts is None:
        notices.append(
            "No payout table is known: cash line and winnings are left out. Name it with --payout."
        )
    if not own and not means:
        notices.append("The slate has no lineups: what its field chose cannot be learnt from.")
    row = record.row(0, named=True)
    fresh, elsewhere = keep_contest(root, record, known)
    replaced = [
        f"It was kept as contest {one['contest_id']} of slate {one['slate_id']}: now it is contest "
        f"{contest_id} of slate {slate.slate_id}, and counts once."
        for one in elsewhere
    ]
    if fresh and before is not None and before["state"] == "final" and other_entries(before, row):
        replaced.append(
            f"This takes the place of final standings of contest {contest_id} with other entries "
            f"({before['entries']:,} in {before['file']}); what was said of that contest is kept. "
            "Where it is another contest, give both files the names that the site gave them and "
            "add both again with what belongs to each."
        )
    return Added(row, fresh, (*notices, *replaced), " ".join(replaced))


def _number(file: str) -> str | None:
    """The contest's number in the site's name of a file.

    Other digits may be a date, which several contests have in common.
    """
    found = _NUMBER.search(file)
    return found[1] if found else None


def _known_as(root: DataRoot, digest: str) -> str:
    """What a file is called by its hash: as it was added, whatever its name told then."""
    same = scan_contests(root).filter(sha256=digest).select("contest_id").collect()
    return min(same["contest_id"], default=digest[:16])


def _kept(before: dict[str, Any] | None, name: str) -> dict[str, float]:
    """What is kept of each driver in a contest's row, where it is known."""
    rows = () if before is None else before["drivers"]
    return {row["driver_id"]: row[name] for row in rows if row[name] is not None}


def _facts(
    said: ContestFacts, before: dict[str, Any] | None, entered: EnteredContest | None
) -> ContestFacts:
    """What is known of a contest: as said now, else as said before, else as in an entries file.

    Args:
        said: What a person says now.
        before: The contest's row, where it was added before.
        entered: The contest in an entries file of ours, where it is in one.
    """
    name, kind, payouts = said.name, said.kind, said.payouts
    fees = [entered.fee_cents] if entered else []
    fees += [payouts.entry_fee_cents] if payouts else []
    if before is not None:
        fees.append(before["entry_fee_cents"])
        prizes = before["prizes_cents"]
        stored = None if prizes is None else payout_table(prizes)
        # A kind that follows from prizes and name was said by nobody: it follows anew.
        follows = ContestFacts(said.contest_id, before["name"], None, stored).found_kind
        kind = kind or (before["kind"] if before["kind"] != follows else None)
        name, payouts = name or before["name"], payouts or stored
    name = name or (entered.name if entered else "")
    fee = next((fee for fee in fees if fee is not None), None)
    return ContestFacts(said.contest_id, name, kind, payouts, fee)


def _contest_of(standings: Standings, entered: dict[str, EnteredContest]) -> str | None:
    """The contest of an entries file that has one of the standings' entries."""
    held = set(standings.entry_ids)
    ours = (contest for contest, known in entered.items() if held & set(known.entry_ids))
    return next(ours, None)


def _slate_of(
    root: DataRoot, content: bytes, file: str, digest: str, now: datetime, slate_id: str | None
) -> tuple[SlateRun, Standings]:
    """The slate whose drivers, own entries and points are those of a standings file.

    Where they are those of several slates alike, the one that the contest is kept under.
    """
    if slate_id is not None:
        run = SlateRun.load(root, slate_id)
        return run, read_standings(content, run.slate, file=file)
    kept = scan_contests(root).select("slate_id", "contest_id", "sha256").collect().rows()
    fits: list[tuple[tuple[bool, float, bool, str], SlateRun, Standings]] = []
    refused: InputError | None = None
    begun = [plan for plan in slate_plans(root) if plan.lock <= now]
    for plan in sorted(begun, key=lambda plan: plan.lock, reverse=True):
        run = SlateRun(root, plan)
        try:
            read = read_standings(content, run.slate, file=file)
        except InputError as error:
            refused = refused or error
            continue
        own = bool(set(load_entered(root, plan.slate_id)) & set(read.entry_ids))
        share = agreement(read, official_points(run.slate, all_results(root, plan.as_of)))
        if own or math.isnan(share) or share >= _SAME or read.live:
            share = -1.0 if math.isnan(share) else share
            there = any(
                key == plan.slate_id and (sha256 == digest or contest == _number(read.file))
                for key, contest, sha256 in kept
            )
            fits.append(((own, share, there, plan.slate_id), run, read))
        elif refused is None:
            refused = OtherSlate(
                f"drivers' points are not those of {plan.race_key}.", file=file, field="FPTS"
            )
    if not fits:
        if isinstance(refused, OtherSlate):
            refused.advise(
                "Name the slate with --slate, or run the slate that the contest was of first."
            )
        if refused is not None:
            raise refused
        raise InputError(
            "No slate that was run has locked: standings are of a race that has begun.",
            file=file,
            remedy="Run the slate first (nascar slate run), or look at the rehearsal's clock.",
        )
    _, run, read = max(fits, key=lambda item: item[0])
    return run, read
