"""Emulator processes and firmware builds: how they fail, and that they leave nothing behind."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from boards import ENVS, PORTS, param
from watchword.device import firmware, ports
from watchword.device.firmware import ROOT, emulated_boards
from watchword.errors import WatchwordError

from tools.cost import board as cost_board

pytestmark = pytest.mark.emu

COMPILER_PACKAGES = {
    "emu-c3": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "emu-esp32": "clang-22 llvm-22 gcc-xtensa-lx106",
}
STORE_FAULT, ILLEGAL = {"emu-c3": 7, "emu-esp32": 29}, {"emu-c3": 2, "emu-esp32": 0}
FAULTS = ((b"w", STORE_FAULT), (b"s", STORE_FAULT), (b"i", ILLEGAL))
FAULT_NAMES = ("write to flash", "stack overflow", "illegal instruction")
LINKS = [param(b.env, b.env, link, id=f"-{link}") for b in emulated_boards().values() for link in b.links]


@pytest.fixture(scope="module")
def fault_elf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """fault_elf(env): the board's code under a program that breaks rules on request (fault.c)."""

    @functools.cache
    def built(env: str) -> Path:
        program = cost_board.Program(emulated_boards()[env], tmp_path_factory.mktemp(env))
        program.compile([Path(__file__).with_name("fault.c")], ["-O1", "-Wno-infinite-recursion"])
        return program.link()

    return built


@pytest.mark.parametrize(("env", "link"), LINKS)
@pytest.mark.parametrize(("wish", "causes"), FAULTS, ids=FAULT_NAMES)
def test_a_fault_is_reported_with_its_cause(
    fault_elf: Callable[[str], Path], env: str, link: str, wish: bytes, causes: dict[str, int]
) -> None:
    emulator = ports.start_emulator(emulated_boards()[env], link, fault_elf(env))
    emulator.timeout = 10
    heard = b""
    try:
        assert emulator.read(6) == b"ready\n"
        emulator.write(wish)
        with pytest.raises(WatchwordError, match="status 70") as caught:
            while True:
                heard += emulator.read(200)
    finally:
        emulator.close()
    told = re.search(r"trap: cause 0x(\w{8}) at pc 0x(\w{8})", str(caught.value) + heard.decode())
    assert told and int(told[1], 16) == causes[env]
    assert 0 < int(told[2], 16) % 0x80000000 < fault_elf(env).stat().st_size, "in flash"


@pytest.mark.parametrize("env", ENVS)
def test_an_emulator_that_refuses_to_start_says_why(env: str, tmp_path: Path) -> None:
    emulator = ports.start_emulator(emulated_boards()[env], "uart", tmp_path / "absent.elf")
    emulator.timeout = 10
    with pytest.raises(WatchwordError, match=r"absent\.elf"):
        emulator.read(1)
    emulator.close()


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends_soon(pid: int) -> bool:
    for _ in range(50):
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("port", PORTS)
def test_the_emulator_ends_with_the_port(port: str, model_dir: Path) -> None:
    with ports.open_port(port, model_dir) as transport:
        pid = transport._process.pid
        assert alive(pid)
    assert not alive(pid)
    with pytest.raises(KeyboardInterrupt), ports.open_port(port, model_dir) as transport:
        pid = transport._process.pid
        raise KeyboardInterrupt
    assert not alive(pid)


