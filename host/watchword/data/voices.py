"""Speech engines behind one small interface: espeak-ng and flite here, the neural ones in neural.py."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile

from watchword.data.engine import Delivery, Engine
from watchword.data.languages import ENGLISH, LANGUAGES, Language
from watchword.data.speech_tools import espeak, flite
from watchword.errors import WatchwordError


class Espeak:
    """espeak-ng: a formant synthesiser; about 60 variants, eight accents of English."""

    name = "espeak"
    reads_ipa = False
    licence = "espeak-ng: GPL-3.0-or-later (the program)"
    # Robots, effects and test voices say nothing about people; whispering is another task.
    _NOT_PEOPLE = re.compile(r"robo|demonic|announcer|fast|whisper|\s", re.IGNORECASE)

    def __init__(self, language: Language = ENGLISH) -> None:
        self.version = _first_line(espeak(["--version"]))
        self._variants: dict[str, list[str]] = {"default": [""]}
        for variant in _column(r"!v/(.+?)\s*(?:\(|$)", espeak(["--voices=variant"])):
            if not self._NOT_PEOPLE.search(variant):
                self._variants.setdefault(self._family(variant), []).append(variant)
        self._accents = self._accents_of(language)
        self.speakers = tuple(sorted(self._variants))
        if len(self.speakers) < 3 or not self._accents:
            what = f"espeak-ng lists no {language.name} voices"
            raise WatchwordError(what, "", "apt install espeak-ng-data")

    @staticmethod
    def _accents_of(language: Language) -> list[str]:
        if language == ENGLISH:  # as many as there are
            return _column(r"^\s*\d+\s+(en-\S+)\s+.*\sgmw/en", espeak(["--voices=en"]))
        there = _column(r"^\s*\d+\s+(\S+)\s", espeak(["--voices"]))
        return [accent for accent in language.espeak if accent in there]

    @staticmethod
    def _family(variant: str) -> str:
        """Klatt2 and klatt5 are one voice with other settings; f2 and f5 are different ones."""
        stem = variant.rstrip("0123456789")
        return stem if len(stem) > 2 else variant

    def draw(self, speaker: str, rng: np.random.Generator, among: Sequence[str] = ()) -> Delivery:
        variants = self._variants[speaker]
        return {
            "variant": variants[int(rng.integers(len(variants)))],
            "accent": self._accents[int(rng.integers(len(self._accents)))],
            "words_per_minute": int(rng.integers(110, 211)),
            "pitch": int(rng.integers(20, 81)),
            "tract": round(float(rng.uniform(0.94, 1.07)), 3),
        }

    def speak(self, text: str, speaker: str, delivery: Delivery) -> tuple[np.ndarray, int]:
        variant = f"+{delivery['variant']}" if delivery["variant"] else ""
        options = ["-s", str(delivery["words_per_minute"]), "-p", str(delivery["pitch"]), "--stdout"]
        return _streamed_wav(espeak(["-v", f"{delivery['accent']}{variant}", *options], text))


class Flite:
    """Flite's four built-in speakers: diphones (kal) and units cut from recordings (awb, rms, slt)."""

    name = "flite"
    reads_ipa = False
    licence = "flite: CMU, BSD-like"
    _SPEAKERS = ("awb", "kal", "rms", "slt")
    _VOICE: ClassVar = {"kal": "kal16"}
    _PITCH_HZ: ClassVar = {"awb": 130.0, "kal": 105.0, "rms": 100.0, "slt": 170.0}

    def __init__(self) -> None:
        self.version = _first_line(flite(["--version"]), containing="version")
        listed = flite(["-lv"]).decode(errors="replace").split()
        self.speakers = tuple(s for s in self._SPEAKERS if self._VOICE.get(s, s) in listed)
        if not self.speakers:
            raise WatchwordError("flite has none of its usual voices", "", "apt install flite")

    def draw(self, speaker: str, rng: np.random.Generator, among: Sequence[str] = ()) -> Delivery:
        return {
            "stretch": round(float(rng.uniform(0.75, 1.35)), 3),
            "pitch_hz": round(self._PITCH_HZ[speaker] * float(rng.uniform(0.8, 1.25)), 1),
            "pitch_range_hz": round(float(rng.uniform(8, 30)), 1),
            "tract": round(float(rng.uniform(0.88, 1.14)), 3),
        }

    def speak(self, text: str, speaker: str, delivery: Delivery) -> tuple[np.ndarray, int]:
        features = {
            "duration_stretch": delivery["stretch"],
            "int_f0_target_mean": delivery["pitch_hz"],
            "int_f0_target_stddev": delivery["pitch_range_hz"],
        }
        options = [part for key, value in features.items() for part in ("--setf", f"{key}={value}")]
        voice = self._VOICE.get(speaker, speaker)
        return _streamed_wav(flite(["-voice", voice, *options, "-t", text, "-o", "/dev/stdout"]))


