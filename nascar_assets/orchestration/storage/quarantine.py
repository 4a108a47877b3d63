"""What was refused: its bytes in quarantine, with a report beside them that says why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nascar_assets.redaction import redacted
from nascar_assets.storage import DataRoot
from nascar_assets.storage.dropped import safe_name


def put_in_quarantine(
    root: DataRoot, path: str, data: bytes | None, report: Mapping[str, Any]
) -> bool:
    """Puts a refused file into quarantine with its report beside it.

    Args:
        path: Where the file goes, its name made plain; its report goes to `<path>.report.json`.
        data: The file's bytes; none for what must not be read, which has the report alone.
        report: What is wrong with it.

    Returns:
        Whether this report was not there before.
    """
    folder, _, name = path.rpartition("/")
    path = f"{folder}/{safe_name(name)}"
    text = redacted(json.dumps(report, indent=1, sort_keys=True) + "\n").encode()
    if root.read(f"{path}.report.json") == text:
        return False
    if data is not None:
        root.write(path, data)
    root.write(f"{path}.report.json", text)
    return True


def report_strays(root: DataRoot, strays: Mapping[str, str], quarantine: str) -> set[str]:
    """Reports in quarantine what lies in a landing folder and is not looked at.

    Links, pipes, names that are no names and files without bound stay where they are, unread.

    Args:
        strays: The reasons by escaped path, which begins with `landing/` and the folder's name.
        quarantine: Where the reports go.

    Returns:
        The paths whose report is new.
    """
    new = set()
    for path, reason in strays.items():
        name = path.split("/", 2)[2].replace("/", "_")
        if put_in_quarantine(root, f"{quarantine}/{name}", None, {"file": path, "reason": reason}):
            new.add(path)
    return new
