"""The feature-availability contract, levels one and two: by name and by time.

Level one knows names: which feature is known after the previous race, after practice, after
qualifying, and which are results of the race itself. Level two knows times: a row that became
known after the as-of time has no place in a table as of that as-of time. Level three, the
experiment, is `nascar_assets.telemetry.leakage`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import cast, overload

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.telemetry.catalogue import FEATURES
from nascar_assets.telemetry.laps import LAP_COLUMNS, Frame, columns_of

log = logging.getLogger(__name__)

KEY_COLUMNS: tuple[str, ...] = ("race_id", "driver_id", "available_at")
"""Columns that a feature table holds beside its features: whose row it is, since when known."""

STAGES: tuple[str, ...] = ("previous_race", "practice", "qualifying")
"""Moments of a race week after which features become known, in order."""


class ForbiddenFeature(InputError):
    """Names in a table of features, or in a landed file, that are results of the race itself."""

    def __init__(self, names: Iterable[str], where: str) -> None:
        self.names = tuple(sorted(names))
        super().__init__(
            f"{where} holds what is known only after the race: {', '.join(self.names)}.",
            field=self.names[0],
            remedy="Take these columns out; no forecast may see them.",
        )


class LateRow(InputError):
    """Rows of a feature table that became known after its as-of time."""


class _Fixed(type):
    """A class whose attributes cannot be set or deleted: the contract's sets stay what they are."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise AttributeError(f"{cls.__name__}.{name} cannot be changed.")

    def __delattr__(cls, name: str) -> None:
        raise AttributeError(f"{cls.__name__}.{name} cannot be taken away.")


