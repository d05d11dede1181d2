"""What a board's own microphone hears: all of it, or the audio before each detection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watchword import audio, core, spec
from watchword.core import DetectorConfig
from watchword.data.microphone import Meter, Take, level_dbfs
from watchword.device.client import Board
from watchword.device.deadline import Deadline
from watchword.device.messages import Received
from watchword.device.push import check_model
from watchword.device.recording import check_new, growing
from watchword.device.stream import DEFECT_REMEDY, BoardDetection, Gathered, WordResult
from watchword.errors import WatchwordError
from watchword.export.image import load_image
from watchword.files import check_folder, numbered

WIRING_REMEDY = "check the microphone's wiring and pins: docs/guide/boards.md"
LINK_REMEDY = "check the cable, and that nothing else keeps this computer busy"
_SLOWEST = 2.0  # times the length of the audio: a link that is slower loses sound
_CLIP = r"(\d+)_\d+\.wav"
_STALE_S = 0.75  # a board's ring may hold half a second from before


@dataclass(frozen=True)
class Snippet:
    """A detection and the audio before it, int16 [samples]: less than usual soon after another one."""

    word: int  # its number
    detection: BoardDetection
    pcm: NDArray[np.int16]


@dataclass(frozen=True)
class Capture:
    """One listening, from sample index 0. `lost`: samples that never got to the pipeline, in cuts."""

    pcm: NDArray[np.int16]  # empty when only detections were asked for
    words: tuple[WordResult, ...]  # by their numbers
    samples: int
    lost: int
    clipped: int


@dataclass
class _Listening:
    """Sorts what comes while a board listens.

    everything: the audio must have no hole; keep: all of it stays in `pcm`, else as much as a snippet needs.
    """

    gathered: Gathered
    on_snippet: Callable[[Snippet], None]
    on_audio: Callable[[NDArray[np.int16]], None]
    everything: bool = False
    keep: bool = False
    snippet_samples: int = 0
    first: int = 0  # sample index where `pcm` begins
    pcm: bytearray = field(default_factory=bytearray)
    last: int = 0  # sample index of the latest detection
    waiting: deque[tuple[int, BoardDetection]] = field(default_factory=deque)  # for the end of their audio

    @property
    def end(self) -> int:
        return self.first + len(self.pcm) // 2

    def take(self, message: Received) -> None:
        if message.name == "heard":
            self._take_audio(message)
        elif detection := self.gathered.take(message):
            self.waiting.append((message.number("word_number"), detection))
            self.last = max(self.last, detection.sample_index)
        self._deliver()

    def _take_audio(self, message: Received) -> None:
        at = message.number("sample_index")
        if (self.everything and at != self.end) or len(message.tail) % 2:
            raise WatchwordError(
                f"the board's audio jumps from sample {self.end} to {at}, with {len(message.tail)} bytes",
                "board",
                DEFECT_REMEDY,
            )
        if at != self.end:
            self.first, self.pcm = at, bytearray()
        self.pcm += message.tail
        self.on_audio(np.frombuffer(message.tail, "<i2").astype(np.int16))
        if not self.keep:  # no snippet reaches back further
            surplus = max(0, self.end - self.first - 2 * self.snippet_samples)
            del self.pcm[: 2 * surplus]
            self.first += surplus

    def _deliver(self) -> None:
        while self.waiting and self.waiting[0][1].sample_index <= self.end:
            word, detection = self.waiting.popleft()
            begin = max(self.first, detection.sample_index - self.snippet_samples)
            end = max(begin, detection.sample_index)
            part = self.pcm[2 * (begin - self.first) : 2 * (end - self.first)]
            self.on_snippet(Snippet(word, detection, np.frombuffer(bytes(part), "<i2").astype(np.int16)))


def capture(
    board: Board,
    seconds: float | None,
    everything: bool = False,
    on_snippet: Callable[[Snippet], None] = lambda snippet: None,
    on_audio: Callable[[NDArray[np.int16]], None] = lambda pcm: None,
    keep: bool = True,
) -> Capture:
    """Let the board listen for `seconds` of audio (None: until Ctrl-C) and return what came of it.

    everything: all audio goes to on_audio, without a hole, and into the result if `keep`; otherwise only
    what came before each detection goes to on_snippet.
    """
    heard = _Listening(board.gathered(), on_snippet, on_audio, everything, everything and keep)
    mode = spec.LISTEN["EVERYTHING" if everything else "DETECTIONS"]
    listening = board.ask("listen", "listening", heard.take, send=mode)
    heard.snippet_samples = listening.number("snippet_samples")
    try:
        _listen(board, heard, seconds)
    except KeyboardInterrupt:
        if seconds is not None:
            raise
    done = board.ask("listen", "listened", heard.take, send=spec.LISTEN["STOP"])
    return _finished(heard, done, board.link.name)


def _listen(board: Board, heard: _Listening, seconds: float | None) -> None:
    """Until enough was heard; for detections alone, until the time is over."""
    if seconds is None or not heard.everything:
        end = None if seconds is None else board.link.now() + seconds
        while end is None or board.link.now() < end:
            board.turn(heard.take)  # detections may be rare
        return
    wanted = round(seconds * spec.SAMPLE_RATE_HZ)
    silence = Deadline(board.link, "the microphone gave no sample", WIRING_REMEDY)
    whole = Deadline(
        board.link,
        f"the board did not send {seconds:g} s of audio",
        LINK_REMEDY,
        more_s=_SLOWEST * seconds,
    )
    while (before := heard.end) < wanted:
        board.turn(heard.take, silence, whole)
        if heard.end > before:
            silence.restart()


def _finished(heard: _Listening, done: Received, name: str) -> Capture:
    samples = done.number("samples")
    if heard.last > samples or (heard.everything and heard.end != samples):
        what = f"{heard.end} samples and a detection at {heard.last} came, the board counted {samples}"
        raise WatchwordError(what, name, DEFECT_REMEDY)
    pcm = np.frombuffer(bytes(heard.pcm) if heard.keep else b"", "<i2").astype(np.int16)
    numbers = (done.number(what) for what in ("samples", "overruns", "clipped"))
    return Capture(pcm, heard.gathered.results(), *numbers)


class BoardMicrophone:
    """The microphone of a board as a source of takes, for recordings with the ears it will have."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.name = f"the microphone of {board.info['board']}"

    def take(self, seconds: float, meter: Meter) -> Take:
        """What the board had heard before is thrown away."""
        heard = capture(
            self._board, _STALE_S + seconds, everything=True, on_audio=lambda pcm: meter(level_dbfs(pcm))
        )
        first = round(_STALE_S * spec.SAMPLE_RATE_HZ)
        return Take(heard.pcm[first : first + round(seconds * spec.SAMPLE_RATE_HZ)], heard.lost > 0)


