"""The seconds in a board's text never start again, however long it listens."""

from __future__ import annotations

import subprocess
from pathlib import Path

from watchword import spec
from watchword.device.firmware import ROOT

DAY = 86_400


def test_detections_after_years_have_their_own_time(tmp_path: Path) -> None:
    firmware = ROOT / "firmware"
    include = [f"-I{firmware / part}" for part in ("app", "board", "core/include", "core/gen")]
    sources = [Path(__file__).with_name("console_times.c")]
    sources += [firmware / "app" / name for name in ("console.c", "level.c", "text.c")]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", '-DWATCHWORD_VERSION="x"']
    program = tmp_path / "console"
    subprocess.run(["gcc", *flags, *include, *map(str, sources), "-o", str(program)], check=True)
    seconds = [0, 0.02, 12.34, 49.7 * DAY, 50 * DAY + 0.001, 3 * 365 * DAY, 100 * 365 * DAY + 0.999]
    samples = [str(round(s * spec.SAMPLE_RATE_HZ)) for s in seconds]
    said = subprocess.run([str(program), *samples], check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == [f"{s:.3f} s  word  0.50" for s in seconds]
