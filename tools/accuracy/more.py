"""Audio of other collections, without the word: every recording as it is, its false alarms by source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from watchword.data.clip_sources import find
from watchword.data.corpus import Clip, Skipped
from watchword.data.discovery import MANIFEST
from watchword.data.job_keys import digest_file
from watchword.data.recordings import Recording, probe
from watchword.errors import WatchwordError

from tools.accuracy.trials import Plan, Trial

_NEGATIVE = ("negative", "noise")


def with_more(plan: Plan, places: Iterable[Path], word: str, splits: Sequence[str]) -> Plan:
    """The plan, and behind it the recordings of `splits` that the manifests at `places` list.

    What says the word, and what the plan holds already, is left out and listed.
    """
    known = {trial.recording.name for trial in plan.trials}
    trials: list[Trial] = []
    skipped: list[Skipped] = []
    for manifest in (manifest for place in places for manifest in _manifests(place)):
        found, left_out = _of_manifest(manifest, word, splits, known)
        trials += found
        skipped += left_out
        known |= {trial.recording.name for trial in found}
    if not trials:
        where = ", ".join(str(place) for place in places)
        what = f"no recordings of split {' or '.join(splits)} without the word"
        raise WatchwordError(what, where, "look at the columns split and kind of its manifests")
    trials.sort(key=lambda trial: trial.recording.name)
    return replace(plan, trials=plan.trials + tuple(trials), skipped=plan.skipped + tuple(skipped))


def _manifests(place: Path) -> list[Path]:
    """A manifest itself, or those of a folder that holds one folder for each collection."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise WatchwordError("no such file or folder", place, "name the folder of the collections")
    found = sorted(place.glob(f"*/{MANIFEST}"))
    found += [place / MANIFEST] if (place / MANIFEST).is_file() else []
    if not found:
        raise WatchwordError(
            f"no folder in it holds a {MANIFEST}", place, "name the folder of the collections"
        )
    return found


def _of_manifest(
    manifest: Path, word: str, splits: Sequence[str], known: set[str]
) -> tuple[list[Trial], list[Skipped]]:
    clips: dict[Path, Clip] = {}
    skipped: list[Skipped] = []
    for clip in find(manifest, word):
        if clip.split in splits and clip.label in _NEGATIVE:
            clips[clip.path] = replace(clip, source=clip.source or manifest.parent.name)
        elif clip.split in splits and clip.label == "positive":
            skipped.append(Skipped(clip.path, f"says '{word}'"))
    if not clips:
        return [], skipped
    rows = [(Recording(path, (), "negative", source=clip.source), False) for path, clip in clips.items()]
    selection = probe(rows, {"data": str(manifest)})
    trials = []
    for recording, seconds in zip(selection.recordings, selection.seconds, strict=True):
        name = digest_file(recording.path)
        if name in known:
            skipped.append(Skipped(recording.path, "is among the other recordings"))
        else:
            clip = clips[recording.path]
            trials.append(Trial(replace(recording, name=name), clip, seconds, elsewhere=True))
    return trials, [*skipped, *selection.skipped]
