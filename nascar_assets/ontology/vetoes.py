"""The closed vocabulary of veto rules: what a code means, and its parsing into frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from nascar_assets.errors import InputError


class UnknownVetoRule(InputError):
    """A veto code that the vocabulary does not hold; names the rule and the known ones."""


@dataclass(frozen=True, slots=True)
class VetoParameter:
    """One parameter of a rule.

    Attributes:
        name: Its name in the code.
        kind: `count` (a whole number of at least 0), `place` (at least 1), `driver` (a driver's
            id) or `team` (a team's name).
        optional: Whether it may be left out.
    """

    name: str
    kind: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class VetoKind:
    """One rule of the vocabulary.

    Attributes:
        name: The code's first part.
        subject: `driver` or `track`: which nodes it may hang on.
        scope: `scenario` (rejects a scenario) or `lineup` (denies a lineup).
        parameters: In the order in which the code holds them.
        meaning: What must hold, in words; `{name}` stands for a parameter.
    """

    name: str
    subject: str
    scope: str
    parameters: tuple[VetoParameter, ...]
    meaning: str


_PLACE = VetoParameter("place", "place")
_OTHER = VetoParameter("other", "driver")
_LAPS = VetoParameter("laps", "count")
_CARS = VetoParameter("cars", "count")
_TEAM = VetoParameter("team", "team", optional=True)

_KINDS: dict[tuple[str, str], tuple[tuple[str, str, tuple[VetoParameter, ...]], ...]] = {
    ("driver", "scenario"): (
        ("leads-no-laps", "The driver leads no laps.", ()),
        ("leads-at-most", "The driver leads at most {laps} laps.", (_LAPS,)),
        ("leads-at-least", "The driver leads at least {laps} laps.", (_LAPS,)),
        (
            "finishes-no-better-than",
            "The driver finishes in place {place} or behind it.",
            (_PLACE,),
        ),
        (
            "finishes-no-worse-than",
            "The driver finishes in place {place} or ahead of it.",
            (_PLACE,),
        ),
        (
            "not-both-in-top",
            "The driver and driver {other} do not both finish in the top {places}.",
            (VetoParameter("places", "place"), _OTHER),
        ),
        ("finishes-behind", "The driver finishes behind driver {other}.", (_OTHER,)),
        ("does-not-retire", "The driver is running at the end.", ()),
    ),
    ("driver", "lineup"): (
        ("not-in-lineups", "No lineup holds the driver.", ()),
        (
            "not-together-in-lineups",
            "No lineup holds both the driver and driver {other}.",
            (_OTHER,),
        ),
    ),
    ("track", "scenario"): (
        (
            "team-accidents-at-most",
            "At most {cars} cars of {team} retire by accident.",
            (_CARS, _TEAM),
        ),
        ("accidents-at-most", "At most {cars} cars retire by accident.", (_CARS,)),
        (
            "cautions-at-most",
            "The race has at most {cautions} cautions.",
            (VetoParameter("cautions", "count"),),
        ),
        (
            "cautions-at-least",
            "The race has at least {cautions} cautions.",
            (VetoParameter("cautions", "count"),),
        ),
        (
            "winner-starts-no-worse-than",
            "The winner starts in place {place} or ahead of it.",
            (_PLACE,),
        ),
        (
            "leaders-at-most",
            "At most {drivers} drivers lead a lap.",
            (VetoParameter("drivers", "place"),),
        ),
    ),
    ("track", "lineup"): (
        (
            "team-in-lineup-at-most",
            "A lineup holds at most {drivers} drivers of {team}.",
            (VetoParameter("drivers", "count"), _TEAM),
        ),
    ),
}
"""Name, meaning and parameters of each rule, by subject and scope."""

VETO_KINDS: dict[str, VetoKind] = {
    name: VetoKind(name, subject, scope, parameters, meaning)
    for (subject, scope), kinds in _KINDS.items()
    for name, meaning, parameters in kinds
}
"""Every rule that a graph may hold, by name."""


@dataclass(frozen=True, slots=True)
class VetoRule:
    """One veto rule with its arguments.

    Attributes:
        name: The rule's name in the vocabulary.
        arguments: Pairs of a parameter's name and its value, in the vocabulary's order.
    """

    name: str
    arguments: tuple[tuple[str, int | str], ...] = ()

    @property
    def kind(self) -> VetoKind:
        """The rule's entry in the vocabulary."""
        return VETO_KINDS[self.name]

    @property
    def code(self) -> str:
        """The one text of the rule, the key of its node in the graph."""
        if not self.arguments:
            return self.name
        # Spaces stay readable; what would break the code apart is escaped.
        parts = ",".join(f"{name}={quote(str(v), safe=' &.')}" for name, v in self.arguments)
        return f"{self.name}:{parts}"

    @property
    def meaning(self) -> str:
        """What must hold, in words."""
        return self.said({})

    def said(self, names: Mapping[str, str]) -> str:
        """What must hold, in words, with the names of drivers by id in place of their ids."""
        values: dict[str, int | str] = {
            name: names.get(value, value) if isinstance(value, str) else value
            for name, value in self.arguments
        }
        values.setdefault("team", "any one team")
        return self.kind.meaning.format_map(values)

    def count(self, name: str) -> int:
        """A whole-number argument."""
        return int(dict(self.arguments)[name])

    def text(self, name: str) -> str | None:
        """A text argument; none where an optional one was left out."""
        value = dict(self.arguments).get(name)
        return None if value is None else str(value)


def parse_veto(code: str, *, subject: str | None = None) -> VetoRule:
    """The rule that a code means.

    A code is a name of the vocabulary, then a colon and `parameter=value` pairs separated by
    commas where the rule has parameters: `not-both-in-top:places=5,other=4153`.

    Args:
        code: The code.
        subject: `driver` or `track`, where the rule hangs on one.

    Raises:
        UnknownVetoRule: If the vocabulary holds no such rule, or not for this subject.
        InputError: If an argument is missing, unknown or out of range.
    """
    name, _, rest = code.partition(":")
    kind = VETO_KINDS.get(name)
    known = ", ".join(k.name for k in VETO_KINDS.values() if subject in (None, k.subject))
    if kind is None:
        raise UnknownVetoRule(
            f"No veto rule is called {name!r} (code {code!r}).", remedy=f"Known rules: {known}."
        )
    if subject is not None and kind.subject != subject:
        raise UnknownVetoRule(
            f"The veto rule {name!r} is for a {kind.subject}, not for a {subject}.",
            remedy=f"Known rules for a {subject}: {known}.",
        )
    given: dict[str, str] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if not equals or key in given:
            raise InputError(
                f"The veto code {code!r} has a malformed part {part!r}.",
                remedy="Each parameter is given once, as name=value.",
            )
        given[key] = unquote(value)
    names = [parameter.name for parameter in kind.parameters]
    unknown = [key for key in given if key not in names]
    missing = [p.name for p in kind.parameters if not p.optional and p.name not in given]
    if unknown or missing:
        raise InputError(
            f"The veto code {code!r} has unknown parameters {unknown} and lacks {missing}.",
            remedy=f"{name} takes: {', '.join(names) or 'no parameters'}.",
        )
    return VetoRule(
        name,
        tuple((p.name, _value(code, p, given[p.name])) for p in kind.parameters if p.name in given),
    )


def _value(code: str, parameter: VetoParameter, text: str) -> int | str:
    if parameter.kind in ("driver", "team"):
        if not text.strip() or len(text) > 200 or "\0" in text:
            raise InputError(f"The veto code {code!r} has no usable {parameter.name}.")
        return text
    lower = 1 if parameter.kind == "place" else 0
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < lower:
        raise InputError(
            f"The veto code {code!r} has {parameter.name} {text!r}; it must be a whole number of "
            f"at least {lower}."
        )
    return int(text)
