"""What a slate's simulation and optimiser may read of the ontology: immutable compiled values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

from nascar_assets.constraints.checks import (
    ConstraintValueError,
    MissingConstraintError,
    integer,
    text_id,
    texts,
    unit_interval,
    utc_time,
)
from nascar_assets.constraints.frozen import FrozenMap
from nascar_assets.ontology.canonical import content_hash

SPEC_VERSION = "1"
"""Version of the compiled spec's format."""


@dataclass(frozen=True, slots=True)
class DriverConstraints:
    """One driver's numbers and bounds.

    Attributes:
        driver_id: The feed's id.
        skill: In [0, 1], 0.5 is neutral.
        aggression: In [0, 1]; the graph's `psyche_aggression`.
        shadow_risk: In [0, 1].
        min_laps_led: A scenario in which the driver leads fewer laps is rejected.
        max_laps_led: A scenario in which the driver leads more is rejected; none: the race's laps.
        veto_rules: Codes of the veto rules that name this driver, sorted.
        overridden: Names of the fields that a person set, sorted.

    Raises:
        ConstraintValueError: If a value lies outside its range.
    """

    driver_id: str
    skill: float
    aggression: float
    shadow_risk: float
    min_laps_led: int = 0
    max_laps_led: int | None = None
    veto_rules: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        text_id("A driver's constraints", "driver_id", self.driver_id)
        model = f"Driver {self.driver_id}"
        for name in ("skill", "aggression", "shadow_risk"):
            set_(self, name, unit_interval(model, name, getattr(self, name)))
        set_(self, "min_laps_led", integer(model, "min_laps_led", self.min_laps_led, at_least=0))
        if self.max_laps_led is not None:
            upper = integer(model, "max_laps_led", self.max_laps_led, at_least=0)
            set_(self, "max_laps_led", upper)
            if upper < self.min_laps_led:
                raise ConstraintValueError(
                    f"{model} would have to lead at least {self.min_laps_led} and at most "
                    f"{upper} laps.",
                    field="max_laps_led",
                )
        for name in ("veto_rules", "overridden"):
            set_(self, name, texts(model, name, getattr(self, name)))


@dataclass(frozen=True, slots=True)
class TrackConstraints:
    """One track's numbers.

    Attributes:
        track_id: The feed's id.
        difficulty: In [0, 1], 0.5 is neutral: how slowly the order changes.
        aggression_factor: In [0, 1]: size of accidents.
        caution_rate: In [0, 1]: cautions against the average track.
        pit_window_laps: Ascending laps by which a full tank is used up.
        overridden: Names of the fields that a person set, sorted.
        veto_rules: Codes of the veto rules that name this track, sorted.

    Raises:
        ConstraintValueError: If a value lies outside its range or the windows do not ascend.
    """

    track_id: str
    difficulty: float
    aggression_factor: float
    caution_rate: float
    pit_window_laps: tuple[int, ...] = ()
    overridden: tuple[str, ...] = ()
    veto_rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        text_id("A track's constraints", "track_id", self.track_id)
        model = f"Track {self.track_id}"
        for name in ("difficulty", "aggression_factor", "caution_rate"):
            set_(self, name, unit_interval(model, name, getattr(self, name)))
        set_(self, "pit_window_laps", _ascending(model, self.pit_window_laps))
        for name in ("veto_rules", "overridden"):
            set_(self, name, texts(model, name, getattr(self, name)))


def _ascending(model: str, value: Any) -> tuple[int, ...]:
    name = "pit_window_laps"
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ConstraintValueError(f"{model} needs a list of laps, got {value!r}.", field=name)
    laps = tuple(integer(model, name, lap, at_least=1) for lap in value)
    if any(later <= earlier for earlier, later in pairwise(laps)):
        raise ConstraintValueError(
            f"{model} needs pit windows that ascend, got {list(laps)}.", field=name
        )
    return laps


Node = TypeVar("Node", DriverConstraints, TrackConstraints)


