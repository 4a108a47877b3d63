"""What makes a run repeatable, kept together: constraints' hash, parameters and seed."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nascar_assets.constraints.checks import ConstraintValueError, integer, text_id, utc_time
from nascar_assets.constraints.frozen import freeze
from nascar_assets.constraints.models import ConstraintSpec, version_from_constraints
from nascar_assets.ontology.canonical import content_hash, plain

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run's inputs: the same RunConfig gives the same scenarios and lineups, bit for bit.

    Attributes:
        run_id: Name of the run.
        constraint_spec_hash: Hash of the compiled spec, 64 hex digits.
        sim_params: Parameters of the simulation (n_scenarios, field_size, race_length, ...);
            a dict is frozen, whatever is in it too. JSON values only.
        created_at: When the run was set up (UTC).
        random_seed: A positive integer.

    Raises:
        ConstraintValueError: If the seed is not positive, n_scenarios is missing or not positive,
            the hash is no hash, or a parameter cannot be written as JSON.
    """

    run_id: str
    constraint_spec_hash: str
    sim_params: Mapping[str, Any]
    created_at: datetime
    random_seed: int

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        text_id("A run", "run_id", self.run_id)
        given = self.constraint_spec_hash
        if not isinstance(given, str) or not _HASH.fullmatch(given):
            raise ConstraintValueError(
                f"A run needs its spec's hash, 64 hex digits; got {given!r}.",
                field="constraint_spec_hash",
            )
        set_(self, "created_at", utc_time("A run", "created_at", self.created_at))
        seed = integer("A run", "random_seed", self.random_seed, at_least=1)
        set_(self, "random_seed", seed)
        if not isinstance(self.sim_params, Mapping):
            raise ConstraintValueError(
                f"A run's parameters are a mapping, got {self.sim_params!r}.", field="sim_params"
            )
        if "n_scenarios" not in self.sim_params:
            raise ConstraintValueError("A run needs n_scenarios.", field="sim_params.n_scenarios")
        integer("A run", "sim_params.n_scenarios", self.sim_params["n_scenarios"], at_least=1)
        try:
            params = freeze(self.sim_params)
            _only_json(params)
            content_hash(params)
        except (TypeError, ValueError, RecursionError) as error:
            raise ConstraintValueError(
                f"A run's parameters must be JSON values: {error}", field="sim_params"
            ) from error
        set_(self, "sim_params", params)

    def with_params(self, **changed: Any) -> RunConfig:
        """The run with some of its parameters changed, under the name that it then has."""
        return _named(replace(self, sim_params={**self.sim_params, **changed}))

    def to_dict(self) -> dict[str, Any]:
        """The run as plain lists and dicts, ready for JSON."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def to_json(self) -> str:
        """The run as JSON text with a checksum over the rest of it."""
        content = self.to_dict()
        stored = {**content, "checksum": content_hash(content)}
        return json.dumps(stored, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "run config") -> RunConfig:
        """A stored run; equal to the one that was stored.

        Args:
            text: What `to_json` gave.
            source: Name of the file, for errors.

        Raises:
            ConstraintValueError: If it is no such text, or was changed since it was written.
        """
        try:
            stored = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConstraintValueError(f"It is no JSON: {error}.", file=source) from error
        wanted = {field.name for field in fields(cls)} | {"checksum"}
        if not isinstance(stored, dict) or set(stored) != wanted:
            found = ", ".join(sorted(stored)) if isinstance(stored, dict) else type(stored).__name__
            raise ConstraintValueError(
                f"A run config has the fields {', '.join(sorted(wanted))}; found {found}.",
                file=source,
            )
        claimed = stored.pop("checksum")
        try:
            computed = content_hash(stored)
        except (ValueError, RecursionError) as error:
            raise ConstraintValueError(
                f"It holds what no run config has: {error}.", file=source
            ) from error
        if claimed != computed:
            raise ConstraintValueError(
                f"Its checksum is {claimed}, and its content gives {computed}: it was changed "
                "after it was written.",
                file=source,
                remedy="Create the run config again.",
            )
        try:
            stored["created_at"] = datetime.fromisoformat(stored["created_at"])
        except (TypeError, ValueError) as error:
            raise ConstraintValueError(
                f"It has no valid time: {error}.", file=source, field="created_at"
            ) from error
        try:
            return cls(**stored)
        except ConstraintValueError as error:
            raise ConstraintValueError(
                error.message, file=source, field=error.field, remedy=error.remedy
            ) from error


def _only_json(value: Any) -> None:
    """Raises `TypeError` for a frozen value that JSON would give back as another."""
    if isinstance(value, (Mapping, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            _only_json(item)
    elif value is not None and not isinstance(value, (bool, int, float, str)):
        raise TypeError(
            f"{value!r} is of type {type(value).__name__}; write it as text, a number or a list."
        )


def create_run_config(
    spec: ConstraintSpec,
    sim_params: Mapping[str, Any],
    random_seed: int,
    *,
    now: datetime | None = None,
    run_id: str | None = None,
) -> RunConfig:
    """The RunConfig of a run on a compiled spec.

    Args:
        spec: The slate's compiled constraints.
        sim_params: Parameters of the simulation.
        random_seed: A positive integer.
        now: When the run is set up; the time of the spec's compiling where none is given, so that
            no clock is read here.
        run_id: Name of the run; derived from everything else where none is given, so that the
            same run has the same name.

    Raises:
        ConstraintValueError: As for `RunConfig`.
    """
    unnamed = RunConfig(
        run_id="unnamed",
        constraint_spec_hash=version_from_constraints(spec),
        sim_params=sim_params,
        created_at=spec.compiled_at if now is None else now,
        random_seed=random_seed,
    )
    return replace(unnamed, run_id=run_id) if run_id else _named(unnamed)


def _named(config: RunConfig) -> RunConfig:
    """A run under the name that follows from everything else."""
    unnamed = replace(config, run_id="unnamed").to_dict()
    return replace(config, run_id=f"run-{content_hash(unnamed)[:16]}")


def save_run_config(config: RunConfig, path: str | Path) -> None:
    """Writes a run config to a file: the whole new file or the old one.

    Public interface, for programs on local files; the platform writes through its data root.

    Raises:
        OSError: If the file cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(config.to_json())
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def load_run_config(path: str | Path) -> RunConfig:
    """Reads a run config from a file.

    Raises:
        ConstraintValueError: If it was changed since it was written, or is no run config.
        FileNotFoundError: If there is no such file.
    """
    return RunConfig.from_json(Path(path).read_bytes(), source=Path(path).name)