def _flite(language: Language) -> Engine:
    return Flite()


def _piper(language: Language, voice: Path | None = None) -> Engine:
    from watchword.data.piper import Piper  # needs onnxruntime, an extra

    return Piper(voice, language)


def _kokoro(language: Language) -> Engine:
    from watchword.data.neural import Kokoro

    return Kokoro(language)


ENGINES: Mapping[str, Callable[[Language], Engine]] = {
    "espeak": Espeak,
    "flite": _flite,
    "piper": _piper,
    "kokoro": _kokoro,
}
_SPEAK_ENGLISH_ONLY = ("flite", "piper")


def engines_for(language: Language) -> tuple[str, ...]:
    """Names of the engines that speak a language; files of Piper voices may speak any."""
    silent = (
        *(_SPEAK_ENGLISH_ONLY if language != ENGLISH else ()),
        *(() if language.kokoro else ("kokoro",)),
    )
    return tuple(name for name in ENGINES if name not in silent)


def default_engines(language: Language) -> tuple[str, ...]:
    """Those that the operating system's packages bring."""
    return tuple(name for name in engines_for(language) if name in ("espeak", "flite"))


def open_engines(
    names: Sequence[str], piper_voices: Sequence[Path] = (), language: Language = ENGLISH
) -> list[Engine]:
    """The named engines and the voices of the files, ready to speak.

    WatchwordError with an install hint for an engine that is missing, and for a file that is no voice.
    """
    unknown = [name for name in names if name not in ENGINES]
    if unknown or not (names or piper_voices):
        raise WatchwordError(
            f"no speech engine '{','.join(unknown)}'", "", f"choose from {', '.join(ENGINES)}"
        )
    able = engines_for(language)
    mute = next((name for name in names if name not in able), None)
    if mute is not None:
        remedy = (
            f"use --engines {','.join(able)} or a --piper-voice of that language, or record people: "
            "watchword record"
        )
        raise WatchwordError(f"{mute} does not speak {language.name}", "", remedy)
    engines = [_opened(name, language) for name in dict.fromkeys(names)]
    for path in dict.fromkeys(piper_voices):
        voice = _piper(language, path)
        if voice.name in (engine.name for engine in engines):
            raise WatchwordError("there are two voices of this name", path, "rename one of them")
        engines.append(voice)
    return engines


@lru_cache(maxsize=len(ENGINES) * len(LANGUAGES))
def _opened(name: str, language: Language) -> Engine:
    return ENGINES[name](language)


def _streamed_wav(content: bytes) -> tuple[np.ndarray, int]:
    """Samples and rate of a wav whose header was written before its length was known."""
    start = content.find(b"data")
    if not content.startswith(b"RIFF") or start < 0:
        return np.zeros(0, np.float32), 16_000
    body = content[start + 8 :]
    body = body[: len(body) // 2 * 2]
    size = len(body)
    header = (
        content[:4]
        + (start + size).to_bytes(4, "little")
        + content[8 : start + 4]
        + size.to_bytes(4, "little")
    )
    signal, rate_hz = soundfile.read(io.BytesIO(header + body), dtype="float32", always_2d=True)
    return signal[:, 0], rate_hz


def _column(pattern: str, listing: bytes) -> list[str]:
    lines = listing.decode(errors="replace").splitlines()
    found = (re.search(pattern, line) for line in lines)
    return list(dict.fromkeys(match.group(1) for match in found if match))


def _first_line(output: bytes, containing: str = "") -> str:
    lines = output.decode(errors="replace").splitlines()
    return next((line.split("Data at")[0].strip() for line in lines if containing in line), "")
