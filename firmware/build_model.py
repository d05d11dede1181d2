"""PlatformIO script for every board: links in one model folder and tells the firmware its version.

The folder is the environment variable WATCHWORD_MODEL (`WATCHWORD_MODEL=models/<word> pio run`),
or the option `custom_model` of platformio.ini. With `custom_engine = tflm` the .tflite file is
linked in too, as a C array.
"""

import os
import sys
import tomllib
from pathlib import Path

Import("env")  # noqa: F821 - PlatformIO puts it here

TFLITE_HEADER = """\
/* GENERATED from model.tflite by firmware/build_model.py. */
#include <stdint.h>
extern const uint8_t ww_tflite[];
"""
TFLITE_SOURCE = """\
/* GENERATED from model.tflite by firmware/build_model.py. */
#include "model_tflite.h"
const uint8_t ww_tflite[] __attribute__((aligned(16))) = {%s};
"""


def write_if_changed(path, text):
    """Leave an unchanged file alone, so that nothing is compiled again for it."""
    if not path.is_file() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


project = Path(env.subst("$PROJECT_DIR"))  # noqa: F821
model = project / (os.environ.get("WATCHWORD_MODEL") or env.GetProjectOption("custom_model"))  # noqa: F821
tflm = env.GetProjectOption("custom_engine", "") == "tflm"  # noqa: F821
needed = ("model.c", "model.h", "model.tflite") if tflm else ("model.c", "model.h")
missing = [name for name in needed if not (model / name).is_file()]
if missing:
    sys.exit(f"{model}: no {' and '.join(missing)} here; set WATCHWORD_MODEL to an exported model's folder")

version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
env.Append(CPPPATH=[str(model)], CPPDEFINES=[("WATCHWORD_VERSION", env.StringifyMacro(version))])  # noqa: F821
env.BuildSources("$BUILD_DIR/wake_word", str(model), "-<*> +<model.c>")  # noqa: F821

if tflm:
    folder = Path(env.subst("$BUILD_DIR")) / "tflite_source"  # noqa: F821
    content = ",".join(map(str, (model / "model.tflite").read_bytes()))
    write_if_changed(folder / "model_tflite.h", TFLITE_HEADER)
    write_if_changed(folder / "model_tflite.c", TFLITE_SOURCE % content)
    env.Append(CPPPATH=[str(folder)])  # noqa: F821
    env.BuildSources("$BUILD_DIR/tflite", str(folder))  # noqa: F821
