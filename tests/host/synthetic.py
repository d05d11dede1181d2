"""Score traces of a made-up detector, for tests of metrics, report and sessions without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from watchword import core
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES, Recording
from watchword.evaluate import budgets, metrics
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import SCHEMA, accuracy_results, empty_board_results

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
) -> dict[str, Any]:
    """A whole result, as bench writes it, around made-up costs."""
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "word": "hey lighthouse",
        "board": board,
        **accuracy_results(streams, metrics.measure(streams), DETECTOR),
        **empty_board_results(),
        "conditions": None,
        "origin": {"positives": "/data/yes", "negatives": "/data/no"},
        "recordings": len(streams),
        "notes": ["recordings without the word: 30 of 95.0 minutes (--limit-minutes)"],
        "skipped": [{"path": "/data/no/broken.wav", "reason": "holds no samples"}],
        "provenance": {
            "date": "2026-01-02T03:04:05+00:00",
            "command": "watchword bench --port emu:c3 --model models/hey --positives yes --negatives no",
            "versions": {"watchword": "0.1.0", "numpy": "2.4.6"},
            "times_real_time": 17.3,
        },
    }
    if board != "host":
        results |= _board_part()
    results["budgets"] = {"file": "firmware/budgets.toml", **budgets.budget_results(results, limits or {})}
    return results


def _board_part() -> dict[str, Any]:
    per_second = {"frontend": 3_912_345.0, "model": 5_204_400.0, "detector": 3_210.0, "total": 9_119_955.0}
    return {
        "cost": {
            "unit": "instructions",
            "instructions_per_audio_second": per_second,
            "instructions_per_hop": {
                name: {"min": int(value / 60), "mean": value / 50, "max": int(value / 40)}
                for name, value in per_second.items()
                if name != "total"
            },
            "detection_instructions": {"p50": 301_000, "max": 402_113},
            "estimate": {
                "text": "estimate: 8.5 % of a 160 MHz core, if an instruction takes 1.5 cycles (assumed)"
            },
        },
        "memory": {
            "ram_bytes": 30_412,
            "arena_bytes": 9_216,
            "stack_bytes": 1_024,
            "code_bytes": 21_004,
            "model_bytes": 26_512,
        },
        "parity": {
            "checked_scores": 45_123,
            "mismatches": 0,
            "checked_detections": 42,
            "detection_mismatches": 0,
        },
        "link": {"bytes": 61_234_567, "retransmissions": 3, "lost_samples": 0},
        "hashes": {"firmware": "9c" * 32, "model": "ab" * 32, "spec": "7fc24221"},
    }


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
