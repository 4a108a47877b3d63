"""Verdicts on a forecaster: over-confident, under-confident, or better than it can honestly be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nascar_assets.calibration.metrics_skill import Estimate

STANDARD_ERRORS = 2.0
"""Standard errors by which coverage must be off to count."""
LEAST_DEPARTURE: Mapping[int, float] = {50: 0.04, 80: 0.03}
"""Departure of coverage that matters, by level; less is left alone however certain it is."""
SKILL_CEILING = 0.10
"""RPS skill against start climatology that knowledge of the past cannot give: ratings that knew
every other race, past and future, reached 7.7%."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the numbers say of a forecaster.

    Attributes:
        dispersion: `over-confident`, `under-confident` or `calibrated`.
        variable: The variable on which that was seen.
        departure: Mean departure of its coverage from nominal.
        leak_suspected: Whether the skill is more than knowledge of the past can give.
        text: The verdict in one sentence.
    """

    dispersion: str
    variable: str
    departure: float
    leak_suspected: bool
    text: str


def judge(metrics: Mapping[str, Estimate], rps_skill: Estimate | None) -> Verdict:
    """Judge a forecaster by its coverage and its skill.

    Args:
        metrics: Estimates over races, `coverage_50_finish` and the like among them.
        rps_skill: Skill of the finish's RPS against start climatology, where known.
    """
    worst: tuple[float, str, int] = (0.0, "finish", 80)
    for variable in ("finish", "points"):
        for level in LEAST_DEPARTURE:
            found = metrics.get(f"coverage_{level}_{variable}")
            if found is None or found.standard_error is None:
                continue
            off = found.value - level / 100.0
            certain = abs(off) >= STANDARD_ERRORS * found.standard_error
            if certain and abs(off) > max(LEAST_DEPARTURE[level], abs(worst[0])):
                worst = (off, variable, level)
    off, variable, level = worst
    leak = rps_skill is not None and rps_skill.lower is not None and rps_skill.lower > SKILL_CEILING
    dispersion = "calibrated" if off == 0.0 else "over-confident" if off < 0 else "under-confident"
    text = (
        "Coverage is within what chance allows."
        if off == 0.0
        else f"Forecasts are {dispersion}: {level}% intervals of {variable} cover "
        f"{level / 100 + off:.1%}."
    )
    if leak and rps_skill is not None:
        text += (
            f" A skill of {rps_skill.value:.1%} is more than knowledge of the past can give: "
            "look for a leak."
        )
    return Verdict(dispersion, variable, off, leak, text)
