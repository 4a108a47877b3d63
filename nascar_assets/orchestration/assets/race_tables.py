"""Race-partitioned tables: one pure function a race, run over one race or over many in one run."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.inputs.schedule import Race, schedule_rows
from nascar_assets.orchestration.launchers import launcher
from nascar_assets.orchestration.metadata import shown, table_metadata
from nascar_assets.orchestration.partitions import RACES
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.orchestration.tags import SKIPPED, skipped_tag
from nascar_assets.storage import DataRoot, UnreadableFile

RACES_OF_A_RUN = 5
"""Races of a backfill in one run, where runs are spread over hosts; on one machine all are."""


@dataclass(frozen=True, slots=True)
class RaceInputs:
    """What the function of one race may read: its schedule row, its own files and tables."""

    root: DataRoot
    race: Race

    @property
    def key(self) -> str:
        """The race's partition key."""
        return str(self.race["race_key"])

    def table(self, asset: str) -> pl.DataFrame:
        """Another asset's table of the same race."""
        return scan_table(self.root, asset, self.key).collect()

    def emptied(self, asset: str, frame: pl.DataFrame, landed: Sequence[str]) -> list[str]:
        """A failure where landed files would empty the asset's stored table of the race.

        Args:
            frame: What the files make.
            landed: The files, to name them.
        """
        path = table_path(asset, self.key)
        stored = None if frame.height else self.root.read(path)
        if stored is None or not _rows(stored):
            return []
        return [
            f"{', '.join(landed)} no longer {'holds' if len(landed) == 1 else 'hold'} what {path} "
            "was made from, which stays. Sync again when the feed has corrected it; where it is "
            f"right to hold nothing, delete that table and run race_job for {self.key} (or nascar "
            "sync again)."
        ]


def _rows(stored: bytes) -> int:
    """Rows of a stored table; none of a damaged one, which is there to be made again."""
    try:
        return pl.read_parquet(io.BytesIO(stored)).height
    except pl.exceptions.PolarsError:
        return 0


@dataclass(frozen=True, slots=True)
class RaceOutput:
    """A race's table with what a person should know about it.

    Attributes:
        frame: The table.
        notices: What was met and mended or left out, in plain words.
        metadata: Further entries for the UI (plots, hashes).
        failures: What makes the table worthless: the blocking check fails with these, and the
            table that is stored stays.
        sources: SHA-256 of every file that it was made from, by name; the table is then stored as
            a telemetry artifact, which holds them with its version and its number of rows.
    """

    frame: pl.DataFrame
    notices: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    failures: Sequence[str] = ()
    sources: Mapping[str, str] | None = None

    def write(self, root: DataRoot, path: str) -> int:
        """Stores the table; returns its bytes."""
        if self.sources is None:
            return root.write_frame(path, self.frame)
        from nascar_assets.telemetry import telemetry_artifact_bytes

        data = telemetry_artifact_bytes(self.frame, sources=self.sources)
        root.write(path, data)
        return len(data)


RaceTable = Callable[[RaceInputs], RaceOutput]
"""From one race's inputs to its table."""


