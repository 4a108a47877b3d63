"""What people put into the ontology: overrides and vetoes, each with author, reason and time.

They have a store of their own, one small file per entry that is never changed, so that no rebuild
of the graph loses one and two people who write at the same time both keep theirs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from nascar_assets.errors import InputError
from nascar_assets.ontology.canonical import content_hash
from nascar_assets.ontology.vetoes import parse_veto

log = logging.getLogger(__name__)

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

MAX_LAPS = 10_000
"""No race comes near it, and every engine of the graph can hold it."""

LONGEST_TEXT = 2_000
"""Letters of an author, a reason or an id."""

_ALIASES = {"aggression": "psyche_aggression"}
_SHOWN_FIELDS = ("subject_id", "name", "value", "author", "at")
_ACTIONS = ("override", "clear", "veto", "lift")


@dataclass(frozen=True, slots=True)
class Statement:
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
            text = getattr(self, field)
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"An entry needs its {field}.", field=field)
            if len(text) > LONGEST_TEXT or not _is_unicode(text):
                raise InputError(
                    f"The {field} is no Unicode text of at most {LONGEST_TEXT:,} letters.",
                    field=field,
                )
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


def _is_unicode(text: str) -> bool:
    """Whether every store can hold it: no half of a character, no NUL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


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
        ascending = whole and list(laps) == sorted(set(laps))
        if not laps or not ascending or laps[0] < 1 or laps[-1] > MAX_LAPS:
            raise InputError(
                f"Pit windows are laps from 1 to {MAX_LAPS:,} that ascend; got {_short(value)}.",
                field=name,
            )
        return laps
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not abs(value) <= MAX_LAPS  # also refuses NaN and infinities
    ):
        raise InputError(
            f"{name} needs a number of at most {MAX_LAPS:,}; got {_short(value)}.", field=name
        )
    if name in COUNT_FIELDS[subject]:
        if value < 0 or int(value) != value:
            raise InputError(f"{name} needs a whole number of laps; got {value!r}.", field=name)
        return int(value)
    if not 0 <= value <= 1:
        raise InputError(f"{name} lies in [0, 1]; got {value!r}.", field=name)
    return float(value) + 0.0  # minus zero would equal zero and be written otherwise


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


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


class StatementStore:
    """The durable store of what people entered.

    Args:
        files: Where files go.
        folder: The folder there.
    """

    def __init__(self, files: FileStore, folder: str = "ontology/entries") -> None:
        self._files = files
        self._folder = folder

    def add(self, entry: Statement) -> str:
        """Keeps an entry; adding the same one twice keeps it once.

        Returns:
            The path of its file.

        Raises:
            InputError: If it contradicts what holds by now.
        """
        before = [kept for kept in self.entries() if kept.at <= entry.at]
        if (why := _contradiction(before, entry)) is not None:
            raise InputError(why, field=entry.name)
        stored = {**asdict(entry), "at": entry.at.isoformat()}
        digest = content_hash(stored)
        path = f"{self._folder}/{entry.at:%Y%m%dT%H%M%S.%fZ}-{digest[:12]}.json"
        text = json.dumps({**stored, "checksum": digest}, indent=1, sort_keys=True)
        self._files.write(path, f"{text}\n".encode())
        return path

    def entries(self) -> tuple[Statement, ...]:
        """Every entry that can be used, in the order of their times; logs those that cannot."""
        found, faults = self.examined()
        for fault in faults:
            log.warning("An entry is left out: %s", fault)
        return found

    def examined(self) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
        """Every entry that can be used, in the order of their times, and what is wrong with the
        others: each by its file, with its id, field, author and time."""
        found: list[tuple[str, Statement]] = []
        faults = []
        for file in self._files.list(self._folder):
            path = str(file.path)
            if not path.endswith(".json"):
                continue
            data = self._files.read(path)
            if data is None:
                continue
            try:
                found.append((path, _parsed(path, data)))
            except InputError as error:
                faults.append(str(error))
        kept: list[Statement] = []
        for path, entry in sorted(found, key=lambda item: (item[1].at, item[0])):
            if (why := _contradiction(kept, entry)) is None:
                kept.append(entry)
            else:
                faults.append(
                    f"{path}: {why} Lift it with clear. ({entry.subject_id}: {entry.note})"
                )
        return tuple(kept), tuple(faults)


def _contradiction(before: Iterable[Statement], entry: Statement) -> str | None:
    """Why an entry cannot hold beside those before it: a driver's most laps led below the least."""
    if entry.action != "override" or entry.name not in COUNT_FIELDS[entry.subject]:
        return None
    overrides, _ = in_force(
        item for item in (*before, entry) if item.subject_id == entry.subject_id
    )
    bounds = {item.name: item.value for item in overrides if item.subject == entry.subject}
    lower, upper = bounds.get("min_laps_led"), bounds.get("max_laps_led")
    if lower is None or upper is None or lower <= upper:  # type: ignore[operator]
        return None
    return (
        f"Driver {entry.subject_id} would have to lead at least {lower} and at most {upper} laps."
    )


def _parsed(path: str, data: bytes) -> Statement:
    about = ""
    try:
        stored = json.loads(data)
        about = ", ".join(f"{name} {_short(stored.get(name))}" for name in _SHOWN_FIELDS)
        checksum = stored.pop("checksum")
        if checksum != content_hash(stored):
            raise ValueError("its checksum does not match its content")
        value = stored["value"]
        stored["value"] = tuple(value) if isinstance(value, list) else value
        return Statement(**{**stored, "at": datetime.fromisoformat(stored["at"])})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"The entry cannot be used: {error}. {f'It has {about}.' if about else ''}",
            file=path,
            remedy="Put the file back as it was, or remove it and enter it again.",
        ) from error


def in_force(
    entries: Iterable[Statement], *, by: datetime | None = None
) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """The overrides and the vetoes that hold, the last word on each thing winning.

    Args:
        entries: In the order of their times.
        by: Only what had been entered by then; none for all.

    Returns:
        Overrides and vetoes, each sorted by subject, id and name.
    """
    overrides: dict[tuple[str, str, str], Statement] = {}
    vetoes: dict[tuple[str, str, str], Statement] = {}
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
