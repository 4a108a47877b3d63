"""Writers in processes of their own that are killed at random moments, many of them quickly.

Starting Python and importing the libraries takes far longer than a write. A starter process
imports them once, starts nothing, and forks a fresh writer for each kill.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

_STARTER = """
import os, sys, time
{imports}
for line in sys.stdin:
    number = int(line)
    writer = os.fork()
    if writer == 0:
        sys.stdin.close()
{body}
        os._exit(1)  # a writer goes on until it is killed
    print(writer, flush=True)
    _, status = os.waitpid(writer, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1, flush=True)
"""


def kill_at_random(
    imports: str,
    body: str,
    arguments: list[str],
    rounds: int,
    check: Callable[[int], None],
    *,
    longest_s: float,
    seed: int,
) -> None:
    """Kill a writer at a random moment, look at what it left, and again.

    Args:
        imports: Python code that the starter runs once; it must start no thread.
        body: Python code of a writer, which sees `number` (of the round) and `sys.argv`; it prints
            nothing and goes on until it is killed.
        arguments: `sys.argv[1:]` of the writer.
        rounds: How many writers to kill.
        check: Called with the round's number after each kill.
        longest_s: A writer lives for a time drawn evenly from 0 to this.
        seed: Of the moments.
    """
    indented = "\n".join(f"        {line}" for line in body.strip().splitlines())
    code = _STARTER.format(imports=imports.strip(), body=indented)
    starter = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    rng = np.random.default_rng(seed)
    try:
        for number in range(rounds):
            starter.stdin.write(f"{number}\n")
            starter.stdin.flush()
            writer = int(starter.stdout.readline())
            time.sleep(float(rng.uniform(0.0, longest_s)))
            os.kill(writer, signal.SIGKILL)
            assert int(starter.stdout.readline()) == signal.SIGKILL, "the writer ended by itself"
            check(number)
    finally:
        starter.stdin.close()
        starter.wait(timeout=30)
        starter.stdout.close()
