"""The host's client and the board's application over wires and with peers that misbehave."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from amount import tries

ROOT = Path(__file__).resolve().parents[2]
Holds = Callable[..., None]


@pytest.mark.parametrize("share", [0.0002, 0.002, 0.01])
def test_a_damaged_wire_costs_time_not_samples(share: float, holds: Holds) -> None:
    from fake_board import FakeBoard, expected_scores
    from link_pair import Errors
    from watchword.device.client import Board

    recordings, scores = tries(3), 0
    for seed in range(recordings):
        pcm = np.random.default_rng(seed).integers(-3000, 3000, 48_000).astype(np.int16)
        errors = Errors(corrupt=share, drop=share / 2, duplicate=share / 2)
        with Board(FakeBoard(seed, errors), "a damaged wire") as board:
            result = board.stream(pcm)
        assert np.array_equal(result.scores, expected_scores(pcm))
        scores += len(result.scores)
    holds(
        f"A wire that damages {share:.2%} of the frames, and loses and doubles others, costs time only",
        "The client against the C device link behind a faulty wire",
        f"{recordings} recordings of 3 s",
        f"{scores:,} of {scores:,} scores equal, no sample lost",
    )


def test_the_application_takes_any_bytes(tmp_path: Path, holds: Holds) -> None:
    from native_app import compile_app, running
    from watchword import audio, core
    from watchword.device.client import Board

    model = ROOT / "models" / "hey_lighthouse"
    image = (model / "model.bin").read_bytes()
    program = compile_app(model, tmp_path / "app")
    rng, rounds, sent = random.Random(3), tries(4), 0
    pcm = np.random.default_rng(4).normal(0, 3000, audio.spec.SAMPLE_RATE_HZ * 2).astype(np.int16)
    wanted = core.run_pipeline(image, pcm).scores
    for _ in range(rounds):
        with running(program) as transport:
            for _ in range(20):
                chunk = rng.randbytes(rng.randrange(1, 4000))
                if rng.random() < 0.5:  # many frame ends
                    chunk = bytes(byte if byte > 40 else 0 for byte in chunk)
                transport.write(chunk)
                sent += len(chunk)
            with Board(transport, "the application") as board:
                result = board.stream(pcm)
        assert np.array_equal(result.scores, wanted)
    holds(
        "A board that was sent noise still answers, and gives the host's scores",
        "The firmware's application under ASan and UBSan, compiled for this computer; then a real session",
        f"{rounds} boards, {sent:,} bytes",
        f"{rounds} of {rounds} sessions right; the sanitizers said nothing",
    )
