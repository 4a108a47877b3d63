"""Parameters of the race process by track type, and what a fit returns."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES


def stored_time(text: str) -> datetime:
    """A time as it was stored; one without a zone is before or after no other.

    Raises:
        ValueError: If it is no time, or has no zone.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"the time {text} has no zone")
    return found


@dataclass(frozen=True, slots=True)
class TypeParameters:
    """The race process at one track type. Times in % of the scheduled race, rates per 1% of it.

    Attributes:
        kappa: Race-day level per unit of rating.
        start_scale: a0, weight of the starting position's normal score in the first order.
        tau: Relaxation time of the running order.
        omega: Stationary spread of the running order about the levels.
        sigma_s: Race-day spread of a level.
        delta: Gain from leading: the leader is lifted by (1 - exp(-1 / tau)) * delta before a
            lap's step, as if his level were higher by exp(-1 / tau) * delta (tau in laps).
        wreck_rate: lambda_W.
        chaos_shape: k of the race-day hazard factor Gamma(k, 1/k).
        wreck_more: p_m, chance that a wreck takes a further car.
        wreck_out: q, chance that a car in a wreck retires.
        debris_rate: lambda_D, cautions without a retirement.
        fast_weight: k_F, the fastest lap's weight is exp(k_F * level).
        sigma_j: Spread of the restart shuffle.
        mechanical: Mechanical retirements a race of 40 cars.
        late: Extra hazard of wrecks and debris at the race's end, rising as a cube over its last
            fifth.
        restart_factor: Hazard factor in the laps after a restart.
        overtime_factor: Hazard factor in overtime.
        damage: Level lost by a damaged car.
        trouble: Chance that a car has a trouble of its own that does not end its race.
        repair: Chance that a damaged car loses laps.
        repair_laps: Mean laps lost, in % of the race.
        lapping: Laps lost in a green run of 1% of the race for each unit of y behind.
        wave_around: Chance that a lapped car gets a lap back at a caution.
        caution_laps: Mean laps of a caution.
        stage_laps: Mean laps of a stage-end caution.
        fuel_miles: Miles on a full tank, where the spec names no pit window.
        trapped: Order lost by a car that stopped just before a caution.
        stay_out: Order gained by staying out under caution.
        fast_leader: The leader's extra weight for the fastest lap.
        fast_spread: Race-day spread of the log weight for the fastest lap.
        fast_awarded: Share of green laps that award a fastest lap.
        bend: A rating mu acts as mu - bend * mu^2: weak cars fall further back than strong ones
            get ahead.
        spread_slope: A car's spreads grow as exp(spread_slope * rating): weak cars are the more
            predictable ones.
        team_share: Share of the variance of levels, race-day spread and uncertainty of ratings
            together, that a team's cars have in common.
        thinning: The wreck hazard falls as the share of cars still running to this power.
        accident_slope: Involvement in accidents falls as exp(-accident_slope * rating).
        mechanical_slope: The mechanical hazard falls as exp(-mechanical_slope * rating); the
            field's mean stays.
        start_correlation: Correlation of a drawn qualifying score with the rating.
        rating_spread: Spread of ratings in a field, the unit of a change of skill.
    """

    kappa: float
    start_scale: float
    tau: float
    omega: float
    sigma_s: float
    delta: float
    wreck_rate: float
    chaos_shape: float
    wreck_more: float
    wreck_out: float
    debris_rate: float
    fast_weight: float
    sigma_j: float
    mechanical: float
    late: float
    restart_factor: float
    overtime_factor: float
    damage: float
    trouble: float
    repair: float
    repair_laps: float
    lapping: float
    wave_around: float
    caution_laps: float
    stage_laps: float
    fuel_miles: float
    trapped: float
    stay_out: float
    fast_leader: float
    fast_spread: float = 0.2
    fast_awarded: float = 0.95
    bend: float = 0.2
    spread_slope: float = 0.15
    team_share: float = 0.2
    thinning: float = 1.0
    accident_slope: float = 0.0
    mechanical_slope: float = 0.0
    start_correlation: float = 0.6
    rating_spread: float = 0.55

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not math.isfinite(value):
                raise InputError(f"The parameter {item.name} is {value}.", field=item.name)
        for name in ("tau", "chaos_shape", "caution_laps", "stage_laps", "fuel_miles"):
            if getattr(self, name) <= 0.0:
                raise InputError(f"The parameter {name} must be positive.", field=name)
        for name in (
            "wreck_more",
            "wreck_out",
            "repair",
            "wave_around",
            "fast_awarded",
            "team_share",
        ):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"The parameter {name} must lie in [0, 1].", field=name)


