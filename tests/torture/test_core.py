"""The C core under sanitizers: hostile bytes on the link, hostile model images, power cuts in a push."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from amount import tries
from test_fuzz_model import seeds  # noqa: F401  (a fixture)
from test_power_cut import power_cut  # noqa: F401  (a fixture)

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "firmware" / "core"
Holds = Callable[..., None]


def build(harness: Path, sources: list[str], folder: Path) -> Path:
    """The harness with these sources of the core, under sanitizers and with line coverage."""
    files = [harness, *(CORE / name for name in sources)]
    flags = [
        "-std=gnu11",
        "-O1",
        "-g",
        "--coverage",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ]
    includes = [f"-I{CORE / part}" for part in ("include", "gen", "src")]
    program = folder / harness.stem
    subprocess.run(["gcc", *flags, *includes, *map(str, files), "-o", str(program)], check=True, cwd=folder)
    return program


def covered(program: Path, sources: list[str]) -> dict[str, float]:
    """Share of the lines of each source that ran, in per cent."""
    found = {}
    for source in sources:
        notes = program.parent / f"{program.name}-{Path(source).stem}.gcno"
        said = subprocess.run(
            ["gcov", "-n", notes.name], cwd=program.parent, capture_output=True, text=True
        ).stdout
        match = re.search(rf"File '[^']*{re.escape(source)}'\nLines executed:([\d.]+)%", said)
        assert match, f"gcov says nothing of {source}: {said}"
        found[Path(source).name] = float(match[1])
    return found


def shares(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.1f} %" for name, share in found.items())


def test_link_takes_any_bytes(tmp_path: Path, holds: Holds) -> None:
    sources = ["src/link.c", "src/cobs.c", "src/crc32.c"]
    program, count = build(ROOT / "tests" / "c" / "fuzz_link.c", sources, tmp_path), tries(100_000)
    run = subprocess.run([str(program), str(count), "7"], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-4000:]
    inputs, delivered = (int(part.split()[0]) for part in run.stdout.split(","))
    lines = covered(program, sources[:2])
    assert inputs == count and min(lines.values()) > 95, lines
    holds(
        "No bytes on the link crash the parser or break its invariants",
        "Generated noise, frames with a right checksum, and two links over a wire that does what the input "
        "says; ASan and UBSan",
        f"{inputs:,} inputs",
        f"0 faults; {delivered:,} frames delivered; lines run: {shares(lines)}",
    )


def test_engine_takes_any_image(tmp_path: Path, seeds: list[Path], holds: Holds) -> None:  # noqa: F811
    sources = [str(path.relative_to(CORE)) for part in ("src", "gen") for path in (CORE / part).glob("*.c")]
    program = build(ROOT / "tests" / "c" / "fuzz_model.c", sources, tmp_path)
    each = tries(2_000) // len(seeds)
    run = subprocess.run([program, str(each), "7", *seeds], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-4000:]
    counts = {key: int(value) for key, value in (pair.split(":") for pair in run.stdout.split())}
    lines = covered(program, ["src/model_check.c"])
    assert counts["scores"] > 0
    holds(
        "No model image, however damaged, reads or writes outside its memory",
        "Mutants of two images that hold every op, most with the checksum repaired; what is accepted runs on "
        "random rows; ASan and UBSan",
        f"{each * len(seeds):,} images",
        f"0 faults; {counts['0']:,} accepted and run; lines run: {shares(lines)}",
    )


def test_push_survives_every_power_cut(power_cut: Path, holds: Holds) -> None:  # noqa: F811
    rounds = tries(5_000)
    run = subprocess.run([str(power_cut), str(rounds), "7"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    holds(
        "Power that fails in a model push leaves the old model or the new one, and the next push works",
        "The model store on a simulated flash, cut at every byte of six pushes and at random ones; bytes are "
        "left half written, sectors half erased",
        f"{int(run.stdout.split()[0]):,} cuts",
        "0 boards without a working model",
    )


@pytest.mark.parametrize("kind", ["truncated", "one bit"])
def test_damage_to_a_committed_model_is_noticed(kind: str, holds: Holds) -> None:
    from watchword import core

    image = (ROOT / "models" / "alexa" / "model.bin").read_bytes()
    step = max(1, len(image) // tries(1_000))
    for at in range(0, len(image), step):
        damaged = bytearray(image)
        damaged[at] ^= 1 << (at % 8)
        wrong = image[:at] if kind == "truncated" else bytes(damaged)
        assert core.lib.wwb_model_check(wrong, len(wrong)) != 0, f"{kind} at byte {at}"
    tried = len(range(0, len(image), step))
    holds(f"A model image with damage ({kind}) is refused", "models/alexa", f"{tried:,} places", "0 accepted")
