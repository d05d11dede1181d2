"""Work spread over processes that end with this one, however it ends: Ctrl-C, SIGTERM, SIGKILL, an error; and
this one's stderr."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, TypeVar

from watchword.errors import WatchwordError

T = TypeVar("T")
_TERMINATE_S = 5.0  # for a worker to remove its temporary files
# Windows has neither SIGHUP nor a mask of signals.
_HANG_UP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
_HELD_BACK = {signal.SIGINT, signal.SIGTERM, *_HANG_UP}
_HAS_MASK = hasattr(signal, "pthread_sigmask")


class _Worker(SpawnProcess):
    """A worker whose queue of jobs is taken away in the middle of a job's bytes ends without a word."""

    def run(self) -> None:
        try:
            super().run()
        except EOFError:
            sys.exit(1)


class _Context(SpawnContext):
    Process = _Worker


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux; the others do not tell
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(
    work: Callable[..., T],
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    prepare: Callable[..., None],
    arguments: tuple[Any, ...],
    where: str,
    remedy: str,
) -> Generator[tuple[int, T], None, None]:
    """(index, work(*job)) of every job, as each is done; every process calls prepare(*arguments) first.

    When the caller gives up, the jobs in work are given up too; close the generator to wait for that.
    `where` and `remedy` are for the user when a process dies.
    """
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, _Context(), initializer=_start, initargs=(prepare, arguments)) as pool:
        try:
            with _signals_later():
                futures = {pool.submit(work, *job): index for index, job in enumerate(jobs)}
            for done in as_completed(futures):
                yield futures[done], done.result()
        except BrokenProcessPool as error:
            raise WatchwordError("a worker process died", where, remedy) from error
        except BaseException:  # do not wait for the jobs that are in work
            pool.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - before)
            raise


def _end(processes: set[BaseProcess]) -> None:
    """Tell them to end, and kill those that do not."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + _TERMINATE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()


def end_with_parent() -> None:
    """Called in a new process that would else wait for ever for its next job when its parent was killed."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _start(prepare: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """What a worker does first. The parent decides: only it hears of Ctrl-C and of a closed terminal."""
    end_with_parent()
    for ignored in (signal.SIGINT, *_HANG_UP):
        signal.signal(ignored, signal.SIG_IGN)
    if _HAS_MASK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
    prepare(*arguments)
    signal.signal(signal.SIGTERM, _unwind)


def _unwind(number: int, frame: FrameType | None) -> None:
    """So that temporary files are removed."""
    sys.exit(128 + number)


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hold signals back while processes start, so that this one knows all it has to end.

    The processes inherit the mask. It does not do for this one: another of its threads (a library's) may take
    the signal, whose handler then runs here, in the middle of what a process is to read. So it is noted only.
    """
    noted: list[int] = []
    handlers = {}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK) if _HAS_MASK else set()
    try:
        if threading.current_thread() is threading.main_thread():  # handlers are its affair alone
            for number in _HELD_BACK:
                handler = signal.getsignal(number)
                if handler not in (signal.SIG_IGN, None):
                    handlers[number] = handler
                    signal.signal(number, lambda number, frame: noted.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if _HAS_MASK:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for caught in dict.fromkeys(noted):
            signal.raise_signal(caught)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what libraries print to stderr, in C++ too, off the terminal, unless something fails."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        stderr = sys.stderr.fileno()
    except (AttributeError, io.UnsupportedOperation):  # stderr is not a real file
        stderr = 2
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = os.dup(stderr)
        os.dup2(sink.fileno(), stderr)
        try:
            yield
        except Exception:
            os.dup2(kept, stderr)
            sink.seek(0)
            sys.stderr.write(sink.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, stderr)
            os.close(kept)