def race_table(
    name: str,
    compute: RaceTable,
    *,
    group: str,
    description: str,
    check: str,
    check_description: str,
    deps: Sequence[Any] = (),
    kinds: set[str] | None = None,
    code_version: str = "1",
) -> dg.AssetsDefinition:
    """An asset with one table per race and one blocking check per race.

    The function sees one race at a time, whether the run has one partition or a range of them,
    so a table never depends on which races were computed together. The table of a race that fails
    stays as it was. In a run over a range it is skipped, and a tag of the run names it: whoever
    started the run runs it by itself, and that run fails with the reason.

    Args:
        name: The asset's and its folder's name.
        compute: The function from a race's inputs to its table.
        group: The asset's group in the UI.
        description: What the table is, for the UI.
        check: Name of the blocking check that the function's `failures` answer.
        check_description: What the check asks.
        kinds: Kinds shown on the asset.
        code_version: Changes when the same input gives another table.
    """
    with pinned_previews():
        spec = dg.AssetCheckSpec(
            check, asset=name, description=check_description, blocking=True, partitions_def=RACES
        )
        decorate = dg.asset(
            name=name,
            partitions_def=RACES,
            group_name=group,
            description=description,
            deps=list(deps),
            kinds=kinds or {"polars", "parquet"},
            owners=["team:data"],
            backfill_policy=_backfills(),
            code_version=code_version,
            check_specs=[spec],
        )

    def table(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
        root = platform.root
        keys = list(context.partition_keys)
        many = len(keys) > 1
        severity = dg.AssetCheckSeverity.WARN if many else dg.AssetCheckSeverity.ERROR
        rows = schedule_rows(root, keys, known_only=many)
        tags = context.instance.get_run_by_id(context.run.run_id).tags if many else {}
        failed: dict[str, Sequence[str]] = {}
        for key in keys:
            if skipped_tag(key) in tags or key not in rows:
                continue
            try:
                output = compute(RaceInputs(root, rows[key]))
                failures = output.failures
            except (EnvironmentFault, OSError, MemoryError) as error:
                if not many or not isinstance(error, UnreadableFile):
                    raise
                failures = (str(error),)
            except Exception as error:
                failures = (str(error) or type(error).__name__,)
                if not many:
                    # Evaluated before the run fails by it: else the check's page says nothing.
                    yield _evaluation(context, name, check, rows[key], failures, severity)
                    raise
            if failures:
                failed[key] = failures
            if many or failures:
                yield _evaluation(context, name, check, rows[key], failures, severity)
            if failures and not many:
                raise InputError(" ".join(failures))
            if failures:
                # A run of its own says what it is; this one goes on with the others.
                skipped = {SKIPPED: "yes", skipped_tag(key): "yes"}
                context.instance.add_run_tags(context.run.run_id, skipped)
                continue
            size = output.write(root, table_path(name, key))
            metadata = dict(table_metadata(name, output.frame, size=size))
            if output.sources is not None:
                metadata["sources"] = output.sources
            if output.notices:
                metadata["notices"] = list(output.notices)
            context.add_asset_metadata(
                shown({**metadata, **output.metadata}), asset_key=name, partition_key=key
            )
        yield dg.Output(None)
        yield dg.AssetCheckResult(
            passed=not failed,
            check_name=check,
            severity=severity,
            metadata=_check_metadata([(rows[key], found) for key, found in failed.items()]),
        )

    with pinned_previews():
        return decorate(table)


def _evaluation(
    context: dg.AssetExecutionContext,
    name: str,
    check: str,
    race: Race,
    failures: Sequence[str],
    severity: dg.AssetCheckSeverity,
) -> dg.AssetCheckEvaluation:
    """What a blocking check says of one race; of a failure, against the table that stays."""
    key = str(race["race_key"])
    target = None
    if failures:
        asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=[key])
        for record in context.instance.fetch_materializations(asked, limit=1).records:
            target = AssetCheckEvaluationTargetMaterializationData(
                storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
            )
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(name),
        check_name=check,
        passed=not failures,
        metadata=_check_metadata([(race, failures)] if failures else []),
        target_materialization_data=target,
        severity=severity,
        blocking=True,
        partition=key,
    )


def _check_metadata(failed: Sequence[tuple[Race, Sequence[str]]]) -> dict[str, Any]:
    if not failed:
        return {}
    lines = [
        f"{race['race_key']} ({race['race_name']}): {failure}"
        for race, failures in failed
        for failure in failures
    ]
    return shown(failures=lines, what_to_do=_MEND)


_MEND = (
    "What is made from this table keeps its last good state. When the feed corrects the file, the "
    "next scan takes it and runs the race; a file mended by hand under landing/ is taken as well."
)


def _backfills() -> dg.BackfillPolicy:
    """How a person's backfill is cut into runs."""
    if launcher().elsewhere:
        return dg.BackfillPolicy.multi_run(RACES_OF_A_RUN)
    return dg.BackfillPolicy.single_run()
