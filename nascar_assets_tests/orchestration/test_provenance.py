"""The code's version follows every source file that can change a number."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nascar_assets.orchestration.inputs.provenance import PACKAGE, code_version, source_hash


@pytest.mark.slow
@pytest.mark.parametrize("part", ["scenarios/kernel.py", "lineups/portfolio.py", "cli/app.py"])
def test_the_code_version_follows_a_change_anywhere_in_the_package(
    part: str, tmp_path: Path
) -> None:
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert code_version().endswith("+" + source_hash(copy)[:12])
    with (copy / part).open("a") as file:
        file.write("# another line\n")
    assert not code_version().endswith("+" + source_hash(copy)[:12])
