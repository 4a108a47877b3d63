"""The data root: a local folder or an object store with atomic writes on both."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import polars as pl
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, S3Store, from_url

from nascar_assets.errors import ROOM, EnvironmentFault, InputError, disk_is_full
from nascar_assets.storage.dropped import dropped_files, read_dropped
from nascar_assets.storage.overhead import overhead

LANDING = "landing/"
"""Here strangers put files: of a local root, links are not followed below its folders."""

QUARANTINE = "quarantine/"
"""What was refused may hold anything: of a local root, its owner alone reads it."""

_STORES = ("s3", "gs", "az", "azure", "abfs", "abfss", "adl", "memory")
"""Schemes of object stores."""

_ADDRESSES = ("aws_endpoint_url", "aws_endpoint", "aws_endpoint_url_s3")
_SENT = (
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
    *("aws_region", "aws_default_region"),
)
"""Settings that a request to the store is signed with; the store's library panics over some."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file under the root: its path (relative, with `/`), size in bytes, time of change.

    Its `tag` is another one whenever the file was written again; in an object store whenever its
    content is another.
    """

    path: str
    size: int
    modified: datetime
    tag: str


class StorageFault(EnvironmentFault):
    """A read or write of the data root failed: disk full, no permission, store unreachable."""


class UnreadableFile(StorageFault):
    """One file of a landing folder cannot be read; it keeps no other out."""


class DataRoot:
    """Every read and write of the platform's files goes through one of these.

    A write puts the whole new file in place or leaves the old one: a local file is written under a
    temporary name and renamed, an object store's put is atomic by itself. Paths are
    relative to the root and use `/`.

    Args:
        location: A local folder (made when first written to) or a URL such as
            `s3://bucket/prefix`.
        storage_options: For an object store: keys as Polars and obstore know them
            (`aws_access_key_id`, `aws_endpoint_url`, ...); credentials otherwise come from the
            environment.

    Raises:
        InputError: If the location is neither, or a setting of the object store is malformed.
    """

    def __init__(
        self, location: str | Path, storage_options: Mapping[str, str] | None = None
    ) -> None:
        text = plain_location(location)
        self._options = dict(storage_options or {})
        if "://" in text:
            self.location = text.rstrip("/")
            self._folder: Path | None = None
            self._store: Any = _object_store(self.location, self._options)
        else:
            folder = Path(text).expanduser().absolute()
            self.location = str(folder)
            self._folder = folder
            self._store = None

    @classmethod
    def open(
        cls, location: str | Path, storage_options: Mapping[str, str] | None = None
    ) -> DataRoot:
        """The root at a location; nothing is created before the first write."""
        return cls(location, storage_options)

    @property
    def options(self) -> Mapping[str, str]:
        """What it was opened with beside its location; holds secrets where they were given."""
        return self._options

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine."""
        return self._folder is not None

    def local_path(self, path: str) -> Path:
        """The path of a file that some engine must open by itself (the embedded graph).

        Raises:
            InputError: If the root is an object store.
        """
        if self._folder is None:
            raise InputError(
                f"{path} needs a local folder, and the data root is {self.location}.",
                remedy="Name a local folder for it (NASCAR_LOCAL).",
            )
        return self._folder / _checked(path)

    def uri(self, path: str) -> str:
        """Where a file lies, as Polars and people read it."""
        return f"{self.location}/{_checked(path)}"

    @overhead("store")
    def read(self, path: str) -> bytes | None:
        """The content of a file, none where there is no such file.

        Raises:
            UnreadableFile: If it is a landed file of a local root and it alone cannot be read.
            StorageFault: If the file is there and cannot be read.
        """
        try:
            if self._folder is not None and path.startswith(LANDING):
                return self._dropped(path)
            return bytes(self._opened().get(_checked(path)).bytes())
        except FileNotFoundError:
            return None
        except (OSError, BaseError) as error:
            raise self._fault(f"Reading {self.uri(path)}", error) from error

    def _dropped(self, path: str) -> bytes:
        assert self._folder is not None
        try:
            return read_dropped(self._folder, _checked(path))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnreadableFile(f"Reading {self.uri(path)} failed: {error}") from error

    def sha256(self, path: str) -> str | None:
        """The hash of a file's content; none where there is no such file."""
        data = self.read(path)
        return None if data is None else hashlib.sha256(data).hexdigest()

    @overhead("store")
    def write(self, path: str, data: bytes) -> None:
        """Puts a file in place, whole or not at all.

        Raises:
            StorageFault: If the write failed; what was there before is still there.
        """
        try:
            self._opened().put(_checked(path), data)
            self._close_to_others(path)
        except (OSError, BaseError) as error:
            raise self._fault(f"Writing {self.uri(path)}", error) from error

    @overhead("store")
    def create(self, path: str, data: bytes) -> bool:
        """Puts a file in place where there is none; returns whether it did.

        Of many that create the same file at once, one does.

        Raises:
            StorageFault: If the write failed for another reason.
        """
        try:
            self._opened().put(_checked(path), data, mode="create")
        except AlreadyExistsError:
            return False
        except (OSError, BaseError) as error:
            raise self._fault(f"Writing {self.uri(path)}", error) from error
        return True

    @overhead("store")
    def replace(self, path: str, data: bytes, tag: str) -> bool:
        """Puts a file in the place of the one with a tag; returns whether that was still there.

        In object stores alone: a folder has no such put.

        Raises:
            StorageFault: If the write failed for another reason.
        """
        try:
            self._opened().put(_checked(path), data, mode={"e_tag": tag})
        except (PreconditionError, FileNotFoundError):
            return False
        except (OSError, BaseError) as error:
            raise self._fault(f"Writing {self.uri(path)}", error) from error
        return True

    @overhead("store")
    def move(self, source: str, target: str) -> None:
        """Puts a file in another's place; one that is not there any more was moved before.

        Raises:
            StorageFault: If it failed; both files are whole.
        """
        try:
            self._opened().rename(_checked(source), _checked(target))
        except FileNotFoundError:
            return
        except (OSError, BaseError) as error:
            raise self._fault(f"Writing {self.uri(target)}", error) from error

    @overhead("store")
    def tag(self, path: str) -> str | None:
        """What changes with the file's content; none where there is no such file.

        Raises:
            StorageFault: If it cannot be looked for.
        """
        try:
            if self._folder is not None and path.startswith(LANDING):
                return self._dropped_tag(path)
            return _stored(self._opened().head(_checked(path))).tag
        except FileNotFoundError:
            return None
        except (OSError, BaseError) as error:
            raise self._fault(f"Looking for {self.uri(path)}", error) from error

    def _dropped_tag(self, path: str) -> str | None:
        """The tag in the local store's own form, which would open the file: it may be closed."""
        assert self._folder is not None
        status = (self._folder / _checked(path)).stat()
        if stat.S_ISDIR(status.st_mode):
            return None
        return f'"{status.st_ino:x}-{status.st_mtime_ns // 1000:x}-{status.st_size:x}"'

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.tag(path) is not None

    @overhead("store")
    def list(self, prefix: str = "") -> list[StoredFile]:
        """All files under a folder of the root, sorted by path; empty where it does not exist.

        Raises:
            StorageFault: If the folder cannot be listed; a failed read is never an empty folder.
        """
        if self._folder is not None and prefix.startswith(LANDING):
            return [*self.landed(prefix)[0]]
        folder = _checked(prefix) if prefix else None
        try:
            found = [
                _stored(item)
                for batch in self._opened().list(folder, chunk_size=1000)
                for item in batch
            ]
        except FileNotFoundError:
            return []
        except (OSError, BaseError) as error:
            raise self._fault(f"Listing {self.uri(prefix or '.')}", error) from error
        return sorted(found, key=attrgetter("path"))

    def folder_tag(self, prefix: str) -> str:
        """Another text whenever a file of a folder is added, removed or written again.

        Raises:
            StorageFault: If the folder cannot be listed.
        """
        return " ".join(f"{item.path} {item.tag}" for item in self.list(prefix))

    def landed(self, prefix: str) -> tuple[Sequence[StoredFile], dict[str, str]]:
        """What lies in a landing folder: the files, and the strays that are not taken.

        Returns:
            Files sorted by path, and of each stray the reason, by escaped path.

        Raises:
            StorageFault: If the folder cannot be listed.
        """
        if self._folder is None:
            return self.list(prefix), {}
        files, strays = [], {}
        folder = _checked(prefix)
        found = dropped_files(self._folder / folder, holds_folders=f"{folder}/" == LANDING)
        try:
            for path, status, fault in found:
                if fault is not None:
                    strays[f"{folder}/{path}"] = fault
                else:
                    changed, tag = _changed(status), _tag(status)
                    files.append(StoredFile(f"{folder}/{path}", status.st_size, changed, tag))
        except (FileNotFoundError, NotADirectoryError):
            return [], {}
        except OSError as error:
            raise self._fault(f"Listing {self.uri(prefix)}", error) from error
        return sorted(files, key=attrgetter("path")), dict(sorted(strays.items()))

    def everything(self) -> tuple[Sequence[StoredFile], dict[str, str]]:
        """All files of the root, sorted by path, and the strays of its landing folder by path.

        Raises:
            StorageFault: If a folder cannot be listed, or outside the landing folder holds what
                no path of ours can name.
        """
        if self._folder is None:
            return self.list(), {}
        try:
            top = self._opened().list_with_delimiter(None)
        except FileNotFoundError:
            return [], {}
        except (OSError, BaseError) as error:
            raise self._fault(f"Listing {self.uri('.')}", error) from error
        landing = LANDING.rstrip("/")
        files, strays = self.landed(landing)
        found = [*files, *(_stored(item) for item in top["objects"])]
        for folder in top["common_prefixes"]:
            if folder != landing:
                found += self.list(folder)
        return sorted(found, key=attrgetter("path")), strays

    def _close_to_others(self, path: str) -> None:
        if self._folder is not None and path.startswith(QUARANTINE):
            with suppress(PermissionError):  # a folder of another user's, who decides on it
                (self._folder / QUARANTINE).chmod(0o700)
                (self._folder / path).chmod(0o600)

    @overhead("store")
    def delete(self, path: str) -> None:
        """Removes a file; one that is not there is no error."""
        try:
            self._opened().delete(_checked(path))
        except FileNotFoundError:
            return
        except (OSError, BaseError) as error:
            raise self._fault(f"Deleting {self.uri(path)}", error) from error

    def delete_folder(self, path: str) -> None:
        """Removes the files under a folder, and the folder itself where it is one of a disk."""
        for file in self.list(path):
            self.delete(file.path)
        if self._folder is not None:
            with suppress(OSError):  # not there, or written into again just now
                self.local_path(path).rmdir()

    @overhead("store")
    def write_frame(self, path: str, frame: pl.DataFrame) -> int:
        """Writes a table as Parquet (Snappy); returns its bytes."""
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="snappy")
        data = buffer.getvalue()
        self.write(path, data)
        return len(data)

    @overhead("store")
    def scan_frame(
        self,
        path: str | Sequence[str],
        *,
        schema: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
        insert_missing: bool = False,
    ) -> pl.LazyFrame:
        """A lazy scan of one or several Parquet files of the same shape.

        Args:
            path: One path, or several that are read as one table.
            schema: The columns that are read, whatever else a file has; one that a file lacks is
                null. Those of the first file where none is given.
            insert_missing: Whether a column that some files lack is read as null.
        """
        paths = [path] if isinstance(path, str) else path
        insert = insert_missing or schema is not None
        return pl.scan_parquet(
            [self._scanned(item) for item in paths],
            storage_options=self._options or None,
            schema=None if schema is None else pl.Schema(schema),
            missing_columns="insert" if insert else "raise",
            # A column of structs may lack a field in the same files.
            cast_options=pl.ScanCastOptions(missing_struct_fields="insert") if insert else None,
            extra_columns="raise" if schema is None else "ignore",
            glob=False,
        )

    def _fault(self, what: str, error: BaseException) -> StorageFault:
        """What failed, why, and what to do or where to look, without the store's own trace."""
        reason = _said(error)
        if self._folder is None:
            reason += ". See to the store, its address (AWS_ENDPOINT_URL) and its credentials."
        elif disk_is_full(error):
            reason = f"No space left on device. {ROOM}"
        return StorageFault(f"{what} failed: {reason}")

    def _scanned(self, path: str) -> str:
        return self.uri(path)

    def _opened(self) -> Any:
        if self._store is None:
            assert self._folder is not None
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageFault(
                    f"The data root {self._folder} cannot be made: {error}"
                ) from error
            self._store = LocalStore(prefix=str(self._folder))
        return self._store

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self.location, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["options"])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"DataRoot({self.location!r})"


