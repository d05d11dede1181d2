"""Clean clips in, clips as a board would hear them out: voices, rooms, noise, other speech, microphones.

Signals are float32 [samples] at 16 kHz, ±1 is full scale, until the end, where they become int16. Every
function takes its randomness from `rng`, so the same seed gives the same samples.

The order is that of the world: the voice (speed, pitch, tempo), the room, the noise beside it, a telephone
codec that the whole went through, the microphone (tilt, resonances, band), its hiss, its overload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from watchword import audio
from watchword.data.acoustics import CODECS, Peak, colour, draw_low_cut, draw_peaks, overload, through_codec
from watchword.data.bank import Bank
from watchword.data.mixing import (
    FRAME,
    RATE,
    Signal,
    active_rms,
    add,
    babble,
    coloured_noise,
    excerpt,
    faded,
    load_signal,
    reverberate,
    to_level,
)
from watchword.data.voice_effects import change_speed, shift_pitch, stretch_time

if TYPE_CHECKING:
    from watchword.config import AugmentConfig

BEFORE_END_S = 4.0  # a positive stream: this much up to the word's end …
AFTER_END_S = 0.8  # … and this much after it
_SILENT_LEAD_S = 1.5  # longest digital silence in front of a stream
_NOISE_PACE_OCTAVES = 0.4  # at most: 0.76 to 1.32 times as fast
_OTHER_NOISE_DB = (-12.0, 0.0)  # a second noise beside the first
_TALKERS = 3  # people in babble, at most
_IN_COMPANY = 0.75  # share of the words within other speech that it precedes, and that it follows
_HISS_DBFS = (-85.0, -62.0)  # a microphone's own noise


@dataclass(frozen=True)
class Noise:
    """A kind of noise: people talking, a recording, or (neither) noise made up on the spot.

    A few recordings stand for all the noises of the world: played at another `pace`, and beside an
    `other` one, they are noises that nobody recorded.
    """

    talkers: tuple[Path, ...] = ()
    path: Path | None = None
    pace: float = 1.0  # of the recording: 1.2 = a fifth faster and higher
    other: Noise | None = None
    other_db: float = 0.0  # its level relative to this one's

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it is made of."""
        own = self.talkers if self.path is None else (self.path,)
        return own + (self.other.files if self.other else ())

    def make(self, samples: int, rng: np.random.Generator) -> Signal:
        sound = self._alone(samples, rng)
        if self.other is None:
            return sound
        beside = to_level(self.other.make(samples, rng), self.other_db)
        both: np.ndarray = to_level(sound, 0.0) + beside
        return both

    def _alone(self, samples: int, rng: np.random.Generator) -> Signal:
        if self.talkers:
            return babble(self.talkers, samples, rng)
        if self.path is None:
            return coloured_noise(samples, rng)
        return np.resize(
            change_speed(excerpt(self.path, round(samples * self.pace) + 1, rng), self.pace), samples
        )

    def __str__(self) -> str:
        name = "talk" if self.talkers else self.path.stem if self.path else "coloured noise"
        name += f" at {self.pace:.2f} times its pace" if self.pace != 1.0 else ""
        return f"{name} and {self.other} {self.other_db:+.0f} dB" if self.other else name


@dataclass(frozen=True)
class Scene:
    """One drawn acoustic situation; None = without."""

    room: Path | None
    noise: Noise | None
    snr_db: float
    level_dbfs: float
    speed: float
    semitones: float
    tempo: float
    shift: int  # samples by which the word is late (or early, < 0)
    in_talk: bool  # a word within other speech:
    before: Path | None  # what of,
    after: Path | None  # unless the word opens or closes what is said
    silent_lead: bool
    tilt_db: float
    narrow: bool
    peaks: tuple[Peak, ...]
    low_cut_hz: float
    codec: str | None
    overload_db: float  # 0 = without
    soft: bool  # of the overload
    hiss_dbfs: float | None

    @property
    def files(self) -> tuple[Path, ...]:
        """All of the bank that is heard in it."""
        single = (self.room, self.before, self.after)
        return tuple(path for path in single if path) + (self.noise.files if self.noise else ())


