"""What a person asks of a portfolio: one model for the command line, Dagster and the API."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from nascar_assets.errors import InputError
from nascar_assets.lineups.objectives import ObjectiveSettings
from nascar_assets.lineups.settings_rows import row_of

Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
Factor = Annotated[float, Field(strict=True, gt=0.0, le=10.0, allow_inf_nan=False)]
Dollars = Annotated[float, Field(strict=True, ge=0.0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000)]
# No control characters, and nothing that is no text at all.
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=200)]


_MAX_LETTERS = 200_000


class SettingsError(InputError):
    """A portfolio setting that cannot be understood or cannot be right by itself."""


class _UnknownKey(ValueError):
    """A key that no setting has."""

    def __init__(self, key: str, nearest: str) -> None:
        super().__init__(f"unknown setting {key!r}; the nearest known one is {nearest!r}")
        self.key = key


class _Settings(BaseModel):
    """Frozen, and closed: an unknown key is an error that names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        aliases = {field.alias or name: name for name, field in cls.model_fields.items()}
        for key in data:
            if key not in aliases and key not in aliases.values():
                nearest = difflib.get_close_matches(str(key), list(aliases), n=1, cutoff=0.0)[0]
                raise _UnknownKey(str(key), nearest)
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for low, high in (("at_least", "at_most"), ("min_exposure", "max_exposure")):
            lower, upper = getattr(self, low, None), getattr(self, high, None)
            if lower is not None and upper is not None and lower > upper:
                raise ValueError(f"{low} ({lower:g}) is above {high} ({upper:g})")
        return self


class DriverSettings(_Settings):
    """One driver's settings.

    Attributes:
        min_exposure: Least share of the portfolio's lineups that hold the driver.
        max_exposure: Most.
        lock: Whether every lineup must hold the driver.
        exclude: Whether no lineup may.
        ownership: Expected share of the field's lineups that hold the driver.
        points_multiplier: Factor on the driver's points in every scenario, rounded to the grid.
        max_dollars: Most dollars of fees on entries that hold the driver, over all contests of an
            entries file.
    """

    min_exposure: Share | None = None
    max_exposure: Share | None = None
    lock: StrictBool = False
    exclude: StrictBool = False
    ownership: Share | None = None
    points_multiplier: Factor = 1.0
    max_dollars: Dollars | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lock and self.exclude:
            raise ValueError("lock and exclude are both set; a driver can be one of the two")
        return self


class TeamSettings(_Settings):
    """How many of a team's drivers one lineup may hold."""

    at_least: Count | None = None
    at_most: Count | None = None


class GroupSettings(_Settings):
    """A group of drivers.

    Attributes:
        drivers: Names or ids.
        name: What to call the group; its drivers where none.
        at_least: Least drivers of the group in each lineup.
        at_most: Most drivers of the group in each lineup.
        min_exposure: Least share of lineups that hold one of the group or more.
        max_exposure: Most.
        max_dollars: Most dollars of fees on entries that hold one of the group or more.
    """

    drivers: Names
    name: Name | None = None
    at_least: Count | None = None
    at_most: Count | None = None
    min_exposure: Share | None = None
    max_exposure: Share | None = None
    max_dollars: Dollars | None = None


class RuleSettings(_Settings):
    """If a lineup holds every driver of `if`, it holds so many of `then`.

    Attributes:
        when: The drivers of `if`.
        then: The drivers that are counted.
        at_least: Least of them; 1 where neither bound is given.
        at_most: Most of them.
    """

    when: Names = Field(alias="if")
    then: Names
    at_least: Count | None = None
    at_most: Count | None = None


class ContestSettings(ObjectiveSettings, _Settings):
    """What a person asks of the lineups of some contests of an entries file.

    What it does not say holds as for the slate's portfolio; `drivers` come beside those of the
    portfolio, the same driver in their place.

    Attributes:
        name: Pattern of the contests' names (`*double up*`), case free; `*` is any text, `?` any
            letter.
        id: Pattern of the site's ids.
        lineups: Distinct lineups; as many as there are entries where none is given.
        max_entries: Most entries that one of these contests may have in the file.
        payout: As in the portfolio's settings.
        max_shared: As there.
        drivers: As there, but for `max_dollars`, which is over all contests.
        repeat: Whether lineups of contests before may come again.
    """

    name: Name | None = None
    id: Name | None = None
    lineups: Annotated[int, Field(strict=True, ge=1, le=500)] | None = None
    max_entries: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    payout: Name | None = None
    max_shared: Count | None = None
    drivers: dict[Name, DriverSettings] = Field(default_factory=dict, max_length=200)
    repeat: StrictBool = False

    @field_validator("drivers")
    @classmethod
    def _no_dollars(cls, drivers: dict[str, DriverSettings]) -> dict[str, DriverSettings]:
        for name, driver in drivers.items():
            if driver.max_dollars is not None:
                raise ValueError(
                    f"max_dollars of {name} is over all contests: put it under [drivers]"
                )
        return drivers

    @model_validator(mode="after")
    def _names_contests(self) -> Self:
        if self.name is None and self.id is None:
            raise ValueError("a section of contests needs a name or an id, or a pattern of one")
        return self


