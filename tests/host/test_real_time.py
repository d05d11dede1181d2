"""What an image asks of a chip is known before it runs there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from heavy_image import TAPS, heavy_image
from watchword import core
from watchword.device.firmware import ROOT
from watchword.errors import WatchwordError

SHIPPED = sorted(ROOT.glob("models/*/model.bin"))
MEASURED = "hey_lighthouse"
SLOWEST_CHIP_HZ = 160_000_000


def test_the_estimate_is_above_what_either_board_measured_and_not_far() -> None:
    image = core.ModelImage((ROOT / "models" / MEASURED / "model.bin").read_bytes())
    boards = json.loads((ROOT / "docs/evidence/cost.json").read_text())["boards"]
    counts = [board["counts"]["model per second"] for board in boards.values()]
    assert max(counts) < image.instructions_per_second < 2.5 * max(counts)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_models_are_far_from_the_limit(path) -> None:
    image = core.ModelImage(path.read_bytes())
    image.check_real_time(SLOWEST_CHIP_HZ)
    assert image.instructions_per_second < SLOWEST_CHIP_HZ / 10


def test_a_model_that_is_only_too_much_work_is_refused_with_the_remedy() -> None:
    image = heavy_image(SHIPPED[0].read_bytes())
    heavy = core.ModelImage(image)  # right in every other respect: it runs here
    assert heavy.scores(np.zeros((60, int(heavy.header["coeffs"])), np.int8)).size == 60 - TAPS + 1
    heavy.check_real_time(2_000_000_000)
    with pytest.raises(WatchwordError, match=r"too much work for this chip.*ERR_REAL_TIME"):
        heavy.check_real_time(SLOWEST_CHIP_HZ)
