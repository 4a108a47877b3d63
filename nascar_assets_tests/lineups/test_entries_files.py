"""Files of a person's own: put in place whole or not at all."""

from __future__ import annotations

import pytest

from nascar_assets.errors import InputError
from nascar_assets.orchestration.commands.entries import fill
from nascar_assets.orchestration.commands.files import read_file, write_file


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "filled.csv"
    path.write_bytes(b"before")
    write_file(path, b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_where_a_file_cannot_be_put_nothing_is_left(tmp_path):
    folder = tmp_path / "filled.csv"
    folder.mkdir()
    with pytest.raises(InputError, match="This is a folder, not a file"):
        write_file(folder, b"after")
    with pytest.raises(InputError, match="There is no folder"):
        write_file(tmp_path / "nowhere" / "filled.csv", b"after")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_counts_with_what_comes_first_or_is_not_there(tmp_path):
    path = tmp_path / "filled.csv"

    def refuse():
        raise InputError("It cannot be kept.")

    with pytest.raises(InputError, match="cannot be kept"):
        write_file(path, b"after", first=refuse)
    assert not list(tmp_path.iterdir())
    done = []
    with pytest.raises(InputError, match="There is no folder"):
        write_file(tmp_path / "nowhere" / "filled.csv", b"after", first=lambda: done.append(1))
    assert not done


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"DKEntries\.csv: There is no such file"):
        read_file(tmp_path / "DKEntries.csv")


def test_a_slate_that_was_never_run_is_refused_before_anything_is_written(tmp_path):
    source, out = tmp_path / "DKEntries.csv", tmp_path / "filled.csv"
    source.write_bytes(b"Entry ID\n")
    with pytest.raises(InputError, match="2026-03-15-cup-dk-classic"):
        fill(str(tmp_path / "home"), "2026-03-15-cup-dk-classic", source, out)
    assert not out.exists()
