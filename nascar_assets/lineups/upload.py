"""Upload files: lineups as the bytes of the site's new-lineup CSV, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.files import id_cell, plain_name
from nascar_assets.lineups.legality import IllegalLineup, check_lineups
from nascar_assets.rules import Site
from nascar_assets.slates.slate import Slate, SlatePlayer
from nascar_assets.visible import FORMULA


def player_cell(player: SlatePlayer, site: Site) -> str:
    """A driver as an upload file names him: name and id, or the id alone where that is safer.

    A name that a spreadsheet would run as a formula, or that holds control characters or
    brackets of its own, is left to the id, which the sites accept by itself.
    """
    name = player.name
    if name == player.site_id:  # the salary file held no ids, and says so in a notice
        return name
    unsafe = name.startswith(FORMULA) or not name.isprintable() or name != name.strip()
    if unsafe or not name or "(" in name or ")" in name:
        return player.site_id
    return site.cell.format(name=name, id=player.site_id)


def upload_header(slate: Slate) -> list[str]:
    """Column names of an upload file for this contest."""
    return [slate.site.position] * slate.rules.roster_size


def upload_csv(slate: Slate, lineups: npt.ArrayLike | Sequence[Sequence[int]]) -> bytes:
    """The bytes of an upload file.

    Args:
        slate: The slate.
        lineups: [n, roster_size] indices into `slate.players`, at most what the
            site takes in one file.

    Raises:
        IllegalLineup: If a lineup breaks the contest's rules.
        InputError: If there are no lineups or more than one file takes.
    """
    rows = np.asarray(lineups)
    limit = slate.site.max_upload
    if rows.ndim != 2 or not 1 <= rows.shape[0] <= limit:
        raise InputError(
            f"{rows.shape[0] if rows.ndim == 2 else 'no table of'} lineups to upload; "
            f"a file takes 1 to {limit}."
        )
    check_lineups(slate, rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(upload_header(slate))
    writer.writerows([player_cell(slate.players[i], slate.site) for i in row] for row in rows)
    return out.getvalue().encode("utf-8")


def read_upload(
    slate: Slate, content: bytes, *, entered: bool = False, file: str = "upload.csv"
) -> npt.NDArray[np.int32]:
    """Lineups of an upload file: [n, roster_size] indices into `slate.everyone`.

    Args:
        slate: The slate.
        content: The file.
        entered: Whether it may have been entered, and may hold who does not race by now.
        file: Its name, for messages.

    Raises:
        InputError: Naming row and field of a cell that means no driver of the slate.
        IllegalLineup: If a lineup breaks the contest's rules.
    """
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    header = upload_header(slate)
    if not rows or rows[0] != header:
        raise InputError(
            f"the header is not {','.join(header)}.", file=file, row=1, remedy="Export it anew."
        )
    lineups = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"{len(row)} cells where {len(header)} belong.", file=file, row=number)
        lineups.append(
            [
                player_of_cell(slate, cell, file=file, row=number, field=f"{header[0]} {place}")
                for place, cell in enumerate(row, start=1)
            ]
        )
    try:
        check_lineups(slate, lineups, entered=entered)
    except IllegalLineup as error:
        raise IllegalLineup(error.message, file=file) from error
    return np.array(lineups, np.int32).reshape(-1, len(header))


def player_of_cell(slate: Slate, cell: str, *, file: str, row: int, field: str) -> int:
    """Index into `slate.everyone` of the driver that a cell names by id.

    Raises:
        InputError: If the cell names no player of the slate, or another by name than by id.
    """
    site_id = id_cell(slate.site.read_cell(cell)[0], file, row, field)
    name = plain_name(slate.site.name_in(cell))
    named = [other for other in slate.everyone if name and plain_name(other.name) == name]
    for index, player in enumerate(slate.everyone):
        if player.site_id == site_id:
            if named and plain_name(player.name) != name:
                raise InputError(
                    f"{cell!r} has the name of {named[0].name} and the ID of {player.name}.",
                    file=file,
                    row=row,
                    field=field,
                    remedy="Write the name and the ID of the same driver.",
                )
            return index
    raise InputError(
        f"{cell!r} names no driver of slate {slate.slate_id}.",
        file=file,
        row=row,
        field=field,
        remedy=f"Use {slate.site.cell.format(name='Name', id='ID')!r} or the ID, with the IDs of "
        "this slate's salary file.",
    )
