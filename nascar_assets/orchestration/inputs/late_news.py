"""Late news: who of a slate's lineups and entries no longer races, and the files mended of him."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.slate_files import withdrawn_path
from nascar_assets.orchestration.inputs.slate_lineups import (
    entries_files,
    load_entered,
    swapped_out,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import at_once

if TYPE_CHECKING:
    from nascar_assets.lineups import PortfolioSettings

UPLOAD, ENTERED = _UPLOADS = ("upload.csv", "upload-entered.csv")
"""The upload file that names him; and the one that was mended first, where that is another."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A file that names a driver who does not race.

    Attributes:
        of: The file's name: `upload.csv`, `upload-entered.csv`, or an entries file's.
        sha256: Of the bytes that were mended.
        before: Where those bytes lie.
        after: Where the mended file lies; none where it could not be mended.
        changes: Every driver replaced, in words; or why it could not be mended.
        notices: Settings that no longer apply, and why.
    """

    of: str
    sha256: str
    before: str
    after: str | None
    changes: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LateNews:
    """What is to be told of a slate, by driver id as it was first told, and the files mended."""

    drivers: dict[str, str]
    mended: tuple[Mended, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """A file as it may be entered, and its lineups (indices into `slate.everyone`) by entry."""

    name: str
    content: bytes
    lineups: dict[str, tuple[int, ...]]


def _folder(slate_id: str) -> str:
    return f"slates/{slate_id}/late_news"


def load_news(root: DataRoot, slate_id: str) -> LateNews:
    """What is known of a slate's late news; nothing where there was none."""
    found = json.loads(root.read(f"{_folder(slate_id)}/news.json") or b"{}")
    mended = (
        Mended(**{**row, "changes": tuple(row["changes"]), "notices": tuple(row["notices"])})
        for row in found.get("mended", ())
    )
    return LateNews(found.get("drivers", {}), tuple(mended))


def take_in_news(run: SlateRun) -> LateNews:
    """Mends what names a driver who does not race, and notes in how many lineups and entries he is.

    The upload file that was withdrawn, the one that was mended first (a person has entered it) and
    the entries files that were filled are mended with the fewest changes, what was mended before
    from there on; old and mended lie side by side in a folder of the run's as-of time. A driver is
    told of once, until he races again. A run as of lock changes nothing: it is too late.
    """
    root, slate, known = at_once(run.root), run.slate, load_news(run.root, run.slate_id)
    if run.as_of >= run.plan.lock:
        return known
    out = {player.driver_id: player for player in slate.absent}
    noted = {driver: text for driver, text in known.drivers.items() if driver in out}
    if not out:
        if known.drivers:
            _save(root, run.slate_id, LateNews({}, known.mended))
        return LateNews({}, known.mended)
    racing = len(slate.players)
    found = [*_sources(run, known)]
    new = [item for item in found if isinstance(item, Mended)]
    sources = {item.name: item for item in found if isinstance(item, _Source)}
    uploads = {name: [*sources[name].lineups.values()] for name in _UPLOADS if name in sources}
    ids = [player.driver_id for player in slate.everyone]
    entered = dict(load_entered(run.root, run.slate_id))
    for source in sources.values():
        if source.name not in _UPLOADS:
            entered |= {key: [ids[i] for i in row] for key, row in source.lineups.items()}
        if any(max(lineup) >= racing for lineup in source.lineups.values()):
            mine = {frozenset(lineup) for lineup in source.lineups.values()}
            # Entries were filled from one of them: the one that has more of their lineups.
            filled_from = max(
                uploads.values(), key=lambda rows: len(mine & {*map(frozenset, rows)}), default=[]
            )
            new.append(_mended(run, source, filled_from))
    for player in slate.absent:
        at = ids.index(player.driver_id)
        counts = {name: sum(at in row for row in rows) for name, rows in uploads.items()}
        in_entries = sum(player.driver_id in row for row in entered.values())
        if player.driver_id not in noted and (any(counts.values()) or in_entries):
            several = len(uploads) > 1
            held = ", ".join(
                f"{counts.get(name, 0)} of {len(rows)} lineups{f' of {name}' if several else ''}"
                for name, rows in (uploads or {UPLOAD: []}).items()
            )
            noted[player.driver_id] = (
                f"{player.absence}: he is in {held} and "
                f"{in_entries} of {len(entered)} entries. {_said(new)}"
            )
    news = LateNews(noted, (*known.mended, *new))
    if news != known:
        _save(root, run.slate_id, news)
    return news


def _save(root: DataRoot, slate_id: str, news: LateNews) -> None:
    root.write(f"{_folder(slate_id)}/news.json", json.dumps(asdict(news), indent=1).encode())


def _said(new: Sequence[Mended]) -> str:
    """Where mended files lie, which could not be, and which settings were set aside for it."""
    lie = ", ".join(item.after for item in new if item.after)
    failed = [f"{item.of} could not be mended: {item.changes[0]}" for item in new if not item.after]
    notices = dict.fromkeys(notice for item in new for notice in item.notices)
    return " ".join([*([f"Mended files lie ready: {lie}."] if lie else []), *failed, *notices])


