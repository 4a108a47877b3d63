"""What a slate's own run left behind: the field, ratings, spec and summaries of its requests."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nascar_assets.constraints import ConstraintSpec
from nascar_assets.orchestration.inputs.process_parameters import (
    FITS,
    RECALIBRATED,
    RECORDS,
)
from nascar_assets.orchestration.inputs.slate_files import record_path, run_config_path, spec_path
from nascar_assets.orchestration.inputs.slate_plan import plan_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.rules import RuleSet
from nascar_assets.scenarios import ProcessParameters, RaceSetup
from nascar_assets.service.track_names import NamedTrack
from nascar_assets.slates.slate import Slate
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import manifest_path, settled

_SLATE_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,120}")
_TABLES = (
    "slate",
    "slate_field",
    "slate_ratings",
    "slate_driver_values",
    "slate_track_values",
    "slate_summary",
    "driver_summary",
)
_KEPT = 8


@dataclass(frozen=True)
class StoredSlate:
    """A slate whose run is complete, as values.

    Attributes:
        setup: The race as the slate's own run simulates it.
        spec: The constraints compiled from the graph.
        summary: One row: the read model of the precheck.
        calibration: The calibration record as of the as-of time; none where there is none.
        parameters: The race process as of the as-of time.
        run_config: The run's RunConfig as stored; none where there is none.
    """

    slate: Slate
    setup: RaceSetup
    spec: ConstraintSpec
    rules: RuleSet
    track: NamedTrack
    summary: pl.DataFrame
    drivers: pl.DataFrame
    calibration: Mapping[str, Any] | None
    parameters: ProcessParameters
    run_config: bytes | None


class StoredSlates:
    """Slates of a data root, kept in memory until their run changes."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[str, StoredSlate]] = OrderedDict()
        self._tracks: tuple[float, list[NamedTrack]] | None = None

    def get(self, slate_id: str) -> StoredSlate | None:
        """A slate by its key; none where no such slate was run to its end.

        Raises:
            StorageFault: If the data root cannot be read.
        """
        if not _SLATE_KEY.fullmatch(slate_id):
            return None
        settled(self._root, slate_id)
        version = self._version(slate_id)
        if version is None:
            return None
        with self._lock:
            held = self._kept.get(slate_id)
            if held is not None and held[0] == version:
                self._kept.move_to_end(slate_id)
                return held[1]
        while True:
            found = self._load(slate_id)
            again = self._version(slate_id)
            if again is None or again == version:
                break
            version = again  # it changed while it was read
        if again is not None:
            with self._lock:
                self._kept[slate_id] = (version, found)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found

    def _version(self, slate_id: str) -> str | None:
        """A hash of what every run of the slate writes, and of the models there are."""
        parts = [self._root.read(plan_path(slate_id)), self._root.read(spec_path(slate_id))]
        if None in parts or not all(
            self._root.exists(table_path(name, slate_id)) for name in _TABLES
        ):
            return None
        parts.append(self._root.read(run_config_path(slate_id)))
        parts.append(self._root.read(manifest_path(slate_id)))
        parts.append(self._root.read(record_path(slate_id)))
        for folder in (FITS, RECALIBRATED, RECORDS):
            parts += [f"{item.path} {item.tag}".encode() for item in self._root.list(folder)]
        return hashlib.sha256(b"\0".join(part or b"" for part in parts)).hexdigest()

    def _load(self, slate_id: str) -> StoredSlate:
        root = self._root
        run = SlateRun.load(root, slate_id)
        race = run.race
        record = root.read(record_path(slate_id))
        return StoredSlate(
            slate=run.slate,
            setup=run.setup,
            spec=run.spec,
            rules=run.rules,
            track=NamedTrack(
                race["track_id"],
                race["track_name"],
                race["track_type"],
                race["track_length_miles"] or None,
            ),
            summary=run.table("slate_summary"),
            drivers=run.table("driver_summary"),
            calibration=json.loads(record) if record is not None else None,
            parameters=run.model.parameters,
            run_config=root.read(run_config_path(slate_id)),
        )

    def scheduled_tracks(self) -> list[NamedTrack]:
        """The tracks of every race that was synced, the latest description of each."""
        path = table_path("schedule")
        found = [item for item in self._root.list("store") if item.path == path]
        if not found:
            return []
        changed = found[0].modified.timestamp()
        if self._tracks is None or self._tracks[0] != changed:
            rows = (
                self._root.scan_frame(path)
                .sort("start_time", descending=True)
                .unique("track_id", keep="first", maintain_order=True)
                .select("track_id", "track_name", "track_type", "track_length_miles")
                .collect()
            )
            self._tracks = (
                changed,
                [
                    NamedTrack(key, name, kind, length or None)
                    for key, name, kind, length in rows.rows()
                ],
            )
        return self._tracks[1]


def calibration_of(
    record: Mapping[str, Any] | None,
) -> tuple[dict[str, Any] | None, str | None]:
    """The headline metrics of a stored record, or none and why there are none.

    Args:
        record: What `CalibrationRecord.as_dict` gave; none where no record was made.
    """
    if record is None:
        return None, "The slate has no calibration record."
    if not record["races"]:
        return None, record["reason"] or "There is no past race to measure on."
    names = ("crps", "log_score", "coverage_50", "coverage_80", "coverage_95")
    metrics = {name: (record["metrics"].get(name) or {}).get("value") for name in names}
    return {**metrics, "races": record["races"]}, None
