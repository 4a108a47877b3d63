"""What was refused: its bytes in quarantine, with a report beside them that says why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nascar_assets.storage import DataRoot


def set_aside(root: DataRoot, path: str, data: bytes, report: Mapping[str, Any]) -> None:
    """Puts a refused file into quarantine with its report beside it.

    Args:
        root: The data root.
        path: Where the file goes; its report goes to `<path>.report.json`.
        data: The file's bytes.
        report: What is wrong with it.
    """
    text = json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False)
    root.write(path, data)
    root.write(f"{path}.report.json", text.encode() + b"\n")