def _sources(run: SlateRun, known: LateNews) -> Iterator[_Source | Mended]:
    """What may be entered: the upload files withdrawn and mended first, the entries files filled.

    Of one that was mended before the newest mended one; one that cannot be read as what is wrong.
    """
    from nascar_assets.lineups import read_entries
    from nascar_assets.lineups.upload import read_upload

    def newest(name: str, content: bytes) -> bytes:
        return _newest(run.root, name, content, known)

    filled = entries_files(run.root, run.slate_id)
    files = {name: newest(name, held) for name, held in filled.items()}
    first = next((item.before for item in known.mended if item.of == UPLOAD and item.after), None)
    entered = None if first is None else newest(UPLOAD, run.root.read(first) or b"")
    withdrawn = at_once(run.root).read(withdrawn_path(run.slate_id))
    withdrawn = entered if withdrawn is None else newest(UPLOAD, withdrawn)
    if withdrawn is not None:
        files[UPLOAD] = withdrawn
    if entered is not None and entered != withdrawn:  # that is a new portfolio, made since
        files[ENTERED] = entered
    for name, content in files.items():
        try:
            if name in _UPLOADS:
                rows = read_upload(run.slate, content, entered=True, file=name).tolist()
                yield _Source(name, content, {str(n): tuple(row) for n, row in enumerate(rows)})
            else:
                entries = read_entries(content, run.slate, file=name)
                held = {item.entry_id: item.lineup for item in entries if item.lineup}
                yield _Source(name, content, held)
        except InputError as error:
            yield _kept(run, name, content, None, (str(error),), ())


def _newest(root: DataRoot, name: str, content: bytes, known: LateNews) -> bytes:
    """What was mended of a file before, as often as it was; the file itself where it was not."""
    line = {ENTERED: UPLOAD}
    after = {(line.get(o.of, o.of), o.sha256): o.after for o in known.mended if o.after}
    while path := after.pop((name, hashlib.sha256(content).hexdigest()), None):
        content = root.read(path) or content
    return content


def _mended(run: SlateRun, source: _Source, portfolio: Sequence[tuple[int, ...]]) -> Mended:
    """A source mended under the slate's settings and views, or what of these a change can keep.

    Args:
        source: The file.
        portfolio: The lineups of the upload file as it was, which entries were filled from.
    """
    from nascar_assets.lineups import InfeasiblePortfolio, PortfolioSettings

    settings = PortfolioSettings.from_toml(run.plan.settings)
    # A view may have landed after the lineups were entered.
    tries = [(settings, "views"), (PortfolioSettings(), "settings")]
    if not run.views.is_empty():
        tries.insert(0, (settings, ""))
    given_up: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    for asked, without in tries:
        if failed:
            given_up = (f"No change keeps the {without}, they are set aside: {failed[0]}",)
        try:
            asked = asked if without else run.with_views(asked)
            done, changes, notices = _mend(run, source, asked, portfolio)
        except InfeasiblePortfolio as error:
            failed = (str(error),)
        except InputError as error:
            failed = (str(error),)
            break
        else:
            return _kept(run, source.name, source.content, done, changes, (*given_up, *notices))
    return _kept(run, source.name, source.content, None, failed, ())


def _mend(
    run: SlateRun,
    source: _Source,
    settings: PortfolioSettings,
    portfolio: Sequence[tuple[int, ...]],
) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    from nascar_assets.lineups import late_swap, swap_entries, veto_rules
    from nascar_assets.lineups.upload import upload_csv

    slate, vetoes = run.slate, veto_rules(run.slate, run.spec)
    known = {player.driver_id for player in slate.everyone}
    scratched = [key for key in swapped_out(run.root, run.slate_id) if key in known]
    if source.name in _UPLOADS:
        rows = [*source.lineups.values()]
        settings = settings.model_copy(update={"lineups": len(rows)})
        swap = late_swap(run.points, slate, settings, rows, scratched, vetoes=vetoes)
        said = tuple(f"lineup {c.lineup}: {c.out} out, {c.into} in" for c in swap.changes)
        mended = [_in_place(*pair) for pair in zip(rows, swap.drivers.tolist(), strict=True)]
        return upload_csv(slate, mended), said, swap.notices
    done = swap_entries(
        source.content,
        slate,
        run.points,
        settings,
        portfolio,
        scratched,
        vetoes=vetoes,
        file=source.name,
    )
    return done.content, done.changes, done.notices


def _in_place(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """A mended lineup in the old one's order: who comes takes the cell of one who goes."""
    coming = iter([driver for driver in after if driver not in before])
    return [driver if driver in after else next(coming) for driver in before]


def _kept(
    run: SlateRun,
    name: str,
    content: bytes,
    done: bytes | None,
    changes: tuple[str, ...],
    notices: tuple[str, ...],
) -> Mended:
    """Old and mended file written side by side."""
    root, file = at_once(run.root), PurePosixPath(name)
    folder = f"{_folder(run.slate_id)}/{run.as_of:%Y%m%dT%H%M%SZ}"
    before, after = f"{folder}/{name}", f"{folder}/{file.stem}_mended{file.suffix}"
    root.write(before, content)
    if done is not None:
        root.write(after, done)
    digest = hashlib.sha256(content).hexdigest()
    return Mended(name, digest, before, None if done is None else after, changes, notices)
