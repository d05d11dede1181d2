"""The one exception a user sees: what went wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class WatchwordError(Exception):
    """A problem the user can fix. The CLI prints it on one line and exits with status 1."""

    def __init__(self, what: str, where: str | Path = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, str(where), remedy
        place = f"{self.where}: " if self.where else ""
        hint = f" ({remedy})" if remedy else ""
        super().__init__(f"{place}{what}{hint}")

    @property
    def reason(self) -> str:
        """What went wrong and what to do, for a list that names the place itself."""
        return f"{self.what} ({self.remedy})" if self.remedy else self.what
