"""Synthetic speech for a wake word: positives, near misses, unrelated speech and noise beds.

Everything is planned first, from the seed alone (utterances.py), so that a second run finds its files and
makes only what is missing. No voice of val or test is ever heard in training.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count as count_up
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import soxr

from watchword import audio, spec, words
from watchword.data import languages, noise, phrases, revoice
from watchword.data.corpus import SPLITS, Clip, read_manifest, write_manifest
from watchword.data.discovery import MANIFEST
from watchword.data.endpoint import word_bounds
from watchword.data.engine import Engine
from watchword.data.languages import ENGLISH, Language
from watchword.data.pronunciations import vary_near_miss, vary_positive
from watchword.data.utterances import RECIPE, Utterance, VoiceChooser, hash_of
from watchword.data.voices import open_engines
from watchword.errors import WatchwordError
from watchword.progress import Progress

POSITIVE_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
# Counting false alarms per hour takes hours of speech, so the held-out splits get half of it.
NEGATIVE_SHARES = {"train": 0.5, "val": 0.2, "test": 0.3}
# Near misses teach; in the held-out splits too many of them would make another measure of FAH.
NEAR_MISS_SHARES = {"train": 0.25, "val": 0.15, "test": 0.15}
NOISE_BED_S = 30.0
_BABBLE_CLIPS = 20  # of unrelated speech, mixed into one babble
_ENDINGS = ("", ".", "!", "?", ",")
_BATCH = 64
_SILENT = 1e-4  # a peak below this is nothing said
_OWN_NOISE = "made by watchword synth: no restriction"


@dataclass(frozen=True)
class Synthesis:
    """What was made, or found made already."""

    clips: list[Clip]
    made: int
    manifest: Path


def synthesise(
    phrase: str,
    out: Path,
    engines: Sequence[str] = ("espeak", "flite"),
    positives: int = 600,
    negative_minutes: float = 15.0,
    seed: int = 1,
    jobs: int | None = None,
    progress: bool = False,
    splits: Sequence[str] = SPLITS,
    revoiced: int = 0,
    piper_voices: Sequence[Path] = (),
    language: Language = ENGLISH,
) -> Synthesis:
    """Make `positives` clips of `phrase` and `negative_minutes` of other speech in `out`, with a manifest.

    Of a plan for all three splits only `splits` are made: where real people test the model, synthetic
    tests are a waste. Clips go to out/<split>/<label>/<engine>-<speaker>/<hash>.flac. Files that are there
    are kept; those an earlier manifest of `out` lists and this run does not need are deleted.
    """
    if positives < 0 or not 0 <= negative_minutes < 1e5:
        raise WatchwordError("a negative amount of speech", "", "give a count and minutes of zero or more")
    if revoiced:
        revoice.require()
    phrase = phrases.check_phrase(phrase, language)
    _require_same_phrase(out, phrase, language)
    opened = open_engines(engines, piper_voices, language)
    chooser = VoiceChooser(opened, seed, revoiced)
    renderer = _Renderer(out, opened, jobs or os.cpu_count() or 1, progress, language)
    try:
        spoken = [u for u in _positives(phrase, positives, chooser, seed, language) if u.split in splits]
        clips = renderer.render_all(iter(spoken), len(spoken))
        for split in splits:
            for kind, minutes in _negative_minutes(split, negative_minutes).items():
                texts = _negative_texts(phrase, kind, _rng(seed, split, kind, "texts"), language)
                vary = vary_near_miss(phrase) if kind == "near-miss" and language == ENGLISH else None
                utterances = chooser.utterances(texts, "negative", split, kind, _rng(seed, split, kind), vary)
                clips += renderer.render_minutes(utterances, minutes, f"{split} {kind}")
        clips += _noise_beds(out, clips, splits, seed)
    finally:
        renderer.close()
    return Synthesis(clips, renderer.made, _publish(out, clips))


def _require_same_phrase(out: Path, phrase: str, language: Language) -> None:
    """Clips of another phrase or language would be deleted as ones that this run does not need."""
    manifest = out / MANIFEST
    clips = read_manifest(manifest) if manifest.is_file() else []
    for clip in clips:
        if clip.label == "positive" and not words.same(clip.phrase, phrase):
            raise WatchwordError(
                f"holds clips of '{clip.phrase}', not of '{phrase}'",
                out,
                "give another --out, or delete this folder",
            )
        code = languages.code_of(clip.source)
        if clip.label == "positive" and clip.synthetic and code != language.code:
            raise WatchwordError(
                f"holds clips in the language {code}, not {language.code}",
                out,
                "give another --out, or delete this folder; scan reads several folders into one manifest",
            )


# ── Planning ─────────────────────────────────────────────────────────────────────────────────
def _rng(seed: int, *purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose: more positives do not change the negatives."""
    return np.random.default_rng([seed, zlib.crc32("/".join(purpose).encode())])


