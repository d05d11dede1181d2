"""Watchword: train a wake word, put it on an ESP32, and measure what it really does there.

    import watchword
    for heard in watchword.load("models/alexa").detect("a.wav"):
        print(heard.time_s, heard.score)

The names below are the Python interface (docs/reference/python.md); everything else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchword.api import Detection, Model, Scores, Stream, Words, load
    from watchword.core import DetectorConfig
    from watchword.errors import WatchwordError

__version__ = "0.1.0"
__all__ = ["Detection", "DetectorConfig", "Model", "Scores", "Stream", "WatchwordError", "Words", "load"]

_HOMES = {"DetectorConfig": "watchword.core", "WatchwordError": "watchword.errors"}


def __getattr__(name: str) -> Any:
    """Looked up when asked for: `import watchword` reads no numpy and no compiled core."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "watchword.api")), name)
