"""Every setting of the service, from the environment (`NASCAR_API_*`)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from nascar_assets.errors import InputError
from nascar_assets.orchestration.commands.host_names import host_name
from nascar_assets.service.clients import parse_limit

PREFIX = "NASCAR_API_"

_OF_KUBERNETES = re.compile(
    r"(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=.*|PORT=\w+://.*"
)
"""What Kubernetes puts into pods beside a service named nascar-api; none is a setting of ours."""


def _listed(value: Any) -> Any:
    """A text with commas as a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
_OWN_PORT = {"http": ":80", "https": ":443"}

Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class ServiceSettings(BaseModel):
    """How the service behaves. Each field is `NASCAR_API_` and its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(default=2, ge=1, le=64, description="Resident worker processes.")
    spare_workers: int = Field(
        default=1,
        ge=0,
        le=64,
        description="Workers besides those, kept warm: one takes over where another has died, and "
        "takes jobs of clients who have none at work.",
    )
    job_seconds: float = Field(
        default=300.0, gt=0, description="Time limit of one job; past it the job fails."
    )
    max_attempts: int = Field(
        default=3, ge=1, le=20, description="How often a job whose worker dies is taken up."
    )
    max_queued: int = Field(
        default=200, ge=1, description="Unfinished jobs that one client may have."
    )
    keep_jobs: int = Field(
        default=1_000, ge=1, description="Ended jobs kept of each client, the newest."
    )
    keep_days: float = Field(
        default=30.0, gt=0, le=3_650, description="How long an ended job is kept."
    )
    max_connections: int = Field(
        default=512,
        ge=16,
        le=65_536,
        description="Connections held at once; past it the one that waits longest goes, of the "
        "client who holds most.",
    )
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, description="Largest request body.")
    rate_limit: str = Field(
        default="10/minute",
        description="Requests to POST /api/v1/optimize for each client; empty: no limit.",
    )
    poll_limit: str = Field(
        default="1200/minute",
        description="Other requests under /api/v1 for each client; empty: no limit.",
    )
    page_limit: str = Field(
        default="6000/minute",
        description="Requests for the slate board's page and its files for each client; empty: no "
        "limit.",
    )
    trusted_proxies: Listed = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-For is believed.",
    )
    cors_origins: Listed = Field(
        default=(), description="Origins of pages that may call the service; none by default."
    )
    hosts: Listed = Field(
        default=(),
        description="Names of this server besides `localhost` and addresses. Where no key is "
        "needed, requests to other names are refused.",
    )
    keys_file: str | None = Field(
        default=None,
        description="File with lines `name sha256` of API keys; where it is set a key is needed.",
    )
    webhook_secret: str | None = Field(
        default=None,
        min_length=16,
        repr=False,
        description="Secret that signs webhooks; without it webhooks are refused.",
    )
    webhook_private: bool = Field(
        default=False,
        description="Whether webhooks may go to loopback and private addresses, and to ports other "
        "than 80 and 443.",
    )
    webhook_attempts: int = Field(
        default=8, ge=1, le=50, description="How often one delivery is tried."
    )
    webhook_backoff: float = Field(
        default=1.0, gt=0, description="Seconds before the second try; doubled for each further."
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="Least level of the service's own logs: DEBUG, INFO, WARNING or ERROR.",
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_given(cls, values: dict[str, Any]) -> dict[str, Any]:
        """As with every other setting: Compose files pass on what nobody set as an empty text.

        Of a limit it is a value of its own: none.
        """
        return {
            name: value
            for name, value in values.items()
            if value != "" or name not in cls.model_fields or name.endswith("_limit")
        }

    @field_validator("rate_limit", "poll_limit", "page_limit")
    @classmethod
    def _is_a_limit(cls, value: str) -> str:
        parse_limit(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ipaddress.ip_network(item, strict=False)
        return value

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host_name(item) for item in value)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """As browsers send them: lower case, without the scheme's own port."""
        origins = []
        for item in value:
            found = _ORIGIN.fullmatch(item.lower())
            if found is not None:
                origins.append(found[0].removesuffix(_OWN_PORT[found[1]]))
            elif item == "*":
                origins.append(item)
            else:
                raise ValueError(
                    f"{item!r} is no origin; write it as https://example.org, with no path and no *"
                )
        return tuple(origins)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **overrides: Any
    ) -> ServiceSettings:
        """The settings of an environment.

        Args:
            environment: Where to read; the process's own where none is given.
            overrides: Settings that count more than the environment; none values do not.

        Raises:
            InputError: If a setting is unknown or malformed; its name says which.
        """
        given = os.environ if environment is None else environment
        values: dict[str, Any] = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in given.items()
            if name.startswith(PREFIX)
            and not _OF_KUBERNETES.fullmatch(f"{name.removeprefix(PREFIX)}={value}")
        }
        values |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0]).upper() if first["loc"] else "?"
            raise InputError(
                f"{first['msg'].removeprefix('Value error, ')}.", field=f"{PREFIX}{name}"
            ) from error


def settings_markdown() -> str:
    """The table of all settings, as Markdown."""
    lines = ["| setting | default | what it does |", "| --- | --- | --- |"]
    for name, field in ServiceSettings.model_fields.items():
        default = field.default
        shown = "none" if default in (None, ()) else f"`{default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description or ''} |")
    return "\n".join([*lines, ""])
