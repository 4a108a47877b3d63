"""Where the real feed's files are, for tests marked `real_data`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data() -> Path:
    """The folder named by NASCAR_REAL_DATA; skips the test where there is none."""
    folder = os.environ.get("NASCAR_REAL_DATA", "")
    if not folder or not Path(folder, "feed").is_dir():
        pytest.skip("NASCAR_REAL_DATA names no folder with feed/")
    return Path(folder)
