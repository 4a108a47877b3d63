"""How many examples a property is tried with: all, or the share that the fast loop asks for."""

from __future__ import annotations

import os


def examples(whole: int) -> int:
    """So many, or the share of them that `NASCAR_EXAMPLES` names; `make check` takes a quarter."""
    return max(10, round(whole * float(os.environ.get("NASCAR_EXAMPLES", "1"))))
