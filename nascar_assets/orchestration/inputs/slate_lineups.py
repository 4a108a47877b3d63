"""A slate's stored lineups, read back only where they belong to its newest run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.slate_change import (
    has_begun_anew,
    refuse_mixture,
    simulated,
)
from nascar_assets.orchestration.inputs.slate_files import ready_files, require_columns
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.slates.slate import Slate
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import lease

if TYPE_CHECKING:
    from nascar_assets.lineups.entries_file import ContestEntry


class LineupsNotReady(InputError):
    """The newest run of a slate did not come to its lineups."""


def has_lineups(root: DataRoot, plan: SlatePlan) -> bool:
    """Whether the newest run came to its lineups."""
    if has_begun_anew(root, plan.slate_id) or not root.exists(table_path("lineups", plan.slate_id)):
        return False
    stored = scan_table(root, "lineups", plan.slate_id).select("run_id").first().collect()
    return stored.height == 1 and stored["run_id"][0] == plan.run_id


def load_lineups(root: DataRoot, plan: SlatePlan) -> pl.DataFrame:
    """The lineups of the newest run.

    Raises:
        InputError: If that run did not come to its lineups: older ones may hold drivers who no
            longer race; or if the slate's files are not of one run.
    """
    newest_whole(root, plan, lambda _: True)
    return scan_table(root, "lineups", plan.slate_id).collect()


def lineups_run_id(lineups: pl.DataFrame) -> str:
    """The run that chose stored lineups; the slate's own where an earlier version stored them."""
    column = "lineups_run_id" if "lineups_run_id" in lineups.columns else "run_id"
    return str(lineups[column][0])


def newest_whole(
    root: DataRoot, plan: SlatePlan, scanned: Callable[[str], bool] | None = None
) -> None:
    """Refuses a slate whose newest run did not end, or whose files are not of one run.

    Args:
        scanned: Whether a file is scanned; those that lineups are chosen from otherwise.

    Raises:
        LineupsNotReady: If it did not end.
        InputError: If they are not.
    """
    if not has_lineups(root, plan):
        error = LineupsNotReady(
            f"The newest run of {plan.slate_id} did not come to its lineups.",
            remedy=f"Run it again with nascar slate run {plan.slate_id}.",
        )
        if ready := ready_files(root, plan.slate_id):
            error.advise(
                "Where its settings ask for a driver who does not race, loosen them first "
                f"(--settings FILE). {ready}"
            )
        raise error
    refuse_mixture(root, plan.slate_id, scanned or simulated(plan.slate_id))


