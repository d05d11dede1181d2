"""The YAML that docs/guide/home-assistant.md shows: what a reader copies is what the tests try."""

from __future__ import annotations

import re
import textwrap

from satellite import ROOT

BLOCK = re.compile(r"^( *)```yaml\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(start: str) -> list[str]:
    """Those that begin with this key."""
    text = (ROOT / "docs/guide/home-assistant.md").read_text()
    found = [textwrap.dedent(block) for _, block in BLOCK.findall(text)]
    chosen = [block for block in found if block.startswith(f"{start}:")]
    assert chosen, f"the guide shows no YAML that begins with {start}:"
    return chosen
