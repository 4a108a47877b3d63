"""Dirt in the feed's lap times: what a lap or a driver lacks costs that lap or driver alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nascar_assets.telemetry.feed_values import CLOCK_FULL_S, feed_number
from nascar_assets.telemetry.problems import RefusedFile, problem

_NOTHING = (None, "", "NA", -1, "-1")
"""What the feed writes where it has no value."""

_LONGEST_S = 6 * 3600.0
_MAX_LAPS = 998  # 999 is what the feed writes where it has no number
_SHOWN = 8


def clean_lap_times(
    body: Any, file: str, *, forgiving: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """A body of lap times without laps and drivers that lack what they need.

    A lap without a number, and a driver without an id or laps, is left out; a lap without a time,
    a speed or a position keeps what it has.

    Args:
        body: The parsed body.
        file: Name used in notes and errors.
        forgiving: Whether a value that cannot be counts as missing as well, a second entry of a
            driver and a lap that is there twice are left out, and laps out of order are put in
            order: so the feed's own files are read. What a person drops is refused for these.

    Returns:
        A body whose laps all have their keys, a missing value being null; and a note for each
        thing left out, by driver.

    Raises:
        RefusedFile: If these are no lap times, no driver has a lap, or no lap has a time, a speed
            or a position; where forgiving, also if most of what they have cannot be.
    """
    if not isinstance(body, dict) or not isinstance(body.get("laps"), list):
        raise RefusedFile([problem(file, "no list `laps`: these are no lap times", "laps")])
    if "flags" not in body or not isinstance(body["flags"], list | None):
        raise RefusedFile([problem(file, "no list `flags`", "flags")])
    lost: Counter[str] = Counter()
    columns = {key: _Column() for key in _NAMES}
    drivers: dict[Any, dict[str, Any]] = {}
    for index, entry in enumerate(body["laps"], 1):
        label, driver_id, laps = f"driver {index}", None, None
        if isinstance(entry, dict):
            driver_id, laps = entry.get("NASCARDriverID"), entry.get("Laps")
            label = f"{entry.get('FullName') or label} (car {entry.get('Number')})"
        if forgiving:
            driver_id = _whole(driver_id, 1, 1e15)
        if laps is None:
            laps = []
        if driver_id in _NOTHING or not isinstance(laps, list):
            lost[f"{label} has no id or no list of laps and is left out"] += 1
            continue
        found = [_lap(lap, label, lost, columns, forgiving) for lap in laps]
        kept = [lap for lap in found if lap is not None]
        if forgiving:
            first: dict[int, dict[str, Any]] = {}
            for lap in kept:
                if first.setdefault(lap["Lap"], lap) is not lap:
                    lost[f"{label}: a lap listed twice, of which the first is kept"] += 1
            kept = [first[number] for number in sorted(first)]
            if list(first) != sorted(first):
                lost[f"{label}: laps out of order, which are put in order"] += 1
            if (known := drivers.get(driver_id)) is not None:
                lost[f"{label} stands twice; the entry with more laps is kept"] += 1
                if len(known["Laps"]) >= len(kept):
                    continue
        key = driver_id if forgiving else index
        drivers[key] = {**entry, "NASCARDriverID": driver_id, "Laps": kept}
    if not any(entry["Laps"] for entry in drivers.values()):
        raise RefusedFile([problem(file, "no driver has a lap", "laps")])
    whole = [(key, why) for key, column in columns.items() if (why := column.fault(forgiving))]
    if whole:
        raise RefusedFile([problem(file, why, key) for key, why in whole])
    flags_given = body["flags"] or []
    flags = [item for item in flags_given if not forgiving or _is_flag(item)]
    if len(flags) < len(flags_given):
        lost["a flag without a lap or a state is left out"] = len(flags_given) - len(flags)
    notices = [f"{file}: {text}{f' ({count} times)' if count > 1 else ''}." for text, count in
            lost.most_common(_SHOWN)]  # fmt: skip
    if len(lost) > _SHOWN:
        notices.append(f"{file}: {len(lost) - _SHOWN} more of the kind.")
    return {**body, "laps": list(drivers.values()), "flags": flags}, notices


@dataclass
class _Column:
    """What the laps of a race hold of one value."""

    laps: int = 0
    present: int = 0
    possible: int = 0

    def add(self, value: Any, low: float, high: float) -> None:
        self.laps += 1
        self.present += value not in _NOTHING
        read = feed_number(value)
        self.possible += read is not None and low <= read <= high

    def fault(self, forgiving: bool) -> str | None:
        if self.laps and not self.present:
            return f"none of the {self.laps} laps has it"
        if forgiving and 2 * self.possible < self.present:  # a person's file is told its rows
            return f"{self.present - self.possible} of {self.present} laps have what cannot be"
        return None


_POSSIBLE = {
    "LapTime": (0.001, CLOCK_FULL_S - 0.001),
    "LapSpeed": (0.0, 998.0),  # what no car drives is told by validation
    "RunningPos": (1, 100),
}


def _lap(
    lap: Any, label: str, lost: Counter[str], columns: dict[str, _Column], forgiving: bool
) -> dict[str, Any] | None:
    """One lap with all its keys; none where it has no number."""
    if not isinstance(lap, dict):
        if not forgiving:
            return lap
        lap = {}
    number = lap.get("Lap")
    number = _whole(number, 0, _MAX_LAPS) if forgiving else number
    if number in _NOTHING:
        lost[f"{label}: a lap without a number, which is left out"] += 1
        return None
    values = {
        "LapTime": (lap.get("LapTime"), 0.0, _LONGEST_S),
        "LapSpeed": (lap.get("LapSpeed"), 0.0, 998.0),
        "RunningPos": (lap.get("RunningPos"), 1, 100),
    }
    cleaned: dict[str, Any] = {"Lap": number}
    for key, (value, low, high) in values.items():
        if number:  # the grid has none
            columns[key].add(value, *_POSSIBLE[key])
        missing = value in (*_NOTHING, 999, "999") if key != "LapTime" else value in _NOTHING
        if key == "RunningPos":
            missing = missing or value == 0
        if forgiving and not missing:
            read = feed_number(value)
            missing = read is None or not low <= read <= high or (key == "LapTime" and read == 0)
            value = int(read) if key == "RunningPos" and read is not None else read
        cleaned[key] = None if missing else value
        if missing and number:
            lost[f"{label}: a lap without {_NAMES[key]}"] += 1
    return {**lap, **cleaned}


_NAMES = {"LapTime": "a time", "LapSpeed": "a speed", "RunningPos": "a position"}


def _whole(value: Any, low: float, high: float) -> int | None:
    found = feed_number(value)
    if found is None or found != int(found) or not low <= found <= high:
        return None
    return int(found)


def _is_flag(item: Any) -> bool:
    return isinstance(item, Mapping) and all(
        isinstance(item.get(key), int) and not isinstance(item[key], bool)
        for key in ("LapsCompleted", "FlagState")
    )
