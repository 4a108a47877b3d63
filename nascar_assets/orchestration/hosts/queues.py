"""The queues of runs: a slate before lock never waits behind a release or a backfill."""

from __future__ import annotations

from collections.abc import Mapping

from nascar_assets.orchestration.tags import BACKFILL, BATCH, OF_BACKFILL

SLATES, RELEASES, RACES, BACKFILLS = "slates", "releases", "races", "backfills"
QUEUES = (SLATES, RELEASES, RACES, BACKFILLS)

_OF_SLATES = {"slate_job", "constraints_job", "portfolio_job", "contest_job", "live_job"}
_OF_RELEASES = {"fit_job", "backtest_job", "release_job"}


def queue_of(job: str, tags: Mapping[str, str]) -> str:
    """The queue that a run waits in, by its job and its tags."""
    if {BACKFILL, OF_BACKFILL, BATCH} & tags.keys():
        return BACKFILLS
    if job in _OF_SLATES:
        return SLATES
    return RELEASES if job in _OF_RELEASES else RACES
