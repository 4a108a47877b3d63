"""The race while it is run: the forecast of a race's slates as it goes on from its state."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from nascar_assets.errors import InputError
from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.inputs.live_continuity import check_goes_on
from nascar_assets.orchestration.inputs.live_forecast import (
    SCENARIOS,
    keep_live_forecast,
    keep_refusal,
    landed_state,
    live_files,
    live_series,
    make_live_forecast,
)
from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.metadata import shown, text_table
from nascar_assets.orchestration.partitions import RACES
from nascar_assets.orchestration.resources import Platform
from nascar_assets.storage import DataRoot

SHOWN = 10


class LiveRun(dg.Config):
    """Which file of a race under way a forecast is made from."""

    path: str = Field(default="", description="Under the data root; the newest if left out.")
    scenarios: int = Field(default=SCENARIOS, ge=100, le=100_000)


@dg.asset(
    partitions_def=RACES,
    group_name="scenarios",
    description="A race while it is run: its slates' forecasts as of a lap, sealed, one file a "
    "forecast under store/live_forecast/<race>/. A feed that is at fault leaves the last one.",
    kinds={"numba", "json"},
    owners=["team:model"],
    code_version="1",
    deps=[
        dg.AssetDep(
            scenarios,
            partition_mapping=dg.AllPartitionMapping(),
        )
    ],
)
def live_forecast(
    context: dg.AssetExecutionContext, config: LiveRun, platform: Platform
) -> dg.MaterializeResult[None]:
    """Goes on from the newest state of the race."""
    root, race_key = platform.root, context.partition_key
    race = schedule_rows(root, [race_key])[race_key]
    try:
        path = config.path or newest_file(root, race_key, str(race["race_id"]))
        found = landed_state(root, race, path)
        series = live_series(root, race_key)
        if series and series[-1]["lap"] == found.state.lap:  # an earlier run read the same file
            return dg.MaterializeResult(metadata=shown(lap=found.state.lap, made_from=path))
        check_goes_on(series, found.state)
        forecast = make_live_forecast(root, race_key, found.state, n=config.scenarios)
        stored = keep_live_forecast(root, forecast, datetime.now(UTC))
    except InputError as error:
        keep_refusal(root, race_key, str(error), datetime.now(UTC))
        raise dg.Failure(f"{error} The last good forecast stays.", allow_retries=False) from error
    first = next(iter(forecast["slates"].values()))
    columns = ["name", "position", "win", "points_now", "mean_points"]
    return dg.MaterializeResult(
        metadata=shown(
            lap=found.state.lap,
            scheduled_laps=found.state.scheduled_laps,
            made_from=path,
            stored=stored,
            slates=list(forecast["slates"]),
            drivers=text_table(
                columns, [[row[c] for c in columns] for row in first["drivers"][:SHOWN]]
            ),
        )
    )


def newest_file(root: DataRoot, race_key: str, race_id: str) -> str:
    """The newest file that landed of a race under way.

    Raises:
        InputError: If none did.
    """
    files = live_files(root)
    paths = [*files.get(race_id, {}), *files.get(race_key, {})]
    if not paths:
        raise InputError(
            f"No file of race {race_key} has landed.",
            remedy=f"Put its lap-times.json or live-feed.json into landing/live/{race_key}/.",
        )
    return paths[-1]