def stored_players(lineups: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """What the stored portfolio took each player for, by driver id.

    Raises:
        InputError: If an earlier version stored it, which did not keep that.
    """
    require_columns(lineups, ("players",), "lineups")
    return {row["driver_id"]: row for row in lineups["players"][0]}


def lineup_rows(lineups: pl.DataFrame, slate: Slate) -> list[list[int]]:
    """The lineups as indices into the slate's players.

    Raises:
        InputError: If a lineup holds a driver whom the slate does not have.
    """
    place = {player.driver_id: index for index, player in enumerate(slate.players)}
    named = lineups.select(pl.col("driver_ids", "drivers").explode()).unique()
    missing = sorted(f"{name} ({key})" for key, name in named.iter_rows() if key not in place)
    if missing:
        raise InputError(
            f"The lineups hold {', '.join(missing)}, whom the slate does not have.",
            remedy=f"Run it again with nascar slate run {slate.slate_id}.",
        )
    return [[place[driver] for driver in ids] for ids in lineups["driver_ids"].to_list()]


def _entered_path(slate_id: str) -> str:
    return f"slates/{slate_id}/entered.json"


def keep_entered(
    root: DataRoot,
    slate: Slate,
    entries: Sequence[ContestEntry],
    file: tuple[str, bytes] | None = None,
    scratched: Sequence[str] = (),
) -> None:
    """Keeps what the entries of a file hold as it was written; of each entry the newest counts.

    Args:
        file: Its name and bytes, to be mended where a driver in it does not race after all.
        scratched: Ids of drivers whom a person had swapped out of it.
    """
    contests: dict[str, dict[str, Any]] = {}
    for entry in entries:
        row = contests.setdefault(
            entry.contest_id,
            {"name": entry.contest_name, "fee_cents": entry.fee_cents, "entry_ids": []},
        )
        row["entry_ids"].append(entry.entry_id)
    held = {
        entry.entry_id: [slate.everyone[i].driver_id for i in entry.lineup]
        for entry in entries
        if entry.lineup
    }
    entered = {slate.everyone[i].driver_id for e in entries if not e.locked for i in e.lineup or ()}
    with lease(root, f"{slate.slate_id}.entered", "entries are being kept"):
        # Whom a file that is written later has in its lineups is taken for racing again.
        out = {*swapped_out(root, slate.slate_id), *scratched} - entered
        root.write(_swapped_out_path(slate.slate_id), json.dumps(sorted(out)).encode())
        kept = {**load_entered(root, slate.slate_id), **held}
        root.write(_entered_path(slate.slate_id), json.dumps(kept).encode())
        for contest, before in load_contests(root, slate.slate_id).items():
            row = contests.setdefault(contest, {**asdict(before), "entry_ids": []})
            ids = dict.fromkeys([*before.entry_ids, *row["entry_ids"]])
            row["entry_ids"] = list(ids)
        root.write(_contests_path(slate.slate_id), json.dumps(contests).encode())
        if file is not None and held:
            _keep_file(root, slate.slate_id, *file, [*held])


_NO_ENTRIES = re.compile(r"(upload|upload-entered.*)\.csv|index\.json", re.IGNORECASE)
"""Names that an entries file is not kept under: late news mends upload files beside them."""


def _keep_file(
    root: DataRoot, slate_id: str, name: str, content: bytes, entry_ids: Sequence[str]
) -> None:
    """Keeps an entries file; those go whose entries are all in it."""
    index = _file_index(root, slate_id)
    for known in [key for key, ids in index.items() if set(ids) <= set(entry_ids)]:
        del index[known]
        root.delete(_file_path(slate_id, known))
    # `_mended` is what late news puts behind the name of another file.
    plain = re.sub(r"[^0-9A-Za-z._-]|_(?=mended)", "-", name)
    stem, dot, ending = plain.rpartition(".")
    names = chain([f"{stem}{dot}{ending}"], (f"{stem}-{n}{dot}{ending}" for n in count(2)))
    free = next(key for key in names if key not in index and not _NO_ENTRIES.fullmatch(key))
    root.write(_file_path(slate_id, free), content)
    index[free] = list(entry_ids)
    root.write(_file_path(slate_id, "index.json"), json.dumps(index).encode())


def _file_path(slate_id: str, name: str) -> str:
    return f"slates/{slate_id}/entries/{name}"


def _file_index(root: DataRoot, slate_id: str) -> dict[str, list[str]]:
    return dict(json.loads(root.read(_file_path(slate_id, "index.json")) or b"{}"))


def entries_files(root: DataRoot, slate_id: str) -> dict[str, bytes]:
    """The entries files of a slate as they were last written, by name; each entry is in one."""
    return {
        name: content
        for name in _file_index(root, slate_id)
        if (content := root.read(_file_path(slate_id, name))) is not None
    }


def _swapped_out_path(slate_id: str) -> str:
    return f"slates/{slate_id}/swapped_out.json"


def swapped_out(root: DataRoot, slate_id: str) -> list[str]:
    """Ids of drivers whom a person had swapped out, and whom no file written since then has."""
    return list(json.loads(root.read(_swapped_out_path(slate_id)) or b"[]"))


def stay_out(root: DataRoot, slate: Slate, held: Collection[int]) -> list[str]:
    """Ids of those of them who come into a file nowhere: where it holds one, nobody took him out.

    Args:
        held: Who is in the file's lineups, indices into `slate.everyone`.
    """
    free = {player.driver_id for i, player in enumerate(slate.everyone) if i not in held}
    return [driver for driver in swapped_out(root, slate.slate_id) if driver in free]


@dataclass(frozen=True, slots=True)
class EnteredContest:
    """A contest of an entries file that was filled: its name, fee in cents, and own entries."""

    name: str
    fee_cents: int | None
    entry_ids: tuple[str, ...]


def _contests_path(slate_id: str) -> str:
    return f"slates/{slate_id}/entered_contests.json"


def load_contests(root: DataRoot, slate_id: str) -> dict[str, EnteredContest]:
    """The contests of a slate's entries files as they were last written, by the site's id."""
    kept = json.loads(root.read(_contests_path(slate_id)) or b"{}")
    return {
        contest: EnteredContest(row["name"], row["fee_cents"], tuple(row["entry_ids"]))
        for contest, row in kept.items()
    }


def load_entered(root: DataRoot, slate_id: str) -> Mapping[str, list[str]]:
    """Driver ids by entry, as entries files were last written for a slate; later runs leave it."""
    return dict(json.loads(root.read(_entered_path(slate_id)) or b"{}"))
