"""Time beside computing: counted once, by kind, by thread, and also where the work fails."""

import threading
import time

import pytest

from nascar_assets.storage import DataRoot
from nascar_assets.storage.overhead import overhead, overhead_seconds

PAUSE = 0.02


def spent_since(before):
    return {kind: seconds - before[kind] for kind, seconds in overhead_seconds().items()}


def test_what_is_inside_another_counts_as_that_ones_alone():
    before = overhead_seconds()
    started = time.perf_counter()
    with overhead("drawing"):
        time.sleep(PAUSE)
        with overhead("store"):
            time.sleep(PAUSE)
    whole = time.perf_counter() - started
    spent = spent_since(before)
    assert 2 * PAUSE <= spent["drawing"] <= whole
    assert spent["store"] == spent["log"] == spent["loading"] == 0.0


def test_a_failed_call_counts_and_leaves_nothing_open():
    @overhead("store")
    def fails():
        time.sleep(PAUSE)
        raise ValueError("no")

    before = overhead_seconds()
    with pytest.raises(ValueError, match="no"):
        fails()
    assert spent_since(before)["store"] >= PAUSE
    middle = overhead_seconds()
    with overhead("log"):
        time.sleep(PAUSE)
    assert spent_since(middle)["log"] >= PAUSE


def test_each_thread_counts_its_own():
    before = overhead_seconds()
    other = {}

    def work():
        with overhead("drawing"):
            time.sleep(PAUSE)
        other.update(overhead_seconds())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert other["drawing"] >= PAUSE
    assert spent_since(before)["drawing"] == 0.0


def test_the_data_root_reports_its_reads_and_writes(tmp_path):
    root, before = DataRoot.open(tmp_path), overhead_seconds()
    root.write("a/b", b"x" * 1_000_000)
    written = spent_since(before)["store"]
    root.read("a/b")
    assert 0.0 < written < spent_since(before)["store"]