def _stored(item: Mapping[str, Any]) -> StoredFile:
    size, modified = item["size"], item["last_modified"]
    return StoredFile(item["path"], size, modified, item["e_tag"] or f"{modified} {size}")


def _changed(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1e6, UTC)


def _tag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def plain_location(location: str | Path) -> str:
    """A data root's location as a folder's path or as a URL with its scheme in lower case.

    Raises:
        InputError: If it has a scheme (longer than the letter of a Windows drive) and is no URL of
            an object store or of a folder: it would be taken for a folder of that name.
    """
    text = str(location)
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):(/+)", text)
    if found is None:
        return text
    scheme, slashes, rest = found[1].lower(), found[2], text[found.end() :]
    if len(slashes) > 1 and scheme == "file":
        return f"{slashes[2:]}{rest}"
    if len(slashes) > 1 and scheme in _STORES:
        return f"{scheme}:{slashes}{rest}"
    raise InputError(
        f"{text} is neither a folder nor the URL of an object store.",
        remedy="Write it as s3://bucket/prefix or as a folder's path.",
    )


def _said(error: BaseException) -> str:
    """A store's error in one line; of the page that it answered with, code and message alone."""
    text = " ".join(str(error).partition("Debug source:")[0].split())
    page = re.search(r"<(\?xml|!doctype|html|error)\b.*", text, re.IGNORECASE)
    if page is None:
        return text.rstrip(".")
    said = [re.search(f"<{name}>(.*?)</{name}>", page[0]) for name in ("Code", "Message")]
    return f"{text[: page.start()]}{': '.join(part[1] for part in said if part)}".rstrip(".: ")


