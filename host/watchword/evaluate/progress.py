"""Progress of long streams of audio."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

_FORMAT = (
    "{desc} {percentage:3.0f}%|{bar:24}| {n:,.0f}/{total:,.0f} s of audio{postfix} [{elapsed}<{remaining}]"
)
_LOG_INTERVAL_S = 10.0  # where the bar cannot be redrawn in place


class AudioProgress:
    """A progress bar in seconds of audio that shows how many times faster than real time it goes."""

    def __init__(self, what: str, total_s: float, hidden: bool = False) -> None:
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total_s,
            desc=what,
            bar_format=_FORMAT,
            disable=hidden,
            mininterval=0.1 if terminal else _LOG_INTERVAL_S,
            leave=not terminal,
        )
        self._started = time.monotonic()
        self.done_s = 0.0

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    @property
    def times_real_time(self) -> float:
        return self.done_s / max(self.elapsed_s, 1e-9)

    def add(self, seconds: float) -> None:
        """Note that `seconds` more of audio are done."""
        self.done_s += seconds
        self._bar.set_postfix_str(
            f"{self.times_real_time:.{0 if self.times_real_time >= 10 else 1}f} x real time", refresh=False
        )
        self._bar.update(min(seconds, max(0.0, self._bar.total - self._bar.n)))

    def reach(self, seconds: float) -> None:
        """Note that `seconds` of audio are done in all; never goes back."""
        if seconds - self.done_s >= 1.0:
            self.add(seconds - self.done_s)

    def close(self) -> None:
        self._bar.close()
