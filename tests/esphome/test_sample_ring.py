"""The ring between the microphone's task and the listening one, under ThreadSanitizer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from satellite import HERE, ROOT

pytestmark = pytest.mark.slow


def test_what_one_thread_writes_another_reads_or_hears_of_as_lost(tmp_path: Path) -> None:
    program = tmp_path / "ring"
    include = f"-I{ROOT / 'esphome/components/watchword'}"
    flags = ["-std=gnu++20", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=thread", "-pthread"]
    subprocess.run(["g++", *flags, include, HERE / "sample_ring.cpp", "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
