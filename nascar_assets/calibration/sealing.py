"""Seals: a forecast fixed by its hash, its as-of time and its seed before its outcome is read.

The outcome of a race can be had from an `OutcomeVault` alone, and only against the race's seal and
the very bytes that were sealed. A forecaster never sees the vault.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from nascar_assets.errors import InputError


class SealBrokenError(InputError):
    """A forecast is not the one that was sealed; its race is void."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A forecast as it was before its outcome was read.

    Attributes:
        race_id: The race.
        race_key: Its partition key.
        as_of: Nothing later than this was used (UTC).
        sha256: Hash of the forecast file.
        seed: Seed of the scenarios.
        scenarios: Number of scenarios.
        model: Name of the forecaster.
        model_version: Its version: parameters and recalibration included.
        known_races: Past races that were known.
        baselines: Content hash of each baseline's forecast of the same race.
        file: Path of the forecast file.
    """

    race_id: str
    race_key: str
    as_of: datetime
    sha256: str
    seed: int
    scenarios: int
    model: str
    model_version: str
    known_races: int
    baselines: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The seal for JSON."""
        return {
            **asdict(self),
            "as_of": self.as_of.astimezone(UTC).isoformat(),
            "baselines": dict(sorted(self.baselines.items())),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Seal:
        """A stored seal.

        Raises:
            InputError: If a field is missing or malformed.
        """
        try:
            return cls(**{**stored, "as_of": datetime.fromisoformat(stored["as_of"])})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"A stored seal is malformed: {error}.", field="seals") from error


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def verify(seal: Seal, content: bytes | None) -> None:
    """Check that a forecast file is the one that was sealed.

    Args:
        seal: The seal.
        content: The file's bytes; none where it is gone.

    Raises:
        SealBrokenError: If it is gone or its hash is another one.
    """
    if content is None:
        raise SealBrokenError("The sealed forecast is gone.", file=seal.file)
    found = sha256(content)
    if found != seal.sha256:
        raise SealBrokenError(
            f"The forecast of race {seal.race_key} hashes to {found}, and {seal.sha256} was "
            "sealed: the file was changed afterwards, and the race is void.",
            file=seal.file,
        )


class OutcomeVault:
    """What happened, race by race, handed out only against a seal.

    Args:
        results: RESULTS of the races.
    """

    __slots__ = ("__results", "opened")

    def __init__(self, results: pl.DataFrame) -> None:
        self.__results = results
        self.opened: list[str] = []

    def open(self, seal: Seal, forecast: bytes) -> pl.DataFrame:
        """The results of one race, whose forecast was sealed.

        Args:
            seal: The race's seal.
            forecast: The bytes of the sealed forecast file.

        Returns:
            RESULTS rows by driver id.

        Raises:
            SealBrokenError: If what is given is no seal, or not that of these bytes.
            InputError: If the race has no results.
        """
        if not isinstance(seal, Seal):
            raise SealBrokenError("An outcome is read against its race's seal only.")
        verify(seal, forecast)
        rows = self.__results.filter(
            pl.col("race_id") == seal.race_id, pl.col("finish").is_not_null()
        ).sort("driver_id")
        if rows.is_empty():
            raise InputError(f"Race {seal.race_key} has no results.", field="race_id")
        if rows["results_at"][0] <= seal.as_of:
            raise SealBrokenError(
                f"Race {seal.race_key} was over before the as-of time {seal.as_of} of its seal.",
                file=seal.file,
            )
        self.opened.append(seal.race_id)
        return rows


def seals_to_json(seals: Mapping[str, Seal], settings: Mapping[str, Any]) -> bytes:
    """`seals.json`: the settings of the backtest and one seal per race id.

    Args:
        seals: Seals by race id.
        settings: What every forecast of the folder was made with.
    """
    ordered = sorted(seals.values(), key=lambda seal: (seal.as_of, seal.race_id))
    content = {
        "settings": dict(settings),
        "races": {seal.race_id: seal.as_dict() for seal in ordered},
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def seals_from_json(content: bytes) -> tuple[dict[str, Seal], dict[str, Any]]:
    """Seals by race id and the settings, from `seals.json`.

    Raises:
        InputError: If it is no such file.
    """
    try:
        stored = json.loads(content)
        seals = {key: Seal.from_dict(value) for key, value in stored["races"].items()}
        return seals, dict(stored["settings"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"The seals cannot be read: {error}.", file="seals.json") from error
