"""What the machine says of processes, with and without what one system alone has."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from nascar_assets import processes
from nascar_assets.telemetry.artifacts import persist_telemetry_artifact

WORK = """
import signal, time
from nascar_assets.calibration.backtest_tasks import executor
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    with executor(2) as pool:
        waiting = [pool.submit(time.sleep, 120) for _ in range(8)]
        while len(pool._processes) < 2:
            time.sleep(0.05)
        print(*pool._processes, flush=True)
        waiting[0].result()
"""

SENDING = """
import os
from nascar_assets.calibration.backtest_tasks import executor
def held():  # now: the most that was ever held is, at first, that of who started the process
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
if __name__ == "__main__":
    with executor(2) as pool:
        before = held()
        pool.submit(bytes.__mul__, b"x", 500_000_000)
        while held() < before + 50_000_000:
            pass
        print("a part has come", flush=True)
        raise KeyboardInterrupt
"""


@pytest.fixture(params=["here", "without /proc", "on a system that lacks much"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    if request.param != "here":
        monkeypatch.setattr(processes, "_PROC", tmp_path / "nowhere")
    if request.param == "on a system that lacks much":
        for name in ("sched_getaffinity", "nice"):
            monkeypatch.delattr(os, name, raising=False)
        opened = os.open

        def no_folder(path: str, flags: int, *more: int) -> int:
            if Path(path).is_dir():
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, flags, *more)

        monkeypatch.setattr(os, "open", no_folder)
    return str(request.param)


@pytest.mark.usefixtures("system")
def test_a_process_is_told_from_one_that_has_ended_and_from_a_later_one() -> None:
    began = processes.born(os.getpid())
    assert began is not None
    assert 0 <= time.time() - began < 24 * 3600
    assert processes.lives(os.getpid(), began)
    assert not processes.lives(os.getpid(), began - 60)
    child = subprocess.Popen([sys.executable, "-c", ""])
    end = time.monotonic() + 30
    while processes.born(child.pid) is not None:  # not asked after yet: it has ended all the same
        assert time.monotonic() < end
        time.sleep(0.05)
    child.wait()
    assert processes.born(child.pid) is None


@pytest.mark.usefixtures("system")
def test_what_a_system_lacks_stops_nothing(tmp_path: Path) -> None:
    assert 1 <= processes.cores() <= (os.cpu_count() or 1)
    processes.give_way(0)
    processes.sync_folder(tmp_path)
    table = pl.DataFrame({"lap": [1]})
    persist_telemetry_artifact(table, tmp_path / "laps.parquet")
    assert (tmp_path / "laps.parquet").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(number: int, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    # Python hears of a signal that comes just before a wait only when that wait is over.
    time.sleep(0.5)
    parent.send_signal(number)
    parent.wait(timeout=60)
    end = time.monotonic() + 60
    while any(processes.born(pid) for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.stdout.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_work_breaks_off_although_a_worker_is_sending_its_result(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(SENDING)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "a part has come\n"
    assert "KeyboardInterrupt" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
@pytest.mark.parametrize(
    "waits",
    [
        "import subprocess as s; "
        "no = s.DEVNULL; "
        "s.Popen(['sleep', '30'], stdout=no, stderr=no, start_new_session=True).wait()",
        "import threading; threading.Event().wait()",
        "import concurrent.futures as f, time; e = f.ThreadPoolExecutor(1); "
        "e.submit(time.sleep, 2).result()",
    ],
    ids=["process", "event", "future"],
)
def test_ctrl_c_ends_a_wait_although_polars_is_there(waits):
    code = (
        "import polars\n"
        "from nascar_assets.processes import let_ctrl_c_end_waits\n"
        f"let_ctrl_c_end_waits()\nprint('ready', flush=True)\n{waits}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in said


def test_an_interrupt_that_comes_while_an_object_goes_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Going:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        for _ in range(1_000):
            time.sleep(0.01)

    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # as it was, afterwards
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes.send_lost_interrupts_again()
    try:
        Going()
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == ""


def test_garbage_is_collected_again_after_a_stretch_without() -> None:
    @processes.no_collection()
    def fails() -> None:
        with processes.no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()  # the outer stretch goes on
        raise ValueError("in between")

    with pytest.raises(ValueError, match="in between"):
        fails()
    assert gc.isenabled()
