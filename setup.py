"""What pyproject.toml cannot say: the compiled C core, and the firmware's sources that the wheel carries."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CARRIED = ("firmware", "platformio.ini", "CMakeLists.txt", "pyproject.toml")
LEFT_OUT = {"__pycache__"}


def carried_files():
    """Paths from here of all that building firmware takes, for watchword/project.py."""
    for name in CARRIED:
        paths = sorted((HERE / name).rglob("*")) if (HERE / name).is_dir() else [HERE / name]
        for path in paths:
            if path.is_file() and path.suffix != ".o" and not LEFT_OUT & set(path.parts):
                yield path.relative_to(HERE)


class BuildPy(build_py):
    """Copies them into the package; an editable installation uses the checkout's own."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for path in carried_files():
            target = Path(self.build_lib) / "watchword" / "project" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(path), str(target))


setup(cffi_modules=["host/watchword/core_build.py:ffibuilder"], cmdclass={"build_py": BuildPy})
