"""Pages that `make gen` writes: who reads an image by docs/reference/image.md alone finds what is in it."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from watchword import core, spec
from watchword.spec import LAYER_BYTES as RECORD_BYTES

from tools.generate import core as generate

IMAGE_PAGE = generate.REFERENCE / "image.md"
MODELS = Path(__file__).resolve().parents[2] / "models"
ROW = re.compile(r"^\| (\d+) \| ([uic]\d+) \| `(\w+)` \|")


def read_by_the_page(content: bytes, section: str) -> dict[str, Any]:
    """Every field of the section's table, at the byte and in the type that the page gives."""
    page = IMAGE_PAGE.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [match.groups() for line in page.splitlines() if (match := ROW.match(line))]
    return {
        name: content[int(at) : int(at) + int(kind[1:])]
        if kind[0] == "c"
        else int.from_bytes(content[int(at) : int(at) + int(kind[1:]) // 8], "little", signed=kind[0] == "i")
        for at, kind, name in rows
    }


@pytest.mark.parametrize("page", generate.pages(), ids=lambda page: page.name)
def test_the_page_is_up_to_date(page: Path) -> None:
    assert page.read_text() == generate.pages()[page], "run `make gen`"


@pytest.mark.parametrize("word", ["alexa", "computer"])
def test_a_model_read_by_the_page_is_what_the_core_says(word: str) -> None:
    content = (MODELS / word / "model.bin").read_bytes()
    header = read_by_the_page(content, "Header")
    model = core.ModelImage(content)
    assert struct.pack("<I", header["magic"]) == b"WWMI"
    assert header["image_bytes"] == len(content)
    assert {**header, "word": bytes(header["word"]).rstrip(b"\0").decode()} == model.header
    assert model.header["word"] == word
    last_at = header["layers_offset"] + (header["layer_count"] - 1) * RECORD_BYTES
    last = read_by_the_page(content[last_at:], "Layer record")
    assert last["out_channels"] == 1
    assert last["first_row"] == header["receptive_rows"]


def test_every_field_limit_and_message_says_what_it_is() -> None:
    pages = "\n".join(generate.pages().values())
    silent = [line for line in pages.splitlines() if line.startswith("|") and line.endswith("|  |")]
    assert not silent, "write a comment beside it in spec.py"


def test_the_front_end_page_has_the_figures_of_spec() -> None:
    page = (generate.REFERENCE / "frontend.md").read_text()
    hops = " or ".join(map(str, spec.HOP_CHOICES_SAMPLES))
    for phrase in (
        f"{spec.SAMPLE_RATE_HZ // 1000} kHz mono; hop {hops} samples",
        f"Hann window, {spec.WINDOW_SAMPLES}, periodic",
        f"{spec.MEL_BANDS} HTK mel triangles, {spec.MEL_LOW_HZ:.0f}–{spec.MEL_HIGH_HZ:.0f} Hz",
        f"white noise at −{-spec.FLOOR_DBFS:.0f} dBFS",
        f"first {spec.MIN_COEFFS}…{spec.MAX_COEFFS} coefficients",
        f"int16 rows in Q{spec.MFCC_FRAC_BITS} of log2 power",
        f"gain Q2.{spec.NORM_GAIN_FRAC_BITS}",
        f"1/{1 / spec.INPUT_SCALE:.0f} per step",
    ):
        assert phrase in page
