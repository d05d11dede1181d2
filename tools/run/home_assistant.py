"""A real Home Assistant hears the wake word: runs tests/home_assistant, and writes down what happened.

python -m tools.run.home_assistant [--page docs/evidence/home-assistant.md]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from watchword.errors import WatchwordError
from watchword.files import write_atomic

from tools.setup import esphome, home_assistant

ROOT = Path(__file__).resolve().parents[2]
LOG = "WATCHWORD_TRANSCRIPT"  # read by tests/home_assistant/transcript.py
HEAD = """# Home Assistant: what it saw

Written by `make test-home-assistant PAGE=docs/evidence/home-assistant.md`, from the very run of
tests/home_assistant: a real Home Assistant core, and a program for this computer that a real ESPHome compiled
with this repository's component. Recordings take the place of its microphone; it hears them faster than they
were spoken. Each line is one thing done or seen; the tests compare words, scores and times with what the host
library hears in the same samples. Run on {day} after commit {commit}.

| seconds | |
|---|---|
"""


def run(log: Path) -> int:
    """The tests; Ctrl-C is theirs, for they have a house to put in order."""
    environment = os.environ | {LOG: str(log)}
    command = [sys.executable, "-m", "pytest", "-v", "-n", "0", "tests/home_assistant"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as tests:
        while True:
            with suppress(KeyboardInterrupt):
                return tests.wait()


def page(lines: list[dict[str, object]]) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    head = HEAD.format(day=time.strftime("%Y-%m-%d", time.gmtime()), commit=commit.stdout.strip())
    return head + "".join(f"| {line['seconds']:.2f} | {line['what']} |\n" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, help="write down what happened")
    given = parser.parse_args()
    esphome.install()
    home_assistant.install()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "transcript.jsonl"
        status = run(log)
        if status:
            return status
        if given.page:
            write_atomic(given.page, page([json.loads(line) for line in log.read_text().splitlines()]))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WatchwordError as error:
        sys.exit(f"error: {error}")
