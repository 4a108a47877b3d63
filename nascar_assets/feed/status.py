"""How a car's race ended: the feed's texts to `running`, `accident` or `mechanical`."""

from __future__ import annotations

RUNNING, ACCIDENT, MECHANICAL, DISQUALIFIED = "running", "accident", "mechanical", "disqualified"

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

    A disqualification goes before every text. A car whose text is not known, or missing, is out
    without an accident, so it counts as mechanical.

    Args:
        text: The feed's `finishing_status`.
        disqualified: The feed's `disqualified`.

    Returns:
        The status, and whether the text is known.
    """
    known = STATUS_TEXTS.get((text or "").strip().casefold())
    if disqualified:
        return DISQUALIFIED, known is not None
    return known or MECHANICAL, known is not None
