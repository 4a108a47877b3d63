"""A slate's files as one set: changed together, and read only where they belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.inputs.slate_files import run_config_path
from nascar_assets.orchestration.inputs.slate_plan import (
    SlatePlan,
    plan_path,
    registered_slates,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import PATIENCE_SECONDS
from nascar_assets.storage.staged import StagedRoot, change, manifest_path, settled

P = ParamSpec("P")
T = TypeVar("T")

_READS = 5
"""How often a slate is read that is changed while it is read."""


def slate_change(
    root: DataRoot,
    slate_id: str,
    purpose: str,
    notify: Callable[[str], None] = lambda _: None,
    patience: float = PATIENCE_SECONDS,
) -> AbstractContextManager[StagedRoot]:
    """A block that changes a slate's files: all of them or none, and no other at the same time.

    Args:
        purpose: What the change is, for those who wait for it.
        notify: Is given whom it waits for.
    """
    return change(root, slate_id, partial(_owns, slate_id), _notes, purpose, notify, patience)


def _owns(slate_id: str, path: str) -> bool:
    match path.split("/"):
        case ["store", _, name]:
            return name.rpartition(".")[0] == slate_id
        case ["slates", folder, name]:
            return folder == slate_id and not name.startswith(("registration", "salaries"))
    return False


def _notes(staged: StagedRoot) -> Mapping[str, str]:
    """Of which run what was written is, and beside which lineups."""
    lineups = staged.read(table_path("lineups", staged.owner)) or b""
    plan = SlatePlan.find(staged, staged.owner)
    return {
        "run_id": plan.run_id if plan else "",
        "lineups": hashlib.sha256(lineups).hexdigest(),
    }


def follows_lineups(slate_id: str) -> tuple[str, ...]:
    """What is made from a slate's lineups and belongs to those alone."""
    folder = f"slates/{slate_id}"
    return (
        f"{folder}/upload.csv",
        f"{folder}/report.html",
        f"{folder}/forecast.csv",
        run_config_path(slate_id),
        table_path("contest_forecast", slate_id),
    )


def has_begun_anew(root: DataRoot, slate_id: str) -> bool:
    """Whether a run of a slate began and has not come to its end, since its files were made."""
    if isinstance(root, StagedRoot):
        return False
    found = settled(root, slate_id)
    return found is not None and bool(found.begun)


def mixture(
    root: DataRoot, slate_id: str, scanned: Callable[[str], bool] = lambda _: True
) -> list[str]:
    """What of a slate's files does not belong to the others, in words; empty where all do.

    Files of a slate whose newest run came before manifests were written are taken as they are.

    Args:
        root: The data root; what a change that goes on sees is not looked at.
        scanned: Whether a file, by its path, is scanned.
    """
    found = None if isinstance(root, StagedRoot) else settled(root, slate_id)
    if found is None or not found.files:
        return []
    plan, lineups = SlatePlan.find(root, slate_id), table_path("lineups", slate_id)
    # The plan is known by its run's id alone: it is read by every run, and not taken away.
    faults = found.faults(root, lambda path: path != plan_path(slate_id) and scanned(path))
    chosen = found.files.get(lineups, {}).get("sha256")
    for path, known in found.files.items():
        if not scanned(path) or path == plan_path(slate_id):
            continue
        if plan is None or known["run_id"] != plan.run_id:
            faults.append(f"{path} is of another run")
        elif path in follows_lineups(slate_id) and known["lineups"] != chosen:
            faults.append(f"{path} was made from other lineups")
    return faults


def taken_away(slate_id: str) -> Callable[[str], bool]:
    """Tells the small files that people take away, with the lineups, from all others."""
    wanted = {table_path("lineups", slate_id), *follows_lineups(slate_id)}
    return wanted.__contains__


def simulated(slate_id: str) -> Callable[[str], bool]:
    """Tells what lineups are chosen from, from what is made of them."""
    made = taken_away(slate_id)
    return lambda path: not made(path)


def refuse_mixture(
    root: DataRoot, slate_id: str, scanned: Callable[[str], bool] = lambda _: True
) -> None:
    """Refuses a slate whose files do not belong together.

    Raises:
        InputError: If one of them is gone, was changed, or is of another run.
    """
    faults = mixture(root, slate_id, scanned)
    if faults:
        raise InputError(
            f"The files of {slate_id} do not belong together: {'; '.join(faults[:4])}.",
            remedy=f"Make them anew: nascar slate run {slate_id}.",
        )


def read_whole(
    command: Callable[Concatenate[str, str, P], T],
) -> Callable[Concatenate[str, str, P], T]:
    """A command on a home's slate that reads its files as they were at one moment.

    Where they are changed in between it is done again.
    """

    @wraps(command)
    def whole(home: str, slate_id: str, *args: P.args, **kwargs: P.kwargs) -> T:
        root = Platform(home=home).root

        def state() -> str | None:
            settled(root, slate_id)
            return root.tag(manifest_path(slate_id))

        return _unchanged(lambda: command(home, slate_id, *args, **kwargs), state, slate_id)

    return cast(Callable[Concatenate[str, str, P], T], whole)


def all_whole(root: DataRoot, read: Callable[[], T]) -> T:
    """What is read of the files of many slates as they were at one moment.

    Where those of a slate are changed in between it is read again.

    Raises:
        EnvironmentFault: If they are changed again and again.
    """

    def state() -> dict[str, object]:
        found = {slate_id: settled(root, slate_id) for slate_id in registered_slates(root)}
        return {slate_id: manifest and manifest.files for slate_id, manifest in found.items()}

    return _unchanged(read, state, "The home")


def _unchanged(read: Callable[[], T], state: Callable[[], object], name: str) -> T:
    for _ in range(_READS):
        before = state()
        try:
            done = read()
        except Exception:
            if state() == before:
                raise
            continue
        if state() == before:
            return done
    raise EnvironmentFault(f"{name} is changed again and again; try once more.")
