"""Accents stay the word, mispronunciations do not."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from watchword.data import pronunciations
from watchword.data.phonemes import CLOSEST, distance, least_distance_within

# What espeak-ng says, so that the test needs none.
IPA = {
    "alexa": "ɐlˈɛksə",
    "computer": "kəmpjˈuːɾɚ",
    "jarvis": "d\u200dʒˈɑː\u200dɹvɪs.",
    "smart mirror": "smˈɑː\u200dɹt mˈɪɹɚ?",
    "snowboy": "snˈo\u200dʊbɔ\u200dɪ",
    "view glass": "vjˈuː ɡlˈæs!",
}
RNG = np.random.default_rng(1)


@pytest.mark.parametrize("phrase", IPA)
def test_accents_change_the_word_and_leave_it_the_word(phrase: str) -> None:
    said = {pronunciations.accented(IPA[phrase], RNG) for _ in range(80)}
    plain = pronunciations.sounds(IPA[phrase])
    changed = [pronunciations.sounds(text) for text in said]
    assert len(said) >= 2
    assert all(0 < distance(plain, other) < CLOSEST for other in changed)
    assert all(text[-1] in ".?!" for text in said) == (IPA[phrase][-1] in ".?!")


def test_one_rule_does_not_change_what_another_has_made() -> None:
    said = {pronunciations.accented(IPA["jarvis"], RNG) for _ in range(200)}
    assert any("ɾv" in text for text in said)  # a tapped r
    assert not any("tv" in text for text in said)  # which "tapped t as t" would make of it


@pytest.mark.parametrize("phrase", IPA)
def test_mispronunciations_are_near_and_never_hold_the_word(phrase: str) -> None:
    plain = pronunciations.sounds(IPA[phrase])
    said = [pronunciations.wrong(IPA[phrase], RNG) for _ in range(60)]
    found = [pronunciations.sounds(text) for text in said if text is not None]
    assert len(set(found)) > 40
    assert all(least_distance_within(plain, other) >= CLOSEST for other in found)
    assert all(distance(plain, other) <= pronunciations.FARTHEST for other in found)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_some_positives_have_an_accent_and_some_near_misses_are_the_word_said_wrongly() -> None:
    delivery = {"accent": "en-us"}
    positives = [pronunciations.vary_positive("alexa?", delivery, RNG) for _ in range(200)]
    assert {text for text, _ in positives} == {"alexa?"}
    assert 25 < sum("ipa" in varied for _, varied in positives) < 80
    vary = pronunciations.vary_near_miss("alexa")
    misses = [vary("Alaska", delivery, RNG) for _ in range(200)]
    wrong = [(text, varied) for text, varied in misses if "ipa" in varied]
    assert 50 < len(wrong) < 120
    assert all(text.startswith("/") and varied["ipa"] for text, varied in wrong)
    assert {text for text, varied in misses if "ipa" not in varied} == {"Alaska"}
