"""What `watchword flash` does once an image is written, with a whole firmware at the port."""

from __future__ import annotations

from pathlib import Path

import pytest
import watchword
from watchword.device import firmware, flashing
from watchword.device.images import Record
from watchword.errors import WatchwordError
from watchword.export.image import load_image

pytestmark = pytest.mark.emu


def test_the_board_says_what_it_runs_and_takes_the_model(other_dir: Path) -> None:
    record = Record("emu-c3", "", watchword.__version__, firmware.sources_hash(), 0, "")
    model = load_image(other_dir)
    assert f"now, {len(model)} bytes in flash" in flashing.settle("emu:c3", None, record, model)
    assert flashing.settle("emu:c3", None, record).startswith("emu-c3 runs 'hey lighthouse'")
    newer = Record("emu-c3", "", "9.9", "", 0, "")
    with pytest.raises(WatchwordError, match=rf"it runs emu-c3 {watchword.__version__}, not emu-c3 9.9"):
        flashing.settle("emu:c3", None, newer)
