"""`nascar export`: a home's stored tables as one DuckDB database, or as Parquet with a catalogue.

Every table of the data dictionary is there, empty where the home has none of it yet, with the rows
of all its partitions and their key in `partition_key` before the columns. Nothing else is changed,
so that what is exported is what is stored.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.dictionary import TABLES, Table, table_of
from nascar_assets.orchestration.inputs.slate_change import all_whole
from nascar_assets.processes import born
from nascar_assets.rules.sites import RULE_SETS
from nascar_assets.storage import DataRoot

if TYPE_CHECKING:
    import duckdb

PARTITION_KEY = "partition_key"
CACHES = frozenset({"landing_index"})
"""Tables that hold nothing but what the program notes for itself."""

CATALOGUE = "catalogue.json"
_DRAFT = ".export."
_ROWS_AT_ONCE = 500_000
_PARTITION = "Key of the race or slate that the row's file is of; for sealed forecasts version and "
_PARTITION += "race; null for a table of one file."

_MADE_BY_DUCKDB = b"DUCK"
"""Bytes 8 to 12 of a DuckDB file."""


def export_duckdb(root: DataRoot, target: Path, names: Sequence[str] = ()) -> dict[str, int]:
    """Writes the tables of a home into a new DuckDB file, which then takes the place of an old one.

    Tables, columns and views have their descriptions as comments, and the table `catalogue` holds
    the data dictionary. Times are UTC without a zone.

    Args:
        target: The file.
        names: The tables; all if left out. Views are made where all tables are.

    Returns:
        Rows by table.

    Raises:
        InputError: If a name is of no table, or another file lies there that is no database.
        EnvironmentFault: If it cannot be written.
    """
    import duckdb

    chosen = _chosen(names)
    _in_folders(target)
    if target.is_dir():
        raise InputError(
            f"{target} is a folder; a database is one file.",
            remedy=f"Name a file, as {target / 'nascar.duckdb'}.",
        )
    if target.exists() and not _is_database(target):
        raise InputError(
            f"{target} is no DuckDB database and is not written over.",
            remedy="Name another file.",
        )
    try:
        with _draft(target.parent, f".{target.name}{_DRAFT}") as draft:
            rows = all_whole(root, lambda: _fill(draft / target.name, root, chosen))
            (draft / target.name).replace(target)
    except (OSError, duckdb.IOException) as error:
        raise EnvironmentFault(f"{target} cannot be written: {error}") from error
    return rows


def _fill(path: Path, root: DataRoot, chosen: Sequence[str]) -> dict[str, int]:
    import duckdb

    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as database:
        database.begin()  # one commit: the disk is waited for once
        rows = {name: _load(database, root, name) for name in chosen}
        _describe(database, chosen)
        if len(chosen) == len(_chosen(())):
            for view, (meaning, query) in VIEWS.items():
                database.execute(f"CREATE VIEW {view} AS {query}")
                database.execute(f"COMMENT ON VIEW {view} IS {_text(meaning)}")
        database.commit()
    return rows


def export_parquet(root: DataRoot, folder: Path, names: Sequence[str] = ()) -> dict[str, int]:
    """Writes each table into one Parquet file, with `catalogue.json`, which describes them all.

    Of an earlier export its own files alone are removed: what else lies there stays.

    Args:
        folder: A new folder, an empty one, or one that an earlier export made.
        names: The tables; all if left out.

    Returns:
        Rows by table.

    Raises:
        InputError: If a name is of no table, or the folder holds something else or is a file.
        EnvironmentFault: If it cannot be written.
    """
    chosen = _chosen(names)
    _in_folders(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is a file; tables are written into a folder.",
            remedy="Name a folder.",
        )
    old = _exported(folder)
    new = [CATALOGUE, *(f"{name}.parquet" for name in chosen)]
    others = [name for name in new if name not in old and (folder / name).exists()]
    held = list(folder.iterdir()) if folder.exists() else []
    if others or (not old and len(held) > len(_drafts(folder, _DRAFT))):
        raise InputError(
            f"{folder} holds other files and is not written over.",
            remedy="Name a new folder.",
        )
    try:
        with _draft(folder, _DRAFT) as draft:
            rows = all_whole(root, lambda: _write(draft, root, chosen))
            said = {
                "version": metadata.version("nascar-assets"),
                "tables": {name: _entry(name, rows[name]) for name in chosen},
            }
            (draft / CATALOGUE).write_text(json.dumps(said, indent=1) + "\n")
            for name in old:
                (folder / name).unlink(missing_ok=True)
            # The catalogue first: where this is stopped, it names what was written.
            for name in new:
                (draft / name).replace(folder / name)
    except OSError as error:
        raise EnvironmentFault(f"{folder} cannot be written: {error}") from error
    return rows


def _write(draft: Path, root: DataRoot, chosen: Sequence[str]) -> dict[str, int]:
    rows = {}
    for name in chosen:
        parts = list(_frames(root, name))
        table = pl.concat(parts) if parts else pl.DataFrame(schema=_schema(TABLES[name]))
        table.write_parquet(draft / f"{name}.parquet")
        rows[name] = table.height
    return rows


@contextmanager
def _draft(folder: Path, start: str) -> Iterator[Path]:
    """A folder for what is not whole yet; those of exports that were killed are removed.

    In a container the number of a process that was killed is often that of the next one.
    """
    for path, pid in _drafts(folder, start).items():
        if pid == os.getpid() or born(pid) is None:
            shutil.rmtree(path, ignore_errors=True)
    draft = folder / f"{start}{os.getpid()}"
    draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _drafts(folder: Path, start: str) -> dict[Path, int]:
    """The drafts of exports in a folder, each with the number of its process."""
    numbers = {path: path.name.removeprefix(start) for path in folder.glob(".*")}
    return {path: int(text) for path, text in numbers.items() if text.isdecimal()}


def _in_folders(path: Path) -> None:
    """Refuses a path below something that is no folder.

    Raises:
        InputError: If it lies below a file.
    """
    there = next((above for above in path.parents if above.exists()), None)
    if there is not None and not there.is_dir():
        raise InputError(
            f"{there} is a file, so {path} cannot lie in it.", remedy="Name another place."
        )


def _exported(folder: Path) -> list[str]:
    """Names of the files that an earlier export wrote into a folder, by its catalogue."""
    try:
        said = json.loads((folder / CATALOGUE).read_text())
        names = [Path(name).name for name in dict(said["tables"])] if "version" in said else []
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [CATALOGUE, *(f"{name}.parquet" for name in names)] if names else []


def _chosen(names: Sequence[str]) -> list[str]:
    known = [name for name in TABLES if name not in CACHES]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(
            f"There is no table {', '.join(unknown)}.",
            field="--table",
            remedy=f"The tables are {', '.join(known)}.",
        )
    return [name for name in known if name in names] if names else known


def stored_files(root: DataRoot, name: str) -> dict[str | None, str]:
    """The files of a table under a home by partition key; none as the key of a single file."""
    if not TABLES[name].files and root.exists(f"store/{name}.parquet"):
        return {None: f"store/{name}.parquet"}
    folder = f"store/{name}" if not TABLES[name].files else TABLES[name].files.split("/*")[0]
    paths = sorted(item.path for item in root.list(folder) if table_of(item.path) == name)
    return {_key(path.removeprefix(f"{folder}/")): path for path in paths}


def _key(path: str) -> str:
    """`cup-1f2e/9111` of `cup-1f2e/forecasts/9111.parquet`, `2026-cup-05` of its file."""
    folder, _, name = path.removesuffix(".parquet").rpartition("/")
    return f"{folder.split('/')[0]}/{name}" if folder else name


def _schema(table: Table) -> dict[str, Any]:
    return {PARTITION_KEY: pl.String, **{name: c.kind for name, c in table.columns.items()}}


def _frames(root: DataRoot, name: str) -> Iterator[pl.DataFrame]:
    """A table's rows in frames of a bounded size, the partitions in order of their keys."""
    table = TABLES[name]
    kinds = {column: item.kind for column, item in table.columns.items()}
    kept: list[pl.DataFrame] = []
    for key, path in stored_files(root, name).items():
        frame = root.scan_frame(path, schema=kinds).collect()
        key_column = pl.lit(key, pl.String).alias(PARTITION_KEY)
        kept.append(frame.select(key_column, pl.all()))
        if sum(part.height for part in kept) >= _ROWS_AT_ONCE:
            yield pl.concat(kept)
            kept = []
    if kept:
        yield pl.concat(kept)