def draw_scene(config: AugmentConfig, bank: Bank, rng: np.random.Generator, word: bool = True) -> Scene:
    """Draw everything that is random about the voice and surroundings of a word, or of other speech."""

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability)

    def around(middle: float, spread: float) -> float:
        return float(rng.uniform(middle - spread, middle + spread))

    shift = round(config.shift_s * RATE)
    in_room, noisy, odd_microphone = happens(config.rir_p), happens(config.noise_p), happens(config.mic_p)
    in_talk = word and bool(bank.speech) and happens(config.context_p)
    return Scene(
        room=bank.room(rng) if bank.rooms and in_room else None,
        noise=_draw_noise(config, bank, rng) if noisy else None,
        snr_db=float(rng.uniform(config.snr_db_min, config.snr_db_max)),
        level_dbfs=float(rng.uniform(config.level_dbfs_min, config.level_dbfs_max)),
        speed=around(1.0, config.speed_max) if happens(config.speed_p) else 1.0,
        semitones=around(0.0, config.pitch_semitones) if happens(config.pitch_p) else 0.0,
        tempo=around(1.0, config.stretch_max) if happens(config.stretch_p) else 1.0,
        shift=int(rng.integers(-shift, shift + 1)),
        in_talk=in_talk,
        before=bank.talk(rng) if in_talk and happens(_IN_COMPANY) else None,
        after=bank.talk(rng) if in_talk and happens(_IN_COMPANY) else None,
        silent_lead=happens(config.silent_lead_p),
        tilt_db=around(0.0, config.tilt_db),
        narrow=happens(config.narrow_p),
        peaks=draw_peaks(config.mic_db, rng) if odd_microphone else (),
        low_cut_hz=draw_low_cut(rng) if odd_microphone else 0.0,
        codec=str(rng.choice(list(CODECS))) if happens(config.codec_p) else None,
        overload_db=float(rng.uniform(0.0, config.clip_db)) if happens(config.clip_p) else 0.0,
        soft=happens(0.5),
        hiss_dbfs=float(rng.uniform(*_HISS_DBFS)) if happens(0.5) else None,
    )


def _draw_noise(config: AugmentConfig, bank: Bank, rng: np.random.Generator) -> Noise:
    noise = _draw_one_noise(config, bank, rng)
    if rng.random() >= config.noise_mix_p:
        return noise
    other = _draw_one_noise(config, bank, rng)
    return replace(noise, other=other, other_db=float(rng.uniform(*_OTHER_NOISE_DB)))


def _draw_one_noise(config: AugmentConfig, bank: Bank, rng: np.random.Generator) -> Noise:
    if bank.speech and rng.random() < config.babble_p:
        return Noise(tuple(bank.talk(rng) for _ in range(int(rng.integers(1, _TALKERS + 1)))))
    if not bank.noises or rng.random() < config.coloured_p:
        return Noise()
    path = bank.noise(rng)
    if rng.random() >= config.noise_pace_p:
        return Noise(path=path)
    return Noise(path=path, pace=float(2.0 ** rng.uniform(-_NOISE_PACE_OCTAVES, _NOISE_PACE_OCTAVES)))


def describe(scene: Scene, word: bool) -> str:
    """What was drawn for a word, or for other speech, in one line; what is not named was left out."""
    told = {
        f"speed {scene.speed:.2f}": scene.speed != 1.0,
        f"pitch {scene.semitones:+.1f} semitones": scene.semitones != 0.0,
        f"tempo {scene.tempo:.2f}": scene.tempo != 1.0,
        f"room {scene.room.stem if scene.room else ''}": scene.room is not None,
        f"{scene.noise} at {scene.snr_db:.0f} dB SNR": scene.noise is not None,
        "within other speech": word and scene.in_talk,
        f"{1000.0 * scene.shift / RATE:+.0f} ms": word and scene.shift != 0,
        "silent lead": scene.silent_lead,
        f"{CODECS.get(scene.codec or '')} codec": scene.codec is not None,
        f"tilt {scene.tilt_db:+.1f} dB": scene.tilt_db != 0.0,
        "telephone band": scene.narrow,
        "microphone "
        + " ".join(f"{db:+.1f} dB at {hz:.0f} Hz" for hz, db, _ in scene.peaks)
        + f" above {scene.low_cut_hz:.0f} Hz": bool(scene.peaks),
        f"hiss {scene.hiss_dbfs or 0.0:.0f} dBFS": scene.hiss_dbfs is not None,
        f"{'soft' if scene.soft else 'hard'} clipping {scene.overload_db:.1f} dB": scene.overload_db > 0.0,
        f"level {scene.level_dbfs:.0f} dBFS": True,
    }
    return ", ".join(text for text, drawn in told.items() if drawn)


