"""Model versions: how forecasts are made, named by its content, and which one slates may use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from nascar_assets.calibration.gate import Criterion
from nascar_assets.calibration.models import RunningOrderModel
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters
from nascar_assets.scenarios.parameters import TypeParameters, stored_time

FEWEST_RACES = 20
"""Races of a backtest below which a version has proven nothing."""


@dataclass(frozen=True)
class ModelRecipe:
    """How the race process of a slate comes about.

    Attributes:
        fit_process: Whether it is fitted on past races; the starting values otherwise.
        recalibrate: Whether latent EMOS corrects it where that helped.
        changes: Starting values set by hand, by `<track type>.<parameter>`.
    """

    fit_process: bool = True
    recalibrate: bool = True
    changes: Mapping[str, float] = field(default_factory=dict)

    def start(self) -> ProcessParameters:
        """The starting values with what was set by hand.

        Raises:
            InputError: If a track type or a parameter is unknown, or a value out of range.
        """
        parameters = STARTING_VALUES
        known = {item.name for item in fields(TypeParameters)}
        for name, value in sorted(self.changes.items()):
            kind, _, parameter = name.partition(".")
            if kind not in TRACK_TYPES or parameter not in known:
                raise InputError(
                    f"No parameter of the race process is called {name!r}.",
                    field="changes",
                    remedy=f"Write <track type>.<parameter>; types: {', '.join(TRACK_TYPES)}.",
                )
            parameters = parameters.with_type(kind, **{parameter: value})
        return parameters

    def source(self, series: str) -> RunningOrderModel:
        """The model of a backtest that works by this recipe."""
        return RunningOrderModel(
            fit_process=self.fit_process,
            recalibrate=self.recalibrate,
            series=series,
            start=self.start(),
        )

    def version(self, code: str) -> str:
        """The version's name: a hash of the recipe, its numbers and the code.

        Args:
            code: Hash of the code that makes forecasts.
        """
        content = {**asdict(self), "start": self.start().hash, "code": code}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class GateRecord:
    """What the release gate found of a version.

    Attributes:
        version: The version's name.
        code: Hash of the code that it was measured with.
        series: The series.
        recipe: How it makes forecasts.
        passed: Whether every criterion held.
        criteria: The criteria.
        races: Races of the backtest.
        known_until: When the last of their results became known (UTC): the verdict may be used
            for slates whose as-of time is not earlier.
        decided_at: When it was decided (UTC).
    """

    version: str
    code: str
    series: str
    recipe: ModelRecipe
    passed: bool
    criteria: Sequence[Criterion]
    races: int
    known_until: datetime
    decided_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """The record for JSON."""
        return {
            **asdict(self),
            "known_until": self.known_until.isoformat(),
            "decided_at": self.decided_at.isoformat(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> GateRecord:
        """A stored record.

        Raises:
            InputError: If a field is missing or malformed.
        """
        try:
            content = {
                **stored,
                "recipe": ModelRecipe(**stored["recipe"]),
                "criteria": tuple(Criterion(**item) for item in stored["criteria"]),
                "known_until": stored_time(stored["known_until"]),
                "decided_at": stored_time(stored["decided_at"]),
            }
            return cls(**content)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The stored gate record is malformed or of another version: {error}."
            ) from error


@dataclass(frozen=True)
class VersionInUse:
    """The version that a slate uses, with what is known of it.

    Attributes:
        recipe: How its race process comes about.
        version: The version's name, with the code at hand.
        record: The gate record that released it; none before any release.
        said: The state in words, for people.
    """

    recipe: ModelRecipe
    version: str
    record: GateRecord | None
    said: str


def version_in_use(records: Iterable[GateRecord], code: str, as_of: datetime) -> VersionInUse:
    """The last good version as of a moment: the newest release that rests on nothing later.

    A version that failed is never used. Where none has passed yet, slates work by the
    project's own recipe, and it is said that no gate record stands behind it.

    Args:
        records: Every gate record of a series.
        code: Hash of the code at hand.
        as_of: The slate's as-of time.
    """
    known = [record for record in records if record.known_until <= as_of]
    good = last_good(known)
    recipe = good.recipe if good is not None else ModelRecipe()
    version = recipe.version(code)
    own = _verdicts(known).get(version)
    if own is not None and own.passed:
        state = f"passed the release gate on {own.races} races"
    elif own is not None:
        state = f"FAILED the release gate on {own.races} races"
    else:
        state = "no gate record yet"
    if good is not None and good.version != version:
        state += f"; with an earlier program its recipe passed, as version {good.version}"
    return VersionInUse(recipe, version, good, f"version {version}: {state}")


def last_good(records: Iterable[GateRecord]) -> GateRecord | None:
    """The newest release: of each version its newest verdict counts; none where none passed."""
    return max(
        (record for record in _verdicts(records).values() if record.passed),
        key=lambda record: (record.decided_at, record.version),
        default=None,
    )


def _verdicts(records: Iterable[GateRecord]) -> dict[str, GateRecord]:
    """The newest record of each version."""
    by_time = sorted(records, key=lambda record: (record.decided_at, record.known_until))
    return {record.version: record for record in by_time}


def enough_races(races: int) -> Criterion:
    """The criterion that a verdict rests on races enough."""
    return Criterion(
        "races of the backtest", float(races), f">= {FEWEST_RACES}", races >= FEWEST_RACES
    )
