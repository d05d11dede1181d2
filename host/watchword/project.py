"""Where the files beside the Python code are: firmware, its limits, platformio.ini.

In a checkout they are the checkout's own. An installed package carries copies of them in its folder
`project` (setup.py puts them there), and keeps what it builds in the user's cache folder.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def in_checkout() -> bool:
    """Whether this package runs from a checkout, rather than installed by itself."""
    return (_CHECKOUT / "platformio.ini").is_file()


def root() -> Path:
    """The folder that firmware/ and platformio.ini are in."""
    return _CHECKOUT if in_checkout() else _PACKAGE / "project"


def cache() -> Path:
    """Where builds and downloads are kept."""
    return _CHECKOUT / ".cache" if in_checkout() else user_cache()


def user_cache() -> Path:
    """Where this user's programs keep what can be made or fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "watchword"


def base() -> Path:
    """What a relative path in the firmware's settings starts from."""
    return _CHECKOUT if in_checkout() else Path.cwd()


def pip_install(extra: str = "") -> str:
    """The command that installs this package, or an optional part of it."""
    part = f"[{extra}]" if extra else ""
    return f"pip install -e '.{part}'" if in_checkout() else f"pip install 'watchword{part}'"