def speak(clip: Signal, scene: Scene, pace: float = 1.0) -> Signal:
    """`clip` in the scene's voice, `pace` times as fast as it would be: float32 [other samples]."""
    voice = change_speed(clip, scene.speed * pace)
    return stretch_time(shift_pitch(voice, scene.semitones), scene.tempo)


def render(dry: Signal, scene: Scene, quiet_until: int, rng: np.random.Generator) -> np.ndarray:
    """`dry` speech in `scene` as int16 [same length]; before sample `quiet_until`, digital silence."""
    wet = reverberate(dry, load_signal(scene.room)) if scene.room else dry
    wet = to_level(wet, scene.level_dbfs)
    if scene.noise is not None:
        noise = scene.noise.make(len(wet), rng)
        wet = wet + to_level(noise, scene.level_dbfs - scene.snr_db)
    if scene.codec is not None:
        wet = through_codec(wet, scene.codec)
    wet = colour(wet, scene.tilt_db, scene.narrow, scene.peaks, scene.low_cut_hz)
    if scene.hiss_dbfs is not None:
        hiss = rng.standard_normal(len(wet), dtype=np.float32)
        wet = wet + hiss * np.float32(10.0 ** (scene.hiss_dbfs / 20.0))
    if scene.overload_db > 0.0:
        wet = overload(wet, scene.overload_db, scene.soft)
    pcm = audio.to_int16(wet)
    pcm[:quiet_until] = 0
    return pcm


def word_in_scene(clip: Signal, word: tuple[int, int], scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """An augmented clip as int16 [(BEFORE_END_S + AFTER_END_S) · 16000], the word ending at BEFORE_END_S.

    word: start and end sample of the word in `clip`. `[augment] shift_s` moves that end a little.
    """
    start, end = word
    if scene.in_talk:  # take the word alone, other speech takes the place of what was around it
        first, last = max(0, start - RATE // 20), min(len(clip), end + RATE // 10)
        clip, start, end = faded(clip[first:last]), start - first, end - first
    voice = speak(clip, scene)
    scale = len(voice) / max(1, len(clip))
    start, end = round(start * scale), round(end * scale)
    at, total = round(BEFORE_END_S * RATE) + scene.shift, round((BEFORE_END_S + AFTER_END_S) * RATE)
    canvas = np.zeros(total, np.float32)
    add(canvas, voice, at - end)
    if scene.in_talk:
        _surround(canvas, at - end + start, at, active_rms(voice), scene, rng)
    latest = min(round(_SILENT_LEAD_S * RATE), max(0, at - (end - start) - RATE // 3))
    lead = int(rng.integers(0, latest + 1)) if scene.silent_lead else 0
    return render(canvas, scene, lead, rng)


def talk_in_scene(pieces: Sequence[Signal], scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Clips said one after the other in one scene, as int16 [samples]; pauses of up to 0.5 s."""
    parts: list[Signal] = []
    for piece in pieces:
        pace = rng.uniform(0.97, 1.03) if scene.speed != 1.0 else 1.0
        parts += [speak(piece, scene, pace), np.zeros(int(rng.integers(0, RATE // 2)), np.float32)]
    lead = int(rng.integers(0, round(_SILENT_LEAD_S * RATE))) if scene.silent_lead else 0
    dry = np.concatenate([np.zeros(lead, np.float32), *parts])
    return render(dry, scene, lead, rng)


def _surround(
    canvas: Signal, start: int, end: int, rms: float, scene: Scene, rng: np.random.Generator
) -> None:
    """Put the scene's talk before and after the word that `canvas` holds from `start` to `end`, in place."""
    for path, after in ((scene.before, False), (scene.after, True)):
        gap = int(rng.integers(0, RATE * 4 // 10))
        room = len(canvas) - end - gap if after else start - gap
        if path is None or room < FRAME * 5:
            continue
        voice = excerpt(path, room, rng)
        level = active_rms(voice)
        if level > 0:
            gain = rms / level * 10.0 ** (rng.uniform(-6.0, 6.0) / 20.0)
            add(canvas, faded(voice) * np.float32(gain), end + gap if after else 0)
