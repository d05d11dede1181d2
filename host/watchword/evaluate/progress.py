"""Progress of long streams of audio."""

from __future__ import annotations

from tqdm import tqdm

from watchword.progress import Progress

_FORMAT = (
    "{desc} {percentage:3.0f}%|{bar:24}| {n:,.0f}/{total:,.0f} s of audio{postfix} [{elapsed}<{remaining}]"
)


class AudioProgress(Progress):
    """Progress in seconds of audio that shows how many times faster than real time it goes."""

    def __init__(self, what: str, total_s: float, hidden: bool = False) -> None:
        super().__init__(what, total_s, "s of audio", not hidden)

    @property
    def elapsed_s(self) -> float:
        return self.pace.elapsed_s

    @property
    def times_real_time(self) -> float:
        return self.pace.rate

    def rate(self) -> str:
        speed = self.times_real_time
        return f"{speed:.{0 if speed >= 10 else 1}f} x real time"

    def postfix(self) -> str:
        return self.rate()

    def _open_bar(self, done: float) -> tqdm:
        return tqdm(total=self.total, initial=done, desc=self.what, bar_format=_FORMAT, leave=False)
