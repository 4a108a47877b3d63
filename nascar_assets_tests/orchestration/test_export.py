"""What is exported is what is stored, in DuckDB and in Parquet, and other tools can read it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nascar_assets.cli.app import run
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.commands import export as commands
from nascar_assets.orchestration.commands.export import (
    CACHES,
    PARTITION_KEY,
    VIEWS,
    export_duckdb,
    export_parquet,
    stored_files,
)
from nascar_assets.orchestration.dictionary import TABLES
from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import Manifest, staged_path
from nascar_assets_tests import notebook
from nascar_assets_tests.orchestration.conftest import World

DOCS = Path(__file__).parents[2] / "docs"
README = DOCS.parent / "README.md"
OF_SLATE = ("lineups", "scenario_summary")
EXPORTED = [name for name in TABLES if name not in CACHES]


@pytest.fixture(scope="module")
def database(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "nascar.duckdb"
    assert run(["export", "duckdb", str(target), "--home", str(world.home)]) == 0
    return target


def as_stored(home: Path, name: str) -> pl.DataFrame:
    """A table's rows as its files have them, one file after the other."""
    root, columns = DataRoot.open(home), TABLES[name].columns
    parts = [
        pl.read_parquet(home / path).select(
            pl.lit(key, pl.String).alias(PARTITION_KEY),
            *(
                pl.col(column)
                if column in pl.read_parquet_schema(home / path)
                else pl.lit(None, item.kind).alias(column)
                for column, item in columns.items()
            ),
        )
        for key, path in stored_files(root, name).items()
    ]
    kinds = {PARTITION_KEY: pl.String, **{column: c.kind for column, c in columns.items()}}
    return pl.concat(parts) if parts else pl.DataFrame(schema=kinds)


