"""What a board's own microphone hears: all of it, or the audio before each detection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watchword import audio, core, spec
from watchword.core import DetectorConfig
from watchword.data.capture import Heard, Meter, level_dbfs
from watchword.device.client import DEFECT_REMEDY, Board, BoardDetection, Patience, check_model, detection_of
from watchword.device.messages import Received
from watchword.errors import WatchwordError
from watchword.export.image import load_image

WIRING_REMEDY = "check the microphone's wiring and pins: docs/guide/boards.md"
_STALE_S = 0.75  # a board's ring may hold half a second from before


@dataclass(frozen=True)
class Snippet:
    """A detection and the audio before it, int16 [samples]: less than usual soon after another one."""

    detection: BoardDetection
    pcm: NDArray[np.int16]


@dataclass(frozen=True)
class Capture:
    """One listening, from sample index 0. `lost`: samples that never got to the pipeline, in cuts."""

    pcm: NDArray[np.int16]  # empty when only detections were asked for
    scores: NDArray[np.uint8]
    detections: tuple[BoardDetection, ...]
    samples: int
    lost: int
    clipped: int


@dataclass
class _Ears:
    """Sorts what comes while a board listens."""

    on_snippet: Callable[[Snippet], None]
    on_audio: Callable[[NDArray[np.int16]], None]
    snippet_samples: int = 0
    everything: bool = False
    first: int = 0  # sample index where `pcm` begins
    pcm: bytearray = field(default_factory=bytearray)
    scores: bytearray = field(default_factory=bytearray)
    detections: list[BoardDetection] = field(default_factory=list)
    waiting: deque[BoardDetection] = field(default_factory=deque)  # for the end of their audio

    @property
    def end(self) -> int:
        return self.first + len(self.pcm) // 2

    def take(self, message: Received) -> None:
        if message.name == "scores":
            self.scores += message.tail
        elif message.name == "detection":
            self.detections.append(detection_of(message))
            self.waiting.append(self.detections[-1])
        elif message.name == "heard":
            self._take_audio(message)
        self._deliver()

    def _take_audio(self, message: Received) -> None:
        at = message.number("sample_index")
        if self.everything and at != self.end:
            raise WatchwordError(
                f"the board's audio jumps from sample {self.end} to {at}",
                "board",
                DEFECT_REMEDY,
            )
        if at != self.end:
            self.first, self.pcm = at, bytearray()
        self.pcm += message.tail
        self.on_audio(np.frombuffer(message.tail, "<i2").astype(np.int16))
        if not self.everything:  # no snippet reaches back further
            surplus = max(0, self.end - self.first - 2 * self.snippet_samples)
            del self.pcm[: 2 * surplus]
            self.first += surplus

    def _deliver(self) -> None:
        while self.waiting and self.waiting[0].sample_index <= self.end:
            detection = self.waiting.popleft()
            begin = max(self.first, detection.sample_index - self.snippet_samples)
            part = self.pcm[2 * (begin - self.first) : 2 * (detection.sample_index - self.first)]
            self.on_snippet(Snippet(detection, np.frombuffer(bytes(part), "<i2").astype(np.int16)))


def capture(
    board: Board,
    seconds: float | None,
    everything: bool = False,
    on_snippet: Callable[[Snippet], None] = lambda snippet: None,
    on_audio: Callable[[NDArray[np.int16]], None] = lambda pcm: None,
) -> Capture:
    """Let the board listen for `seconds` of audio (None: until Ctrl-C) and return what came of it.

    everything: keep all audio; otherwise only what came before each detection goes to on_snippet.
    """
    ears = _Ears(on_snippet, on_audio, everything=everything)
    mode = spec.LISTEN["EVERYTHING" if everything else "DETECTIONS"]
    listening = board.ask("listen", "listening", ears.take, send=mode)
    ears.snippet_samples = listening.number("snippet_samples")
    try:
        _listen(board, ears, seconds)
    except KeyboardInterrupt:
        if seconds is not None:
            raise
    done = board.ask("listen", "listened", ears.take, send=spec.LISTEN["STOP"])
    return _finished(ears, done, board.link.name)


def _listen(board: Board, ears: _Ears, seconds: float | None) -> None:
    """Until enough was heard; for detections alone, until the time is over."""
    deadline = None if seconds is None else board.link.now() + seconds
    wanted = None if seconds is None or not ears.everything else round(seconds * spec.SAMPLE_RATE_HZ)
    patience = None  # detections may be rare
    if wanted is not None:
        patience = Patience(board.link, "the microphone gave no sample", WIRING_REMEDY)
    while wanted is None or ears.end < wanted:
        board.turn(ears.take, patience)
        if wanted is None and deadline is not None and board.link.now() >= deadline:
            return


def _finished(ears: _Ears, done: Received, name: str) -> Capture:
    got = (len(ears.scores), len(ears.detections))
    counted = (done.number("scores"), done.number("detections"))
    if got != counted or (ears.everything and ears.end != done.number("samples")):
        raise WatchwordError(
            f"{got} scores and detections and {ears.end} samples came, the board counted {counted} "
            f"and {done.number('samples')}",
            name,
            DEFECT_REMEDY,
        )
    pcm = np.frombuffer(bytes(ears.pcm) if ears.everything else b"", "<i2").astype(np.int16)
    scores = np.frombuffer(bytes(ears.scores), np.uint8)
    numbers = (done.number(what) for what in ("samples", "overruns", "clipped"))
    return Capture(pcm, scores, tuple(ears.detections), *numbers)


class BoardMicrophone:
    """The microphone of a board as a source of takes, for recordings with the ears it will have."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.name = f"the microphone of {board.info['board']}"

    def take(self, seconds: float, meter: Meter) -> Heard:
        """What the board had heard before is thrown away."""
        heard = capture(
            self._board, _STALE_S + seconds, everything=True, on_audio=lambda pcm: meter(level_dbfs(pcm))
        )
        first = round(_STALE_S * spec.SAMPLE_RATE_HZ)
        return Heard(heard.pcm[first : first + round(seconds * spec.SAMPLE_RATE_HZ)], heard.lost > 0)


