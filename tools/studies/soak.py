"""Hours of audio through a board in one stream: `make soak` (HOURS=24, PORT=emu:c3, MODEL=models/<word>).

The host's pipeline gets the same samples. Every score and detection must be equal, no sample missing, no
frame damaged; the stack and the least free heap must be where they were after the first stretch, and the
cost of an hour's audio what it was in the first. Ends at the first difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from watchword import audio, core, spec
from watchword.device import firmware
from watchword.device.client import Board
from watchword.device.deadline import Deadline
from watchword.device.messages import Received
from watchword.device.ports import open_port
from watchword.device.stream import detection_of
from watchword.errors import WatchwordError
from watchword.export.image import load_image

RATE = spec.SAMPLE_RATE_HZ
BLOCK_S = 30
LOOK_BLOCKS = 20  # between two looks at the board's counters
COST_DRIFT = 0.02  # of the instructions per hop: loud and quiet hops differ a little
MUST_STAY = ("stack_bytes", "heap_bytes", "overruns")
MUST_BE_ZERO = ("crc_errors", "bad_frames")


@dataclass
class Soak:
    """A board and the host's pipeline on the same endless stream."""

    board: Board
    pipeline: core.Pipeline
    scores: bytearray = field(default_factory=bytearray)  # expected, not yet come
    detections: deque[tuple[int, int]] = field(default_factory=deque)  # likewise
    taken: int = 0  # scores that came
    samples: int = 0
    fired: int = 0
    first: dict[str, float] | None = None  # counters after the first stretch

    def feed(self, pcm: np.ndarray) -> None:
        """One block into both."""
        (expected,) = self.pipeline.feed(pcm)
        self.scores += expected.scores.tobytes()
        self.detections.extend((d.sample_index, d.smoothed_q15) for d in expected.detections)
        self.fired += len(expected.detections)
        self.samples += len(pcm)
        left, deadline = memoryview(pcm.astype("<i2").tobytes()), Deadline(self.board.link)
        while left:
            left = left[self.board.link.send_pieces("audio", left) :]
            self.board.turn(self._take, deadline)

    def ask(self, name: str, answer: str, **fields: int) -> Received:
        """A request in the midst of the stream; it waits for its turn behind the audio."""
        return self.board.ask(name, answer, self._take, **fields)

    def look(self) -> str:
        """Compare the board's counters with the first ones; one line about them."""
        stats = self.ask("stats_get", "stats", word_number=0, reset=1)
        hops = max(1, stats.number("hops"))
        cost = sum(stats.number(f"{stage}_total") for stage in spec.STAGES) / hops
        now = {name: float(stats.number(name)) for name in MUST_STAY} | {"cost per hop": cost}
        self.first = self.first or now
        self._complain({name: stats.number(name) for name in MUST_BE_ZERO if stats.number(name)}, "not 0")
        changed = {name: now[name] for name in MUST_STAY if now[name] != self.first[name]}
        self._complain(changed, f"not as at first, {self.first}")
        drift = cost / self.first["cost per hop"] - 1
        self._complain({"cost per hop": cost} if abs(drift) > COST_DRIFT else {}, f"drifts by {drift:+.1%}")
        return f"{cost:.0f} per hop, stack {now['stack_bytes']:.0f}, heap {now['heap_bytes']:.0f}"

    def finish(self) -> None:
        """Everything must have come."""
        done = self.ask("stream_end", "stream_done", stream=1)
        self._complain(
            {"samples": done.number("samples")} if done.number("samples") != self.samples else {},
            f"not the {self.samples} that were sent",
        )
        missing = {"scores": len(self.scores), "detections": len(self.detections)}
        self._complain({name: count for name, count in missing.items() if count}, "missing at the end")

    def _take(self, message: Received) -> None:
        if message.name == "scores":
            came = message.tail
            right = message.number("first_index") == self.taken and self.scores.startswith(came)
            self._complain({} if right else {"scores from": message.number("first_index")}, "not the host's")
            self.taken += len(came)
            del self.scores[: len(came)]
        elif message.name == "detection":
            detection = detection_of(message)
            came_here = (detection.sample_index, detection.smoothed_q15)
            right = bool(self.detections) and self.detections.popleft() == came_here
            self._complain({} if right else {"detection at": came_here[0]}, "not the host's")

    def _complain(self, wrong: dict[str, float], why: str) -> None:
        if wrong:
            what = ", ".join(f"{name} {value}" for name, value in wrong.items())
            raise WatchwordError(
                f"after {self.samples / RATE / 3600:.2f} h: {what}: {why}", self.board.link.name
            )


def blocks(seconds: float, folder: Path | None, seed: int) -> Iterator[np.ndarray]:
    """Audio int16 of that length: the folder's recordings again and again, or noise of changing level."""
    rng = np.random.default_rng(seed)
    left, size = round(seconds * RATE), BLOCK_S * RATE
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".flac")) if folder else []
    if folder and not files:
        raise WatchwordError("no recordings", folder, "name a folder with .wav or .flac files")
    pending = np.zeros(0, np.int16)
    while left > 0:
        while files and pending.size < size:
            pending = np.concatenate([pending, audio.load(files[rng.integers(len(files))])])
        block = pending[:size] if files else noise(size, rng)
        pending = pending[size:]
        yield block[:left]
        left -= block.size


def noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """From silence to clipping, a new level every quarter second."""
    levels = np.repeat(10 ** rng.uniform(0, 4.2, samples // (RATE // 4)), RATE // 4)
    return np.clip(rng.normal(0, levels), -32768, 32767).astype(np.int16)


def soak(
    board: Board,
    image: bytes,
    seconds: float,
    folder: Path | None = None,
    seed: int = 1,
    say: Callable[[str], None] = print,
) -> Soak:
    """Stream, compare, look; raises at the first thing that is not as it should be."""
    run = Soak(board, core.Pipeline([image], [board.config_get()]))
    board.stats(reset=True)
    run.ask("stream_start", "stream_started", stream=1)
    started = time.monotonic()
    for number, block in enumerate(blocks(seconds, folder, seed), 1):
        run.feed(block)
        if number % LOOK_BLOCKS == 0:
            speed = run.samples / RATE / (time.monotonic() - started)
            say(
                f"{run.samples / RATE / 3600:7.2f} h  {run.taken} scores and {run.fired} detections equal, "
                f"{run.look()}, {speed:.0f} x real time"
            )
    run.finish()
    counters = board.link_counters
    run._complain({"retransmissions": counters.retransmissions} if counters.retransmissions else {}, "not 0")
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--port", default="emu:c3")
    parser.add_argument("--model", type=Path, default=firmware.default_model_dir())
    parser.add_argument("--data", type=Path, help="Folder of recordings [noise of changing level].")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    try:
        image = load_image(given.model)
        with open_port(given.port, given.model) as transport, Board(transport, given.port) as board:
            run = soak(board, image, given.hours * 3600, given.data, given.seed)
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{run.samples / RATE / 3600:.2f} h: {run.taken} scores and {run.fired} detections as on the host,"
        f" {run.samples} samples, none missing; stack, heap and cost as at first"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
