"""Score traces of a made-up detector, for tests of metrics, report and sessions without a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from watchword import core
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES, Recording
from watchword.evaluate.assemble import HOST, BoardFigures, Limits, accuracy_parts, judged
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import (
    SCHEMA,
    Budgets,
    Cost,
    DetectionCost,
    Estimate,
    Hashes,
    LinkFigures,
    Memory,
    Parity,
    Provenance,
    Results,
    SkippedFile,
    Spread,
)

RATE, STEP = 16_000, 640
DETECTOR = core.DetectorConfig()


def make_streams(seed: int = 0, positives: int = 40, negative_minutes: float = 30.0) -> list[ScoredStream]:
    """Words that mostly score high, some that do not, and negatives with a few bumps."""
    rng = np.random.default_rng(seed)
    streams = []
    for i in range(positives):
        word = (float(rng.uniform(0.2, 0.8)), float(rng.uniform(1.0, 1.6)))
        height = 250 if rng.random() < 0.9 else rng.uniform(60, 160)
        bumps = [(word[1] + rng.normal(0.12, 0.05), height)]
        name = f"speaker{i % 5}/{i:03d}.flac"
        recording = Recording(
            Path("/data/yes") / name, (word,), "positive", name, f"speaker{i % 5}", "studio"
        )
        streams.append(_stream(rng, recording, 2.5, bumps))
    for i in range(10):
        seconds = negative_minutes * 6.0
        bumps = [(rng.uniform(1, seconds - 1), rng.uniform(60, 240)) for _ in range(int(rng.integers(2, 12)))]
        name = f"{'talk' if i % 2 else 'music'}/{i:03d}.flac"
        recording = Recording(Path("/data/no") / name, (), "negative", name, "", name.split("/")[0])
        streams.append(_stream(rng, recording, seconds, bumps))
    return streams


def make_results(
    streams: list[ScoredStream], board: str = "emu-c3", limits: dict[str, float] | None = None
) -> Results:
    """A whole result, as bench writes it, around made-up costs."""
    figures = BoardFigures() if board == HOST else _board_figures(board)
    results = Results(
        schema=SCHEMA,
        word="hey lighthouse",
        board=board,
        **accuracy_parts(streams, DETECTOR, figures),
        cost=figures.cost,
        memory=Memory(figures.ram_bytes, 9_216, figures.stack_bytes, figures.code_bytes, 26_512),
        parity=figures.parity,
        link=figures.link,
        hashes=Hashes(figures.firmware_sha256, "ab" * 32, "7fc24221"),
        conditions=None,
        origin={"positives": "/data/yes", "negatives": "/data/no"},
        recordings=len(streams),
        notes=("recordings without the word: 30 of 95.0 minutes (--limit-minutes)",),
        skipped=(SkippedFile("/data/no/broken.wav", "holds no samples"),),
        provenance=Provenance(
            "2026-01-02T03:04:05+00:00",
            "watchword bench --port emu:c3 --model models/hey --positives yes --negatives no",
            {"watchword": "0.1.0", "numpy": "2.4.6"},
            times_real_time=17.3,
        ),
        budgets=Budgets("firmware/budgets.toml", True, ()),
    )
    return replace(results, budgets=judged(results, Limits(Path("firmware/budgets.toml"), limits or {})))


def _board_figures(board: str) -> BoardFigures:
    per_second = {"frontend": 3_912_345.0, "model": 5_204_400.0, "detector": 3_210.0, "total": 9_119_955.0}
    text = "estimate: 8.5 % of a 160 MHz core, if an instruction takes 1.5 cycles (assumed)"
    return BoardFigures(
        name=board,
        cost=Cost(
            per_second,
            {
                name: Spread(int(value / 60), value / 50, int(value / 40))
                for name, value in per_second.items()
                if name != "total"
            },
            Estimate(160_000_000, 1.5, 0.085, text),
            "instructions",
            DetectionCost(301_000, 402_113),
        ),
        ram_bytes=30_412,
        stack_bytes=1_024,
        code_bytes=21_004,
        parity=Parity(45_123, 0, 42, 0),
        link=LinkFigures(61_234_567, 3, 0),
        firmware_sha256="9c" * 32,
    )


def _stream(
    rng: np.random.Generator, recording: Recording, seconds: float, bumps: list[tuple[float, float]]
) -> ScoredStream:
    samples = round(seconds * RATE)
    ends = np.arange(20 * STEP, samples + LEAD_SAMPLES + TAIL_SAMPLES, STEP, dtype=np.int64)
    times = (ends - LEAD_SAMPLES) / RATE
    scores = rng.gamma(1.2, 4.0, ends.size)
    for time_s, height in bumps:
        scores = np.maximum(scores, height * np.exp(-(((times - time_s) / 0.16) ** 4)))
    raw = np.clip(scores, 0, 255).astype(np.uint8)
    fired = core.detect(raw, ends, DETECTOR)[1]
    return ScoredStream(recording, samples, raw, ends, ends[fired])