def save_detections(
    board: Board, out: Path, seconds: float | None, say: Callable[[str], None] = lambda line: None
) -> str:
    """The audio before each detection into a file of its own, at once; `say` gets a line for each."""
    check_folder(out)

    def save(snippet: Snippet) -> None:
        score = core.unit(snippet.detection.smoothed_q15)
        names = numbered(out, _CLIP, lambda number: f"{number:04d}_{round(100 * score):03d}.wav")
        path = audio.save_new(names, snippet.pcm)
        at, word = snippet.detection.sample_index / spec.SAMPLE_RATE_HZ, board.words[snippet.word]["word"]
        say(f"{at:.3f} s  {word}  {score:.2f}  {path}")

    return _summary(capture(board, seconds, on_snippet=save))


def save_everything(
    board: Board,
    out: Path,
    seconds: float | None,
    model: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """All audio into one file; with a model folder, the board's scores against the host's.

    The file grows as the sound comes: however this ends, what was heard until then stays, and `say` is told.
    """
    check_new(out)
    image, word = None if model is None else load_image(model), 0
    if image is not None:
        remedy = "name a model that the board runs, or `watchword push` it first"
        word = check_model(board.words, image, board.link.name, remedy)
    detector = board.config_get(word)
    with growing(out) as file:
        try:
            heard = capture(board, seconds, everything=True, on_audio=file.append, keep=False)
        except BaseException:
            if file.samples:
                say(f"{file.samples / spec.SAMPLE_RATE_HZ:.1f} s kept in {out}")
            raise
    if heard.samples and file.is_constant:
        raise WatchwordError("every sample is the same: nothing was heard", out, WIRING_REMEDY)
    if image is None or not heard.samples:
        return _summary(heard)
    heard = replace(heard, pcm=audio.load(out))
    same = same_as_host(heard, image, detector, word)
    verdict = "as on the host" if same else "DIFFERENT from the host's"
    return f"{_summary(heard)}; scores and detections {verdict}"


def _summary(heard: Capture) -> str:
    seconds = heard.samples / spec.SAMPLE_RATE_HZ
    detections = sum(len(word.detections) for word in heard.words)
    counts = f"{detections} detections, {heard.lost} samples lost, {heard.clipped} clipped"
    return f"{seconds:.1f} s heard, {counts}"


def same_as_host(heard: Capture, image: bytes, detector: DetectorConfig, word: int = 0) -> bool:
    """Does the host's pipeline, given what a board heard, say what its word said? (All audio only.)"""
    host, board = core.run_pipeline(image, heard.pcm, detector), heard.words[word]
    mine = [(d.sample_index, d.smoothed_q15) for d in board.detections]
    return mine == [(d.sample_index, d.smoothed_q15) for d in host.detections] and np.array_equal(
        board.scores, host.scores
    )
