"""A stopped job leaves its process fit for the next one."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
import time

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from nascar_assets.service import stopping


@pytest.fixture
def listening():
    before = signal.getsignal(signal.SIGUSR1)
    stopping.listen()
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_job_that_loads_a_module_stops_once_that_is_whole(listening, tmp_path, monkeypatch):
    (tmp_path / "slowly_loaded.py").write_text("import time\ntime.sleep(0.3)\nWHOLE = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    def stage():
        threading.Timer(0.1, stopping.ask, ["job"]).start()
        importlib.import_module("slowly_loaded")
        time.sleep(5)

    with pytest.raises(DagsterExecutionInterruptedError), stopping.stoppable("job"):
        stage()
    assert sys.modules.pop("slowly_loaded").WHOLE


def test_a_job_stops_at_once_and_no_other_one_does(listening):
    with stopping.stoppable("job"):
        stopping.ask("another")
    begun = time.monotonic()
    threading.Timer(0.1, stopping.ask, ["job"]).start()
    with pytest.raises(DagsterExecutionInterruptedError), stopping.stoppable("job"):
        time.sleep(5)
    assert time.monotonic() - begun < 4