def save_detections(
    board: Board, out: Path, seconds: float | None, say: Callable[[str], None] = lambda line: None
) -> str:
    """The audio before each detection into a file of its own, at once; `say` gets a line for each."""
    taken = len(list(out.glob("*.wav"))) if out.is_dir() else 0
    numbers = count(taken + 1)

    def save(snippet: Snippet) -> None:
        score = core.unit(snippet.detection.smoothed_q15)
        path = audio.save(out / f"{next(numbers):04d}_{round(100 * score):03d}.wav", snippet.pcm)
        say(f"{snippet.detection.sample_index / spec.SAMPLE_RATE_HZ:.3f} s  {score:.2f}  {path}")

    return _summary(capture(board, seconds, on_snippet=save))


def save_everything(board: Board, out: Path, seconds: float | None, model: Path | None = None) -> str:
    """All audio into one file; with a model folder, the board's scores against the host's."""
    image = None if model is None else load_image(model)
    if image is not None:
        remedy = "name the model that the board runs, or `watchword push` it first"
        check_model(board.info, image, board.link.name, remedy)
    detector = board.config_get()
    heard = capture(board, seconds, everything=True)
    audio.save(out, heard.pcm)
    if heard.samples and not np.ptp(heard.pcm):
        raise WatchwordError("every sample is the same: nothing was heard", out, WIRING_REMEDY)
    if image is None:
        return _summary(heard)
    verdict = "as on the host" if same_as_host(heard, image, detector) else "DIFFERENT from the host's"
    return f"{_summary(heard)}; scores and detections {verdict}"


def _summary(heard: Capture) -> str:
    seconds = heard.samples / spec.SAMPLE_RATE_HZ
    counts = f"{len(heard.detections)} detections, {heard.lost} samples lost, {heard.clipped} clipped"
    return f"{seconds:.1f} s heard, {counts}"


def same_as_host(heard: Capture, image: bytes, detector: DetectorConfig) -> bool:
    """Does the host's pipeline, given what a board heard, say what the board said? (All audio only.)"""
    host = core.run_pipeline(image, heard.pcm, detector)
    mine = [(d.sample_index, d.smoothed_q15) for d in heard.detections]
    return mine == [(d.sample_index, d.smoothed_q15) for d in host.detections] and np.array_equal(
        heard.scores, host.scores
    )
