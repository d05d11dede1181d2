"""The stream of Picovoice's wake word benchmark: words among talk and silence, in noise at 10 dB.

As published with that benchmark (Picovoice/wake-word-benchmark on GitHub), for each word one stream of 24 h:

- every recording of the word once, in random order, the gaps between them of one length;
- the gaps are filled with random utterances of LibriSpeech test-clean that do not hold the word. One in
  five is heard, the others are silence of the same length;
- under all of it the first channels of random DEMAND recordings, one after the other, each at full scale;
- each utterance and word is scaled so that its loudest frame of 32 ms has ten times the energy of the
  loudest frame of the noise under it (10 dB); then the whole stream to full scale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from watchword import audio, spec, words
from watchword.data.discovery import find_sounds
from watchword.errors import WatchwordError

SNR_DB = 10.0
HEARD = 0.2  # of the utterances
FRAME = 512  # samples, whose energy is the level
_AUDIO, _TEST_CLEAN, _CHANNEL = "audio", "test-clean", "ch01.wav"


@dataclass(frozen=True)
class Material:
    """The recordings that one stream is made of."""

    words: tuple[Path, ...]
    talk: tuple[Path, ...]
    noises: tuple[Path, ...]


@dataclass(frozen=True)
class Part:
    """The next samples of a stream, mixed."""

    signal: np.ndarray  # float32
    is_word: bool


def find_words(benchmark: Path, word: str) -> tuple[Path, ...]:
    """The recordings of a word: <benchmark>/audio/<word>/."""
    folder = benchmark / _AUDIO
    if not folder.is_dir():
        what = f"is no copy of Picovoice's benchmark: no folder {_AUDIO} in it"
        raise WatchwordError(what, benchmark, "clone Picovoice/wake-word-benchmark and name its folder")
    for place in sorted(p for p in folder.iterdir() if p.is_dir()):
        if words.same(place.name.replace("_", " "), word) and (sounds := find_sounds(place).sounds):
            return tuple(sorted(sounds))
    raise WatchwordError(f"holds no recordings of '{word}'", folder, "look at the folders there")


def find_talk(librispeech: Path, word: str) -> tuple[Path, ...]:
    """The utterances of test-clean whose transcript does not hold the word."""
    places = [librispeech / "LibriSpeech" / _TEST_CLEAN, librispeech / _TEST_CLEAN, librispeech]
    place = next((p for p in places if p.is_dir()), None)
    transcripts = sorted(place.rglob("*.trans.txt")) if place else []
    if not transcripts:
        remedy = "unpack test-clean.tar.gz of LibriSpeech (openslr.org/12) and name the folder"
        raise WatchwordError("holds no transcripts (*.trans.txt) of LibriSpeech", librispeech, remedy)
    found = []
    for transcript in transcripts:
        for line in transcript.read_text(encoding="utf-8").splitlines():
            name, _, text = line.strip().partition(" ")
            if name and word.lower() not in text.lower():
                found.append(transcript.with_name(f"{name}.flac"))
    missing = [path for path in found if not path.is_file()]
    if missing or not found:
        what = (
            f"{len(missing)} utterances are not there, such as {missing[0].name}" if missing else "is empty"
        )
        raise WatchwordError(what, librispeech, "unpack the archive again")
    return tuple(found)


def find_noises(demand: Path) -> tuple[Path, ...]:
    """The first channel of every environment of DEMAND."""
    found = tuple(sorted(demand.rglob(_CHANNEL))) if demand.is_dir() else ()
    if not found:
        remedy = "unpack DEMAND's archives (such as DKITCHEN_16k.zip) into one folder and name it"
        raise WatchwordError(f"holds no recordings of DEMAND (<environment>/{_CHANNEL})", demand, remedy)
    return found


def content(pcm: np.ndarray) -> str:
    """The same for recordings that hold the same samples, whatever their format."""
    return hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest()


def parts(material: Material, hours: float, seed: int) -> Iterator[Part]:
    """The stream, before it is brought to full scale; the same at every call."""
    rng = np.random.default_rng(seed)
    noise = _Noise(material.noises, rng)
    gap = round(hours * 3600 * spec.SAMPLE_RATE_HZ / (len(material.words) + 1))
    yield from _gap(material.talk, gap, noise, rng)
    for k in rng.permutation(len(material.words)):
        yield Part(noise.under(_full_scale(material.words[k])), True)
        yield from _gap(material.talk, gap, noise, rng)


def _gap(talk: tuple[Path, ...], samples: int, noise: _Noise, rng: np.random.Generator) -> Iterator[Part]:
    done = 0
    while done < samples:
        path = talk[rng.integers(len(talk))]
        if rng.uniform() < HEARD:
            signal = noise.under(_full_scale(path))
        else:
            signal = noise.take(audio.count_samples(path))
        done += signal.size
        yield Part(signal, False)


class _Noise:
    """Random recordings one after the other."""

    def __init__(self, paths: tuple[Path, ...], rng: np.random.Generator) -> None:
        self._paths, self._rng = paths, rng
        self._left = np.zeros(0, np.float32)

    def take(self, samples: int) -> np.ndarray:
        """The next of it: float32 [samples]."""
        taken: list[np.ndarray] = []
        while samples > 0:
            if not self._left.size:
                self._left = _kept_noise(self._paths[self._rng.integers(len(self._paths))])
            taken.append(self._left[:samples])
            self._left = self._left[samples:]
            samples -= taken[-1].size
        return np.concatenate(taken)

    def under(self, speech: np.ndarray) -> np.ndarray:
        """The speech in the next of it."""
        noise = self.take(speech.size)
        level = _level(speech)
        scale = np.sqrt(_level(noise) * 10 ** (SNR_DB / 10) / level) if level else 0.0
        return np.asarray(noise + np.float32(scale) * speech)


def _full_scale(path: Path) -> np.ndarray:
    pcm = audio.load(path).astype(np.float32)
    return np.asarray(pcm / max(1.0, float(np.abs(pcm).max())))


_kept_noise = lru_cache(maxsize=32)(_full_scale)  # each is heard many times: 18 of 5 minutes in 24 hours


def _level(signal: np.ndarray) -> float:
    """Energy of the loudest frame; a signal shorter than one counts as one."""
    whole = signal.size // FRAME * FRAME
    frames = signal[:whole].reshape(-1, FRAME) if whole else signal[None]
    return float((frames.astype(np.float64) ** 2).sum(axis=1).max())
