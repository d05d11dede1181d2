"""How far long work is: a bar on a terminal, elsewhere (a log, a pipe) a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

T = TypeVar("T")
_EVERY_S = 30.0  # a line at the latest after this,
_EVERY_SHARE = 0.05  # or when this much more is done,
_AT_MOST_EVERY_S = 2.0  # but work of a few seconds says nothing


class Pace:
    """Estimates the time left from the mean pace since the start, so that the estimate is steady."""

    def __init__(self, total: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done = total, 0.0
        self._clock, self._started = clock, clock()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started

    @property
    def rate(self) -> float:
        """Done in a second, in the mean."""
        return self.done / max(self.elapsed_s, 1e-9)

    def remaining_s(self) -> float | None:
        """Seconds to the end at the mean pace so far; None before anything is done."""
        return (self.total - self.done) / self.rate if self.done > 0 else None


class Progress:
    """Shows on stderr how much of `total` units is done, how fast it goes, and how long it will take.

    `done`: what was there before this work began, which tells nothing about its pace.
    """

    def __init__(
        self, what: str, total: float, unit: str, shown: bool = True, done: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.what, self.unit, self.total, self.pace = what, unit, total, Pace(total - done, clock)
        self._note = ""
        self._bar = self._open_bar(done) if shown and sys.stderr.isatty() else None
        self._lines = shown and self._bar is None
        self._clock, self._told_s, self._told, self._any = clock, clock(), done, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def done(self) -> float:
        return self.total - self.pace.total + self.pace.done

    def add(self, count: float = 1, note: str | None = None) -> None:
        """Note that `count` more are done; `note` stands at the end of what is shown from now on."""
        self.pace.done += count
        self._note = self._note if note is None else note
        if self._bar is not None:
            self._bar.set_postfix_str(self.postfix(), refresh=False)
            self._bar.update(count)
        elif self._lines and self._is_time():
            self._tell()

    def reach(self, done: float) -> None:
        """Note that `done` units are done in all; never goes back."""
        if done > self.done:
            self.add(done - self.done)

    def take_away(self, count: float) -> None:
        """`count` units will not be done: finished before, or not needed."""
        self.total -= count
        self.pace.total -= count
        if self._bar is not None:
            self._bar.total = self.total
            self._bar.refresh()

    def postfix(self) -> str:
        return self._note

    def rate(self) -> str:
        """How fast it goes."""
        rate = self.pace.rate
        return f"{rate:.3g} {self.unit}/s" if rate >= 0.1 else f"{rate * 60:.2g} {self.unit}/min"

    def left(self) -> str:
        """The time left, as the end of a line; empty while it is not known, and at the end."""
        seconds = self.pace.remaining_s()
        if seconds is None or seconds < 1:
            return ""
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._any and self.done != self._told:
            self._tell()

    def _open_bar(self, done: float) -> tqdm:
        return tqdm(
            total=self.total, initial=done, desc=f"{self.what:<10}", unit=f" {self.unit}", smoothing=0.1
        )

    def _is_time(self) -> bool:
        silent_s = self._clock() - self._told_s
        more = self.done - self._told >= _EVERY_SHARE * self.total
        return silent_s >= _EVERY_S or (more and silent_s >= _AT_MOST_EVERY_S)

    def _tell(self) -> None:
        self._told_s, self._told, self._any = self._clock(), self.done, True
        share = self.done / self.total if self.total else 1.0
        note = f", {self._note}" if self._note else ""
        print(
            f"{self.what:<10} {self.done:,.0f} of {self.total:,.0f} {self.unit} ({share:.0%}), "
            f"{self.rate()}{note}{self.left()}",
            file=sys.stderr,
            flush=True,
        )


def track(items: Iterable[T], what: str, total: int, unit: str, shown: bool = True) -> Iterator[T]:
    """The items, one after the other, with their progress shown."""
    with Progress(what, total, unit, shown) as progress:
        for item in items:
            yield item
            progress.add()
