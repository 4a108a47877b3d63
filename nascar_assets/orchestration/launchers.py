"""What carries out runs: one setting, `NASCAR_LAUNCHER`, and what each choice needs beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from importlib.util import find_spec
from urllib.parse import urlsplit

from nascar_assets.errors import EnvironmentFault, InputError

SETTING, BROKER, RUNS = "NASCAR_LAUNCHER", "NASCAR_BROKER", "NASCAR_RUNS"
STORAGE = "NASCAR_STORAGE"
IMAGE, NETWORK = "NASCAR_IMAGE", "NASCAR_DOCKER_NETWORK"
CONFIG_MAP, SECRET = "NASCAR_KUBERNETES_CONFIG", "NASCAR_KUBERNETES_SECRET"

RUNS_AT_ONCE = 2
"""How many runs go on at once (on one machine in all, elsewhere of each queue) by default."""


class Launcher(Enum):
    """What carries out the runs of sensors, schedules and people: on this machine or elsewhere."""

    DEFAULT = "default"
    CELERY = "celery"
    KUBERNETES = "kubernetes"
    DOCKER = "docker"

    @property
    def elsewhere(self) -> bool:
        """Whether runs are carried out on other machines than the daemon's."""
        return self is not Launcher.DEFAULT


# A password in an example would be hidden, as everywhere.
_RECORDS = {
    STORAGE: "the address of the records that all hosts share, as postgresql://host/database with "
    "user:password@ before the host"
}
_NEEDED: Mapping[Launcher, Mapping[str, str]] = {
    Launcher.DEFAULT: {},
    Launcher.CELERY: {
        **_RECORDS,
        BROKER: "the broker's address, as redis://host:6379/0 with :password@ before the host",
    },
    Launcher.KUBERNETES: {
        **_RECORDS,
        IMAGE: "the image of deploy/Dockerfile that runs are started from",
        CONFIG_MAP: "the config map that holds dagster.yaml",
    },
    Launcher.DOCKER: {
        **_RECORDS,
        IMAGE: "the image of deploy/Dockerfile that runs are started from",
    },
}
_PACKAGES = {
    Launcher.CELERY: "dagster_celery",
    Launcher.KUBERNETES: "dagster_k8s",
    Launcher.DOCKER: "dagster_docker",
}
_BROKERS = ("redis", "rediss", "amqp", "amqps", "pyamqp", "sqs")


def launcher() -> Launcher:
    """What `NASCAR_LAUNCHER` chooses, with all that it needs in place.

    Raises:
        InputError: If there is no such choice, or a setting that it needs is missing or malformed.
        EnvironmentFault: If the packages that it needs are not installed.
    """
    text = os.environ.get(SETTING) or Launcher.DEFAULT.value
    try:
        chosen = Launcher(text)
    except ValueError:
        known = ", ".join(item.value for item in Launcher)
        raise InputError(
            f"{text!r} is no launcher of runs.",
            field=SETTING,
            remedy=f"Set it to one of {known}, or unset it.",
        ) from None
    for name, what in _NEEDED[chosen].items():
        if not os.environ.get(name):
            raise InputError(
                f"{SETTING}={text} needs it, and it is not set.",
                field=name,
                remedy=f"Set it to {what}; docs/operations.md.",
            )
    if chosen is Launcher.CELERY:
        broker_name()
    package = _PACKAGES.get(chosen)
    if package is not None and find_spec(package) is None:
        raise EnvironmentFault(
            f"{SETTING}={text} needs packages that are not installed: nascar-assets[{text}], in a "
            f"clone `uv sync --locked --extra {text}`."
        )
    return chosen


def broker_name() -> str:
    """Host and port of the broker, without user and password.

    Raises:
        InputError: If `NASCAR_BROKER` is no address of a broker.
    """
    try:
        parts = urlsplit(os.environ.get(BROKER, ""))
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in _BROKERS or not (host or parts.scheme == "sqs"):
        raise InputError(
            "It is no address of a broker.",
            field=BROKER,
            remedy="Write it as redis://host:6379/0 with :password@ before the host, or "
            "amqp://host:5672// with user:password@ there.",
        )
    return f"{host or parts.scheme}:{port}" if port else str(host or parts.scheme)


def runs_at_once() -> int:
    """How many runs go on at once: `NASCAR_RUNS`.

    Raises:
        InputError: If it is no whole number of at least 1.
    """
    text = os.environ.get(RUNS, "").strip() or str(RUNS_AT_ONCE)
    if not text.isdecimal() or int(text) < 1:
        raise InputError(
            f"{text!r} is no number of runs.", field=RUNS, remedy="Write a whole number from 1 on."
        )
    return int(text)
