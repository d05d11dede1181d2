"""PlatformIO script for every board: links in one model folder and tells the firmware its version.

The folder is the environment variable WATCHWORD_MODEL (`WATCHWORD_MODEL=models/<word> pio run`),
or the option `custom_model` of platformio.ini. With `custom_engine = tflm` the .tflite file is
linked in too, as a C array.

What changes from build to build is staged in the build folder, always under the same paths: SCons
looks into the files it included before, but not whether another folder would come first now. So
another model, or another version, compiles what includes it and nothing else.
"""

import hashlib
import os
import sys
import tomllib
from pathlib import Path

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
VERSION_HEADER = """\
/* GENERATED from pyproject.toml by firmware/build_model.py. */
#define WATCHWORD_VERSION "%s"
"""


def write_if_changed(path, text):
    """Leave an unchanged file alone, so that nothing is compiled again for it."""
    if not path.is_file() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def stage(folder, model, version, tflm):
    """The files of this model and version, in `folder`."""
    for name in ("model.c", "model.h"):
        write_if_changed(folder / "model" / name, (model / name).read_text())
    write_if_changed(folder / "include" / "watchword_version.h", VERSION_HEADER % version)
    if tflm:
        content = ",".join(map(str, (model / "model.tflite").read_bytes()))
        write_if_changed(folder / "tflite" / "model_tflite.h", TFLITE_HEADER)
        write_if_changed(folder / "tflite" / "model_tflite.c", TFLITE_SOURCE % content)


def forget_stale_options(sdkconfig, defaults):
    """ESP-IDF keeps options that were derived once, whatever their defaults become: derive them anew then.

    True if it did. Options changed by menuconfig go too.
    """
    digest = hashlib.sha256()
    for path in sorted(defaults):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    record = sdkconfig.with_name(sdkconfig.name + ".defaults")
    known = record.read_text() if record.is_file() else ""
    if known == digest.hexdigest():
        return False
    sdkconfig.unlink(missing_ok=True)
    write_if_changed(record, digest.hexdigest())
    return True


def refuse_spaces(*paths):
    """ESP-IDF's builder would, but only when everything is downloaded."""
    for path in map(str, paths):
        if any(character.isspace() for character in path):
            sys.exit(f"{path}: ESP-IDF cannot be built in a folder with a space in its path; move it")


def main(env):
    project = Path(env.subst("$PROJECT_DIR"))
    model = project / (os.environ.get("WATCHWORD_MODEL") or env.GetProjectOption("custom_model"))
    tflm = env.GetProjectOption("custom_engine", "") == "tflm"
    needed = ("model.c", "model.h", "model.tflite") if tflm else ("model.c", "model.h")
    missing = [name for name in needed if not (model / name).is_file()]
    if missing:
        sys.exit(
            f"{model}: no {' and '.join(missing)} here; set WATCHWORD_MODEL to an exported model's folder"
        )
    version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
    build = Path(env.subst("$BUILD_DIR"))
    staged = build / "staged"
    stage(staged, model, version, tflm)
    if "espidf" in env.get("PIOFRAMEWORK", []):
        refuse_spaces(build, env.subst("$PROJECT_PACKAGES_DIR"))
        sdkconfig = build / f"sdkconfig.{env['PIOENV']}"
        forget_stale_options(sdkconfig, (project / "firmware/board/esp32").glob("sdkconfig.defaults*"))
        env.BoardConfig().update("build.esp-idf.sdkconfig_path", str(sdkconfig))
    env.Append(CPPPATH=[str(staged / "model"), str(staged / "include")])
    env.BuildSources("$BUILD_DIR/wake_word", str(staged / "model"), "-<*> +<model.c>")
    if tflm:
        env.Append(CPPPATH=[str(staged / "tflite")])
        env.BuildSources("$BUILD_DIR/tflite", str(staged / "tflite"))


if "Import" in globals():  # PlatformIO puts it here
    Import("env")  # noqa: F821
    main(env)  # noqa: F821