def _positives(
    phrase: str, count: int, chooser: VoiceChooser, seed: int, language: Language = ENGLISH
) -> Iterator[Utterance]:
    held_out = {split: round(POSITIVE_SHARES[split] * count) for split in ("val", "test")}
    for split, share in {"train": count - sum(held_out.values()), **held_out}.items():
        rng = _rng(seed, split, "wake")
        texts = (phrase + _ENDINGS[int(rng.integers(len(_ENDINGS)))] for _ in count_up())
        deliveries = _rng(seed, split, "wake", "delivery")
        vary = vary_positive if language == ENGLISH else None
        spoken = chooser.utterances(texts, "positive", split, "wake", deliveries, vary)
        yield from islice(spoken, share)


def _negative_minutes(split: str, total: float) -> dict[str, float]:
    minutes = total * NEGATIVE_SHARES[split]
    near = minutes * NEAR_MISS_SHARES[split]
    return {"near-miss": near, "speech": minutes - near}


def _negative_texts(phrase: str, kind: str, rng: np.random.Generator, language: Language) -> Iterator[str]:
    if kind == "speech":
        yield from phrases.paragraphs(phrase, rng, language=language)
        return
    misses = phrases.near_misses(phrase, language)
    for _ in count_up():
        for index in rng.permutation(len(misses)):
            yield misses[index].text + _ENDINGS[int(rng.integers(len(_ENDINGS)))]


# ── Making ───────────────────────────────────────────────────────────────────────────────────
class _Renderer:
    """Speaks utterances in parallel, or finds them spoken."""

    def __init__(
        self, folder: Path, engines: Sequence[Engine], jobs: int, progress: bool, language: Language
    ) -> None:
        self._folder, self._progress, self._language = folder, progress, language
        self._engines = {engine.name: engine for engine in engines}
        self._pool = ThreadPoolExecutor(jobs)  # the work is in child processes or outside the lock
        self.made = 0

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def render_all(self, utterances: Iterator[Utterance], total: int) -> list[Clip]:
        clips: list[Clip] = []
        with Progress("wake word", total, "clips", self._progress) as bar:
            while batch := self._render_next(utterances, _BATCH):
                clips += batch
                bar.add(len(batch))
        return clips

    def render_minutes(self, utterances: Iterator[Utterance], minutes: float, what: str) -> list[Clip]:
        """Utterances in order until together they last `minutes`; the same ones whatever the batches."""
        clips: list[Clip] = []
        goal_s, held_s = minutes * 60.0, 0.0
        with Progress(what, round(goal_s), "s of speech", self._progress) as bar:
            while held_s < goal_s:
                mean_s = held_s / len(clips) if clips else 10.0
                batch = self._render_next(utterances, min(_BATCH, int((goal_s - held_s) / mean_s) + 1))
                for clip in batch:
                    if held_s < goal_s:
                        clips.append(clip)
                        held_s += clip.seconds
                    else:
                        clip.path.unlink()  # made too many
                bar.reach(min(held_s, goal_s))
        return clips

    def _render_next(self, utterances: Iterator[Utterance], count: int) -> list[Clip]:
        groups = groupby(islice(utterances, count), key=lambda utterance: utterance.spoken)
        rendered = self._pool.map(self._rendered, [list(group) for _, group in groups])
        return [clip for clips in rendered for clip in clips]

    def _rendered(self, utterances: Sequence[Utterance]) -> list[Clip]:
        """Clips of utterances that are spoken alike; the engine is asked once, or not at all."""
        engine = self._engines[utterances[0].engine]
        signal: np.ndarray | None = None
        clips = []
        for utterance in utterances:
            path = utterance.path(self._folder, engine.version)
            if path.is_file():
                pcm = audio.load(path)
            else:
                signal = speak(utterance, engine) if signal is None else signal
                pcm = finish(utterance, signal)
                audio.save(path, pcm)
                self.made += 1
            source = languages.source_of(utterance.engine, utterance.kind, self._language)
            clips.append(_clip(utterance, path, pcm, source, engine.licence))
        return clips


