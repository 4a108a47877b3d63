"""A slate's registration and the plan of its run: what was fixed before anything was computed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from nascar_assets.errors import InputError
from nascar_assets.files import SourceFile
from nascar_assets.storage import DataRoot


@dataclass(frozen=True, slots=True)
class Registration:
    """Which salary file and which race make a slate; and how the race was found, if not by name."""

    slate_id: str
    source: SourceFile
    race_id: str
    race_key: str
    contest: str
    race_notice: str | None = None

    def save(self, root: DataRoot, salaries: bytes) -> None:
        """Writes the registration and its salary file; the slate's next run uses both.

        The slate keeps a copy of its own: contest sites give every export the same name. It lies
        there before the registration names it, and stays for those who still read the one before.

        Raises:
            InputError: If the bytes are not the file that was registered, or the key is the slate
                of another race.
        """
        self._check(salaries)
        try:
            other = Registration.load(root, self.slate_id)
        except InputError:  # there is none, or it is damaged: then this one takes its place
            other = self
        if (other.race_id, other.contest) != (self.race_id, self.contest):
            raise InputError(
                f"{self.slate_id} is the slate of race {other.race_key}, not of "
                f"{self.race_key}: nothing is replaced.",
                file=self.source.path,
                field="slate",
                remedy="Name the race with --race.",
            )
        root.write(salaries_path(self), salaries)
        root.write(registration_path(self.slate_id), _json(_stored(self)))

    def salaries(self, root: DataRoot) -> bytes:
        """The salary file that was registered.

        Raises:
            InputError: If it is gone or was changed since.
        """
        data = root.read(salaries_path(self))
        if data is None:  # registered by an earlier version, which kept one copy
            data = root.read(f"slates/{self.slate_id}/salaries.csv")
        if data is None:
            raise InputError(
                "The slate's salary file is gone.",
                file=salaries_path(self),
                remedy="Add the slate again (nascar slate add).",
            )
        self._check(data)
        return data

    def _check(self, salaries: bytes) -> None:
        found = SourceFile.of(self.source.path, salaries)
        if found != self.source:
            raise InputError(
                f"The salary file's hash is {found.sha256[:12]}, registered was "
                f"{self.source.sha256[:12]}.",
                file=self.source.path,
                remedy="Add the slate again (nascar slate add).",
            )

    @classmethod
    def load(cls, root: DataRoot, slate_id: str) -> Registration:
        """The registration of a slate.

        Raises:
            InputError: If the slate was never added.
        """
        data = root.read(registration_path(slate_id)) if slate_id.isprintable() else None
        if data is None:
            known = ", ".join(registered_slates(root)) or "none"
            raise InputError(
                f"No slate is called {slate_id!r}.",
                remedy=f"Add it with nascar slate add SALARIES.csv. Slates there: {known}.",
            )
        return _read(data, registration_path(slate_id), cls)


@dataclass(frozen=True, slots=True)
class SlatePlan:
    """What one run of a slate computes from; written once, read by every asset of the run.

    Attributes:
        as_of: The as-of time: nothing that became known later is used.
        lock: When lineups lock, the race's start.
        settings: The portfolio's settings as TOML.
        prove: Whether the portfolio's search goes on until a bound is proven.
        source: The salary file.
        run_id: Dagster's id of the run.
        without_views: Whether the run leaves out what people stated in views.
    """

    slate_id: str
    race_id: str
    race_key: str
    contest: str
    as_of: datetime
    lock: datetime
    n_scenarios: int
    seed: int
    settings: str
    source: SourceFile
    run_id: str
    prove: bool = False
    without_views: bool = False

    def kept(self) -> dict[str, Any]:
        """What the slate's next run takes over where nobody says otherwise."""
        return {"n_scenarios": self.n_scenarios, "seed": self.seed, "settings": self.settings}

    def save(self, root: DataRoot) -> None:
        """Writes the plan as JSON."""
        content = _stored(self) | {"as_of": self.as_of.isoformat(), "lock": self.lock.isoformat()}
        root.write(plan_path(self.slate_id), _json(content))

    @classmethod
    def load(cls, root: DataRoot, slate_id: str) -> SlatePlan:
        """The plan of a slate's newest run.

        Raises:
            InputError: If the slate was never run.
        """
        found = cls.find(root, slate_id)
        if found is None:
            raise InputError(
                f"The slate {slate_id} has not been run.",
                remedy=f"Run it with nascar slate run {slate_id}.",
            )
        return found

    @classmethod
    def find(cls, root: DataRoot, slate_id: str) -> SlatePlan | None:
        """The plan of a slate's newest run; none where it was never run."""
        data = root.read(plan_path(slate_id)) if slate_id.isprintable() else None
        if data is None:
            return None
        return _read(data, plan_path(slate_id), cls)


def registration_path(slate_id: str) -> str:
    """Where a slate's registration lies."""
    return f"slates/{slate_id}/registration.json"


def salaries_path(registration: Registration) -> str:
    """Where a slate's own copy of a salary file lies: each file that was registered has its own."""
    sha256 = registration.source.sha256
    return f"slates/{registration.slate_id}/salaries-{sha256[:12]}.csv"


def plan_path(slate_id: str) -> str:
    """Where the plan of a slate's newest run lies."""
    return f"store/slate_plan/{slate_id}.json"


def registered_slates(root: DataRoot) -> list[str]:
    """The keys of all slates that were added, sorted."""
    suffix = "/registration.json"
    return [
        item.path.removeprefix("slates/").removesuffix(suffix)
        for item in root.list("slates")
        if item.path.endswith(suffix)
    ]


def registrations(
    root: DataRoot, slates: Iterable[str] | None = None
) -> tuple[dict[str, Registration], dict[str, InputError]]:
    """Slates' registrations by key, and what is wrong with those that cannot be read.

    Args:
        slates: Their keys; all that were added where none are given.
    """
    found, damaged = {}, {}
    for slate_id in registered_slates(root) if slates is None else slates:
        try:
            found[slate_id] = Registration.load(root, slate_id)
        except InputError as error:
            damaged[slate_id] = error
    return found, damaged


def slate_plans(root: DataRoot) -> list[SlatePlan]:
    """The plans of all slates that were run and whose plan can be read."""
    found = []
    for slate_id in registered_slates(root):
        with suppress(InputError):
            if (plan := SlatePlan.find(root, slate_id)) is not None:
                found.append(plan)
    return found


T = TypeVar("T", Registration, SlatePlan)


def _stored(value: Registration | SlatePlan) -> dict[str, Any]:
    content = asdict(value)
    source = content.pop("source")
    return content | {"salary_path": source["path"], "salary_sha256": source["sha256"]}


def _read(data: bytes, path: str, kind: type[T]) -> T:
    try:
        content = json.loads(data)
        content["source"] = SourceFile(content.pop("salary_path"), content.pop("salary_sha256"))
        for name in {"as_of", "lock"} & content.keys():
            content[name] = datetime.fromisoformat(content[name])
        return kind(**content)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            "The slate's own record is damaged.",
            file=path,
            remedy="Add the slate again (nascar slate add) and run it.",
        ) from error


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()
