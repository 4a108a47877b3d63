"""A slate's files that are no tables: salaries, spec, RunConfig, calibration record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain

import polars as pl

from nascar_assets.constraints import ConstraintSpec
from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot

SALARY_FOLDER = "landing/salaries"
"""The folder for salary files as a contest site exports them."""


def spec_path(slate_id: str) -> str:
    """Where a slate's compiled spec lies."""
    return f"store/constraint_spec/{slate_id}.json"


def load_spec(root: DataRoot, slate_id: str) -> ConstraintSpec:
    """A slate's compiled spec; one whose hash does not match is refused.

    Raises:
        InputError: If it is gone or was changed.
    """
    data = root.read(spec_path(slate_id))
    if data is None:
        raise InputError(f"The constraints of slate {slate_id} are gone.", field="slate_id")
    return ConstraintSpec.from_json(data)


def upload_path(slate_id: str) -> str:
    """Where the upload file lies for people to take away."""
    return f"slates/{slate_id}/upload.csv"


def absent_path(slate_id: str) -> str:
    """Where it is said who of a withdrawn upload file does not race."""
    return f"slates/{slate_id}/upload_withdrawn.txt"


def withdrawn_path(slate_id: str) -> str:
    """Where an upload file lies that names a driver who does not race, until there is a new one."""
    return f"slates/{slate_id}/upload_withdrawn.csv"


def news_path(slate_id: str) -> str:
    """Where a slate's late news are kept; the files mended lie beside it."""
    return f"slates/{slate_id}/late_news/news.json"


def lie_ready(paths: Sequence[str]) -> str:
    """Where mended files lie, in words; nothing where there are none."""
    return f"Mended files lie ready: {', '.join(paths)}." if paths else ""


def ready_files(root: DataRoot, slate_id: str) -> str:
    """Where the newest mended files lie, in words; nothing where everybody told of races again."""
    return lie_ready(json.loads(root.read(news_path(slate_id)) or b"{}").get("ready", ()))


def run_config_path(slate_id: str) -> str:
    """Where a slate's RunConfig lies for people to take away."""
    return f"slates/{slate_id}/run_config.json"


def record_path(slate_id: str) -> str:
    """Where a slate's calibration record lies as JSON."""
    return f"store/calibration_record/{slate_id}.json"


def require_columns(
    table: pl.DataFrame, columns: Iterable[str], asset: str, slate_id: str = "SLATE"
) -> None:
    """Refuses a slate's stored table that an earlier version made, with other columns.

    Raises:
        InputError: If it lacks one of them.
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(
            f"The slate's table {asset} was made by an earlier version: it has no column "
            f"{missing[0]}.",
            remedy=f"Run the slate again with nascar slate run {slate_id}.",
        )


def _notices_path(slate_id: str, stage: str) -> str:
    return f"store/{stage}_notices/{slate_id}.json"


def keep_notices(root: DataRoot, slate_id: str, stage: str, notices: Sequence[str]) -> None:
    """Keeps what a stage without a column for it has to say to a person."""
    root.write(_notices_path(slate_id, stage), json.dumps(list(notices)).encode())


def slate_notices(
    root: DataRoot, slate_id: str, slate: Sequence[str], lineups: Sequence[str]
) -> tuple[str, ...]:
    """What all stages of a run have to say to a person, each thing once.

    What is not known yet comes first, the rest in the order of the stages.

    Args:
        slate: The notices of its table of players.
        lineups: The notices of its lineups.
    """
    first, *kept = (
        json.loads(root.read(_notices_path(slate_id, stage)) or b"[]")
        for stage in ("slate_features", "late_news", "slate_views", "constraint_spec", "scenarios")
    )
    return tuple(dict.fromkeys([*first, *slate, *chain.from_iterable(kept), *lineups]))
