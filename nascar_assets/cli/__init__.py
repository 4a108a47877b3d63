"""The command line: a thin layer over the same assets, partitions and instance as the UI."""

from __future__ import annotations

import io
import os
import signal
import sys


def main() -> None:
    """Runs `nascar`; exits 0 when done, 2 where the input is at fault, 1 for anything else."""
    try:
        # Most of a short command's time goes into loading it: it is stopped there as anywhere.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _open_streams()
        from nascar_assets.processes import send_lost_interrupts_again

        send_lost_interrupts_again()
        from nascar_assets.cli.app import run

        code: int | str = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = "stopped"  # is said, and the code is 1
    sys.exit(code)


def _open_streams() -> None:
    """Makes output safe to print on: where it is closed nothing is printed, and letters that its
    encoding lacks are spelled out."""
    for name in ("stdin", "stdout", "stderr"):  # in this order each takes its own number again
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


__all__ = ["main"]
