"""A board given recordings, in batches that are kept as they come; what is kept is not streamed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from watchword import core, spec
from watchword.data.recordings import ADDED_SAMPLES, LEAD_SAMPLES, stream_blocks
from watchword.device.client import Board
from watchword.device.stream import BoardDetection, StreamResult, WordResult
from watchword.evaluate.ledger import Batch, BoardScores, Ledger, sound_digest
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.progress import AudioProgress
from watchword.evaluate.results import LinkFigures
from watchword.evaluate.session import Session

BATCH_S = 15.0  # of audio: an interruption costs at most this or one recording, and a batch one round trip
BYTES_PER_SECOND = 2 * spec.SAMPLE_RATE_HZ  # of audio; framing adds a little
_LINK_COUNTERS = ("retransmissions", "bad_frames", "crc_errors")  # of both ends


@dataclass(frozen=True)
class Streamed:
    """What a board made of recordings, in the order in which they were wanted."""

    places: tuple[int, ...]  # which of the wanted ones: all, unless the run was interrupted
    results: tuple[StreamResult, ...]
    stats: dict[str, int]
    silence: dict[str, int]  # the same counters for one stream of nothing but the added silence
    link: LinkFigures


class BoardStreams:
    """The recordings that a board is wanted for, and what the ledger holds of them."""

    def __init__(
        self,
        image: bytes,
        identity: str,
        wanted: Sequence[ScoredStream],
        ledger: Ledger,
        word: int = 0,
    ) -> None:
        """`word`: the number of the one that is measured."""
        self.wanted, self.word = wanted, word
        self.streamed_s = self.seconds = 0.0  # audio, and what it took
        self._image, self._identity, self._ledger = image, identity, ledger

    def done(self) -> Streamed | None:
        """Everything so far, of this run and the one it goes on with; None if that is nothing."""
        recordings = [stream.recording for stream in self.wanted]
        batches = [*self._ledger.batches(self._image, self._identity, recordings)]
        if not batches:
            return None
        found: dict[str, list[BoardScores]] = {}
        for scores in chain.from_iterable(batch.recordings for batch in batches):
            found.setdefault(scores.sound, []).append(scores)
        places, results = [], []
        for place, recording in enumerate(recordings):
            if of_sound := found.get(sound_digest(recording) or ""):
                places.append(place)
                results.append(_result(place, of_sound.pop(0)))
        stats = _merged([batch.stats for batch in batches])
        link = _summed([batch.link for batch in batches])
        return Streamed(tuple(places), tuple(results), stats, batches[0].silence, link)

    def missing(self) -> set[int]:
        """The places of the recordings that are still to be streamed."""
        done = self.done()
        return set(range(len(self.wanted))) - set(done.places if done else ())

    def stream(self, board: Board, session: Session, on_batch: Callable[[], None] = lambda: None) -> None:
        """Give the board what is missing."""
        stream_words(board, [self], session, on_batch)

    def keep(
        self, scores: Sequence[BoardScores], stats: dict[str, int], silence: dict[str, int], link: LinkFigures
    ) -> None:
        """What the board made of some recordings for this word."""
        self._ledger.add_batch(self._image, Batch(self._identity, tuple(scores), stats, silence, link))


def stream_words(
    board: Board,
    words: Sequence[BoardStreams],
    session: Session,
    on_batch: Callable[[], None] = lambda: None,
) -> None:
    """Give the board what is missing for any of these words, which want the same recordings."""
    wanted = words[0].wanted
    missing = sorted(set[int]().union(*(one.missing() for one in words)))
    if not missing:
        return
    batcher = _Batcher(board, words)
    total_s = sum(_seconds(wanted[place]) for place in missing)
    bar = AudioProgress(str(board.info["board"]), total_s)
    before = board.link_counters.bytes_sent
    board.link.on_sent = lambda count: bar.reach(min((count - before) / BYTES_PER_SECOND, total_s))
    try:
        for places in _batches(wanted, missing):
            streams = [wanted[place] for place in places]
            batcher.run(streams, session)
            for one in words:
                one.streamed_s += sum(map(_seconds, streams))
            on_batch()
    finally:
        bar.close()
        for one in words:
            one.seconds += bar.elapsed_s


def _batches(wanted: Sequence[ScoredStream], places: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for place in places:
        batch.append(place)
        if sum(_seconds(wanted[p]) for p in batch) >= BATCH_S:
            yield batch
            batch = []
    if batch:
        yield batch


class _Batcher:
    """Runs batches on a connected board, and counts for each alone."""

    def __init__(self, board: Board, words: Sequence[BoardStreams]) -> None:
        self._board, self._words = board, words
        board.stats_of_words(reset=True)
        board.stream(np.zeros(ADDED_SAMPLES, np.int16))
        self._silence = board.stats_of_words(reset=True)
        self._link = [0] * 5  # what came before the first batch counts with it

    def run(self, streams: Sequence[ScoredStream], session: Session) -> None:
        """Keep what the board made of these for every word, with its counters and the link's for them."""
        pcm = (stream_blocks(stream.recording) for stream in streams)
        kept: list[list[BoardScores]] = [[] for _ in self._words]
        for stream, result in zip(streams, self._board.stream_many(pcm), strict=True):
            for one, scores in zip(self._words, kept, strict=True):
                gave = result.words[one.word]
                session.log(_line(stream, gave), show=False)
                scores.append(_scores(stream, result, gave))
        stats = self._board.stats_of_words(reset=True)
        before, self._link = self._link, self._counters(stats[0])
        link = LinkFigures(*(now - then for now, then in zip(self._link, before, strict=True)))
        for one, scores in zip(self._words, kept, strict=True):
            one.keep(scores, stats[one.word], self._silence[one.word], link)

    def _counters(self, stats: dict[str, int]) -> list[int]:
        """The fields of LinkFigures for this connection: both ends together."""
        ours = self._board.link_counters
        theirs = {name: stats[name] - self._silence[0][name] for name in _LINK_COUNTERS}
        return [
            ours.bytes_sent + ours.bytes_received,
            ours.retransmissions + theirs["retransmissions"],
            self._board.lost_samples,
            ours.bad_frames + theirs["bad_frames"],
            ours.crc_errors + theirs["crc_errors"],
        ]


