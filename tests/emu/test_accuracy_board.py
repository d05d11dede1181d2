"""The accuracy benchmark's side of ours on the emulated board: the same scores, or an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from board_model import noise
from watchword import audio
from watchword.data.bank import Bank
from watchword.data.corpus import Clip
from watchword.data.recordings import Recording
from watchword.errors import WatchwordError
from watchword.export.image import load_image

from tools.accuracy.listen import listen, on_board
from tools.accuracy.trials import Plan, Trial

pytestmark = pytest.mark.emu


def test_a_board_with_other_scores_is_an_error(model_dir: Path, tmp_path: Path) -> None:
    trials = []
    for i in range(3):
        path = tmp_path / f"{i}.flac"
        audio.save(path, noise(2.0, i))
        trials.append(Trial(Recording(path, (), "negative", str(i)), Clip(path, "val", "negative"), 2.0))
    image = load_image(model_dir)
    heard = listen(Plan(tuple(trials), Bank(), "", ()), image, ())
    assert all(len(one.scores) > 20 for one in heard)
    assert on_board(heard, image, model_dir, "emu:c3") == sum(len(one.scores) for one in heard)
    wrong = replace(heard[1], scores=heard[1].scores ^ 1)
    with pytest.raises(WatchwordError, match="the board's scores differ"):
        on_board([heard[0], wrong, heard[2]], image, model_dir, "emu:c3")
