"""`nascar worker`: carries out runs of this home on this host, from the broker's queues."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output, say
from nascar_assets.errors import InputError

SWEEP = timedelta(hours=1)
"""How often output of runs that are in the records no more is deleted from this host."""


def worker(
    home: Home,
    queues: Annotated[
        str | None,
        typer.Option(help="Queues to take runs from, with commas between them; all by default."),
    ] = None,
    hands: Annotated[int, typer.Option(min=1, help="How many runs go on at once.")] = 1,
    as_json: Json = False,
) -> None:
    """Takes runs from the broker (NASCAR_LAUNCHER=celery) until it is stopped.

    SIGTERM or Ctrl-C lets it end what it has in hand and take no more; a second one ends it at
    once, and another host starts again what it had.

    Example: nascar worker --queues slates,races --hands 2
    """
    from nascar_assets.orchestration.automation.sensor_runs import notify_lost
    from nascar_assets.orchestration.hosts.presence import host_name, name_is_taken
    from nascar_assets.orchestration.hosts.queues import QUEUES
    from nascar_assets.orchestration.launchers import SETTING, Launcher, broker_name, launcher
    from nascar_assets.orchestration.storage.instance import open_instance
    from nascar_assets.orchestration.storage.retention import forget_outputs

    if launcher() is not Launcher.CELERY:
        raise InputError(
            "Workers take runs from a broker, and no broker is chosen.",
            field=SETTING,
            remedy="Set it to celery, here and where nascar ui runs; docs/operations.md.",
        )
    wanted = [name.strip() for name in queues.split(",")] if queues else [*QUEUES]
    if unknown := [name for name in wanted if name not in QUEUES]:
        raise InputError(
            f"{', '.join(map(repr, unknown))} is no queue.",
            field="--queues",
            remedy=f"There are {', '.join(QUEUES)}.",
        )
    os.environ["NASCAR_HOME"] = home if "://" in home else os.path.abspath(home)
    instance = open_instance(home)
    if name_is_taken(instance):
        raise InputError(
            f"Another machine named {host_name()} is at work on these records, and each would end "
            "the other's runs.",
            remedy="Give each machine a name of its own (hostnamectl set-hostname NAME).",
        )
    from nascar_assets.orchestration.hosts.celery_worker import run_worker

    say(f"Takes runs of {', '.join(wanted)} from {broker_name()}, {hands} at once; Ctrl-C ends it.")
    Output(as_json).result({"queues": wanted, "broker": broker_name(), "hands": hands})
    swept = datetime.now(UTC)

    def look_after() -> None:
        nonlocal swept
        notify_lost(instance, own=True)
        if (now := datetime.now(UTC)) - swept > SWEEP:
            swept = now
            # Beside: this thread says that the machine lives, and may not stand still.
            threading.Thread(target=forget_outputs, args=(instance, now), daemon=True).start()

    run_worker(instance, wanted, hands, look_after)
