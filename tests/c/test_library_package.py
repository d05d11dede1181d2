"""The library as package managers see it: archive, metadata, and programs that PlatformIO builds with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.generate import library
from tools.package.library import assemble

ROOT = library.ROOT
URL = "https://example.org/watchword"
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[\w.-]+)?")
CATEGORIES = {  # of Arduino's library specification
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
}
BUILDER = """\
from SCons.Script import Default, DefaultEnvironment
env = DefaultEnvironment()
env.Replace(CC="gcc", CXX="g++", AR="ar", RANLIB="ranlib", LINK="gcc")
Default(env.BuildProgram())
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(tmp_path_factory.mktemp("build"), URL)


@pytest.fixture(scope="module")
def folder(archive: Path) -> Path:
    return archive.parent / library.NAME


def test_the_same_sources_give_the_same_archive(archive: Path, folder: Path, tmp_path: Path) -> None:
    assert assemble(tmp_path, URL).read_bytes() == archive.read_bytes()
    with zipfile.ZipFile(archive) as packed:
        names = {name.removeprefix(f"{library.NAME}/") for name in packed.namelist()}
    assert names == {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_the_manifests_are_up_to_date() -> None:
    for path, text in library.render().items():
        assert path.read_text() == text, "run `make gen`"


def test_the_properties_are_what_arduino_asks_for(folder: Path) -> None:
    lines = (folder / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url")
    assert all(fields[name].strip() == fields[name] != "" for name in (*required, "architectures"))
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", fields["name"])
    assert not re.search("arduino", fields["name"], re.IGNORECASE)
    assert SEMANTIC.fullmatch(fields["version"]) and fields["version"] == library.VERSION
    assert fields["category"] in CATEGORIES and fields["url"] == URL
    assert not fields["paragraph"].startswith(fields["sentence"])
    assert (folder / "src" / fields["includes"]).is_file()
    assert (folder / "LICENSE").is_file() and URL in (folder / "README.md").read_text()
    assert not [p for p in folder.iterdir() if p.suffix in (".c", ".h", ".cpp", ".ino")]
    for sketch in (folder / "examples").iterdir():
        assert (sketch / f"{sketch.name}.ino").is_file()


def outside(objects: Path) -> set[str]:
    """What these call that none of them defines; a variable of their own is an error."""
    listed = subprocess.run(["nm", *objects.glob("*.o")], capture_output=True, text=True, check=True).stdout
    symbols = [line.split()[-2:] for line in listed.splitlines() if len(line.split()) > 1]
    assert not [name for kind, name in symbols if kind in "bBdDC"], "the state is the caller's"
    wanted = {name for kind, name in symbols if kind == "U"}
    return wanted - {name for kind, name in symbols if kind != "U"}


def test_it_compiles_with_the_one_include_folder_that_arduino_gives(folder: Path, tmp_path: Path) -> None:
    sources = [*folder.rglob("*.c")]
    assert len(sources) > 10
    command = [
        "gcc",
        "-std=gnu17",
        "-Os",
        "-fno-stack-protector",
        "-U_FORTIFY_SOURCE",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{folder / 'src'}",
        "-c",
    ]
    subprocess.run([*command, *sources], cwd=tmp_path, check=True)
    cpp = [
        "g++",
        "-std=c++2a",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{folder / 'src'}",
        "-fsyntax-only",
        "-xc++",
    ]
    subprocess.run([*cpp, folder / "src" / "watchword.h"], check=True)


def test_the_reference_names_every_function_and_status() -> None:
    header = (library.CORE / "include" / "watchword.h").read_text()
    page = (ROOT / "docs" / "reference" / "c-library.md").read_text()
    functions = set(re.findall(r"\b(watchword_[a-z0-9_]+)\(", header))
    assert len(functions) > 10 and not [name for name in functions if f"`{name}(" not in page]
    missing = [name for name in re.findall(r"\bWW_(ERR_[A-Z]+)", header) if name[3:] not in page]
    assert not missing


def test_platformio_packs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pio pkg pack`, with the one licence it uses in place of the list it would fetch from spdx.org."""
    pytest.importorskip("platformio", reason="pip install -e .[device]")
    from platformio.package.manifest.schema import ManifestSchema
    from platformio.package.pack import PackagePacker

    known = {"licenses": [{"licenseId": library.LICENCE}]}
    monkeypatch.setattr(ManifestSchema, "load_spdx_licenses", staticmethod(lambda: known))
    packed = PackagePacker(str(ROOT)).pack(str(tmp_path))
    with tarfile.open(packed) as content:
        names = set(content.getnames())
    assert {str(p.relative_to(ROOT)) for p in library.sources()} <= names
    assert {"library.json", "LICENSE", "firmware/core/include/watchword.h"} <= names
    assert not [name for name in names if "bind" in name or name.startswith(("host", "tests"))]


@pytest.fixture(scope="module")
def platformio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PlatformIO core folder with SCons, and beside it a platform of this computer's gcc."""
    pytest.importorskip("platformio", reason="pip install -e .[device]")
    from watchword.device.platformio import seed

    core = tmp_path_factory.mktemp("platformio")
    seed(core)
    platform = core / "computer"
    (platform / "builder").mkdir(parents=True)
    manifest = {"name": "computer", "title": "This computer", "version": "1.0.0", "packages": {}}
    (platform / "platform.json").write_text(json.dumps(manifest))
    (platform / "platform.py").write_text(
        "from platformio.public import PlatformBase\n\n\nclass ComputerPlatform(PlatformBase):\n    pass\n"
    )
    (platform / "builder" / "main.py").write_text(BUILDER)
    return core


@pytest.mark.slow
@pytest.mark.parametrize("source", ["the checkout", "the archive"])
def test_platformio_builds_with_it(source: str, folder: Path, platformio: Path, tmp_path: Path) -> None:
    """The example for a PC, as a project of its own that names the library."""
    (tmp_path / "src").mkdir()
    model = ROOT / "models" / "hey_lighthouse"
    for path in (library.EXAMPLES / "wav" / "wav.c", model / "model.c", model / "model.h"):
        (tmp_path / "src" / path.name).write_bytes(path.read_bytes())
    where = ROOT if source == "the checkout" else folder
    (tmp_path / "platformio.ini").write_text(
        f"[env:computer]\nplatform = symlink://{platformio / 'computer'}\nlib_deps = symlink://{where}\n"
    )
    environment = {**os.environ, "PLATFORMIO_CORE_DIR": str(platformio)}
    command = [sys.executable, "-m", "platformio", "run", "-d", tmp_path]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    program = tmp_path / ".pio" / "build" / "computer" / "program"
    asked = subprocess.run([program, program], capture_output=True, text=True)
    assert (asked.returncode, asked.stderr) == (1, "not a wav file of 16 kHz, mono, 16 bits\n")
