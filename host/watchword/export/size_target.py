"""Limits on what a model may take of the chip's flash and RAM, checked at export."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from watchword.errors import WatchwordError

UNITS = {"": 1, "B": 1, "KB": 1024, "K": 1024, "KIB": 1024, "MB": 1024**2, "M": 1024**2, "MIB": 1024**2}


@dataclass(frozen=True)
class SizeTarget:
    """Limits in bytes; None = no limit. Flash is the model image, RAM is the engine's arena."""

    max_flash_bytes: int | None = None
    max_ram_bytes: int | None = None
    on_excess: Literal["warn", "error"] = "warn"

    def excesses(self, flash_bytes: int, ram_bytes: int) -> list[str]:
        """One sentence for each limit that is exceeded."""
        pairs = (
            ("model image", flash_bytes, self.max_flash_bytes, "flash"),
            ("arena", ram_bytes, self.max_ram_bytes, "RAM"),
        )
        return [
            f"{what} of {size} bytes exceeds the {memory} limit of {limit} bytes by {size - limit}"
            for what, size, limit, memory in pairs
            if limit is not None and size > limit
        ]

    def check(self, flash_bytes: int, ram_bytes: int, where: str) -> list[str]:
        """The excesses as warnings, or an error if so configured."""
        found = self.excesses(flash_bytes, ram_bytes)
        if found and self.on_excess == "error":
            raise WatchwordError("; ".join(found), where, "train a smaller model or raise the limit")
        return found


def parse_bytes(text: str) -> int:
    """'200KB', '1.5MB' or '4096' in bytes; 1 KB = 1024 bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not match or match[2].upper() not in UNITS:
        raise WatchwordError(f"'{text}' is not a size", "size limit", "write it like 200KB, 1.5MB or 4096")
    return int(float(match[1]) * UNITS[match[2].upper()])
