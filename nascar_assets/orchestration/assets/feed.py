"""Feed: the schedule, and for each race the files that landed, its entries and its practice."""

import hashlib

import dagster as dg
import polars as pl

from nascar_assets.columns import feed as columns
from nascar_assets.columns.column import types_of
from nascar_assets.errors import EnvironmentFault
from nascar_assets.feed.landing import LANDING
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.feed.paths import RACE_KINDS, race_path
from nascar_assets.feed.sources import PARSED, Source
from nascar_assets.orchestration.assets.race_tables import RaceInputs, RaceOutput, race_table
from nascar_assets.orchestration.inputs.schedule import landed_schedule
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform


@dg.asset(
    group_name="feed",
    description="Every race of the landed seasons: what, where, when, and whether it was run.",
    kinds={"polars", "json"},
    owners=["team:data"],
)
def schedule(context: dg.AssetExecutionContext, platform: Platform) -> pl.DataFrame:
    """One row per race; keys once given are kept when the schedule moves."""
    parsed = landed_schedule(platform.root)
    if parsed.notices:
        context.add_output_metadata(shown({"notices": list(parsed.notices)}))
    return parsed.frame


def race_payload(inputs: RaceInputs, kind: str) -> bytes | None:
    """One landed file of a race, none where the feed does not have it; see `listed_file`."""
    return listed_file(inputs, landed_path(inputs, kind))


def listed_file(inputs: RaceInputs, path: str) -> bytes | None:
    """A file of a race as `race_files` lists it, none where it does not.

    All tables of a race are made from the same files, also while one is being replaced.

    Raises:
        EnvironmentFault: If the file is another one by now.
    """
    files = inputs.table("race_files").filter(pl.col("path") == path)
    if files.is_empty():
        return None
    data = inputs.root.read(path)
    if data is None or hashlib.sha256(data).hexdigest() != files["sha256"][0]:
        raise EnvironmentFault(
            f"{path} was replaced while its race was being run. The sensor runs the race again; "
            f"without a daemon, run race_job for {inputs.key}, which lists its files anew."
        )
    return data


def landed_path(inputs: RaceInputs, kind: str) -> str:
    """Where one of a race's feed files lies, whether it has landed or not."""
    race = inputs.race
    return f"{LANDING}/{race_path(kind, race['season'], race['series'], race['race_id'])}"


def dropped_laps_path(inputs: RaceInputs) -> str:
    """Where canonical laps of a race lie that were dropped in `landing/telemetry`."""
    return f"landing/laps/{inputs.key}.parquet"


def dropped_folder(inputs: RaceInputs) -> str:
    """Where flag data and snapshots of the live feed lie that were dropped for a race."""
    return f"landing/laps/{inputs.key}"


def _race_files(inputs: RaceInputs) -> RaceOutput:
    paths = {landed_path(inputs, kind): kind for kind in RACE_KINDS}
    paths[dropped_laps_path(inputs)] = "laps"
    for item in inputs.root.list(dropped_folder(inputs)):
        name = item.path.rsplit("/", 1)[-1]
        paths[item.path] = "flag_data" if name == "live-flag-data.json" else "live_feed"
    rows = []
    for path, kind in paths.items():
        data = inputs.root.read(path)
        if data is None:
            continue
        digest = hashlib.sha256(data).hexdigest()
        rows.append({"kind": kind, "path": path, "bytes": len(data), "sha256": digest})
    frame = pl.DataFrame(rows, schema=types_of(columns.RACE_FILES))
    missing = [] if "weekend" in frame["kind"] else ["The weekend feed has not landed."]
    return RaceOutput(
        frame,
        failures=missing,
        metadata={"files": rows},
    )


race_files = race_table(
    "race_files",
    _race_files,
    group="feed",
    description="The feed files of a race as they landed, each with its size and SHA-256.",
    check="weekend_feed_landed",
    check_description="Without the weekend feed nothing else of the race can be made.",
    deps=[schedule],
    kinds={"json", "parquet"},
)


def _entries(inputs: RaceInputs) -> RaceOutput:
    payload = race_payload(inputs, "weekend")
    assert payload is not None  # the blocking check on race_files holds this
    parsed = parse_entries(payload, inputs.race)
    file = landed_path(inputs, "weekend")
    failures = [] if parsed.frame.height else [f"{file}: The entry list is empty."]
    return RaceOutput(parsed.frame, parsed.notices, failures=failures)


entries = race_table(
    "entries",
    _entries,
    group="feed",
    description="The cars of a race with what is known before it: driver, team, start.",
    check="entry_list_present",
    check_description="The entry list holds at least one car.",
    deps=[race_files],
    code_version="2",
)


def _parsed_table(source: Source) -> dg.AssetsDefinition:
    """The table of a source that one file of the feed holds; see `feed.sources`."""
    parse, keys = source.parse, [name.removesuffix("_id") for name in source.key]
    assert parse is not None  # of one of `PARSED`

    def compute(inputs: RaceInputs) -> RaceOutput:
        payload = race_payload(inputs, source.file)
        if payload is None:
            empty = pl.DataFrame(schema=dict(source.columns))
            return RaceOutput(empty, [f"The feed has no {source.label}."])
        weekend = race_payload(inputs, "weekend")
        assert weekend is not None  # the blocking check on race_files holds this
        parsed = parse(payload, inputs.race, parse_entries(weekend, inputs.race).frame)
        doubles = parsed.frame.height - parsed.frame.select(source.key).n_unique()
        failures = [f"{doubles} rows repeat a {' and '.join(keys)}."] if doubles else []
        failures += inputs.emptied(source.table, parsed.frame, [landed_path(inputs, source.file)])
        return RaceOutput(parsed.frame, parsed.notices, failures=failures)

    return race_table(
        source.table,
        compute,
        group="feed",
        description=f"The {source.label} of a race by {' and '.join(keys)}; empty where the feed "
        "has none.",
        check=f"one_row_per_{'_and_'.join(keys)}",
        check_description=f"No two rows are of the same {' and '.join(keys)}.",
        deps=[race_files],
        code_version="2",
    )


parsed_tables = [_parsed_table(source) for source in PARSED]
