"""`python convert.py MANIFEST IMAGE`: a microWakeWord model as a model image, by the host package.

A program of its own: the environment of ESPHome need not have what the host package needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "host"))
try:
    from watchword.errors import WatchwordError
    from watchword.export.importing import import_image
except ImportError as error:
    sys.exit(
        f"a microWakeWord model is converted by Watchword's host package, for which {sys.executable} lacks "
        f"{error.name}: `{sys.executable} -m pip install numpy tflite`; or convert it on another computer "
        "with `watchword import`, and give the folder that makes"
    )
try:
    image = import_image(Path(sys.argv[1]))
except WatchwordError as error:
    sys.exit(str(error))
Path(sys.argv[2]).write_bytes(image)