@dataclass(frozen=True, slots=True)
class ProcessParameters:
    """Parameters of every track type, with where they come from.

    Attributes:
        by_type: `TypeParameters` of each of `TRACK_TYPES`.
        source: What the numbers were measured on.
        as_of: Nothing later than this was used (UTC).
        data_hash: SHA-256 of the races used; empty for starting values.
        standard_errors: By track type and parameter, where fitted.
        prior_spreads: By track type and parameter, where given and not estimated: the standard
            deviation of what is believed of it.
        diagnostics: Of the fit, by track type and name.
    """

    by_type: Mapping[str, TypeParameters]
    source: str
    as_of: datetime | None = None
    data_hash: str = ""
    standard_errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    prior_spreads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    diagnostics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [kind for kind in TRACK_TYPES if kind not in self.by_type]
        if missing:
            raise InputError(
                f"The parameters lack the track types {', '.join(missing)}.", field="by_type"
            )
        set_ = object.__setattr__
        set_(self, "by_type", MappingProxyType(dict(self.by_type)))
        for name in ("standard_errors", "prior_spreads", "diagnostics"):
            frozen = {kind: MappingProxyType(dict(v)) for kind, v in getattr(self, name).items()}
            set_(self, name, MappingProxyType(frozen))

    def of(self, track_type: str) -> TypeParameters:
        """The parameters of one track type.

        Raises:
            InputError: If the type is unknown.
        """
        try:
            return self.by_type[track_type]
        except KeyError:
            raise InputError(
                f"No track type is called {track_type!r}.",
                remedy=f"Known types: {', '.join(TRACK_TYPES)}.",
            ) from None

    def with_type(self, track_type: str, **changes: float) -> ProcessParameters:
        """A copy in which some parameters of one track type differ."""
        changed = {**self.by_type, track_type: replace(self.of(track_type), **changes)}
        return replace(self, by_type=changed)

    @property
    def hash(self) -> str:
        """SHA-256 of the numbers: the same for equal parameters."""
        content = {kind: asdict(values) for kind, values in sorted(self.by_type.items())}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` gives an equal object back."""
        return {
            "by_type": {kind: asdict(values) for kind, values in self.by_type.items()},
            "source": self.source,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "data_hash": self.data_hash,
            "standard_errors": {k: dict(v) for k, v in self.standard_errors.items()},
            "prior_spreads": {k: dict(v) for k, v in self.prior_spreads.items()},
            "diagnostics": {k: dict(v) for k, v in self.diagnostics.items()},
            "hash": self.hash,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ProcessParameters:
        """Stored parameters.

        Raises:
            InputError: If they are of another version of the race process, a field is missing or
                the stored hash does not match the numbers.
        """
        names = {item.name for item in fields(TypeParameters)}
        try:
            strange = sorted({name for v in stored["by_type"].values() for name in set(v) ^ names})
            if strange:
                raise InputError(
                    "The stored parameters are those of another version of the race process; they "
                    f"differ in {', '.join(strange)}.",
                    field="by_type",
                    remedy="Fit the race process again.",
                )
            loaded = cls(
                by_type={k: TypeParameters(**v) for k, v in stored["by_type"].items()},
                source=stored["source"],
                as_of=stored_time(stored["as_of"]) if stored["as_of"] else None,
                data_hash=stored["data_hash"],
                standard_errors=stored["standard_errors"],
                prior_spreads=stored["prior_spreads"],
                diagnostics=stored["diagnostics"],
            )
            expected = stored["hash"]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"The stored parameters are malformed or of another version: {error}."
            ) from error
        if loaded.hash != expected:
            raise InputError("The stored parameters were changed after they were written.")
        return loaded
