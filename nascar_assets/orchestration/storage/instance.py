"""Dagster's own storage under the data root: where it lies and how it is opened."""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._check import CheckError

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.launchers import STORAGE, launcher, runs_at_once
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.postgres_storage import server_name, server_url
from nascar_assets.orchestration.storage.records import has_records
from nascar_assets.storage import DataRoot
from nascar_assets.storage.data_root import plain_location
from nascar_assets.storage.unfinished import refuse_half_there

INSTANCE_SETTINGS = resources.files(__package__).joinpath("dagster.yaml").read_text()

EARLIER = frozenset(
    (
        *("04e4928b3681c069", "f2962e4dfd4a5c8a", "e0f2f2cc202fc23b", "3c65ead46775e38d"),
        *("288d4faa2d1960e0", "0462447d6166f67a", "97ca916e4ddaef40", "08bf4746936592df"),
    )
)
"""Marks of the settings that earlier versions wrote, with the same databases: as nobody edited
them, they are written anew. When the settings change, the mark of the old ones comes to these."""


HOME_ID = "dagster/home-id"
"""Where a home whose records lie on a server keeps its id, for every host that opens it.

It stays behind when the home is exported: what is imported is another home.
"""


def settings_mark(text: str) -> str:
    """What tells a text of `dagster.yaml` from others."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def records_folder(home: str) -> Path:
    """Where Dagster's folder of a data root lies, whether it is there or not.

    Raises:
        EnvironmentFault: If it lay in an object store.
        InputError: If the data root, or `NASCAR_LOCAL`, is no location of one.
    """
    folder = plain_location(os.environ.get("NASCAR_LOCAL") or home)
    if "://" in folder:
        raise EnvironmentFault(
            f"Dagster's storage cannot lie in {folder}: set NASCAR_LOCAL to a local folder."
        )
    return Path(folder).expanduser().absolute() / "dagster"


def dagster_home(home: str) -> Path:
    """Dagster's folder for a data root, made with its settings where it is not there yet.

    `NASCAR_LOCAL` names a local folder for it where the data root is an object store.

    Raises:
        EnvironmentFault: If the folder cannot be made.
        InputError: If `NASCAR_STORAGE` is no address of a PostgreSQL server, or another setting of
            Dagster's is of no use.
    """
    folder = records_folder(home)
    settings = folder / "dagster.yaml"
    server_url()  # refused before anything is made
    elsewhere = launcher().elsewhere
    runs_at_once()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Earlier versions wrote the server into the file, which then failed without the setting,
        # knew one launcher, and failed runs that had waited for an hour.
        text = settings.read_text() if settings.exists() else None
        wanted = text or INSTANCE_SETTINGS
        old = f"env: {STORAGE}" in wanted or (elsewhere and "run_launcher:" not in wanted)
        wanted = INSTANCE_SETTINGS if old or settings_mark(wanted) in EARLIER else wanted
        wanted = wanted.replace("start_timeout_seconds: 3600\n", "start_timeout_seconds: 604800\n")
        if wanted != text:
            draft = settings.with_suffix(f".{os.getpid()}")
            try:
                draft.write_text(wanted)
                draft.replace(settings)
            except OSError:  # mounted, or it may only be read: what it says counts
                with suppress(OSError):
                    draft.unlink()
                if text is None or old:
                    raise
    except OSError as error:
        raise EnvironmentFault(f"Dagster's folder {folder} cannot be made: {error}") from error
    return folder


def lacking_settings(folder: Path) -> list[str]:
    """What queue, launcher and waiting jobs stand on, and an edited `dagster.yaml` has not."""
    text = (folder / "dagster.yaml").read_text()
    needed = ["run_launcher", "run_coordinator"]
    if "run_monitoring:" in text:
        needed.append("start_timeout_seconds")
    return [name for name in needed if f"{name}:" not in text]


def open_instance(home: str, *, unfinished: bool = False) -> dg.DagsterInstance:
    """The Dagster instance of a data root, the same one that the UI and the daemon use.

    Args:
        unfinished: Whether it may be one that an import has not finished.

    Raises:
        InputError: If it is one and may not be, its `dagster.yaml` holds a mistake, or the server's
            database holds another home's records.
    """
    root = Platform(home=home).root
    if not unfinished:
        refuse_half_there(root)
    folder = str(dagster_home(home))
    os.environ["DAGSTER_HOME"] = folder  # the settings name their databases by it
    try:
        instance = dg.DagsterInstance.from_config(folder)
    except Exception as error:
        if mistake := _mistake(error):
            raise InputError(
                mistake,
                file=f"{folder}/dagster.yaml",
                remedy="Mend it, or delete the file: it is made anew with the same databases.",
            ) from error
        raise
    if (server := server_name()) is not None:
        with suppress(EnvironmentFault):  # a data root that is away says so by itself later
            _refuse_anothers(instance, home_id(root), f"{root.location}/{HOME_ID}", server)
    return instance


def home_id(root: DataRoot) -> str:
    """A home's own id, made where it has none yet.

    Raises:
        StorageFault: If the data root cannot be read or written.
    """
    if (data := root.read(HOME_ID)) is None:
        root.create(HOME_ID, str(uuid.uuid4()).encode())  # unless another host was faster
        data = root.read(HOME_ID) or b""
    return data.decode(errors="replace").strip()


def _refuse_anothers(instance: dg.DagsterInstance, own: str, file: str, server: str) -> None:
    """Each home would take the other's jobs from a queue that they shared.

    The first home marks the database, by the id of its own that Dagster gives each: a mark that
    came with a home's records out of another one does not count, nor one without records, of a home
    that was given up.
    """
    runs: Any = instance.run_storage
    key = f"nascar_home_of/{runs.get_run_storage_id()}"
    owner = runs.get_cursor_values({key}).get(key)
    if owner is None or (owner != own and not has_records(instance)):
        runs.set_cursor_values({key: own})
    elif owner != own:
        raise InputError(
            f"The database {server} holds the records of another home ({owner}).",
            field=STORAGE,
            remedy="Give each home a database of its own, or unset it. If this is that very home "
            f"and only its id was lost, write {owner} into {file}.",
        )


def _mistake(error: Exception) -> str | None:
    """What is wrong in `dagster.yaml`, without Dagster's schema of it; none of other errors."""
    if isinstance(error, dg.DagsterInvalidConfigError):
        return error.errors[0].message.partition(" Expected: ")[0]
    if isinstance(error, CheckError):
        return str(error).removeprefix("Failure condition: ")
    if type(error).__module__.startswith("yaml."):  # Dagster's parser, none of ours
        return f"It is no YAML: {' '.join(str(error).split())}."
    return None
