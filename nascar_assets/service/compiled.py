"""A request compiled: everything that its job computes from, as one value that is stored whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from functools import cache
from typing import Any

import numpy as np

from nascar_assets.constraints import ConstraintSpec, RunConfig
from nascar_assets.contest.payouts import PayoutTable
from nascar_assets.contest.presets import PRESETS, preset
from nascar_assets.errors import InputError
from nascar_assets.files import SourceFile
from nascar_assets.lineups import PortfolioSettings, SettingsError
from nascar_assets.rules import rule_set
from nascar_assets.scenarios import (
    STARTING_VALUES,
    Entry,
    PitStrategy,
    ProcessParameters,
    RaceSetup,
)
from nascar_assets.service.contracts import CalibrationMetrics, OptimizeRequest
from nascar_assets.slates.slate import Slate, SlatePlayer

FORMAT = 1
"""Changes when the same content would be stored differently."""


@dataclass(frozen=True)
class CompiledRequest:
    """What one job computes from. Nothing else is read while it runs.

    Attributes:
        request: As it came in.
        slate: The pool of drivers that a lineup may hold, under the request's cap.
        spec: Constraints of every car and of the track.
        setup: The race.
        run_config: What repeats the job: its parameters and its seed.
        parameters: The race process of every track type.
        pit_strategy_mix: Weights of the pit strategies; none for the usual ones.
        calibration: Measured metrics as of the slate's as-of time.
        calibration_reason: Why there are none.
        notices: What was assumed on the way.
    """

    request: OptimizeRequest
    slate: Slate
    spec: ConstraintSpec
    setup: RaceSetup
    run_config: RunConfig
    parameters: ProcessParameters = STARTING_VALUES
    pit_strategy_mix: Mapping[PitStrategy, float] | None = None
    calibration: CalibrationMetrics | None = None
    calibration_reason: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def n_scenarios(self) -> int:
        """Scenarios wanted."""
        return int(self.run_config.sim_params["n_scenarios"])

    @property
    def portfolio(self) -> PortfolioSettings | None:
        """Settings of the set of lineups; none for the one best lineup by its mean."""
        return self.request.portfolio

    @property
    def payouts(self) -> PayoutTable | None:
        """The payout table that the portfolio names; none where it names none.

        Raises:
            SettingsError: If it is no preset: a job reads no file besides its request.
        """
        named = None if self.portfolio is None else self.portfolio.payout
        if named is None:
            return None
        if named not in PRESETS:
            raise SettingsError(
                f"no payout table is called {named!r} here.",
                field="payout",
                remedy=f"There are {', '.join(PRESETS)}.",
            )
        return preset(named).payouts

    def as_run(self, run_id: str, now: datetime) -> CompiledRequest:
        """The same work under another run's name."""
        return replace(self, run_config=replace(self.run_config, run_id=run_id, created_at=now))

    def to_json(self) -> bytes:
        """The whole of it; `from_json` gives an equal value back."""
        rules = self.slate.rules
        content = {
            "format": FORMAT,
            "request": self.request.model_dump(mode="json", by_alias=True, exclude_unset=True),
            "slate": {
                "slate_id": self.slate.slate_id,
                "race_id": self.slate.race_id,
                "race_key": self.slate.race_key,
                "rules": rules.key,
                "rules_from": rules.valid_from.isoformat(),
                "salary_cap": rules.salary_cap,
                "lock": self.slate.lock.isoformat(),
                "players": [_flat(player) for player in self.slate.players],
                "absent": [_flat(player) for player in self.slate.absent],
                "source": self.slate.source.path,
                "source_hash": self.slate.source.sha256,
            },
            "spec": self.spec.to_dict(),
            "setup": setup_to_dict(self.setup),
            "run_config": json.loads(self.run_config.to_json()),
            "parameters": None if self.parameters == STARTING_VALUES else self.parameters.to_dict(),
            "parameters_hash": parameters_hash(self.parameters),
            "pit_strategy_mix": dict(self.pit_strategy_mix) if self.pit_strategy_mix else None,
            "calibration": self.calibration.model_dump() if self.calibration else None,
            "calibration_reason": self.calibration_reason,
            "notices": list(self.notices),
        }
        return json.dumps(content, ensure_ascii=True, sort_keys=True, allow_nan=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> CompiledRequest:
        """A stored compiled request; hashes in it that do not match are refused.

        Raises:
            InputError: If it is of another format or was changed since it was written.
        """
        stored = json.loads(data)
        if stored.get("format") != FORMAT:
            raise InputError(
                f"The stored request has format {stored.get('format')!r}; this program reads "
                f"{FORMAT}.",
                remedy="Send the request again.",
            )
        mix = stored["pit_strategy_mix"]
        calibration = stored["calibration"]
        fitted = stored["parameters"]
        parameters = ProcessParameters.from_dict(fitted) if fitted else STARTING_VALUES
        if parameters_hash(parameters) != stored["parameters_hash"]:
            raise InputError(
                "The request was compiled with other starting values of the race process than "
                "this program has.",
                remedy="Send the request again.",
            )
        return cls(
            request=OptimizeRequest.model_validate(stored["request"]),
            slate=_slate(stored["slate"]),
            spec=ConstraintSpec.from_dict(stored["spec"]),
            setup=setup_from_dict(stored["setup"]),
            run_config=RunConfig.from_json(json.dumps(stored["run_config"])),
            parameters=parameters,
            pit_strategy_mix={PitStrategy(k): v for k, v in mix.items()} if mix else None,
            calibration=CalibrationMetrics(**calibration) if calibration else None,
            calibration_reason=stored["calibration_reason"],
            notices=tuple(stored["notices"]),
        )


def setup_to_dict(setup: RaceSetup) -> dict[str, Any]:
    """A race as plain values, its notices included."""
    return {**_flat(setup), "entries": [_flat(entry) for entry in setup.entries]}


def _flat(value: Any) -> dict[str, Any]:
    """A dataclass's own fields; `asdict` would copy each of their values deeply."""
    return {item.name: getattr(value, item.name) for item in fields(value)}


def setup_from_dict(stored: Mapping[str, Any]) -> RaceSetup:
    """The race that `setup_to_dict` gave."""
    return RaceSetup(
        **{
            **stored,
            "entries": tuple(Entry(**entry) for entry in stored["entries"]),
            "stage_ends": tuple(stored["stage_ends"]),
            "notices": tuple(stored["notices"]),
        }
    )


def race_hash(setup: RaceSetup) -> str:
    """SHA-256 of the race: the same for the same entries, ratings, laps and stages."""
    content = setup_to_dict(setup)
    content.pop("notices")
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_number
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _number(value: object) -> Any:
    """A NumPy number as Python's own."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A race holds no {type(value).__name__}.")


def parameters_hash(parameters: ProcessParameters) -> str:
    """The hash of a race process; that of the starting values is worked out once."""
    return _starting_hash() if parameters is STARTING_VALUES else parameters.hash


@cache
def _starting_hash() -> str:
    return STARTING_VALUES.hash


def _slate(stored: Mapping[str, Any]) -> Slate:
    rules = rule_set(stored["rules"], date.fromisoformat(stored["rules_from"]))
    return Slate(
        slate_id=stored["slate_id"],
        race_id=stored["race_id"],
        race_key=stored["race_key"],
        rules=replace(rules, salary_cap=stored["salary_cap"]),
        lock=datetime.fromisoformat(stored["lock"]),
        players=tuple(SlatePlayer(**player) for player in stored["players"]),
        source=SourceFile(stored["source"], stored["source_hash"]),
        absent=tuple(SlatePlayer(**player) for player in stored.get("absent", ())),
    )
