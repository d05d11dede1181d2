"""Runs tests/torture at length and writes what held, and how often it was tried, into a page.

python -m tools.run.torture --amount 100 --out docs/evidence/reliability.md
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from watchword.files import write_atomic

ROOT = Path(__file__).resolve().parents[2]
HEAD = """# Reliability: what was promised, how it was tried, how often

Written by `make torture` (AMOUNT={amount:g}) from tests/torture. The short form of the same tests is part of
`make test`. One row is one promise that held; a promise that breaks fails the run and no page is written.
A single test: `WATCHWORD_TORTURE={amount:g} python -m pytest tests/torture -k NAME`.

| promise | how it was tried | how often | figure | test |
|---|---|---|---|---|
"""


def run(amount: float, log: Path) -> int:
    """The tests at that length; each promise that held becomes a line of `log`."""
    environment = os.environ | {"WATCHWORD_TORTURE": str(amount), "WATCHWORD_TORTURE_LOG": str(log)}
    command = [sys.executable, "-m", "pytest", "-v", "tests/torture"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def page(rows: list[dict[str, str]], amount: float) -> str:
    lines = [
        f"| {row['promise']} | {row['how']} | {row['tried']} | {row['figure']} | `{row['test']}` |"
        for row in rows
    ]
    return HEAD.format(amount=amount) + "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--amount", type=float, default=100.0, help="times the short form [100]")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "evidence" / "reliability.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "held.jsonl"
        status = run(given.amount, log)
        if status:
            print("a promise broke: no page written", file=sys.stderr)
            return status
        rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    write_atomic(given.out, page(rows, given.amount))
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