class PortfolioSettings(ObjectiveSettings, _Settings):
    """Everything that a person can ask of a portfolio, beside its objective.

    Attributes:
        lineups: Distinct lineups wanted.
        max_shared: Most drivers that any two lineups may have in common.
        salary_min: Least dollars that a lineup costs.
        payout: File with the contest's payout table, or a preset's name (`cash`, `single-entry`,
            `20-max`, `150-max`), for the objective `payout`.
        ownership_max: Most that the expected ownerships of a lineup's drivers add up to.
        teams: Limits by team name.
        drivers: Settings by driver: name, site id or driver id.
        groups: Groups of drivers.
        rules: If-then rules.
        contests: What contests of an entries file are filled with, the first that fits.
    """

    lineups: Annotated[int, Field(strict=True, ge=1, le=500)] = 20
    max_shared: Count | None = None
    salary_min: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    payout: Name | None = None
    ownership_max: Annotated[float, Field(strict=True, gt=0.0, le=1_000.0)] | None = None
    teams: dict[Name, TeamSettings] = Field(default_factory=dict, max_length=200)
    drivers: dict[Name, DriverSettings] = Field(default_factory=dict, max_length=200)
    groups: Annotated[tuple[GroupSettings, ...], Field(max_length=200)] = ()
    rules: Annotated[tuple[RuleSettings, ...], Field(max_length=200)] = ()
    contests: Annotated[tuple[ContestSettings, ...], Field(max_length=200)] = ()

    @classmethod
    def of(cls, settings: PortfolioSettings | Mapping[str, Any] | None) -> PortfolioSettings:
        """Settings as they are, made of plain data, or the defaults where there are none.

        Raises:
            SettingsError: Naming the setting at fault.
        """
        if settings is None:
            return cls()
        if isinstance(settings, PortfolioSettings):
            return settings
        return cls.from_mapping(settings)

    @classmethod
    def from_mapping(
        cls, data: Mapping[str, Any], *, file: str | None = None, text: str | None = None
    ) -> Self:
        """Settings from plain data.

        Args:
            data: The settings.
            file: Name of the file that they come from, for messages.
            text: That file, to name the row at fault.

        Raises:
            SettingsError: Naming the setting at fault, and file and row where given.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = list(first["loc"])
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, _UnknownKey):
                path.append(cause.key)
            words = first["msg"].removeprefix("Value error, ")
            if first["type"] != "value_error":
                words = f"{words[0].lower()}{words[1:]}, not {repr(first['input'])[:80]}"
            raise SettingsError(
                f"{words}.",
                file=file,
                row=None if text is None else row_of(text, path),
                field=".".join(str(part) for part in path) or None,
            ) from error

    @classmethod
    def from_toml(cls, text: str, *, file: str | None = None) -> Self:
        """Settings from TOML, also with a byte order mark or an old Mac's line ends.

        Raises:
            SettingsError: If it is no TOML, is larger or nested deeper than settings are, or a
                setting is at fault.
        """
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        if len(text) > _MAX_LETTERS:
            raise SettingsError(
                f"the settings have more than {_MAX_LETTERS:,} letters, the most that is read.",
                file=file,
                remedy="Check that it is the right file.",
            )
        # The time and memory that a dotted key takes grow with the square of its dots.
        dotted = next((n for n, at in enumerate(text.split("\n"), 1) if at.count(".") > 200), None)
        if dotted is not None:
            raise SettingsError("the line has more than 200 dots.", file=file, row=dotted)
        try:
            data = tomllib.loads(text)
        except ValueError as error:
            line = re.search(r"at line (\d+)", str(error))
            raise SettingsError(
                f"not valid TOML: {error}.", file=file, row=int(line[1]) if line else None
            ) from error
        except RecursionError as error:
            raise SettingsError("the settings are nested too deep.", file=file) from error
        return cls.from_mapping(data, file=file, text=text)
