"""What `watchword flash` does once an image is written, with a whole firmware at the port."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import watchword
from boards import PORTS, env_of
from watchword.device import firmware, flashing
from watchword.device.images import Record
from watchword.errors import WatchwordError
from watchword.export.image import load_image

pytestmark = pytest.mark.emu


@pytest.mark.parametrize("port", PORTS)
def test_the_board_says_what_it_runs_and_takes_the_model(port: str, other_dir: Path) -> None:
    board, model = env_of(port), load_image(other_dir)
    record = Record(board, "", watchword.__version__, firmware.sources_hash(), 0, "")
    assert f"now, {len(model)} bytes in flash" in flashing.settle(port, None, record, model)
    assert flashing.settle(port, None, record).startswith(f"{board} runs 'hey lighthouse'")
    with pytest.raises(WatchwordError, match=rf"it runs {board} {watchword.__version__}, not {board} 9.9"):
        flashing.settle(port, None, replace(record, version="9.9"))
