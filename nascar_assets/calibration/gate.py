"""The release gate: whether a model version may become the one that slates use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nascar_assets.calibration.metrics_skill import Estimate


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What a model version must reach. Shares, not percent; coverage in shares too.

    Attributes:
        rps_skill: Least skill of the finish's RPS against start climatology.
        points_skill: Least skill of the points' CRPS against start climatology.
        rps_lower: The lower end of the RPS skill's clustered interval must lie above this.
        points_lower: The same for the points' skill.
        log_score_excess: Most by which the log score may exceed attrition Plackett-Luce's.
        coverage: Most by which coverage of each level may be off, overall.
        coverage_by_type: The same within a track type; none: reported only.
        type_skill: Least RPS skill of each track type; none: reported only.
    """

    rps_skill: float = 0.04
    points_skill: float = 0.05
    rps_lower: float = 0.0
    points_lower: float = 0.0
    log_score_excess: float = 0.01
    coverage: Mapping[int, float] = field(default_factory=lambda: {50: 0.04, 80: 0.03, 95: 0.02})
    coverage_by_type: Mapping[int, float] | None = None
    type_skill: float | None = None


RELEASE = GateLimits()
"""The gate that blocks a release."""

AIM = GateLimits(
    rps_skill=0.065,
    rps_lower=0.05,
    coverage={50: 0.03, 80: 0.02, 95: 0.015},
    coverage_by_type={50: 0.06, 80: 0.05, 95: 0.03},
    type_skill=0.0,
)
"""What the project aims at; shown beside the gate, blocks nothing."""


@dataclass(frozen=True, slots=True)
class GateValues:
    """What a backtest measured of a model version.

    Attributes:
        rps_skill: Skill of the finish's RPS against start climatology.
        points_skill: Skill of the points' CRPS against start climatology.
        log_score_difference: Mean log score minus attrition Plackett-Luce's.
        coverage: Variable (`finish`, `points`) to level (50, 80, 95) to coverage.
        coverage_by_type: Track type to the same.
        type_skill: Track type to the RPS skill there.
    """

    rps_skill: Estimate | None
    points_skill: Estimate | None
    log_score_difference: float | None
    coverage: Mapping[str, Mapping[int, float]]
    coverage_by_type: Mapping[str, Mapping[str, Mapping[int, float]]] = field(default_factory=dict)
    type_skill: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of the gate.

    Attributes:
        name: What is measured.
        value: What was found; none where it could not be measured.
        bound: What is asked, in words.
        passed: Whether it holds; a value that is missing does not pass.
    """

    name: str
    value: float | None
    bound: str
    passed: bool


def release_gate(values: GateValues, limits: GateLimits = RELEASE) -> tuple[Criterion, ...]:
    """Every criterion of the gate with its verdict; the version passes if all do.

    Args:
        values: What a backtest measured.
        limits: What is asked.
    """
    found: list[Criterion] = []
    for name, skill, asked, above in (
        ("finish RPS skill", values.rps_skill, limits.rps_skill, limits.rps_lower),
        ("points CRPS skill", values.points_skill, limits.points_skill, limits.points_lower),
    ):
        value = None if skill is None else skill.value
        found.append(_at_least(f"{name} against start climatology", value, asked))
        lower = None if skill is None else skill.lower
        found.append(
            Criterion(
                f"{name}, lower end of its 95% interval",
                lower,
                f"> {above:.1%}",
                lower is not None and lower > above,
            )
        )
    difference = values.log_score_difference
    found.append(
        Criterion(
            "log score minus attrition Plackett-Luce",
            difference,
            f"<= {limits.log_score_excess:.3f}",
            difference is not None and difference <= limits.log_score_excess,
        )
    )
    for variable in ("finish", "points"):
        found += _coverages(variable, values.coverage.get(variable, {}), limits.coverage)
    if limits.coverage_by_type is not None:
        for kind, variables in sorted(values.coverage_by_type.items()):
            for variable, levels in sorted(variables.items()):
                found += _coverages(f"{variable}, {kind}", levels, limits.coverage_by_type)
    if limits.type_skill is not None:
        for kind, value in sorted(values.type_skill.items()):
            found.append(_at_least(f"finish RPS skill, {kind}", value, limits.type_skill))
    return tuple(found)


def passes(criteria: tuple[Criterion, ...]) -> bool:
    """Whether all criteria hold; an empty gate does not pass."""
    return bool(criteria) and all(criterion.passed for criterion in criteria)


def _at_least(name: str, value: float | None, lower: float) -> Criterion:
    return Criterion(name, value, f">= {lower:.1%}", value is not None and value >= lower)


def _coverages(
    name: str, levels: Mapping[int, float], limits: Mapping[int, float]
) -> list[Criterion]:
    result = []
    for level, limit in limits.items():
        value = levels.get(level)
        # A hair of slack, so that .84 against .80 within .04 does not fail by rounding.
        close = value is not None and abs(value - level / 100.0) <= limit + 1e-12
        result.append(
            Criterion(
                f"coverage of {level}% intervals, {name}",
                value,
                f"{level}% within {100 * limit:g} points",
                close,
            )
        )
    return result