OPEN_AND_WAIT = """
import sys, time
from pathlib import Path
from watchword.device import ports
with ports.open_port("emu:c3", Path(sys.argv[1])) as transport:
    print(transport._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_the_emulator_ends_with_the_process(model_dir: Path, how: signal.Signals) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "host")}
    command = [sys.executable, "-c", OPEN_AND_WAIT, str(model_dir)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.send_signal(how)
        process.wait(10)
    assert ends_soon(pid)


def test_no_emulator_starts_for_a_process_that_is_gone(tmp_path: Path) -> None:
    """Killed between fork and the arming of the death signal: the child must see it by itself."""
    *guard, parent = ports._die_with_parent()
    started = tmp_path / "started"
    assert subprocess.run([*guard, parent, "touch", str(started)]).returncode == 0
    assert started.exists()
    started.unlink()
    assert subprocess.run([*guard, str(int(parent) + 1), "touch", str(started)]).returncode != 0
    assert not started.exists()


# ── Builds ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("env", ENVS)
def test_a_second_build_runs_no_compiler(env: str, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = firmware.build(env, model_dir)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(firmware, "_run_platformio", refuse)
    assert firmware.build(env, model_dir) == first
    monkeypatch.setattr(firmware, "_fingerprint", lambda _: "sources have changed")
    with pytest.raises(AssertionError, match="built again"):
        firmware.build(env, model_dir)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"image": {}}', '{"image": {"elf": 3}}', None])
def test_a_damaged_build_is_built_again(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    """Of the record (a disk that was full, a power cut), or of the program itself (None)."""
    image = firmware.build("emu-c3", model_dir)
    kept = image.elf.parents[1] / "image.json"
    folder = shutil.copytree(kept.parent, tmp_path / "build")
    elf = folder / image.elf.relative_to(kept.parent)
    (folder / kept.name).write_text(kept.read_text().replace(str(image.elf), str(elf)))
    fingerprint = firmware._fingerprint(emulated_boards()["emu-c3"])
    assert firmware._cached(folder, fingerprint) == replace(image, elf=elf)
    if damage is None:
        elf.write_bytes(elf.read_bytes()[:1000])
    else:
        (folder / kept.name).write_text(damage)
    assert firmware._cached(folder, fingerprint) is None


def test_only_the_latest_builds_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age in range(firmware.KEPT_BUILDS + 3):
        record = tmp_path / f"emu-c3-{age}" / "image.json"
        record.parent.mkdir()
        record.write_text("{}")
        os.utime(record, (1_000_000 - age, 1_000_000 - age))
    monkeypatch.setattr(firmware, "CACHE", tmp_path)
    firmware._forget_old_builds()
    kept = {folder.name for folder in tmp_path.iterdir()}
    assert kept == {f"emu-c3-{age}" for age in range(firmware.KEPT_BUILDS)}


BUILD = """
import sys
from pathlib import Path
from watchword.device import firmware
print(firmware.build("emu-c3", Path(sys.argv[1])).sha256)
"""


def test_builds_at_the_same_time_do_not_clash(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two new copies of one model and one other, from three processes at once."""
    contents = {name: (model_dir / name).read_text() for name in firmware.MODEL_SOURCES}
    folders = []
    for i, marker in enumerate(("/* same */", "/* same */", "/* other */")):
        folders.append(tmp_path / str(i))
        folders[-1].mkdir()
        for name, text in contents.items():
            (folders[-1] / name).write_text(f"{text}{marker} /* {tmp_path} */\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "host")}
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", BUILD, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
        )
        for folder in folders
    ]
    hashes = [build.communicate()[0].strip() for build in builds]
    assert [build.returncode for build in builds] == [0, 0, 0]
    assert hashes == [firmware.build("emu-c3", model_dir).sha256] * 3  # comments change nothing


def test_seeding_twice_changes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "watchword.device.platformio", "--core-dir", str(tmp_path)]
    first = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    second = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "installed" in first and "already" in second
    assert files == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert any(p.name == ".piopm" for p in files)


@pytest.mark.parametrize("env", ENVS)
def test_missing_pieces_say_how_to_get_them(
    env: str, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elf = firmware.build(env, model_dir).elf
    with pytest.raises(WatchwordError, match="no such model folder"):
        firmware.build(env, tmp_path / "absent")
    with pytest.raises(WatchwordError, match=r"incomplete: no model\.c and no model\.h"):
        firmware.build(env, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WatchwordError, match=f"apt install {COMPILER_PACKAGES[env]}"):
        firmware.build(env, model_dir)
    with pytest.raises(WatchwordError, match="apt install qemu-system-misc"):
        ports.start_emulator(emulated_boards()[env], "uart", elf)


def test_a_model_that_does_not_compile_shows_the_compilers_words(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "model.h").write_text((model_dir / "model.h").read_text())
    (tmp_path / "model.c").write_text('#error "trained for another front end"\n')
    with pytest.raises(WatchwordError, match="trained for another front end"):
        firmware.build("emu-c3", tmp_path)


@pytest.mark.parametrize("port", ["emu:c4", "emu:", "emu:c3-usb"])
def test_unknown_emulated_boards_are_named(port: str) -> None:
    with pytest.raises(WatchwordError, match="there are: emu:c3, emu:esp32"), ports.open_port(port):
        pass


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    port = str(tmp_path / "ttyUSB9")
    with pytest.raises(WatchwordError, match="cannot open the port"), ports.open_port(port):
        pass


def test_flashing_needs_a_real_board(model_dir: Path) -> None:
    with pytest.raises(WatchwordError, match="is not flashed"):
        firmware.upload("emu-c3", "emu:c3", model_dir)
    with pytest.raises(WatchwordError, match="no such environment"):
        firmware.upload("esp99", "/dev/ttyUSB0", model_dir)
