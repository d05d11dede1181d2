"""Shared fixtures. Real-data tests find the recordings through WATCHWORD_DATA and skip without."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from watchword.train.tensorflow import ENVIRONMENT

# No test may fail because the computer is busy.
hypothesis.settings.register_profile(
    "watchword", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("watchword")

# Started in the background, pytest inherits an ignored Ctrl-C, and the programs that tests start would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same with nohup and SIGHUP, which pytest itself goes on passing over.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

# Whichever test imports TensorFlow first, it must come as training loads it.
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings with its manifest.csv."""
    folder = os.environ.get("WATCHWORD_DATA")
    if not folder or not (Path(folder) / "manifest.csv").is_file():
        pytest.skip("WATCHWORD_DATA does not name a folder with manifest.csv: no real recordings to test on")
    return Path(folder)
