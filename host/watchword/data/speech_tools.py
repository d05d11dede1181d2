"""The two speech programs of the operating system: espeak-ng and flite."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache

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


_MARKS = str.maketrans({a: f"{b} " for a, b in zip("，。、！？；।", ",.,!?;.", strict=True)})


@lru_cache(maxsize=4096)
def ipa(text: str, voice: str) -> str:
    """IPA of `text` as a voice of espeak-ng says it, with its sentence marks, which carry the melody."""
    text = text.translate(_MARKS)
    lines = espeak(["-q", "--ipa=3", "-v", voice], text).decode(errors="replace").splitlines()
    marks = [c for c in text if c in ".,!?"]
    spoken = [line.strip() for line in lines if line.strip()]
    joined = [part + (marks[i] if i < len(marks) else "") for i, part in enumerate(spoken)]
    return re.sub(r"\([^)]*\)", "", " ".join(joined))  # "(en)": what a foreign word is read as
