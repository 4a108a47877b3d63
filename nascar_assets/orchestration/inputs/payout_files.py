"""Payout tables that a portfolio's settings name: landed once, read by the lineups asset."""

from __future__ import annotations

from pathlib import PurePath

from nascar_assets.contest.payouts import PayoutTable, read_payouts
from nascar_assets.contest.presets import PRESETS, Contest, preset
from nascar_assets.errors import InputError
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.storage import DataRoot

FOLDER = "landing/payouts"


def land_payouts(root: DataRoot, name: str, content: bytes) -> None:
    """Keeps a payout table under its file name, once it was found sound.

    Raises:
        InputError: If it cannot be right; names row and field.
    """
    read_payouts(content, file=PurePath(name).name)
    root.write(_path(name), content)


def landed_payouts(root: DataRoot, name: str) -> PayoutTable:
    """The payout table of a file name, or of a contest preset.

    Raises:
        InputError: If no such table was landed.
    """
    if name in PRESETS:
        return preset(name).payouts
    content = root.read(_path(name))
    if content is None:
        raise InputError(
            "The payout table is not there.",
            file=_path(name),
            field="payout",
            remedy=f"Put it into {FOLDER}/, give the settings with --settings beside it, or name "
            f"one of {', '.join(PRESETS)}.",
        )
    return read_payouts(content, file=PurePath(name).name)


def named_contest(root: DataRoot, settings: str) -> Contest | None:
    """The contest whose payout table portfolio settings name; none where they name none.

    None as well where it is a preset or the table says nothing of the contest's entries or fee.

    Raises:
        InputError: If no such table was landed.
    """
    named = PortfolioSettings.from_toml(settings).payout
    if named is None or named in PRESETS:
        return None
    table = landed_payouts(root, named)
    if table.entries is None or table.entry_fee_cents is None:
        return None
    max_entries = table.max_entries or table.entries
    return Contest(PurePath(named).stem, table.entries, table.entry_fee_cents, max_entries, table)


def _path(name: str) -> str:
    return f"{FOLDER}/{PurePath(name).name}"
