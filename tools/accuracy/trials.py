"""What both detectors hear: every recording of the chosen splits, in every acoustic condition.

Conditions, rooms, noises and mixing are those of `watchword evaluate --conditions`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from watchword.data.bank import Bank
from watchword.data.corpus import SPLIT_NAMES, Clip, Skipped, read_manifest
from watchword.data.job_keys import digest_file
from watchword.data.jobs import CONDITIONS
from watchword.data.recordings import Recording, from_data
from watchword.errors import WatchwordError
from watchword.evaluate.conditions import AS_IT_IS, Scenes, with_conditions

# Pools of audio without the word. The third holds the two before it.
POOLS = ("as recorded", "in rooms and noise", "all", "other collections")
AS_RECORDED, IN_SCENES, ALL, ELSEWHERE = POOLS


@dataclass(frozen=True)
class Trial:
    """One recording in one condition, a stream of its own (`stream_pcm(trial.recording)`)."""

    recording: Recording
    clip: Clip
    seconds: float  # without the silence around it
    elsewhere: bool = False  # of the collections beside the manifest (more.py), heard only as recorded

    @property
    def condition(self) -> str:
        return self.recording.condition or AS_IT_IS

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools of negatives it belongs to."""
        if self.recording.words:
            return ()
        if self.elsewhere:
            return (ELSEWHERE,)
        return (AS_RECORDED if self.condition == AS_IT_IS else IN_SCENES, ALL)


@dataclass(frozen=True)
class Plan:
    """All trials; the same recordings and seed give the same samples in the same order."""

    trials: tuple[Trial, ...]
    bank: Bank
    digest: str  # of the content of every recording used
    skipped: tuple[Skipped, ...]


def split_names(text: str) -> tuple[str, ...]:
    """`val,test` as the manifest calls them."""
    names = [SPLIT_NAMES.get(name.strip().lower(), "") for name in text.split(",")]
    if not all(names):
        raise WatchwordError(f"--split '{text}' is unknown", "", "use val, test or val,test")
    return tuple(dict.fromkeys(names))


def make_plan(manifest: Path, splits: Sequence[str], draws: int, seed: int) -> Plan:
    """Words: once as recorded, `draws` times in every other condition. All other audio: once in each.

    Rooms and noises come from `splits` alone, so that nothing a model was trained with is heard again.
    """
    clips = {clip.path: clip for clip in read_manifest(manifest) if clip.split in splits}
    _require_all(clips, splits, manifest)
    digests = {path: digest_file(path) for path in clips}
    noises, rooms = (
        sorted((path for path, clip in clips.items() if clip.label == label), key=lambda path: digests[path])
        for label in ("noise", "rir")
    )
    scenes = Scenes(Bank(tuple(noises), tuple(rooms)), draws, seed)
    trials: list[Trial] = []
    skipped: list[Skipped] = []
    for split in splits:
        selection = from_data(manifest, split)
        # The name tells clips apart and orders them: their content, so that it matters not where they lie.
        named = tuple(replace(r, name=digests[r.path]) for r in selection.recordings)
        heard = with_conditions(replace(selection, recordings=named), scenes)
        trials += [
            Trial(recording, clips[recording.path], seconds)
            for recording, seconds in zip(heard.recordings, heard.seconds, strict=True)
        ]
        skipped += selection.skipped
    digest = hashlib.sha256(repr(sorted(digests.values())).encode()).hexdigest()
    trials.sort(key=lambda trial: (trial.recording.name, list(CONDITIONS).index(trial.condition)))
    return Plan(tuple(trials), scenes.bank, digest, tuple(skipped))


def source_name(source: str) -> str:
    """A collection as manifests name it; parts of one (`name_01`, `name_02`) count as one."""
    return re.sub(r"_\d+$", "", source) or "not named"


def _require_all(clips: dict[Path, Clip], splits: Sequence[str], manifest: Path) -> None:
    for label in ("positive", "negative", "noise", "rir"):
        if not any(clip.label == label for clip in clips.values()):
            raise WatchwordError(
                f"no '{label}' recordings in split {' or '.join(splits)}",
                manifest,
                "the benchmark needs the word, other speech, noise and room responses in them",
            )
