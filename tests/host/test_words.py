"""Spellings of a wake word: one word, one folder, in every verb and in make."""

from __future__ import annotations

import subprocess
import unicodedata
from pathlib import Path

import pytest
from watchword import words
from watchword.errors import WatchwordError

ROOT = Path(__file__).resolve().parents[2]
SPELLINGS = {
    "okay_nabu": ("okay nabu", "Okay, Nabu!", " okay   nabu ", "okay_nabu"),
    "what_s_up": ("what's up", "What\u2019s up?", "WHAT\u2018S UP", "what_s_up"),
    "hé_lumière": ("hé lumière", unicodedata.normalize("NFD", "Hé Lumière")),
    "hallo_strasse": ("hallo straße", "HALLO STRASSE"),
    "route_66": ("Route 66", "route 66"),
    "你好小智": ("你好小智",),
    "नमस्ते": ("नमस्ते",),
}


@pytest.mark.parametrize("folder", SPELLINGS)
def test_all_spellings_are_one_word_with_one_folder(folder: str) -> None:
    for spelling in SPELLINGS[folder]:
        assert words.folder_name(spelling) == folder
        assert words.same(spelling, SPELLINGS[folder][0])


@pytest.mark.parametrize("phrase", ["", "   ", "../../evil", "AC/DC now", "a\\b", "hey\nyou\x07", "..", "-"])
def test_paths_blanks_and_control_characters_are_no_words(phrase: str) -> None:
    with pytest.raises(WatchwordError):
        words.folder_name(phrase)


def test_a_phrase_within_a_sentence() -> None:
    assert words.says("Well, what\u2019s up there?", "what's up")
    assert not words.says("computers are here", "computer")


@pytest.mark.parametrize("phrase", ["okay, nabu", "hey o'brien", 'say "hi" $(id) `id`'])
def test_make_asks_the_same_rule(phrase: str) -> None:
    """The phrase reaches the commands as it is, whatever a shell would make of it."""
    word = f"WORD={phrase.replace('$', '$$')}"
    command = ["make", "--no-print-directory", "-n", "-o", "setup", "demo", "flash", word]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    quoted = "'" + phrase.replace("'", "'\\''") + "'"
    assert f"tools.run.demo {quoted}" in done.stdout
    if '"' not in phrase:
        assert f"--model models/{words.folder_name(phrase)}" in done.stdout
