"""Synthetic speech for a wake word: positives, near misses, unrelated speech and noise beds.

Everything is planned first, from the seed alone; a clip's file name is a hash of all that makes it,
so that a second run finds its files and makes only what is missing. Splits are cut between speakers:
no voice of val or test is ever heard in training.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import count as count_up
from itertools import cycle, groupby, islice
from pathlib import Path

import numpy as np
import soxr
from tqdm import tqdm

from watchword import audio, spec, words
from watchword.data import noise, phrases, revoice
from watchword.data.corpus import SPLITS, Clip, read_manifest, write_manifest
from watchword.data.discovery import MANIFEST
from watchword.data.endpoint import word_bounds
from watchword.data.engine import Delivery, Engine
from watchword.data.pronunciations import Vary, vary_near_miss, vary_positive
from watchword.data.revoice import Revoicing
from watchword.data.voices import open_engines
from watchword.errors import WatchwordError

RECIPE = 1  # raise it when the same plan would sound different: all clips are made anew
POSITIVE_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
# Counting false alarms per hour takes hours of speech, so the held-out splits get half of it.
NEGATIVE_SHARES = {"train": 0.5, "val": 0.2, "test": 0.3}
# Near misses teach; in the held-out splits too many of them would make another measure of FAH.
NEAR_MISS_SHARES = {"train": 0.25, "val": 0.15, "test": 0.15}
LEVELS_DBFS = (-34.0, -17.0)  # RMS of the spoken part
PADDING_S = (0.08, 0.35)
FEWEST_TO_HOLD_OUT = 10  # speakers of an engine; its own sound must be heard from several in training
NOISE_BED_S = 30.0
_BABBLE_CLIPS = 20  # of unrelated speech, mixed into one babble
_ENDINGS = ("", ".", "!", "?", ",")
_BATCH = 64
_SILENT = 1e-4  # a peak below this is nothing said
_OWN_NOISE = "made by watchword synth: no restriction"


@dataclass(frozen=True)
class Utterance:
    """One clip to be made; equal utterances sound equal."""

    label: str  # positive or negative
    split: str
    kind: str  # wake, near-miss or speech
    text: str
    engine: str
    speaker: str
    delivery: Delivery
    level_dbfs: float = LEVELS_DBFS[0]
    lead_s: float = 0.0  # silence before the word
    tail_s: float = 0.0
    revoicing: Revoicing | None = None  # whom the engine's voice is turned into

    @property
    def spoken(self) -> tuple[str, str, str, str]:
        """What the engine is asked for: utterances that differ in nothing of it share its answer."""
        return self.engine, self.speaker, self.text, json.dumps(self.delivery, sort_keys=True)

    def path(self, folder: Path, version: str) -> Path:
        name = _hash([RECIPE, version, asdict(self)])
        return folder / self.split / self.label / f"{self.engine}-{self.speaker}" / f"{name}.flac"


def _hash(recipe: list[object]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Synthesis:
    """What was made, or found made already."""

    clips: list[Clip]
    made: int
    manifest: Path


class VoiceChooser:
    """Chooses who says a text, and how: engines and speakers in turn, deliveries at random.

    What an engine has said is used `revoiced` times more, each time by another person (see revoice.py).
    """

    def __init__(self, engines: Sequence[Engine], seed: int, revoiced: int = 0) -> None:
        self._revoiced = revoiced
        self._voices: dict[str, list[tuple[Engine, list[str]]]] = {split: [] for split in SPLITS}
        for engine in engines:
            for split, speakers in split_speakers(engine.name, engine.speakers, seed).items():
                if speakers:
                    self._voices[split].append((engine, speakers))
        for split, voices in self._voices.items():
            if not voices:
                names = ", ".join(engine.name for engine in engines)
                what = f"no voice is left for {split}: {names} has too few speakers"
                raise WatchwordError(what, "", "add another engine, for instance espeak")

    def utterances(
        self,
        texts: Iterator[str],
        label: str,
        split: str,
        kind: str,
        rng: np.random.Generator,
        vary: Vary | None = None,
    ) -> Iterator[Utterance]:
        """Who says the texts; `vary` may change them for engines that read sounds instead of letters."""
        among = {engine.name: speakers for engine, speakers in self._voices[split]}
        turns = cycle(_turns(self._voices[split]))
        for text, (engine, speakers) in zip(texts, turns, strict=False):
            speaker = next(speakers)
            delivery = engine.draw(speaker, rng, among[engine.name])
            if vary is not None and engine.reads_ipa:
                text, delivery = vary(text, delivery, rng)
            spoken = Utterance(label, split, kind, text, engine.name, speaker, delivery)
            yield _placed(spoken, rng)
            for _ in range(self._revoiced):
                yield _placed(replace(spoken, revoicing=revoice.draw(rng)), rng)


def _placed(utterance: Utterance, rng: np.random.Generator) -> Utterance:
    """The utterance with a level and with silence before and after."""
    level = round(float(rng.uniform(*LEVELS_DBFS)), 2)
    lead, tail = (round(float(rng.uniform(*PADDING_S)), 3) for _ in range(2))
    return replace(utterance, level_dbfs=level, lead_s=lead, tail_s=tail)


def _turns(voices: Sequence[tuple[Engine, list[str]]]) -> list[tuple[Engine, Iterator[str]]]:
    """One round of engines, each as often as the square root of its number of speakers: an engine of
    two voices must not fill half of the training, nor one of seventy all of it.
    """
    rounds = []
    for engine, speakers in voices:
        count = round(math.sqrt(len(speakers)))
        endless = cycle(speakers)
        rounds += [((i + 0.5) / count, engine, endless) for i in range(count)]
    rounds.sort(key=lambda turn: turn[0])
    return [(engine, endless) for _, engine, endless in rounds]


def split_speakers(engine: str, speakers: Sequence[str], seed: int) -> dict[str, list[str]]:
    """An engine's speakers, 80/10/10 in an order the seed decides; an engine with few trains with all."""
    order = sorted(speakers, key=lambda name: hashlib.sha256(f"{seed}|{engine}|{name}".encode()).digest())
    held_out = round(0.1 * len(order)) if len(order) >= FEWEST_TO_HOLD_OUT else 0
    return {
        "train": order[2 * held_out :],
        "val": order[:held_out],
        "test": order[held_out : 2 * held_out],
    }


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
    phrase = phrases.check_phrase(phrase)
    _require_same_phrase(out, phrase)
    opened = open_engines(engines)
    chooser = VoiceChooser(opened, seed, revoiced)
    renderer = _Renderer(out, opened, jobs or os.cpu_count() or 1, progress)
    try:
        spoken = [u for u in _positives(phrase, positives, chooser, seed) if u.split in splits]
        clips = renderer.render_all(iter(spoken), len(spoken))
        for split in splits:
            for kind, minutes in _negative_minutes(split, negative_minutes).items():
                texts = _negative_texts(phrase, kind, _rng(seed, split, kind, "texts"))
                vary = vary_near_miss(phrase) if kind == "near-miss" else None
                utterances = chooser.utterances(texts, "negative", split, kind, _rng(seed, split, kind), vary)
                clips += renderer.render_minutes(utterances, minutes, f"{split} {kind}")
        clips += _noise_beds(out, clips, splits, seed)
    finally:
        renderer.close()
    return Synthesis(clips, renderer.made, _publish(out, clips))


