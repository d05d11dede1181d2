"""How long the host waits for a board."""

from __future__ import annotations

from watchword.device.link import HostLink
from watchword.errors import WatchwordError

ANSWER_TIMEOUT_S = 30.0  # the answer to a request, or the next step of a long task
RESET_REMEDY = "reset the board; if it happens again, please report it"


class Deadline:
    """An error when what was asked for is not there in time, whatever else the board says meanwhile.

    more_s: beyond ANSWER_TIMEOUT_S.
    """

    def __init__(
        self,
        link: HostLink,
        fault: str = "the board gave no answer",
        remedy: str = RESET_REMEDY,
        more_s: float = 0.0,
    ) -> None:
        self.link, self.more_s = link, more_s
        self.fault, self.remedy = fault, remedy
        self.restart()

    def restart(self) -> None:
        """The board came a step further: it has the whole time again."""
        self._since = self.link.now()

    def check(self) -> None:
        limit_s = ANSWER_TIMEOUT_S + self.more_s
        if self.link.now() - self._since > limit_s:
            raise WatchwordError(f"{self.fault} within {limit_s:g} s", self.link.name, self.remedy)
