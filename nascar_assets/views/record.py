"""A view as it is kept: the file, who says so, since when, how much it counts, and why."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from nascar_assets.errors import InputError
from nascar_assets.files import SourceFile
from nascar_assets.views.statement import ReadOptions

_TEXT = 500


@dataclass(frozen=True, slots=True)
class ViewRecord:
    """One view of a slate.

    Attributes:
        view_id: What it is known by on its slate: the beginning of its file's hash, numbered where
            the file came again, after it was dropped or by another author.
        slate_id: The slate.
        source: The file.
        author: Who says so.
        landed_at: Since when it is known (UTC).
        confidence: How far it moves the forecast towards itself, 0 to 1; none for the default of
            each quantity.
        why: The reason that was given; may be empty.
        options: What the person said of the file.
        dropped_at: When it was taken back (UTC); none while it holds.
        silent: Whether nothing of it counted when it was taken, as odds without a weight: an open
            slate is not run again for it.
        replaces: Ids of the views whose place it takes: they are dropped at the moment at which it
            lands. Their own records stay as they were, so that one write does both.
    """

    view_id: str
    slate_id: str
    source: SourceFile
    author: str
    landed_at: datetime
    confidence: float | None = None
    why: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)
    dropped_at: datetime | None = None
    silent: bool = False
    replaces: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise InputError(
                f"The confidence is {self.confidence:g}; it lies between 0 and 1.",
                field="--confidence",
            )
        for name, text in (("--author", self.author), ("--why", self.why)):
            if len(text) > _TEXT or not text.isprintable():
                raise InputError(
                    f"The text has more than {_TEXT} letters, or ones that cannot be printed.",
                    field=name,
                )
        if not self.author.strip():
            raise InputError("The view has no author.", field="--author")

    def holds(self, as_of: datetime) -> bool:
        """Whether it had landed and was not taken back at a moment."""
        return self.landed_at <= as_of and not self.dropped_by(as_of)

    def dropped_by(self, as_of: datetime) -> bool:
        """Whether it was taken back by a moment."""
        return self.dropped_at is not None and self.dropped_at <= as_of

    def says_the_same(self, other: ViewRecord) -> bool:
        """Whether another view is of the same file with the same words and the same weight."""
        words = ("author", "confidence", "why", "options")
        same_words = all(getattr(self, name) == getattr(other, name) for name in words)
        return same_words and self.source.sha256 == other.source.sha256

    def dropped(self, at: datetime) -> ViewRecord:
        """The same, taken back."""
        return replace(self, dropped_at=at)

    def to_json(self) -> bytes:
        """The record as it is stored."""
        content: dict[str, Any] = asdict(self)
        content["landed_at"] = self.landed_at.isoformat()
        content["dropped_at"] = None if self.dropped_at is None else self.dropped_at.isoformat()
        return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> ViewRecord:
        """The record that `to_json` wrote."""
        content = json.loads(data)
        dropped = content["dropped_at"]
        return cls(
            **{
                **content,
                "source": SourceFile(**content["source"]),
                "options": ReadOptions(**content["options"]),
                "landed_at": datetime.fromisoformat(content["landed_at"]),
                "dropped_at": None if dropped is None else datetime.fromisoformat(dropped),
                "replaces": tuple(content.get("replaces", ())),
            }
        )


def next_id(source: SourceFile, there: set[str]) -> str:
    """The id of a view of a file, where some ids are taken by dropped ones of the same file."""
    base = source.sha256[:12]
    numbered = (base, *(f"{base}-{number}" for number in range(2, len(there) + 3)))
    return next(view_id for view_id in numbered if view_id not in there)