def typed(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Rows read from DuckDB with the stored types: words of an enumeration, the zone of times."""
    frame = frame.with_columns(pl.col(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    kinds = {column: item.kind for column, item in TABLES[name].columns.items()}
    words = {column: kind for column, kind in kinds.items() if isinstance(kind, pl.Enum)}
    return frame.with_columns(pl.col(c).cast(pl.String).cast(k) for c, k in words.items())


def test_the_database_holds_what_is_stored_and_says_what_it_is(
    world: World, database: Path
) -> None:
    import duckdb

    files = 0
    with duckdb.connect(str(database), read_only=True) as connection:
        for name in EXPORTED:
            stored = as_stored(world.home, name)
            found = typed(connection.sql(f'SELECT * FROM "{name}"').pl(), name)
            assert found.schema == stored.schema, name
            assert found.equals(stored), name
            files += len(stored_files(DataRoot.open(world.home), name))
        for kind in ("tables", "views", "columns"):
            where = f"FROM duckdb_{kind}() WHERE NOT internal AND comment IS NULL"
            if kind == "columns":
                named = ", ".join(f"'{name}'" for name in EXPORTED)
                where += f" AND table_name IN ({named})"
            assert connection.sql(f"SELECT * {where}").fetchall() == [], kind
        for view in VIEWS:
            ((rows,),) = connection.sql(f"SELECT count(*) FROM {view}").fetchall()
            assert rows, view
        (catalogued,) = connection.sql("SELECT count(*) FROM catalogue").fetchall()[0]
    assert catalogued == sum(len(TABLES[name].columns) for name in EXPORTED)
    on_disk = sum(1 for path in (world.home / "store").rglob("*.parquet"))
    assert files == on_disk  # not one file is left out


def test_parquet_holds_what_is_stored_with_a_catalogue(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    rows = export_parquet(DataRoot.open(world.home), folder)
    catalogue = json.loads((folder / "catalogue.json").read_text())["tables"]
    assert list(catalogue) == EXPORTED
    for name, said in catalogue.items():
        found = pl.read_parquet(folder / said["file"])
        assert found.equals(as_stored(world.home, name)), name
        assert said["rows"] == rows[name] == found.height
        assert [column["name"] for column in said["columns"]] == found.columns
    again = export_parquet(DataRoot.open(world.home), folder, ["slate"])
    assert [path.name for path in sorted(folder.iterdir())] == ["catalogue.json", "slate.parquet"]
    assert again == {"slate": rows["slate"]}


@pytest.mark.slow
def test_an_empty_home_gives_every_table_and_view_empty(tmp_path: Path) -> None:
    import duckdb

    target = tmp_path / "empty.duckdb"
    rows = export_duckdb(DataRoot.open(tmp_path / "home"), target)
    assert set(rows) == set(EXPORTED)
    assert not any(rows.values())
    with duckdb.connect(str(target), read_only=True) as connection:
        for view in VIEWS:
            assert connection.sql(f"SELECT * FROM {view}").fetchall() == []


@pytest.mark.parametrize(
    ("export", "name"), [(export_duckdb, "a file"), (export_parquet, "a folder")]
)
def test_nothing_else_is_written_over(
    export: Callable[..., object], name: str, tmp_path: Path
) -> None:
    target = tmp_path / name
    kept = target if export is export_duckdb else target / "notes.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("a person's own, longer than a header")
    with pytest.raises(InputError, match="not written over"):
        export(DataRoot.open(tmp_path / "home"), target)
    assert kept.read_text().startswith("a person's own")
    with pytest.raises(InputError, match="There is no table results"):
        export(DataRoot.open(tmp_path / "home"), tmp_path / "new", ["results"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_a_place_of_the_wrong_kind_is_refused_in_words(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "a file", tmp_path / "a folder"
    file.write_text("a person's own")
    folder.mkdir()
    command = ["--table", "slate", "--home", str(tmp_path / "home")]
    wrong = folder if kind == "duckdb" else file
    assert run(["export", kind, str(wrong), *command]) == 2
    words = capsys.readouterr().err
    assert "is a folder" in words if kind == "duckdb" else "is a file" in words
    assert "Name a" in words
    assert run(["export", kind, str(file / "below"), *command]) == 2
    assert f"{file} is a file" in capsys.readouterr().err.replace("\n", " ")


def test_here_is_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):
        assert export_parquet(DataRoot.open(tmp_path / "home"), Path(), ["slate"]) == {"slate": 0}
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["catalogue.json", "slate.parquet"]


def test_an_export_removes_what_an_export_wrote_and_nothing_else(tmp_path: Path) -> None:
    root, folder = DataRoot.open(tmp_path / "home"), tmp_path / "exported"
    export_parquet(root, folder, ["slate", "schedule"])
    (folder / "notes.txt").write_text("a person's own")
    export_parquet(root, folder, ["schedule"])
    left = ["catalogue.json", "notes.txt", "schedule.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == left
    (folder / "slate.parquet").write_text("a person's own")
    with pytest.raises(InputError, match="not written over"):
        export_parquet(root, folder, ["slate"])
    for content in ('{"books": []}', "[1]", "no JSON"):  # a catalogue of something else
        other = tmp_path / "other"
        other.mkdir(exist_ok=True)
        (other / "catalogue.json").write_text(content)
        with pytest.raises(InputError, match="not written over"):
            export_parquet(root, other)
        assert (other / "catalogue.json").read_text() == content


def put_run(root: DataRoot, number: int, of: tuple[str, ...] = OF_SLATE) -> None:
    """A slate's files as a run leaves them, each with the run's number in its only row."""
    for name, column in zip(OF_SLATE, ("lineup", "start"), strict=True):
        kinds = {column: TABLES[name].columns[column].kind}
        path = f"store/{name}/s.parquet"
        root.write_frame(
            path if name in of else staged_path("s", path), pl.DataFrame({column: [number]}, kinds)
        )
    files = {f"store/{name}/s.parquet": {"run_id": str(number)} for name in OF_SLATE}
    moving = [f"store/{name}/s.parquet" for name in OF_SLATE if name not in of]
    Manifest(files, tuple(moving)).save(root, "s")


@pytest.mark.parametrize("export", [export_duckdb, export_parquet])
def test_an_export_has_no_slate_of_two_runs(
    export: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    root, target = DataRoot.open(tmp_path / "home"), tmp_path / "out/exported"
    root.write("slates/s/registration.json", b"{}")

    def exported() -> list[Any]:
        export(root, target, OF_SLATE)
        if export is export_parquet:
            frames = [pl.read_parquet(target / f"{name}.parquet") for name in OF_SLATE]
            return [frames[0]["lineup"][0], frames[1]["start"][0]]
        with duckdb.connect(str(target), read_only=True) as database:
            rows = database.sql("SELECT lineup, start FROM lineups, scenario_summary").fetchall()
        return [*rows[0]]

    put_run(root, 1)
    assert exported() == [1, 1]
    put_run(root, 2, OF_SLATE[:1])  # killed while its files were put in place
    assert exported() == [2, 2]
    runs, read = iter([3]), commands._frames

    def slow(root: DataRoot, name: str) -> Iterator[pl.DataFrame]:
        yield from [*read(root, name)]
        for number in runs:  # a run that ends between two tables
            put_run(root, number)
            break

    monkeypatch.setattr(commands, "_frames", slow)
    assert exported() == [3, 3]
    runs = iter(range(4, 100))
    with pytest.raises(EnvironmentFault, match="again and again"):
        exported()
    runs = iter([])
    assert [path.name for path in target.parent.iterdir()] == ["exported"]


@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_what_a_killed_export_left_is_removed_by_the_next(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    start = target / ".export." if kind == "parquet" else tmp_path / ".exported.export."
    own, gone, lives = (Path(f"{start}{pid}") for pid in (os.getpid(), 2**22 + 1, os.getppid()))
    for draft in (own, gone, lives):
        draft.mkdir(parents=True)
        (draft / "exported").write_text("half")
    assert run(["export", kind, str(target), "--home", str(tmp_path), "--table", "slate"]) == 0
    assert [path.exists() for path in (own, gone, lives)] == [False, False, True]


def test_the_notebook_makes_its_three_plots(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notebook.DATABASE, str(database))
    book = json.loads((DOCS / "analysis.ipynb").read_text())
    shown = [output for _, outputs in notebook.run(book) for output in outputs]
    kept = [output for cell in book["cells"] for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 3
    assert [output["output_type"] for output in kept] == [o["output_type"] for o in shown]


def test_the_five_lines_of_the_readme_read_a_home(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(world.home.parent)
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    assert block.count("\n") == 5
    exec(block.replace("data/demo", world.home.name), {})
    assert "mean_points" in capsys.readouterr().out
