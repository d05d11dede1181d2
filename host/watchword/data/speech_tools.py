"""The two speech programs of the operating system: espeak-ng and flite."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from watchword.errors import WatchwordError

_TIMEOUT_S = 60


def espeak(arguments: Sequence[str], text: str = "") -> bytes:
    """Run espeak-ng on `text` (given through standard input, so that no text is taken for an option)."""
    return _run("espeak-ng", arguments, text)


def flite(arguments: Sequence[str]) -> bytes:
    # `flite --version` answers and exits with 1.
    return _run("flite", arguments, "", success=(0, 1) if "--version" in arguments else (0,))


def _run(program: str, arguments: Sequence[str], text: str, success: tuple[int, ...] = (0,)) -> bytes:
    if shutil.which(program) is None:
        raise WatchwordError(f"{program} is not installed", "", f"apt install {program}")
    command = [program, *arguments]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        remedy = f"apt install --reinstall {program}"
        raise WatchwordError(f"{program} does not run: {error}", "", remedy) from error
    if done.returncode not in success:
        reason = (done.stderr.decode(errors="replace").strip() or f"status {done.returncode}").splitlines()[
            -1
        ]
        raise WatchwordError(f"{program} failed: {reason}", "", "try: " + " ".join(command))
    return done.stdout
