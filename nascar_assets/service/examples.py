"""Example requests of the OpenAPI document: complete, against the sample slate of `make demo`."""

from __future__ import annotations

from typing import Any

SAMPLE_SLATE = "2026-02-15-cup-dk-classic"
SAMPLE_TRACK = "903"

_VIEWS: tuple[tuple[str, str, float, float, float], ...] = (
    ("970009", "Ray Dusseldine", 0.97, 0.41, 0.23),
    ("970006", "Colby Strandhaven", 0.74, 0.43, 0.44),
    ("970028", "Clint Farrowmere Jr.", 0.90, 0.46, 0.53),
    ("970001", "Dalton Verrick", 0.90, 0.65, 0.25),
    ("970012", "Iñaki Barragón", 0.95, 0.54, 0.58),
    ("970013", "Luc Treffaut", 0.76, 0.44, 0.66),
    ("970027", "J.R. Abernant", 0.73, 0.37, 0.79),
    ("970016", "Deacon Whitlaw", 0.30, 0.21, 0.49),
    ("970011", "Preston Ickesley", 0.72, 0.50, 0.80),
    ("970025", "Everett Sandizell", 0.61, 0.56, 0.80),
    ("970018", "Silas Undergrove", 0.50, 0.61, 0.63),
    ("970026", "T.K. Wollenskar", 0.30, 0.47, 0.28),
    ("970010", "Cody Marchwood", 0.41, 0.61, 0.55),
    ("970004", "Wade Hollisker", 0.14, 0.74, 0.55),
)
"""Drivers of the sample slate with a modeller's view of them."""


def _drivers(*, named: bool, salaries: bool) -> list[dict[str, Any]]:
    drivers = []
    for place, (driver_id, name, skill, aggression, risk) in enumerate(_VIEWS):
        driver: dict[str, Any] = {"driver_id": name if named else driver_id}
        if salaries:
            driver |= {"name": name, "salary": 10_800 - 450 * place}
        driver |= {"skill": skill, "aggression": aggression, "shadow_risk": risk}
        drivers.append(driver)
    return drivers


ONE_LINEUP: dict[str, Any] = {
    "slate_id": SAMPLE_SLATE,
    "drivers": _drivers(named=False, salaries=False),
    "scenario_config": {"track_id": SAMPLE_TRACK, "n_scenarios": 1_000},
    "random_seed": 42,
}
PORTFOLIO: dict[str, Any] = {
    "slate_id": SAMPLE_SLATE,
    "drivers": _drivers(named=True, salaries=False),
    "scenario_config": {
        "track_id": "Monarch Ridge Speedway",
        "n_scenarios": 2_000,
        "pit_strategy_mix": {"AGGRESSIVE": 0.3, "STANDARD": 0.5, "CONSERVATIVE": 0.2},
    },
    "random_seed": 42,
    "portfolio": {
        "lineups": 5,
        "objective": "expected_max",
        "max_shared": 4,
        "drivers": {"Ray Dusseldine": {"max_exposure": 0.6}, "Wade Hollisker": {"exclude": True}},
    },
}
OWN_SLATE: dict[str, Any] = {
    "slate_id": "a-slate-of-my-own",
    "drivers": _drivers(named=False, salaries=True),
    "scenario_config": {"track_id": "daytona", "n_scenarios": 1_000, "field_size": 38},
    "salary_cap": 50_000,
    "random_seed": 42,
}

REQUEST_EXAMPLES: dict[str, Any] = {
    "one lineup": {
        "summary": "One lineup for the sample slate",
        "description": "Salaries, field, ratings and calibration come from the slate.",
        "value": ONE_LINEUP,
    },
    "portfolio": {
        "summary": "Five lineups, drivers and track by name",
        "description": "Chosen as a set, under its own settings.",
        "value": PORTFOLIO,
    },
    "a slate of your own": {
        "summary": "A slate that is not known",
        "description": "The request brings the salaries; average cars fill the field.",
        "value": OWN_SLATE,
    },
}
"""Examples of the body of POST /api/v1/optimize by name."""
