"""The constraint contract: results, requirements, contexts, views, and what a constraint is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Any, Literal, Protocol, runtime_checkable

from nascar_assets.constraints.checks import ConstraintValueError, text_id
from nascar_assets.constraints.frozen import FrozenMap, freeze
from nascar_assets.errors import InputError

KINDS: tuple[str, ...] = ("driver", "track", "team", "slate", "race", "lineup", "arg", "env")
"""Kinds of things that a constraint may require."""

Mode = Literal["full", "precheck"]


@total_ordering
@dataclass(frozen=True, slots=True)
class RequirementKey:
    """One thing that a constraint must know.

    Attributes:
        kind: One of `KINDS`; `arg` and `env` are answered by the context, the others by a view.
        id: Its id, or the name of the argument or of the part of the environment.
    """

    kind: str
    id: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConstraintValueError(
                f"No requirement is of kind {self.kind!r}.",
                remedy=f"Kinds: {', '.join(KINDS)}.",
            )
        text_id("A requirement", "id", self.id)

    @classmethod
    def parse(cls, text: str) -> RequirementKey:
        """The key of a text such as `driver:4153` or `env:now`."""
        kind, _, id_ = text.partition(":")
        return cls(kind, id_)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    def __lt__(self, other: RequirementKey) -> bool:
        return (self.kind, self.id) < (other.kind, other.id)


@dataclass(frozen=True, slots=True)
class Allow:
    """The constraint holds."""

    @property
    def allowed(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class Deny:
    """The constraint does not hold.

    Attributes:
        reason: Why, for people.
        code: A stable code; `codes.CODES` says what each means and how to mend it.
    """

    reason: str
    code: str

    def __post_init__(self) -> None:
        text_id("A denial", "reason", self.reason)
        text_id("A denial", "code", self.code)

    @property
    def allowed(self) -> bool:
        """False."""
        return False


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is at hand does not suffice to say.

    Attributes:
        missing: What would have to be known, sorted.
    """

    missing: tuple[RequirementKey, ...]

    def __post_init__(self) -> None:
        missing = tuple(sorted(set(self.missing)))
        if not missing or not all(isinstance(key, RequirementKey) for key in missing):
            raise ConstraintValueError("An unknown result names what is missing.", field="missing")
        object.__setattr__(self, "missing", missing)

    @property
    def allowed(self) -> bool:
        """False: not known is not allowed."""
        return False


ConstraintResult = Allow | Deny | Unknown


class MissingRequirementError(InputError):
    """A full evaluation lacks something that it must know; names all of it."""

    def __init__(self, constraint: str, missing: Iterable[RequirementKey]) -> None:
        self.constraint = constraint
        self.missing = tuple(sorted(set(missing)))
        super().__init__(
            f"The constraint {constraint!r} cannot be evaluated in full without "
            f"{', '.join(map(str, self.missing))}."
        )


@dataclass(frozen=True, slots=True)
class ConstraintContext:
    """What is being asked about.

    Attributes:
        actor: The entry or lineup.
        slate_id: Its slate.
        track_id: The track, where one is known.
        race_id: The race, where one is known.
        args: Arguments by name (`drivers`, `salary_cap`, ...); frozen, whatever is in it too.
        env: What the surroundings say by name (`now`, `lock_time`); frozen.
        mode: `full`, where everything must be at hand, or `precheck`, where some of it may not.
    """

    actor: str
    slate_id: str
    track_id: str | None = None
    race_id: str | None = None
    args: Mapping[str, Any] = FrozenMap()
    env: Mapping[str, Any] = FrozenMap()
    mode: Mode = "full"

    def __post_init__(self) -> None:
        text_id("A context", "actor", self.actor)
        text_id("A context", "slate_id", self.slate_id)
        for name in ("track_id", "race_id"):
            if getattr(self, name) is not None:
                text_id("A context", name, getattr(self, name))
        if self.mode not in ("full", "precheck"):
            raise ConstraintValueError(
                f"A mode is full or precheck, got {self.mode!r}.", field="mode"
            )
        for name in ("args", "env"):
            given = getattr(self, name)
            if not isinstance(given, Mapping):
                raise ConstraintValueError(f"A context's {name} are a mapping.", field=name)
            object.__setattr__(self, name, freeze(given))


@runtime_checkable
class StateView(Protocol):
    """What is at hand, however it is stored."""

    def load(self, requirements: Iterable[RequirementKey]) -> None:
        """Gets what is not at hand yet and can be got, in one batch."""
        ...

    def has(self, requirement: RequirementKey) -> bool:
        """Whether it is at hand."""
        ...

    def get(self, requirement: RequirementKey) -> Any:
        """What is at hand.

        Raises:
            KeyError: If it is not.
        """
        ...


@runtime_checkable
class Constraint(Protocol):
    """One rule. Pure: the same context and the same facts give the same result."""

    @property
    def name(self) -> str:
        """Its name, for people."""
        ...

    def requires(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """Everything that `test` will ask for, without repetition."""
        ...

    def test(self, context: ConstraintContext, view: StateView) -> ConstraintResult:
        """The result, where all requirements are at hand."""
        ...


def known(key: RequirementKey, context: ConstraintContext, view: StateView) -> bool:
    """Whether a requirement is at hand, in the context or in the view."""
    if key.kind == "arg":
        return key.id in context.args or view.has(key)
    if key.kind == "env":
        return key.id in context.env or view.has(key)
    return view.has(key)


def fact(key: RequirementKey, context: ConstraintContext, view: StateView) -> Any:
    """What is known of a requirement, from the context or from the view.

    Raises:
        KeyError: If it is in neither.
    """
    if key.kind == "arg" and key.id in context.args:
        return context.args[key.id]
    if key.kind == "env" and key.id in context.env:
        return context.env[key.id]
    return view.get(key)