@dataclass(frozen=True, slots=True, init=False)
class ConstraintSpec:
    """Everything that one slate's run may know of the ontology.

    Attributes:
        slate_id: The slate.
        compiled_at: When it was compiled (UTC); not part of the hash. May be given as a time with
            its zone or as ISO text with one.
        drivers: Constraints by driver id, in ascending order of the ids.
        tracks: Constraints by track id, in ascending order of the ids.
        version: Version of the spec's format.
        hash: SHA-256 of the canonical content (slate, drivers and tracks); computed here. A hash
            that is given must match.

    `drivers` and `tracks` may be given as lists or as dicts by id.

    Raises:
        ConstraintValueError: If an id occurs twice or under another key, or a hash was given that
            does not match.
    """

    slate_id: str
    compiled_at: datetime
    drivers: FrozenMap[str, DriverConstraints]
    tracks: FrozenMap[str, TrackConstraints]
    version: str
    hash: str

    def __init__(
        self,
        slate_id: str,
        compiled_at: datetime | str,
        drivers: Iterable[DriverConstraints] | Mapping[str, DriverConstraints],
        tracks: Iterable[TrackConstraints] | Mapping[str, TrackConstraints],
        version: str = SPEC_VERSION,
        hash: str | None = None,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "slate_id", text_id("A spec", "slate_id", slate_id))
        set_(self, "compiled_at", utc_time("A spec", "compiled_at", compiled_at))
        set_(self, "drivers", _by_id(DriverConstraints, "driver_id", drivers))
        set_(self, "tracks", _by_id(TrackConstraints, "track_id", tracks))
        set_(self, "version", text_id("A spec", "version", version))
        computed = content_hash(self._content())
        if hash is not None and hash != computed:
            raise ConstraintValueError(
                f"The spec of slate {slate_id} says its hash is {hash}, and its content hashes to "
                f"{computed}: it was changed after it was compiled.",
                field="hash",
                remedy="Compile it again.",
            )
        set_(self, "hash", computed)

    def __hash__(self) -> int:
        return hash((self.hash, self.compiled_at, self.version))

    def _content(self) -> dict[str, Any]:
        return {
            "slate_id": self.slate_id,
            "drivers": [_plain(driver) for driver in self.drivers.values()],
            "tracks": [_plain(track) for track in self.tracks.values()],
        }

    def get_driver_constraints(self, driver_id: str) -> DriverConstraints:
        """One driver's constraints.

        Raises:
            MissingConstraintError: If the spec does not hold the driver.
        """
        try:
            return self.drivers[driver_id]
        except KeyError:
            raise MissingConstraintError(
                f"The constraints of slate {self.slate_id} hold no driver {driver_id!r}.",
                field="driver_id",
            ) from None

    def get_track_constraints(self, track_id: str) -> TrackConstraints:
        """One track's constraints.

        Raises:
            MissingConstraintError: If the spec does not hold the track.
        """
        try:
            return self.tracks[track_id]
        except KeyError:
            raise MissingConstraintError(
                f"The constraints of slate {self.slate_id} hold no track {track_id!r}.",
                field="track_id",
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain lists and dicts, ready for JSON."""
        return {
            "version": self.version,
            "hash": self.hash,
            "compiled_at": self.compiled_at.isoformat(),
            **self._content(),
        }

    def to_json(self) -> str:
        """The spec as JSON text, its hash included."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ConstraintSpec:
        """A stored spec; equal to the one that was stored.

        Raises:
            ConstraintValueError: If a field is missing or unknown, the format is another one, or
                the hash does not match the content.
        """
        wanted = {field.name for field in fields(cls)}
        if set(stored) != wanted:
            raise ConstraintValueError(
                f"A stored spec has the fields {', '.join(sorted(wanted))}; this one has "
                f"{', '.join(sorted(map(str, stored)))}."
            )
        if stored["version"] != SPEC_VERSION:
            raise ConstraintValueError(
                f"This spec has format {stored['version']!r}; this program reads {SPEC_VERSION!r}.",
                field="version",
                remedy="Compile it again.",
            )
        if not isinstance(stored["hash"], str) or not stored["hash"]:
            raise ConstraintValueError("A stored spec needs its hash.", field="hash")
        try:
            return cls(
                slate_id=stored["slate_id"],
                compiled_at=stored["compiled_at"],
                drivers=[DriverConstraints(**item) for item in stored["drivers"]],
                tracks=[TrackConstraints(**item) for item in stored["tracks"]],
                version=stored["version"],
                hash=stored["hash"],
            )
        except TypeError as error:
            raise ConstraintValueError(f"A stored spec is malformed: {error}.") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> ConstraintSpec:
        """A spec from its JSON text.

        Raises:
            ConstraintValueError: If the text is no JSON object, or as for `from_dict`.
        """
        try:
            stored = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConstraintValueError(f"A stored spec is no JSON: {error}.") from error
        if not isinstance(stored, dict):
            raise ConstraintValueError("A stored spec is a JSON object.")
        return cls.from_dict(stored)


def version_from_constraints(spec: ConstraintSpec) -> str:
    """The version of a run's constraints: the spec's hash."""
    return spec.hash


def _plain(node: DriverConstraints | TrackConstraints) -> dict[str, Any]:
    return {name: getattr(node, name) for name in node.__slots__}


def _by_id(model: type[Node], key: str, given: Any) -> FrozenMap[str, Node]:
    items = list(given.values()) if isinstance(given, Mapping) else list(given)
    nodes: dict[str, Node] = {}
    for item in items:
        if not isinstance(item, model):
            raise ConstraintValueError(f"A spec holds {model.__name__} here, got {item!r}.")
        id_ = getattr(item, key)
        if id_ in nodes:
            raise ConstraintValueError(f"A spec holds {key} {id_!r} twice.", field=key)
        nodes[id_] = item
    if isinstance(given, Mapping):
        for id_, item in given.items():
            if getattr(item, key) != id_:
                raise ConstraintValueError(
                    f"A spec files {key} {getattr(item, key)!r} under {id_!r}.", field=key
                )
    return FrozenMap({id_: nodes[id_] for id_ in sorted(nodes)})
