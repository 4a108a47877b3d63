"""The same arguments give the same bytes: any number of threads, any processor, any n."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from nascar_assets.scenarios import generate_scenarios
from nascar_assets.scenarios.result import CAR_ARRAYS, RACE_ARRAYS, Scenarios
from nascar_assets_tests.scenarios.fields import setup_of

SCRIPT = """
from nascar_assets.scenarios import generate_scenarios
from nascar_assets_tests.scenarios.fields import setup_of
from nascar_assets_tests.scenarios.test_reproducibility import digest
for kind in ("short", "superspeedway"):
    print(digest(generate_scenarios(None, setup_of(38, 150, kind), 300, 99, threads=1)))
"""


def digest(scenarios: Scenarios) -> str:
    total = hashlib.sha256()
    for name in (*CAR_ARRAYS, *RACE_ARRAYS):
        total.update(getattr(scenarios, name).tobytes())
    return total.hexdigest()


def test_any_number_of_threads_gives_the_same_bytes():
    made = [
        digest(generate_scenarios(None, setup_of(), 2100, 7, threads=count)) for count in (1, 2, 8)
    ]
    assert made[0] == made[1] == made[2]


def test_a_larger_set_begins_with_the_smaller_one():
    small, large = (generate_scenarios(None, setup_of(), n, 7) for n in (300, 700))
    assert large.take(np.arange(300)) == small


def test_another_seed_gives_other_races():
    first, second = (generate_scenarios(None, setup_of(), 50, seed) for seed in (7, 8))
    assert not np.array_equal(first.finish, second.finish)


@pytest.mark.slow
def test_a_generic_processor_gives_the_same_bytes(tmp_path):
    here = [
        digest(generate_scenarios(None, setup_of(38, 150, kind), 300, 99))
        for kind in ("short", "superspeedway")
    ]
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    assert made.stdout.split() == here
