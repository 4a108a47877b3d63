"""Reading canonical laps from Parquet: lazily, with drivers and columns pushed into the scan."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry.contract import FeatureAvailabilityContract, ForbiddenFeature
from nascar_assets.telemetry.laps import METADATA_COLUMNS
from nascar_assets.telemetry.problems import RefusedFile, problem

log = logging.getLogger(__name__)

Contract = FeatureAvailabilityContract | type[FeatureAvailabilityContract]
"""The contract, as the class or an instance of it."""


class TelemetryIngestor:
    """Reads lap files under the feature-availability contract.

    Args:
        contract: The contract whose forbidden names no file may hold.
    """

    def __init__(self, contract: Contract = FeatureAvailabilityContract) -> None:
        self.contract = contract

    def ingest_parquet(
        self, path: str | os.PathLike[str], driver_ids: Iterable[str] | None = None
    ) -> pl.LazyFrame:
        """Open one file of canonical laps lazily.

        The file's schema is checked; its rows are read when the frame is collected, and then only
        the requested drivers' and the columns that the query needs. Columns beyond the canonical
        lap are logged and left out.

        Args:
            path: A Parquet file in the canonical lap schema; beyond `lap`, `driver_id`,
                `timestamp` and `track_id` its columns may be absent.
            driver_ids: Drivers to keep; all where none are given.

        Returns:
            The laps, lazily, columns in the canonical order.

        Raises:
            FileNotFoundError: If there is no such file.
            InputError: (a `ValueError`) lists the missing metadata columns.
            ForbiddenFeature: Lists every column that is a result of the race itself.
            RefusedFile: If the file is no Parquet file or is cut short.
        """
        file = Path(path)
        if not file.exists():
            raise FileNotFoundError(f"There is no lap file {file}.")
        scan = pl.scan_parquet(file)
        try:
            schema = scan.collect_schema()
        except (PolarsError, OSError) as error:
            raise RefusedFile(
                [problem(file.name, f"no Parquet file, cut short or damaged: {error}")]
            ) from error
        forbidden = self.contract.FORBIDDEN.intersection(schema.names())
        if forbidden:
            raise ForbiddenFeature(forbidden, f"The file {file.name}")
        missing = [name for name in METADATA_COLUMNS if name not in schema]
        if missing:
            raise InputError(
                f"The file lacks the metadata columns {', '.join(missing)}.",
                file=file.name,
                field=missing[0],
                remedy="Land laps in the canonical schema.",
            )
        extra = [name for name in schema.names() if name not in LAPS]
        if extra:
            log.warning(
                "%s: left out columns beyond the canonical lap: %s", file.name, ", ".join(extra)
            )
        laps = scan.select([name for name in LAPS if name in schema])
        if driver_ids is None:
            return laps
        return laps.filter(_is_one_of(driver_ids, schema["driver_id"]))


def ingest_lap_by_lap_telemetry(
    path: str | os.PathLike[str],
    driver_ids: Iterable[str] | None = None,
    contract: Contract = FeatureAvailabilityContract,
) -> pl.LazyFrame:
    """Open one file of canonical laps and log how many rows the requested drivers have.

    Args:
        path: A Parquet file in the canonical lap schema.
        driver_ids: Drivers to keep; all where none are given.
        contract: The feature-availability contract.

    Returns:
        The laps, lazily; without rows, after a logged warning, where no requested driver has any.

    Raises:
        FileNotFoundError: If there is no such file.
        InputError: (a `ValueError`) lists the missing metadata columns.
        ForbiddenFeature: Lists every column that is a result of the race itself.
        RefusedFile: If the file is no Parquet file or is damaged.
    """
    wanted = None if driver_ids is None else _listed(driver_ids)
    laps = TelemetryIngestor(contract).ingest_parquet(path, wanted)
    name = Path(path).name
    try:
        rows = laps.select(pl.len()).collect(engine="streaming").item()
    except (ComputeError, OSError) as error:
        raise RefusedFile([problem(name, f"cut short or damaged: {error}")]) from error
    if rows == 0:
        whose = "any driver" if wanted is None else f"the drivers {', '.join(map(str, wanted))}"
        log.warning("%s: no row for %s", name, whose)
    log.info("%s: %d rows", name, rows, extra={"rows": rows, "file": name})
    return laps


def _listed(driver_ids: Iterable[str]) -> list[str]:
    return [driver_ids] if isinstance(driver_ids, str) else list(driver_ids)


def _is_one_of(driver_ids: Iterable[str], kind: pl.DataType) -> pl.Expr:
    wanted = pl.Series(_listed(driver_ids), dtype=pl.String, strict=False).cast(kind, strict=False)
    return pl.col("driver_id").is_in(wanted.drop_nulls().to_list())