def _load(database: duckdb.DuckDBPyConnection, root: DataRoot, name: str) -> int:
    table = TABLES[name]
    columns = ", ".join(f"{_name(c)} {_kind(k)}" for c, k in _schema(table).items())
    database.execute(f"CREATE TABLE {_name(name)} ({columns})")
    rows = 0
    for frame in _frames(root, name):
        naive = frame.with_columns(pl.col(pl.Datetime("us", "UTC")).dt.replace_time_zone(None))
        database.register("rows_to_come", naive.to_arrow())
        database.execute(f"INSERT INTO {_name(name)} SELECT * FROM rows_to_come")
        database.unregister("rows_to_come")
        rows += frame.height
    return rows


def _describe(database: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    said = []
    for name in names:
        table = TABLES[name]
        database.execute(f"COMMENT ON TABLE {_name(name)} IS {_text(table.row)}")
        comments = {PARTITION_KEY: _PARTITION} | {c: i.text for c, i in table.columns.items()}
        for column, comment in comments.items():
            where = f"{_name(name)}.{_name(column)}"
            database.execute(f"COMMENT ON COLUMN {where} IS {_text(comment)}")
        for column, item in table.columns.items():
            said.append((name, column, _kind(item.kind), item.unit, item.meaning, item.source))
    columns = ("table_name", "column_name", "type", "unit", "meaning", "source")
    kinds = ", ".join(f"{column} VARCHAR" for column in columns)
    database.execute(f"CREATE TABLE catalogue ({kinds})")
    database.executemany("INSERT INTO catalogue VALUES (?, ?, ?, ?, ?, ?)", said)
    database.execute("COMMENT ON TABLE catalogue IS 'The data dictionary: one row per column.'")


def _entry(name: str, rows: int) -> dict[str, Any]:
    """What the catalogue says of a table."""
    table = TABLES[name]
    return {
        "file": f"{name}.parquet",
        "rows": rows,
        "row": table.row,
        "key": [PARTITION_KEY, *table.key],
        "columns": [
            {"name": PARTITION_KEY, "type": "String", "unit": "", "meaning": _PARTITION},
            *(
                {
                    "name": column,
                    "type": str(item.kind),
                    "unit": item.unit,
                    "meaning": item.meaning,
                    "source": item.source,
                }
                for column, item in table.columns.items()
            ),
        ],
    }


_KINDS = {
    pl.String: "VARCHAR",
    pl.Boolean: "BOOLEAN",
    pl.Int8: "TINYINT",
    pl.Int16: "SMALLINT",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Float32: "FLOAT",
    pl.UInt8: "UTINYINT",
    pl.UInt16: "USMALLINT",
    pl.UInt32: "UINTEGER",
    pl.UInt64: "UBIGINT",
    pl.Date: "DATE",
    pl.Binary: "BLOB",
    pl.Categorical: "VARCHAR",
}


def _kind(kind: Any) -> str:
    """A column's type in DuckDB."""
    if isinstance(kind, pl.List):
        return f"{_kind(kind.inner)}[]"
    if isinstance(kind, pl.Struct):
        return f"STRUCT({', '.join(f'{_name(f.name)} {_kind(f.dtype)}' for f in kind.fields)})"
    if isinstance(kind, pl.Enum):
        return f"ENUM({', '.join(_text(word) for word in kind.categories)})"
    if isinstance(kind, pl.Datetime):
        return "TIMESTAMP"
    return next(words for plain, words in _KINDS.items() if kind == plain)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[8:] == _MADE_BY_DUCKDB


def _in_points() -> str:
    """The points of a scenario's row in contest points, whichever contest the slate is of."""
    scales = {rules.key: rules.points_scale for rules in RULE_SETS}
    parts = (f"points_{key.replace('-', '_')} / {scale}.0" for key, scale in scales.items())
    return f"coalesce({', '.join(parts)})"


VIEWS: Mapping[str, tuple[str, str]] = {
    "lineup_players": (
        "What each slate's portfolio took its players for: one row per slate and player.",
        "SELECT slate_id, p.driver_id, p.points_multiplier, p.mean_points, p.expected_ownership, "
        "p.exposure FROM (SELECT partition_key AS slate_id, unnest(players) AS p FROM lineups "
        "WHERE lineup = 1)",
    ),
    "slate_forecast": (
        "The forecast of each slate: one row per slate and car of the field, with salary, optimal "
        "share and exposure of those whom the salary file holds.",
        "SELECT f.partition_key AS slate_id, s.race_key, r.race_name, r.start_time, "
        "f.* EXCLUDE (partition_key), p.salary, o.optimal_share, e.exposure, e.expected_ownership "
        "FROM scenario_summary f JOIN slate_summary s ON s.slate_id = f.partition_key "
        "LEFT JOIN schedule r ON r.race_id = s.race_id "
        "LEFT JOIN slate p ON p.slate_id = f.partition_key AND p.driver_id = f.driver_id "
        "AND p.reason IS NULL "
        "LEFT JOIN scenario_optima o "
        "ON o.partition_key = f.partition_key AND o.driver_id = f.driver_id "
        "LEFT JOIN lineup_players e ON e.slate_id = f.partition_key AND e.driver_id = f.driver_id",
    ),
    "lineup_drivers": (
        "Who is in which lineup: one row per slate, lineup and driver.",
        "SELECT partition_key AS slate_id, lineup, unnest(driver_ids) AS driver_id, "
        "unnest(drivers) AS driver_name FROM lineups",
    ),
    "scenario_points": (
        "Contest points of each scenario: one row per slate, scenario and driver.",
        f"SELECT partition_key AS slate_id, scenario, driver_id, finish, laps_led, status, "
        f"{_in_points()} AS points FROM scenarios",
    ),
    "rated_results": (
        "Results beside what was known at the start: one row per race and driver who was rated.",
        "SELECT r.*, d.rating, d.rating_sd, d.level, d.level_sd, d.newcomer "
        "FROM race_results r JOIN driver_ratings d USING (race_id, driver_id)",
    ),
}
"""Views by name: what they show, and the query; one may use those before it."""