def _require_same_phrase(out: Path, phrase: str) -> None:
    """Clips of another phrase would be deleted as ones that this run does not need."""
    manifest = out / MANIFEST
    clips = read_manifest(manifest) if manifest.is_file() else []
    for clip in clips:
        if clip.label == "positive" and not words.same(clip.phrase, phrase):
            raise WatchwordError(
                f"holds clips of '{clip.phrase}', not of '{phrase}'",
                out,
                "give another --out, or delete this folder",
            )


# ── Planning ─────────────────────────────────────────────────────────────────────────────────
def _rng(seed: int, *purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose: more positives do not change the negatives."""
    return np.random.default_rng([seed, zlib.crc32("/".join(purpose).encode())])


def _positives(phrase: str, count: int, chooser: VoiceChooser, seed: int) -> Iterator[Utterance]:
    held_out = {split: round(POSITIVE_SHARES[split] * count) for split in ("val", "test")}
    for split, share in {"train": count - sum(held_out.values()), **held_out}.items():
        rng = _rng(seed, split, "wake")
        texts = (phrase + _ENDINGS[int(rng.integers(len(_ENDINGS)))] for _ in count_up())
        deliveries = _rng(seed, split, "wake", "delivery")
        spoken = chooser.utterances(texts, "positive", split, "wake", deliveries, vary_positive)
        yield from islice(spoken, share)


def _negative_minutes(split: str, total: float) -> dict[str, float]:
    minutes = total * NEGATIVE_SHARES[split]
    near = minutes * NEAR_MISS_SHARES[split]
    return {"near-miss": near, "speech": minutes - near}


def _negative_texts(phrase: str, kind: str, rng: np.random.Generator) -> Iterator[str]:
    if kind == "speech":
        yield from phrases.paragraphs(phrase, rng)
        return
    misses = phrases.near_misses(phrase)
    for _ in count_up():
        for index in rng.permutation(len(misses)):
            yield misses[index].text + _ENDINGS[int(rng.integers(len(_ENDINGS)))]


# ── Making ───────────────────────────────────────────────────────────────────────────────────
class _Renderer:
    """Speaks utterances in parallel, or finds them spoken."""

    def __init__(self, folder: Path, engines: Sequence[Engine], jobs: int, progress: bool) -> None:
        self._folder, self._progress = folder, progress
        self._engines = {engine.name: engine for engine in engines}
        self._pool = ThreadPoolExecutor(jobs)  # the work is in child processes or outside the lock
        self.made = 0

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def render_all(self, utterances: Iterator[Utterance], total: int) -> list[Clip]:
        clips: list[Clip] = []
        with tqdm(total=total, desc="wake word", unit="clip", disable=not self._progress) as bar:
            while batch := self._render_next(utterances, _BATCH):
                clips += batch
                bar.update(len(batch))
        return clips

    def render_minutes(self, utterances: Iterator[Utterance], minutes: float, what: str) -> list[Clip]:
        """Utterances in order until together they last `minutes`; the same ones whatever the batches."""
        clips: list[Clip] = []
        goal_s, held_s = minutes * 60.0, 0.0
        with tqdm(total=round(goal_s), desc=what, unit="s", disable=not self._progress) as bar:
            while held_s < goal_s:
                mean_s = held_s / len(clips) if clips else 10.0
                batch = self._render_next(utterances, min(_BATCH, int((goal_s - held_s) / mean_s) + 1))
                for clip in batch:
                    if held_s < goal_s:
                        clips.append(clip)
                        held_s += clip.seconds
                    else:
                        clip.path.unlink()  # made too many
                bar.update(min(round(held_s), bar.total) - bar.n)
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
            clips.append(_clip(utterance, path, pcm, engine.licence))
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


def _clip(utterance: Utterance, path: Path, pcm: np.ndarray, licence: str) -> Clip:
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
        f"synthetic {utterance.engine} {utterance.kind}",
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
            name = _hash([RECIPE, seed, split, kind, NOISE_BED_S, heard])
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