class FeatureAvailabilityContract(metaclass=_Fixed):
    """Which features a forecast may use, and from when.

    The sets are the contract's core and cannot be changed; the feature catalogue
    (`nascar_assets.telemetry.catalogue`) registers every further feature with the stage after
    which it is known. All methods may be called on the class.
    """

    HISTORICAL: frozenset[str] = frozenset(
        {"avg_finish_position", "avg_laps_led", "win_rate", "dnf_rate", "recent_form"}
    )
    """Known after the previous race."""

    PRACTICE: frozenset[str] = frozenset(
        {"practice_lap_time", "practice_speed", "practice_laps_complete"}
    )
    """Known after practice."""

    QUALIFYING: frozenset[str] = frozenset(
        {"qualifying_position", "qualifying_speed", "qualifying_gap"}
    )
    """Known after qualifying."""

    FORBIDDEN: frozenset[str] = frozenset(
        {"race_laps_led", "race_finish_position", "race_incidents", "race_dnf_lap"}
    )
    """Results of the race itself: never a feature."""

    __slots__ = ()

    @overload
    @classmethod
    def get_allowed_features(
        cls, available: str | None = None, known_after: str = "qualifying"
    ) -> frozenset[str]: ...

    @overload
    @classmethod
    def get_allowed_features(
        cls, available: list[str], known_after: str = "qualifying"
    ) -> list[str]: ...

    @overload
    @classmethod
    def get_allowed_features(
        cls, available: Iterable[str], known_after: str = "qualifying"
    ) -> Iterable[str]: ...

    @classmethod
    def get_allowed_features(
        cls, available: Iterable[str] | str | None = None, known_after: str = "qualifying"
    ) -> Iterable[str]:
        """The features that may be used once a stage of the race week is over.

        Args:
            available: Names to filter. None for every feature that there is; a stage's name alone
                stands for `known_after`.
            known_after: `previous_race`, `practice` or `qualifying`; each includes those before.

        Returns:
            The names that may be used: of a set or of no names a frozenset, else a list (for a
            tuple a tuple) in the order given. Nothing is raised or logged for the others.

        Raises:
            InputError: For another stage.
        """
        if isinstance(available, str):
            return cls.get_allowed_features(None, available)
        if known_after not in STAGES:
            raise InputError(
                f"{known_after!r} is no stage of a race week.",
                field="known_after",
                remedy=f"Use one of {', '.join(STAGES)}.",
            )
        reached = STAGES[: STAGES.index(known_after) + 1]
        core = {"previous_race": cls.HISTORICAL, "practice": cls.PRACTICE}
        core["qualifying"] = cls.QUALIFYING
        registered = {feature.name for feature in FEATURES if feature.known_after in reached}
        allowed = frozenset(registered.union(*(core[stage] for stage in reached))) - cls.FORBIDDEN
        if available is None:
            return allowed
        if isinstance(available, (set, frozenset)):
            return allowed & available
        kept = [name for name in available if name in allowed]
        return tuple(kept) if isinstance(available, tuple) else kept

    @classmethod
    def validate_features(cls, names: Iterable[str]) -> tuple[str, ...]:
        """Check feature names against the contract.

        Args:
            names: Names of features, without the key columns of their table.

        Returns:
            The names that may be used, in the order given. Unknown names are logged as a warning
            and left out, and so are canonical lap columns and features of single laps.

        Raises:
            ForbiddenFeature: Lists every forbidden name.
        """
        if isinstance(names, str):
            names = (names,)
        listed = list(names)
        forbidden = cls.FORBIDDEN.intersection(listed)
        if forbidden:
            raise ForbiddenFeature(forbidden, "The list of features")
        allowed = cls.get_allowed_features()
        unknown = [name for name in listed if name not in allowed]
        if unknown:
            log.warning(
                "left out of the features, for the catalogue does not know them: %s",
                ", ".join(unknown),
                extra={"unknown_features": unknown},
            )
        return tuple(name for name in listed if name in allowed)

    @overload
    @classmethod
    def validate_dataframe(cls, df: Frame, as_of: datetime | None = None) -> Frame: ...

    @overload
    @classmethod
    def validate_dataframe(cls, df: Sequence[str], as_of: None = None) -> list[str]: ...

    @classmethod
    def validate_dataframe(
        cls, df: pl.DataFrame | pl.LazyFrame | Sequence[str], as_of: datetime | None = None
    ) -> pl.DataFrame | pl.LazyFrame | list[str]:
        """Check a feature table, or its list of columns, against the contract: names and times.

        Args:
            df: Features beside the key columns `race_id`, `driver_id`, `available_at`; or the
                names of a table's columns.
            as_of: The table's as-of time, with a time zone. With it, every row's `available_at`
                must be known and not lie after it.

        Returns:
            The table without columns that the catalogue does not know (logged as a warning); lazy
            where the table is. For names, the names that stay.

        Raises:
            ForbiddenFeature: Lists every forbidden column.
            InputError: If the table holds a canonical lap column beside its keys, or has no
                `available_at` where an as-of time is given.
            LateRow: Counts and names the rows that lie after the as-of time.
        """
        table = df if isinstance(df, (pl.DataFrame, pl.LazyFrame)) else None
        columns = list(cast("Sequence[str]", df)) if table is None else columns_of(table)
        features = [name for name in columns if name not in KEY_COLUMNS]
        forbidden = cls.FORBIDDEN.intersection(features)
        if forbidden:
            raise ForbiddenFeature(forbidden, "The feature table")
        raw = sorted(LAP_COLUMNS.intersection(features))
        if raw:
            raise InputError(
                f"The feature table holds columns of single laps: {', '.join(raw)}.",
                field=raw[0],
                remedy="Aggregate laps to features of past races.",
            )
        if as_of is not None:
            if table is None:
                raise InputError(
                    "A list of columns has no times to hold against an as-of time.",
                    field="as_of",
                    remedy="Give the table itself.",
                )
            _require_known_as_of(table, as_of)
        kept = set(cls.validate_features(features)).union(KEY_COLUMNS)
        names = [name for name in columns if name in kept]
        return names if table is None else table.select(names)


def validate_features(names: Iterable[str]) -> tuple[str, ...]:
    """Check feature names: `FeatureAvailabilityContract.validate_features`."""
    return FeatureAvailabilityContract.validate_features(names)


def _require_known_as_of(df: pl.DataFrame | pl.LazyFrame, as_of: datetime) -> None:
    if as_of.tzinfo is None:
        raise InputError("The as-of time names no time zone.", field="as_of")
    schema = df.collect_schema()
    kind = schema.get("available_at")
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise InputError(
            "The feature table has no column available_at of times with a zone.",
            field="available_at",
            remedy="Give every row the moment from which all its values were known.",
        )
    moment = as_of.astimezone(UTC)
    at = pl.col("available_at")
    late = (
        df.lazy()
        .with_row_index("row", offset=1)
        .filter(at.is_null() | (at > pl.lit(moment).dt.convert_time_zone(kind.time_zone)))
        .collect()
    )
    if late.is_empty():
        return
    who = ", ".join(
        f"row {row['row']} ({row.get('driver_id', 'no driver')} at {row['available_at']})"
        for row in late.head(5).iter_rows(named=True)
    )
    raise LateRow(
        f"{late.height} rows became known after the as-of time {moment.isoformat()}: {who}.",
        row=int(late.item(0, "row")),
        field="available_at",
        remedy="Build the table as of its as-of time.",
    )
