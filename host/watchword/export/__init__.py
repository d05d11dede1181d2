"""From a .tflite file to what the firmware links in: image, C array, golden vectors, card.

The parts load on use, so that reading an exported model needs neither TFLite nor TensorFlow.
"""

from __future__ import annotations

from pathlib import Path

from watchword.errors import WatchwordError
from watchword.export.folder import export_model as export_model


def load_image(folder: Path) -> bytes:
    """The checked image of an exported model folder."""
    from watchword.core import ModelImage

    path = Path(folder) / "model.bin"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WatchwordError("no model here", path, "run `watchword export` first") from error
    try:
        return ModelImage(content).content
    except WatchwordError as error:
        raise WatchwordError(error.what, path, error.remedy) from error
