"""Worker processes end with their parent, however it ends, and leave no temporary file."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchword.errors import WatchwordError
from watchword.processes import _signals_later, spread

SCRIPT = """
import sys, threading, os
from pathlib import Path
from watchword.cli.main import _end_when_told
from watchword.processes import spread

def prepare(folder):
    global place
    place = Path(folder)

def work(number):
    temporary = place / f"{number}.tmp"
    temporary.touch()
    try:
        os.write(1, f"{os.getpid()}\\n".encode())  # whole, also where output is not buffered
        threading.Event().wait(120)
    finally:
        temporary.unlink()

if __name__ == "__main__":
    _end_when_told()
    list(spread(work, [(1,), (2,)], 2, prepare, (sys.argv[1],), "", ""))
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A program in a group of its own, and descriptors of its two workers, which are at work."""
    script = tmp_path / "program.py"
    script.write_text(SCRIPT)
    (tmp_path / "work").mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "work")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    workers = [os.pidfd_open(int(process.stdout.readline())) for _ in range(2)]
    yield process, workers
    process.kill()
    process.communicate()
    for descriptor in workers:
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whole_group", "status"),
    [
        (signal.SIGKILL, False, -signal.SIGKILL),
        (signal.SIGTERM, False, 143),
        (signal.SIGHUP, True, 129),  # as a terminal does it that is closed
        (signal.SIGINT, True, None),  # as Ctrl-C; the exit status is the command line's matter
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_workers_end_with_their_parent(
    parent: tuple[subprocess.Popen[str], list[int]],
    tmp_path: Path,
    number: signal.Signals,
    whole_group: bool,
    status: int | None,
) -> None:
    process, workers = parent
    (os.killpg if whole_group else os.kill)(process.pid, number)
    found = process.wait(timeout=30)
    assert status is None or found == status
    for descriptor in workers:  # readable when the process has ended
        assert select.select([descriptor], [], [], 30)[0], "a worker outlived its parent"
    if number is not signal.SIGKILL:
        assert not any((tmp_path / "work").iterdir())


def test_a_signal_waits_until_all_processes_run_whichever_thread_takes_it() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    arrived, sent = os.pipe()
    os.set_blocking(sent, False)
    before = signal.set_wakeup_fd(sent)
    undisturbed, handler = False, signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt), _signals_later():
            os.kill(os.getpid(), signal.SIGINT)  # for the thread, as this one holds it back
            assert select.select([arrived], [], [], 30)[0]
            undisturbed = True
        assert undisturbed
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        thread.join()
        os.close(arrived)
        os.close(sent)


def _nothing() -> None:
    pass


def _square(number: int) -> int:
    return number * number


def _die(number: int) -> int:
    os._exit(number)


def test_every_job_is_done_once() -> None:
    done = list(spread(_square, [(n,) for n in range(7)], 2, _nothing, (), "", ""))
    assert sorted(done) == [(n, n * n) for n in range(7)]


def test_a_worker_that_dies_is_an_error_with_its_remedy() -> None:
    with pytest.raises(WatchwordError, match=r"a worker process died.*free memory"):
        list(spread(_die, [(9,)], 2, _nothing, (), "here", "free memory"))