def speak(utterance: Utterance, engine: Engine) -> np.ndarray:
    """What the engine says, its vocal tract scaled: float32 [samples]."""
    signal, rate_hz = engine.speak(utterance.text, utterance.speaker, utterance.delivery)
    tract = float(utterance.delivery["tract"])
    spoken: np.ndarray = soxr.resample(
        signal.astype(np.float32), rate_hz * tract, spec.SAMPLE_RATE_HZ, quality="HQ"
    )
    if not np.abs(spoken).max(initial=0.0) > _SILENT:
        what = f"{engine.name} says nothing for '{utterance.text}'"
        raise WatchwordError(what, "", f"try another engine than {engine.name}")
    return spoken


def finish(utterance: Utterance, signal: np.ndarray) -> np.ndarray:
    """The clip of what was spoken: said by another person, trimmed, levelled, padded; int16 [samples]."""
    if utterance.revoicing is not None:
        signal = revoice.revoice(signal, spec.SAMPLE_RATE_HZ, utterance.revoicing)
    loud = np.flatnonzero(np.abs(signal) > 0.01 * np.abs(signal).max())
    signal = signal[loud[0] : loud[-1] + 1]
    gain = 10.0 ** (utterance.level_dbfs / 20.0) / float(np.sqrt(np.mean(signal**2)))
    gain = min(gain, 0.99 / float(np.abs(signal).max()))
    lead, tail = (np.zeros(round(s * spec.SAMPLE_RATE_HZ)) for s in (utterance.lead_s, utterance.tail_s))
    return audio.to_int16(np.concatenate((lead, signal * gain, tail)))


def _clip(utterance: Utterance, path: Path, pcm: np.ndarray, source: str, licence: str) -> Clip:
    bounds: tuple[float | None, float | None] = (None, None)
    if utterance.label == "positive":
        start, end = word_bounds(pcm)
        bounds = (start / spec.SAMPLE_RATE_HZ, end / spec.SAMPLE_RATE_HZ)
    return Clip(
        path,
        utterance.split,
        utterance.label,
        utterance.text.rstrip("".join(_ENDINGS)),
        f"{utterance.engine}-{utterance.speaker}",
        source,
        pcm.size / spec.SAMPLE_RATE_HZ,
        *bounds,
        synthetic=True,
        licence=licence,
    )


def _noise_beds(out: Path, clips: Sequence[Clip], splits: Sequence[str], seed: int) -> list[Clip]:
    """One bed of each kind for each split; babble is mixed from that split's unrelated speech."""
    beds = []
    for split in splits:
        talk = [clip.path for clip in clips if clip.split == split and clip.source.endswith(" speech")]
        talk = talk[:_BABBLE_CLIPS]
        for kind in noise.KINDS if talk else noise.KINDS[:-1]:
            heard = [path.name for path in talk] if kind == "babble" else []
            name = hash_of([RECIPE, seed, split, kind, NOISE_BED_S, heard])
            path = out / split / "noise" / f"{kind}-{name}.flac"
            if not path.is_file():
                speech = [audio.load(path) for path in talk] if kind == "babble" else []
                audio.save(path, noise.bed(kind, NOISE_BED_S, _rng(seed, split, kind), speech))
            source = f"synthetic {kind} noise"
            beds.append(
                Clip(
                    path,
                    split,
                    "noise",
                    source=source,
                    seconds=NOISE_BED_S,
                    synthetic=True,
                    licence=_OWN_NOISE,
                )
            )
    return beds


def _publish(out: Path, clips: Sequence[Clip]) -> Path:
    """Write the manifest and delete the clips that only an earlier one lists."""
    manifest = out / MANIFEST
    kept = {clip.path.absolute() for clip in clips}
    old = read_manifest(manifest) if manifest.is_file() else []
    write_manifest(manifest, clips)
    for clip in old:
        ours = clip.synthetic and re.fullmatch(r"(\w+-)?[0-9a-f]{20}\.flac", clip.path.name)
        if ours and clip.path.is_relative_to(out) and clip.path.absolute() not in kept:
            clip.path.unlink(missing_ok=True)
    return manifest