def _object_store(location: str, options: Mapping[str, str]) -> Any:
    try:
        scheme, _, rest = location.partition(":")
        if scheme != "s3":
            return from_url(location)
        bucket, _, prefix = rest.removeprefix("//").partition("/")
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", bucket):
            raise InputError(
                f"{location} names no bucket.", remedy="Write it as s3://bucket/prefix."
            )
        # The library reads the environment beside what it is given.
        held = {name.lower(): value for name, value in os.environ.items() if name[:4] == "AWS_"}
        held |= options
        allow_http = held.get("aws_allow_http", "false").lower() == "true"
        for name, value in held.items():
            if name in _ADDRESSES:
                _check_address(name.upper(), value, allow_http)
            elif name in _SENT and not re.fullmatch("[!-~]*", value):
                raise InputError(
                    "It holds a space, the end of a line or a letter that none may have.",
                    field=name.upper(),
                    remedy="Copy it again, without what stands before or behind it.",
                )
        config = {key.removeprefix("aws_"): value for key, value in options.items()}
        config.pop("allow_http", None)
        if "endpoint_url" in config:
            config["endpoint"] = config.pop("endpoint_url")
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={"allow_http": allow_http},
        )
    except (BaseError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{location} cannot be opened: {_said(error)}.",
            remedy="Correct it, or the settings of its store (docs/operations.md).",
        ) from error


def _check_address(name: str, text: str, allow_http: bool) -> None:
    """Refuses an address that the store's library would panic over, or never ask."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port, or of brackets
        good = False
    if not good or not re.fullmatch("[!-~]*", text):
        raise InputError(
            "It is no address of a server.",
            field=name,
            remedy="Write it as https://host, or unset it for Amazon's own.",
        )
    if text.lower().startswith("http:") and not allow_http:
        raise InputError(
            "It is the address of a server without TLS.",
            field=name,
            remedy="Set AWS_ALLOW_HTTP=true if that is meant.",
        )


def _checked(path: str) -> str:
    """The path itself, refused where it would leave the root."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise InputError(f"{path!r} is no path inside the data root.")
    return "/".join(parts)
