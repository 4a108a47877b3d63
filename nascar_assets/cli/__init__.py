"""The command line: a thin layer over the same assets, partitions and instance as the UI."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Runs `nascar`; exits 0 when done, 2 where the input is at fault, 1 for anything else."""
    try:
        # Most of a short command's time goes into loading it: it is stopped there as anywhere.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from nascar_assets.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 1
    sys.exit(code)


__all__ = ["main"]
