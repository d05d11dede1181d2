"""Shared fixtures. Real-data tests find the recordings through WATCHWORD_DATA and skip without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings with its manifest.csv."""
    folder = os.environ.get("WATCHWORD_DATA")
    if not folder or not (Path(folder) / "manifest.csv").is_file():
        pytest.skip("WATCHWORD_DATA does not name a folder with manifest.csv: no real recordings to test on")
    return Path(folder)
