"""Tests of the promises in docs/evidence/reliability.md, as long as one likes.

WATCHWORD_TORTURE scales how often each is tried: 1 (default) is the short form of `make test`, seconds
in all; `make torture` takes 100. With WATCHWORD_TORTURE_LOG every promise that held is written there,
one JSON object a line: what the page is made of (tools/run/torture.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def holds(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Call at a test's end: `holds(promise, how, tried, figure)`."""

    def write(promise: str, how: str, tried: str, figure: str) -> None:
        path = os.environ.get("WATCHWORD_TORTURE_LOG")
        if path:
            row = {
                "promise": promise,
                "how": how,
                "tried": tried,
                "figure": figure,
                "test": request.node.name,
            }
            with Path(path).open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")

    return write
