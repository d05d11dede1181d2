"""What happens in the tests, and when, for docs/evidence/home-assistant.md."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

LOG = "WATCHWORD_TRANSCRIPT"  # the file that takes it; set by tools/run/home_assistant.py


class Transcript:
    def __init__(self) -> None:
        self._start = time.monotonic()
        self._log = os.environ.get(LOG)

    def tell(self, what: str) -> None:
        line = json.dumps({"seconds": round(time.monotonic() - self._start, 2), "what": what})
        if self._log:
            with Path(self._log).open("a") as log:
                log.write(line + "\n")
