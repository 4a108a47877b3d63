"""The clock of sensors and schedules: the machine's own, or one that a rehearsal runs faster.

`NASCAR_CLOCK` rehearses a race week: `2026-03-10T12:00:00+00:00 from 1773144000 x 600` reads 12:00
UTC on 10 March at the Unix time 1773144000 and runs 600 times as fast from there. `@FILE` reads
the same from a file, which may be written anew while the rehearsal goes on, to set the clock ahead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nascar_assets.errors import InputError

_FORM = re.compile(r"(?P<start>\S+) from (?P<origin>\d+(?:\.\d+)?) x (?P<speed>\d+(?:\.\d+)?)")


def clock_now(setting: str | None = None) -> datetime:
    """The time that decisions go by (UTC).

    Args:
        setting: The rehearsal's clock; by default that of `NASCAR_CLOCK`, else the machine's.

    Raises:
        InputError: If the setting has another form, or its file cannot be read.
    """
    text = os.environ.get("NASCAR_CLOCK") if setting is None else setting
    if text and text.startswith("@"):
        text = _written(Path(text[1:]))
    real = datetime.now(UTC)
    return rehearsed(text, real.timestamp()) if text else real


def _written(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            field="NASCAR_CLOCK",
            remedy="Write the rehearsal's clock to the file, or unset NASCAR_CLOCK.",
        ) from error


def rehearsed(setting: str, unix: float) -> datetime:
    """What a rehearsal's clock reads at a Unix time.

    Raises:
        InputError: If the setting has another form.
    """
    found = _FORM.fullmatch(setting.strip())
    try:
        if found is None:
            raise ValueError(setting)
        start = datetime.fromisoformat(found["start"])
        if start.tzinfo is None:
            raise ValueError(setting)
    except ValueError:
        raise InputError(
            f"{setting!r} is no rehearsal's clock.",
            field="NASCAR_CLOCK",
            remedy="Write it as 2026-03-10T12:00:00+00:00 from 1773144000 x 600, or unset it.",
        ) from None
    passed = (unix - float(found["origin"])) * float(found["speed"])
    return start.astimezone(UTC) + timedelta(seconds=passed)


def refresh_cron(environment: Mapping[str, str] = os.environ) -> str:
    """How often the week is looked at. What is due is decided by the races' own times.

    Raises:
        InputError: If `NASCAR_REFRESH_CRON` is no cron line.
    """
    from dagster._utils.schedules import is_valid_cron_string

    text = environment.get("NASCAR_REFRESH_CRON") or "*/5 * * * *"
    if not is_valid_cron_string(text):
        raise InputError(
            f"{text!r} is no cron line.",
            field="NASCAR_REFRESH_CRON",
            remedy="Write it as */5 * * * *, or unset it.",
        )
    return text