def _seconds(stream: ScoredStream) -> float:
    return (stream.audio_samples + ADDED_SAMPLES) / spec.SAMPLE_RATE_HZ


def _scores(stream: ScoredStream, result: StreamResult, gave: WordResult) -> BoardScores:
    detections = tuple((d.sample_index, d.smoothed_q15, d.cost) for d in gave.detections)
    sound = sound_digest(stream.recording) or ""
    counts = (result.samples, gave.rows, result.lost_samples)
    return BoardScores(sound, *counts, gave.scores.tobytes(), detections)


def _result(number: int, kept: BoardScores) -> StreamResult:
    scores = np.frombuffer(kept.scores, np.uint8)
    detections = tuple(BoardDetection(*detection) for detection in kept.detections)
    return StreamResult(number, (WordResult(scores, detections, kept.rows),), kept.samples, kept.lost)


def _merged(batches: Sequence[dict[str, int]]) -> dict[str, int]:
    """The board's counters over all batches: costs are counted for each, the rest since it was started."""

    def merged(name: str) -> int:
        values = [stats[name] for stats in batches]
        if name in ("samples", "hops") or name.endswith("_total"):
            return sum(values)
        return min(values) if name.endswith("_min") or name == "heap_bytes" else max(values)

    return {name: merged(name) for name in batches[0]}


def _summed(links: Sequence[LinkFigures]) -> LinkFigures:
    names = ("bytes", "retransmissions", "lost_samples", "bad_frames", "crc_errors")
    return LinkFigures(*(sum(getattr(link, name) or 0 for link in links) for name in names))


def _line(stream: ScoredStream, gave: WordResult) -> str:
    """A line of log.txt."""
    peak, found = int(gave.scores.max(initial=0)), ", ".join(map(_shown, gave.detections)) or "none"
    return f"{stream.recording.name}: {gave.scores.size} scores, peak {peak}, detections: {found}"


def _shown(detection: BoardDetection) -> str:
    seconds = (detection.sample_index - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ
    return f"{seconds:.3f} s ({core.unit(detection.smoothed_q15):.2f})"
