"""How long tests/torture is to go on (conftest.py)."""

from __future__ import annotations

import os

AMOUNT = float(os.environ.get("WATCHWORD_TORTURE", "1"))


def tries(at_one: int) -> int:
    """How often to try, from how often at WATCHWORD_TORTURE=1."""
    return max(1, round(at_one * AMOUNT))
