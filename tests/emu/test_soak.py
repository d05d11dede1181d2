"""A quarter of an hour in one stream: what `make soak` does for a day. And that it notices what it is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from watchword import audio, core
from watchword.errors import WatchwordError

from tools.studies import soak as soaking

pytestmark = pytest.mark.emu

MINUTES = 15


def test_fifteen_minutes_in_one_stream(open_board, model_dir: Path) -> None:
    said: list[str] = []
    image = (model_dir / "model.bin").read_bytes()
    with open_board("emu:c3") as board:
        run = soaking.soak(board, image, MINUTES * 60.0, say=said.append)
    assert run.samples == MINUTES * 60 * 16_000 and run.taken > MINUTES * 60 * 20 and run.fired > 100
    assert len(said) == MINUTES * 60 // (soaking.BLOCK_S * soaking.LOOK_BLOCKS)


def test_another_models_scores_are_noticed(open_board, model_dir: Path) -> None:
    image = bytearray((model_dir / "model.bin").read_bytes())
    with open_board("emu:c3") as board:
        run = soaking.Soak(board, core.Pipeline([bytes(image)]))
        run.ask("stream_start", "stream_started", stream=1)
        run.pipeline.feed(np.full(320, 1000, np.int16))  # the host is a hop ahead
        with pytest.raises(WatchwordError, match="not the host's"):
            for block in soaking.blocks(10, None, 3):
                run.feed(block)
            run.finish()


def test_counters_that_move_are_noticed(open_board, model_dir: Path) -> None:
    with open_board("emu:c3") as board:
        run = soaking.Soak(board, core.Pipeline([(model_dir / "model.bin").read_bytes()]))
        run.ask("stream_start", "stream_started", stream=1)
        run.feed(np.zeros(16_000, np.int16))
        run.look()
        assert run.first is not None
        run.feed(np.zeros(16_000, np.int16))
        run.first["stack_bytes"] -= 16
        with pytest.raises(WatchwordError, match=r"stack_bytes .* not as at first"):
            run.look()


def test_recordings_are_played_again_and_again(tmp_path: Path) -> None:
    audio.save(tmp_path / "a.wav", np.arange(5 * 16_000, dtype=np.int16))
    played = np.concatenate(list(soaking.blocks(70.5, tmp_path, 1)))
    assert len(played) == 70.5 * 16_000 and np.array_equal(played[:100], np.arange(100))
    with pytest.raises(WatchwordError, match="no recordings"):
        next(soaking.blocks(1, tmp_path / "none", 1))
