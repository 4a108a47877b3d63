"""Runs a notebook's code cells without Jupyter; with a database and `--write` keeps what they show.

`python -m nascar_assets_tests.notebook docs/analysis.ipynb nascar.duckdb --write`
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATABASE = "NASCAR_DUCKDB"
"""The environment's name of the database that the notebook reads."""


def outputs(cell: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """What one code cell prints, its last value and its figures, as a notebook keeps them."""
    from matplotlib import pyplot

    tree, said = ast.parse(cell), io.StringIO()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with contextlib.redirect_stdout(said):
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    found: list[dict[str, Any]] = []
    if said.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": said.getvalue()})
    if value is not None and not cell.rstrip().endswith(";"):
        found.append(_data("execute_result", {"text/plain": repr(value)}, execution_count=None))
    for number in pyplot.get_fignums():
        picture = io.BytesIO()
        pyplot.figure(number).savefig(picture, dpi=80, metadata={"Software": None})
        image = base64.b64encode(picture.getvalue()).decode()
        found.append(_data("display_data", {"image/png": image, "text/plain": "<Figure>"}))
    pyplot.close("all")
    return found


def _data(kind: str, data: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"output_type": kind, "data": data, "metadata": {}, **more}


def run(notebook: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each code cell of a notebook with what it shows, run one after the other."""
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            yield cell, outputs("".join(cell["source"]), names)


if __name__ == "__main__":
    path, os.environ[DATABASE] = Path(sys.argv[1]), sys.argv[2]
    book = json.loads(path.read_text())
    for code, shown in run(book):
        code["outputs"] = shown
    if "--write" in sys.argv:
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n")
