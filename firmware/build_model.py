"""PlatformIO script for every board: links in one model folder and tells the firmware its version.

The folder is the environment variable WATCHWORD_MODEL (`WATCHWORD_MODEL=models/<word> pio run`),
or the option `custom_model` of platformio.ini.
"""

import os
import sys
import tomllib
from pathlib import Path

Import("env")  # noqa: F821 - PlatformIO puts it here

project = Path(env.subst("$PROJECT_DIR"))  # noqa: F821
model = project / (os.environ.get("WATCHWORD_MODEL") or env.GetProjectOption("custom_model"))  # noqa: F821
missing = [name for name in ("model.c", "model.h") if not (model / name).is_file()]
if missing:
    sys.exit(f"{model}: no {' and '.join(missing)} here; set WATCHWORD_MODEL to an exported model's folder")

version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
env.Append(CPPPATH=[str(model)], CPPDEFINES=[("WATCHWORD_VERSION", env.StringifyMacro(version))])  # noqa: F821
env.BuildSources("$BUILD_DIR/wake_word", str(model), "-<*> +<model.c>")  # noqa: F821
