"""Compares two cost files of tools/cost/measure.py: exits with 1 when a count or a size rose by over 2 %.

  python -m tools.cost.compare docs/evidence/cost.json build/cost/cost.json

Counts that depend on the model are compared only for the same model, nothing across compilers.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

TOLERANCE = 0.02
MODEL_FREE = ("frontend", "normaliser")  # counts whose names start so do not depend on the weights
SHOWN = 0.001  # smaller changes are not worth a line


def report(old: dict[str, Any], new: dict[str, Any], tolerance: float = TOLERANCE) -> int:
    """Prints what changed on each board; 1 if anything rose by more than the tolerance, else 0."""
    same_model = old["model"] == new["model"]
    if not same_model:
        print("another model than the committed one: only the front end is compared")
    worse = 0
    for board, before in old["boards"].items():
        now = new["boards"].get(board)
        if now is None:
            print(f"{board}: not measured now")
        elif now["compiler"] != before["compiler"]:
            print(f"{board}: not compared: {before['compiler']} before, {now['compiler']} now")
        else:
            worse += risen(board, before, now, same_model, tolerance)
    print(f"{worse} of the costs rose by more than {tolerance:.0%}" if worse else "no cost regressions")
    return 1 if worse else 0


def risen(board: str, before: dict[str, Any], now: dict[str, Any], same_model: bool, tolerance: float) -> int:
    """How many costs of one board rose by more than the tolerance; prints all that changed."""
    worse = 0
    for kind in ("counts", "sizes"):
        for name, was in before[kind].items():
            if not same_model and not name.startswith(MODEL_FREE):
                continue
            if name not in now[kind]:
                print(f"{board}, {name}: no longer measured")
                continue
            change = now[kind][name] / was - 1 if was else float(now[kind][name] > 0)
            if abs(change) < SHOWN:
                continue
            verdict = "  REGRESSION" if change > tolerance else ""
            worse += change > tolerance
            print(f"{board}, {name}: {was:,} -> {now[kind][name]:,} ({change:+.1%}){verdict}")
    return worse


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="allowed rise, 0.02 = 2 %%")
    arguments = parser.parse_args()
    old, new = (json.loads(path.read_text()) for path in (arguments.old, arguments.new))
    return report(old, new, arguments.tolerance)


if __name__ == "__main__":
    sys.exit(main())
