"""Late news: who of a slate's lineups and entries no longer races, and the files mended of him."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.slate_files import lie_ready, news_path, withdrawn_path
from nascar_assets.orchestration.inputs.slate_lineups import (
    entries_files,
    load_entered,
    stay_out,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import at_once

if TYPE_CHECKING:
    from nascar_assets.lineups import PortfolioSettings

UPLOAD = "upload.csv"
_ENTERED = "upload-entered"
"""Begins the name of an upload file that was mended before a new portfolio took its place."""


def _is_upload(name: str) -> bool:
    return name == UPLOAD or name.startswith(_ENTERED)


@dataclass(frozen=True, slots=True)
class Mended:
    """A file that names a driver who does not race.

    Attributes:
        of: The file's name: `upload.csv`, one with `upload-entered`, or an entries file's.
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
    """What is to be told of a slate.

    Attributes:
        drivers: What was first told of each driver, by his id.
        mended: The files that were mended.
        ready: Where mended files lie that name nobody who does not race.
    """

    drivers: dict[str, str]
    mended: tuple[Mended, ...]
    ready: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """A file as it may be entered, and its lineups (indices into `slate.everyone`) by entry.

    Where it was mended before, `path` is where it lies.
    """

    name: str
    content: bytes
    path: str | None
    lineups: dict[str, tuple[int, ...]]


def load_news(root: DataRoot, slate_id: str) -> LateNews:
    """What is known of a slate's late news; nothing where there was none."""
    found = json.loads(root.read(news_path(slate_id)) or b"{}")
    mended = (
        Mended(**{**row, "changes": tuple(row["changes"]), "notices": tuple(row["notices"])})
        for row in found.get("mended", ())
    )
    return LateNews(found.get("drivers", {}), tuple(mended), tuple(found.get("ready", ())))


def take_in_news(run: SlateRun) -> LateNews:
    """Mends what names a driver who does not race, and notes in how many lineups and entries he is.

    The upload file that was withdrawn, those that were mended before it (people may have entered
    them) and the entries files that were filled are mended with the fewest changes, what was mended
    before from there on; old and mended lie side by side in a folder of the run's as-of time. A
    driver is told of once, until he races again. A run as of lock changes nothing: it is too late.
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
    uploads = {n: [*source.lineups.values()] for n, source in sources.items() if _is_upload(n)}
    ready: list[str | None] = []
    ids = [player.driver_id for player in slate.everyone]
    entered = dict(load_entered(run.root, run.slate_id))
    for source in sources.values():
        if not _is_upload(source.name):
            entered |= {key: [ids[i] for i in row] for key, row in source.lineups.items()}
        at = source.path
        if any(max(lineup) >= racing for lineup in source.lineups.values()):
            mine = {frozenset(lineup) for lineup in source.lineups.values()}
            # Entries were filled from one of them: the one that has more of their lineups.
            filled_from = max(
                uploads.values(), key=lambda rows: len(mine & {*map(frozenset, rows)}), default=[]
            )
            new.append(_mended(run, source, filled_from))
            at = new[-1].after
        ready.append(at)
    for player in slate.absent:
        place = ids.index(player.driver_id)
        counts = {name: sum(place in row for row in rows) for name, rows in uploads.items()}
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
    news = LateNews(noted, (*known.mended, *new), tuple(path for path in ready if path))
    if news != known:
        _save(root, run.slate_id, news)
    return news


def _save(root: DataRoot, slate_id: str, news: LateNews) -> None:
    root.write(news_path(slate_id), json.dumps(asdict(news), indent=1).encode())


def _said(new: Sequence[Mended]) -> str:
    """Where mended files lie, which could not be, and which settings they do not keep."""
    from nascar_assets.lineups.swapped_entries import PASSED

    ready = lie_ready([item.after for item in new if item.after])
    failed = [f"{item.of} could not be mended: {item.changes[0]}" for item in new if not item.after]
    notices = dict.fromkeys(
        notice
        for item in new
        for notice in item.notices
        if "set aside" in notice or PASSED in notice
    )
    return " ".join([*([ready] if ready else []), *failed, *notices])


def _sources(run: SlateRun, known: LateNews) -> Iterator[_Source | Mended]:
    """What may be entered: upload files that were withdrawn or mended, the entries files filled.

    Of one that was mended before the newest mended one; one that cannot be read as what is wrong.
    The newest portfolio is `upload.csv`; those before it, which people may have entered when they
    were mended, have names of their own.
    """
    from nascar_assets.lineups import read_entries
    from nascar_assets.lineups.upload import read_upload

    lines = [run.root.read(o.before) for o in known.mended if _is_upload(o.of) and o.after]
    lines.append(at_once(run.root).read(withdrawn_path(run.slate_id)))
    ends = dict.fromkeys(_newest(run.root, UPLOAD, line, known) for line in lines if line)
    names = [UPLOAD, *(f"{_ENTERED}{f'-{n}' if n > 1 else ''}.csv" for n in range(1, len(ends)))]
    uploads = [*ends][-1:] + [*ends][:-1]
    files = dict(zip(names, uploads, strict=False))
    for name, content in entries_files(run.root, run.slate_id).items():
        files[name] = _newest(run.root, name, content, known)
    for name, (content, path) in files.items():
        try:
            if _is_upload(name):
                rows = read_upload(run.slate, content, entered=True, file=name).tolist()
                held = {str(n): tuple(row) for n, row in enumerate(rows)}
            else:
                entries = read_entries(content, run.slate, file=name)
                held = {item.entry_id: item.lineup for item in entries if item.lineup}
            yield _Source(name, content, path, held)
        except InputError as error:
            yield _kept(run, name, content, None, (str(error),), ())


def _newest(root: DataRoot, name: str, content: bytes, known: LateNews) -> tuple[bytes, str | None]:
    """What was mended of a file before, as often as it was, and where it lies; else the file."""
    after = {
        (UPLOAD if _is_upload(item.of) else item.of, item.sha256): item.after
        for item in known.mended
        if item.after
    }
    found = None
    while path := after.pop((name, hashlib.sha256(content).hexdigest()), None):
        content, found = root.read(path) or content, path
    return content, found


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
    held = {i for lineup in source.lineups.values() for i in lineup}
    scratched = stay_out(run.root, slate, held)
    if _is_upload(source.name):
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
    folder = f"{news_path(run.slate_id).rpartition('/')[0]}/{run.as_of:%Y%m%dT%H%M%SZ}"
    before, after = f"{folder}/{name}", f"{folder}/{file.stem}_mended{file.suffix}"
    root.write(before, content)
    if done is not None:
        root.write(after, done)
    digest = hashlib.sha256(content).hexdigest()
    return Mended(name, digest, before, None if done is None else after, changes, notices)
