"""The command line: a thin layer over the same assets, partitions and instance as the UI."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs `nascar`; exits 0 when done, 2 where the input is at fault, 1 for anything else."""
    from nascar_assets.cli.app import run

    sys.exit(run(sys.argv[1:]))


__all__ = ["main"]
