"""What people put into the ontology: overrides and vetoes, each with author, reason and time.

They have a store of their own, one small file per entry that is never changed, so that no rebuild
of the graph loses one and two people who write at the same time both keep theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Protocol

from nascar_assets.errors import InputError
from nascar_assets.ontology.canonical import content_hash
from nascar_assets.ontology.vetoes import parse_veto

Value = float | int | tuple[int, ...]

UNIT_FIELDS: dict[str, tuple[str, ...]] = {
    "driver": ("skill", "psyche_aggression", "shadow_risk", "realpolitik_pos"),
    "track": ("difficulty", "aggression_factor", "caution_rate"),
}
"""Fields in [0, 1] that a person may override, by subject."""

COUNT_FIELDS: dict[str, tuple[str, ...]] = {
    "driver": ("min_laps_led", "max_laps_led"),
    "track": (),
}

_ALIASES = {"aggression": "psyche_aggression"}
_ACTIONS = ("override", "clear", "veto", "lift")


@dataclass(frozen=True, slots=True)
class OverrideEntry:
    """One thing that a person entered.

    Attributes:
        action: `override` (sets a field), `clear` (gives the field back to the estimate), `veto`
            (adds a veto rule) or `lift` (takes it away).
        subject: `driver` or `track`.
        subject_id: The feed's id.
        name: The field's name, or the veto rule's code.
        value: The field's value; none but for `override`.
        author: Who.
        reason: Why.
        at: When (UTC).
    """

    action: str
    subject: str
    subject_id: str
    name: str
    value: Value | None
    author: str
    reason: str
    at: datetime

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        if self.action not in _ACTIONS:
            raise InputError(f"An entry is one of {', '.join(_ACTIONS)}; got {self.action!r}.")
        if self.subject not in UNIT_FIELDS:
            raise InputError(f"An entry is about a driver or a track; got {self.subject!r}.")
        for field in ("subject_id", "author", "reason"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field).strip():
                raise InputError(f"An entry needs its {field}.", field=field)
        if not isinstance(self.at, datetime) or self.at.tzinfo is None:
            raise InputError("An entry needs its time, with the zone.", field="at")
        set_(self, "at", self.at.astimezone(UTC))
        if self.action in ("veto", "lift"):
            set_(self, "name", parse_veto(self.name, subject=self.subject).code)
        else:
            set_(self, "name", _field(self.subject, self.name))
        if self.action == "override":
            set_(self, "value", _checked(self.subject, self.name, self.value))
        elif self.value is not None:
            raise InputError(f"A {self.action} takes no value.", field="value")

    @property
    def note(self) -> str:
        """The entry in one line, for people."""
        return self.said({})

    def said(self, names: Mapping[str, str]) -> str:
        """The entry in one line, with its subject and with names of drivers by id for their ids."""
        what = f"{self.name} = {self.value}" if self.action == "override" else self.name
        if names and self.action in ("veto", "lift"):
            what = f"{self.name} ({parse_veto(self.name).said(names)})"
        return f"{self.action} {what} by {self.author} at {self.at.isoformat()}: {self.reason}"


def _field(subject: str, name: str) -> str:
    name = _ALIASES.get(name, name) if subject == "driver" else name
    known = [*UNIT_FIELDS[subject], *COUNT_FIELDS[subject]]
    if subject == "track":
        known.append("pit_window_laps")
    if name not in known:
        raise InputError(
            f"A {subject} has no field {name!r} that a person may set.",
            field="name",
            remedy=f"Fields of a {subject}: {', '.join(known)}.",
        )
    return name


def _checked(subject: str, name: str, value: Any) -> Value:
    if name == "pit_window_laps":
        laps = tuple(value) if isinstance(value, (list, tuple)) else ()
        whole = all(isinstance(lap, int) and not isinstance(lap, bool) for lap in laps)
        if not laps or not whole or list(laps) != sorted(set(laps)) or laps[0] < 1:
            raise InputError(
                f"Pit windows are positive laps that ascend; got {value!r}.", field=name
            )
        return laps
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise InputError(f"{name} needs a number; got {value!r}.", field=name)
    if name in COUNT_FIELDS[subject]:
        if value < 0 or int(value) != value:
            raise InputError(f"{name} needs a whole number of laps; got {value!r}.", field=name)
        return int(value)
    if not 0 <= value <= 1:
        raise InputError(f"{name} lies in [0, 1]; got {value!r}.", field=name)
    return float(value)


class FileStore(Protocol):
    """What the store of entries needs of a place for files; `storage.DataRoot` is one."""

    def read(self, path: str) -> bytes | None:
        """The content of a file, none where there is none."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Puts a file in place, whole or not at all."""
        ...

    def list(self, prefix: str = "") -> Sequence[Any]:
        """The files under a folder, each with its `path`."""
        ...


class EntryStore:
    """The durable store of what people entered.

    Args:
        files: Where files go.
        folder: The folder there.
    """

    def __init__(self, files: FileStore, folder: str = "ontology/entries") -> None:
        self._files = files
        self._folder = folder

    def add(self, entry: OverrideEntry) -> str:
        """Keeps an entry; adding the same one twice keeps it once.

        Returns:
            The path of its file.
        """
        stored = {**asdict(entry), "at": entry.at.isoformat()}
        digest = content_hash(stored)
        path = f"{self._folder}/{entry.at:%Y%m%dT%H%M%S.%fZ}-{digest[:12]}.json"
        text = json.dumps({**stored, "checksum": digest}, indent=1, sort_keys=True)
        self._files.write(path, f"{text}\n".encode())
        return path

    def entries(self) -> tuple[OverrideEntry, ...]:
        """Every entry, in the order of their times.

        Raises:
            InputError: If a file is damaged; names it.
        """
        found = []
        for file in self._files.list(self._folder):
            path = str(file.path)
            if not path.endswith(".json"):
                continue
            data = self._files.read(path)
            if data is not None:
                found.append((path, _parsed(path, data)))
        return tuple(entry for _, entry in sorted(found, key=lambda item: (item[1].at, item[0])))


def _parsed(path: str, data: bytes) -> OverrideEntry:
    try:
        stored = json.loads(data)
        checksum = stored.pop("checksum")
        if checksum != content_hash(stored):
            raise ValueError("its checksum does not match its content")
        value = stored["value"]
        stored["value"] = tuple(value) if isinstance(value, list) else value
        return OverrideEntry(**{**stored, "at": datetime.fromisoformat(stored["at"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"The entry cannot be read: {error}.",
            file=path,
            remedy="Put the file back as it was, or remove it and enter it again.",
        ) from error


def in_force(
    entries: Iterable[OverrideEntry], *, by: datetime | None = None
) -> tuple[tuple[OverrideEntry, ...], tuple[OverrideEntry, ...]]:
    """The overrides and the vetoes that hold, the last word on each thing winning.

    Args:
        entries: In the order of their times.
        by: Only what had been entered by then; none for all.

    Returns:
        Overrides and vetoes, each sorted by subject, id and name.
    """
    overrides: dict[tuple[str, str, str], OverrideEntry] = {}
    vetoes: dict[tuple[str, str, str], OverrideEntry] = {}
    for entry in entries:
        if by is not None and entry.at > by:
            continue
        key = (entry.subject, entry.subject_id, entry.name)
        if entry.action == "override":
            overrides[key] = entry
        elif entry.action == "clear":
            overrides.pop(key, None)
        elif entry.action == "veto":
            vetoes[key] = entry
        else:
            vetoes.pop(key, None)
    return (
        tuple(overrides[key] for key in sorted(overrides)),
        tuple(vetoes[key] for key in sorted(vetoes)),
    )
