"""How a car's race ended: the feed's texts to `running`, `accident` or `mechanical`, as codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.errors import InputError

RUNNING, ACCIDENT, MECHANICAL, DISQUALIFIED = "running", "accident", "mechanical", "disqualified"

STATUSES: tuple[str, ...] = (RUNNING, ACCIDENT, MECHANICAL)
"""Names of the status codes: a simulated car's code is its status's place here."""

STATUS_CODES: dict[str, int] = {
    **{status: code for code, status in enumerate(STATUSES)},
    DISQUALIFIED: STATUSES.index(RUNNING),
}
"""Code by status. A disqualified car ran to the end, so it did not retire."""

# DVP is the damaged vehicle policy: out after a crash, its time on pit road used up.
_ACCIDENT = ("accident", "crash", "dvp", "damage", "damaged vehicle policy", "fatal accident")

_MECHANICAL = (
    "alternator", "axle", "battery", "brakes", "camshaft", "carburetor", "chassis", "clutch",
    "drive shaft", "driveshaft", "drivetrain", "electrical", "engine", "exhaust", "fire", "fuel",
    "fuel injection", "fuel leak", "fuel line", "fuel pressure", "fuel pump", "handling",
    "header", "hub", "ignition", "mechanical", "oil cooler", "oil leak", "oil line",
    "oil pressure", "oil pump", "out of fuel", "overheating", "parked", "power steering",
    "radiator", "rear axle", "rear end", "rear gear", "shock", "splitter", "steering",
    "suspension", "throttle", "tie rod", "tire", "too slow", "track bar", "transaxle",
    "transmission", "valve", "vibration", "water leak", "water pump", "wheel bearing",
    "withdrawn",
)  # fmt: skip

STATUS_TEXTS: dict[str, str] = {
    "running": RUNNING,
    "disqualified": DISQUALIFIED,
    **dict.fromkeys(_ACCIDENT, ACCIDENT),
    **dict.fromkeys(_MECHANICAL, MECHANICAL),
}
"""Status by the feed's text in small letters."""


def car_status(text: str | None, *, disqualified: bool) -> tuple[str, bool]:
    """The status of a car at the end of its race.

    A disqualification goes before every text but that of a retirement. A car whose text is not
    known, or missing, is out without an accident, so it counts as mechanical.

    Args:
        text: The feed's `finishing_status`.
        disqualified: The feed's `disqualified`.

    Returns:
        The status, and whether the text is known.
    """
    known = STATUS_TEXTS.get((text or "").strip().casefold())
    if disqualified and known not in (ACCIDENT, MECHANICAL):
        return DISQUALIFIED, known is not None
    return known or MECHANICAL, known is not None


def status_codes(statuses: pl.Series, *, file: str | None = None) -> npt.NDArray[np.int8]:
    """The codes of statuses.

    Args:
        statuses: Keys of `STATUS_CODES`.
        file: The file that they are from, for the message.

    Raises:
        InputError: If one is unknown or missing.
    """
    codes = statuses.replace_strict(STATUS_CODES, default=None, return_dtype=pl.Int8)
    if codes.null_count():
        raise InputError(
            f"Unknown status {statuses.filter(codes.is_null())[0]!r}.",
            file=file,
            field="status",
            remedy=f"Known: {', '.join(STATUS_CODES)}.",
        )
    return codes.to_numpy(writable=True)
