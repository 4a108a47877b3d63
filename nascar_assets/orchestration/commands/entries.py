"""A slate's portfolio put into an entries file, or mended there after a scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups import (
    PortfolioSettings,
    read_entries,
    swap_entries,
    veto_rules,
)
from nascar_assets.lineups.contest_entries import FilledContests, fill_contests
from nascar_assets.lineups.dollars import AtRisk
from nascar_assets.lineups.entries_file import locked_notices
from nascar_assets.lineups.problem import find_driver
from nascar_assets.lineups.swapped_entries import SwappedEntries
from nascar_assets.orchestration.commands.files import read_file, write_file
from nascar_assets.orchestration.inputs.payout_files import landed_payouts
from nascar_assets.orchestration.inputs.slate_change import read_whole
from nascar_assets.orchestration.inputs.slate_lineups import (
    keep_entered,
    lineup_rows,
    load_lineups,
    stay_out,
    swapped_out,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.resources import Platform
from nascar_assets.slates.slate import Slate


@dataclass(frozen=True)
class EntriesOutcome:
    """What was written: entries changed, the drivers replaced, what a person should know, and the
    dollars of fees that ride on each driver."""

    entries: int
    changes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    at_risk: tuple[AtRisk, ...] = ()


def stored_slate(home: str, slate_id: str) -> Slate:
    """The players of a slate that was run.

    Raises:
        InputError: If it was never run.
    """
    return SlateRun.load(Platform(home=home).root, slate_id).slate


@read_whole
def fill(
    home: str, slate_id: str, source: Path, out: Path, contest_id: str | None = None
) -> EntriesOutcome:
    """Writes the slate's portfolio into an entries file; all other bytes are kept.

    Raises:
        InputError: If the slate was not run, or the file is of another slate, locked or cut off.
        EnvironmentFault: If a file cannot be read or written.
    """
    run = SlateRun.load(Platform(home=home).root, slate_id)
    content, outcome = filled(run, read_file(source), source.name, contest_id)
    write_file(out, content, first=lambda: _keep(run, content, out))
    return outcome


def filled(
    run: SlateRun,
    content: bytes,
    name: str,
    contest_id: str | None = None,
    rows: list[list[int]] | None = None,
) -> tuple[bytes, EntriesOutcome]:
    """An entries file's bytes with lineups in it; all other bytes are kept.

    Args:
        content: The entries file.
        name: Its name, for messages.
        contest_id: The contest whose entries are filled; all of them where none is named.
        rows: The lineups as indices into the slate's players; the slate's own where none.

    Raises:
        InputError: If the file is of another slate, locked or cut off.
    """
    root, slate = run.root, run.slate
    settings = PortfolioSettings.from_toml(run.plan.settings)
    if rows is None:
        rows = lineup_rows(load_lineups(root, run.plan), slate)
    else:  # lineups that are named go into every contest
        settings = settings.model_copy(update={"contests": ()})
    lineups = rows

    def prizes(payout: str) -> tuple[npt.NDArray[np.int64], int | None]:
        table = landed_payouts(root, payout)
        return table.prizes_cents, table.entries

    def under(settings: PortfolioSettings) -> FilledContests:
        return fill_contests(
            content,
            slate,
            run.points if settings.contests else np.empty((0, len(slate.players)), np.int32),
            settings,
            lineups,
            prizes,
            vetoes=veto_rules(slate, run.spec) if settings.contests else (),
            rivals=run.rivals if settings.contests else None,
            contest_id=contest_id,
            file=name,
        )

    done, said = run.under_views(settings, under)
    held = read_entries(done.content, slate, file=name)
    entries = [entry for entry in held if contest_id is None or entry.contest_id == contest_id]
    return done.content, EntriesOutcome(
        done.filled, notices=(*said, *locked_notices(entries), *done.notices), at_risk=done.at_risk
    )


@read_whole
def swap(home: str, slate_id: str, source: Path, scratched: list[str], out: Path) -> EntriesOutcome:
    """Replaces drivers who do not race in a filled entries file with the fewest changes.

    Raises:
        InputError: If a driver is unknown, the file is at fault, or no change keeps the settings.
        EnvironmentFault: If a file cannot be read or written.
    """
    run = SlateRun.load(Platform(home=home).root, slate_id)
    content, outcome = swapped(run, read_file(source), scratched, source.name)
    write_file(out, content, first=lambda: _keep(run, content, out, scratched))
    return outcome


def _keep(run: SlateRun, content: bytes, out: Path, scratched: Sequence[str] = ()) -> None:
    slate, entries = run.slate, read_entries(content, run.slate, file=out.name)
    named = [slate.everyone[find_driver(slate, text, field="scratched")] for text in scratched]
    ids = [player.driver_id for player in named]
    keep_entered(run.root, slate, entries, (out.name, content), ids)


def swapped(
    run: SlateRun, content: bytes, scratched: list[str], name: str
) -> tuple[bytes, EntriesOutcome]:
    """A filled entries file's bytes with who does not race replaced, by the fewest changes.

    Whom a person had swapped out before comes in nowhere; where the file holds him he stays.

    Raises:
        InputError: If a driver is unknown, the file is at fault, or no change keeps the settings.
    """
    if swapped_out(run.root, run.slate_id):
        entries = read_entries(content, run.slate, file=name)
        held = {i for entry in entries if not entry.locked for i in entry.lineup or ()}
        scratched = [*scratched, *stay_out(run.root, run.slate, held)]
    rows = lineup_rows(load_lineups(run.root, run.plan), run.slate)

    def under(settings: PortfolioSettings) -> SwappedEntries:
        return swap_entries(
            content,
            run.slate,
            run.points,
            settings,
            rows,
            scratched,
            vetoes=veto_rules(run.slate, run.spec),
            file=name,
        )

    done, said = run.under_views(PortfolioSettings.from_toml(run.plan.settings), under)
    return done.content, EntriesOutcome(
        done.entries, done.changes, (*said, *done.notices), done.at_risk
    )
