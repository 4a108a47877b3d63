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


@pytest.mark.slow
def test_any_number_of_threads_gives_the_same_bytes():
    made = [
        digest(generate_scenarios(None, setup_of(), 2100, 7, threads=count)) for count in (1, 2, 8)
    ]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_is_told_as_it_is_made_and_changes_nothing(threads):
    notify = []
    made = generate_scenarios(None, setup_of(), 1_100, 7, threads=threads, progress=notify.append)
    assert notify == [250, 500, 750, 1_000, 1_100]
    assert made == generate_scenarios(None, setup_of(), 1_100, 7, threads=1)


def test_progress_goes_on_where_vetoes_ask_for_more():
    notify = []
    veto = ["accidents-at-most:cars=3"]
    made = generate_scenarios(
        None, setup_of(), 600, 7, vetoes=veto, rejection_limit=0.9, progress=notify.append
    )
    assert made.diagnostics.n_generated > 600
    assert notify == sorted(notify)
    assert notify[-1] >= made.diagnostics.n_generated


@pytest.mark.parametrize("threads", [1, 3])
def test_what_progress_raises_ends_the_simulation(threads):
    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_scenarios(None, setup_of(), 1_100, 7, threads=threads, progress=stop)


def test_a_larger_set_begins_with_the_smaller_one():
    small, large = (generate_scenarios(None, setup_of(), n, 7) for n in (300, 700))
    assert large.take(np.arange(300)) == small


def test_another_seed_gives_other_races():
    first, second = (generate_scenarios(None, setup_of(), 50, seed) for seed in (7, 8))
    assert not np.array_equal(first.finish, second.finish)


@pytest.mark.slow
def test_a_generic_processor_gives_the_same_bytes(tmp_path, pytestconfig):
    # Compiled for that processor once, as long as the kernels are the same.
    kept = pytestconfig.cache.mkdir("numba-generic") if pytestconfig.cache else tmp_path
    here = [
        digest(generate_scenarios(None, setup_of(38, 150, kind), 300, 99))
        for kind in ("short", "superspeedway")
    ]
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(kept),
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
