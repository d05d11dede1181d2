"""What a run's figures say about what is wrong with it, and what to do: one line each.

Every check is a function of plain figures that gives a `Finding` or None; `Diagnosis` collects those of a
run, prints each when it first shows, and keeps them in findings.json for `watchword doctor --run`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from watchword import audio
from watchword.data import leaks
from watchword.data.corpus import read_manifest
from watchword.data.split_warnings import split_warnings
from watchword.data.word_places import REMEDY
from watchword.errors import WatchwordError
from watchword.files import write_atomic

if TYPE_CHECKING:
    from watchword.config import RunConfig
    from watchword.train.sources import Sources
    from watchword.train.stage import Divergence, Stage, ValidationResult

FINDINGS_FILE = "findings.json"
_EASY_FRR = 0.005  # FRR at the first validation below which a leak is suspected
_SAME_SCORES = 0.02  # 0..1: spread of the scores below which the model tells nothing apart
_HIGH, _LOW = 0.10, 0.05  # error rates that are reported, and those that are small beside them
_BALANCE = (2.5, 10.0)  # negatives for each positive: half and double the 1:5 that works best
_LEAST_DATA = 2.0  # seconds of negatives for each second of positives
_FULL = 32_735  # 0.999 of full scale
_STALL = 0.3  # share of the time spent waiting for batches
_UNSTEADY = 2.0  # slowest epoch over fastest
_WORSE = 1.2  # validation loss over its best


@dataclass(frozen=True)
class Finding:
    """Something a run suffers from, on one line."""

    severity: Literal["error", "warning", "note"]
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.what} ({self.remedy})"


@dataclass
class Diagnosis:
    """The findings of a run in progress, by topic: a later check of a topic replaces the earlier finding."""

    config: RunConfig
    folder: Path
    say: Callable[[str], None]
    findings: dict[str, Finding] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # of the log, of the stage in progress

    def note(self, topic: str, finding: Finding | None) -> None:
        known = self.findings.get(topic)
        if finding is None:
            self.findings.pop(topic, None)
        else:
            self.findings[topic] = finding
            if known is None or known.severity != finding.severity:
                self.say(str(finding))
        if finding != known:
            write_atomic(self.folder / FINDINGS_FILE, json.dumps(self.records(), indent=2) + "\n")

    def records(self) -> list[dict[str, str]]:
        return [{"topic": topic, **asdict(finding)} for topic, finding in self.findings.items()]

    def restore(self, records: Sequence[dict[str, str]]) -> None:
        for record in records:
            values: dict[str, Any] = {k: v for k, v in record.items() if k != "topic"}
            self.findings[record["topic"]] = Finding(**values)

    def before_training(
        self, negative_s: float, positive_s: float, features_s: float, unsure_places: str = ""
    ) -> None:
        for warning in split_warnings(read_manifest(Path(self.config.data.manifest))):
            self.note(warning.topic, Finding(warning.severity, warning.what, warning.remedy))
        self.note("places", Finding("warning", unsure_places, REMEDY) if unsure_places else None)
        t = self.config.train
        self.note("balance", unbalanced(t.negatives_per_positive, negative_s / max(positive_s, 1e-9)))
        self.note("features", slow_features(features_s, self.config.data.workers, os.cpu_count() or 1))

    def after_epoch(self, stage: Stage, row: dict[str, Any], found: ValidationResult | None) -> None:
        """`row` is the epoch's line of the log; `found` is its validation, if it had one."""
        first = found is not None and not any("rank" in earlier for earlier in self.rows)
        self.rows = [*(r for r in self.rows if r["stage"] == stage.name), row]
        self.note("loader", stalled(float(row["wait_share"])))
        self.note("speed", unsteady([float(r["segments_per_s"]) for r in self.rows[1:]]))
        if found is None:
            return
        if first and stage.name == "float" and too_easy(found):
            self.note("leak", explain_easy(Path(self.config.data.manifest), found, int(row["epoch"])))
        if int(row["epoch"]) >= max(stage.warmup_epochs, stage.epochs // 2):
            self.note("collapse", collapsed(found.spread))
        losses = [(float(r["loss"]), float(r["val_loss"])) for r in self.rows if "val_loss" in r]
        self.note("overfitting", overfitted(losses))

    def at_the_end(self, fpr: float, fnr: float) -> None:
        """Error rates of the finished model at its own threshold."""
        self.note("errors", lopsided(fpr, fnr, self.config))


def read_findings(folder: Path) -> list[Finding]:
    """The findings a run left in its folder."""
    path = folder / FINDINGS_FILE
    try:
        records = json.loads(path.read_text()) if path.is_file() else []
        return [Finding(r["severity"], r["what"], r["remedy"]) for r in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WatchwordError(f"the findings cannot be read: {error}", path, "train again") from error


def diverged(found: Divergence, sources: Sources | None) -> Finding:
    """Why a loss is no longer finite: a faulty clip if there is one, else the settings."""
    what = (
        f"the loss became {found.loss} in epoch {found.epoch}, step {found.step} of {found.stage} (gradient "
        f"norm {found.gradient_norm:.3g}, learning rate {found.rate:.3g}, loss before {found.before:.4g}); "
        "the weights of the epoch before were put back"
    )
    broken = np.flatnonzero(~np.isfinite(found.segment_losses)) if sources else np.zeros(0, int)
    for index in broken:
        assert sources is not None
        paths = ", ".join(str(path) for path in sources.of(found.batch, int(index)))
        return Finding(
            "error",
            f"{what}; the weights before fail on {paths} too",
            "repair or remove that audio",
        )
    for path in sources.of_all(found.batch) if sources else []:
        fault = file_fault(path)
        if fault is not None:
            return Finding("error", f"{what}; {path} {fault}", "repair or remove that file, then scan again")
    section = "qat" if "QAT" in found.stage else "train"
    return Finding(
        "error",
        f"{what}; the batch's audio has no fault, so the steps are too large",
        f"lower [{section}] learning_rate, say to {found.rate / 10:.2g}, or raise [train] warmup_epochs, and "
        "go on with --resume",
    )


def file_fault(path: Path) -> str | None:
    """What is wrong with a sound file, as the end of a sentence; None if it looks sound."""
    try:
        samples = audio.load(path)
    except WatchwordError as error:
        return f"cannot be read: {error.what}"
    if not samples.any():
        return "is silent throughout"
    if np.mean(np.abs(samples.astype(np.int32)) > _FULL) > 0.2:
        return "is clipped in more than a fifth of its samples"
    return None


def too_easy(found: ValidationResult) -> bool:
    """Is the very first validation nearly perfect?"""
    return found.frr_mean <= _EASY_FRR and found.rank <= 2 * _EASY_FRR


def explain_easy(manifest: Path, found: ValidationResult, epoch: int) -> Finding:
    """Look for a leak between training and validation, and name it."""
    start = f"{100 * (1 - found.frr_mean):.1f} % of the validation words are found after epoch {epoch}"
    clips = [clip for clip in read_manifest(manifest) if clip.split in ("train", "val")]
    shared = leaks.find_leaks(clips)
    if shared:
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        return Finding(
            "error",
            f"{start}: validation is not independent, {shared[0]}{more}",
            "split anew with `watchword scan`; figures of this run mean nothing",
        )
    return Finding(
        "note",
        f"{start}, and no sound or named speaker is in both splits: validation may be too easy",
        "validate on other people, rooms and harder negatives",
    )


def unbalanced(negatives_per_positive: float, seconds_ratio: float) -> Finding | None:
    """Far from five negatives for each positive, in batches or in the data."""
    if not _BALANCE[0] <= negatives_per_positive <= _BALANCE[1]:
        return Finding(
            "warning",
            f"batches hold {negatives_per_positive:g} negatives for each positive",
            "set [train] negatives_per_positive near 5",
        )
    if seconds_ratio < _LEAST_DATA:
        return Finding(
            "warning",
            f"there are only {seconds_ratio:.1f} s of negatives for each second of positives",
            "add negative recordings or synth --negatives-minutes, or raise [data] negative_draws",
        )
    return None


def slow_features(seconds: float, workers: int, cores: int) -> Finding | None:
    """Features took long with a number of processes that does not suit this computer."""
    if seconds < 60 or workers == cores:
        return None
    why = "fewer than" if workers < cores else "more than"
    return Finding(
        "note",
        f"features took {seconds:.0f} s with {workers} workers, {why} the {cores} cores",
        f"set [data] workers = {cores}; they are cached, so a second run on these clips starts at once",
    )


def stalled(wait_share: float) -> Finding | None:
    """Much of an epoch went by waiting for batches."""
    if wait_share <= _STALL:
        return None
    return Finding(
        "warning",
        f"{100 * wait_share:.0f} % of an epoch is spent waiting for batches",
        "batches come from memory: free some, end other programs, or lower [data] negative_draws",
    )


def unsteady(speeds: Sequence[float]) -> Finding | None:
    """Segments per second of the epochs after the first, which compiles."""
    if len(speeds) < 3 or max(speeds) < _UNSTEADY * min(speeds):
        return None
    return Finding(
        "note",
        f"the speed varied from {min(speeds):.0f} to {max(speeds):.0f} segments/s, so the time left "
        "is a guess",
        "something else uses this computer; features are cached already and are not the cause",
    )


def collapsed(spread: float) -> Finding | None:
    """`spread`: highest less lowest peak of all validation recordings, 0..1."""
    if spread >= _SAME_SCORES:
        return None
    return Finding(
        "error",
        "the model gives every recording the same score: it has collapsed onto one class",
        "lower [train] learning_rate, raise epochs, and keep negatives_per_positive near 5",
    )


def overfitted(losses: Sequence[tuple[float, float]]) -> Finding | None:
    """Training loss and validation loss of every validation of one stage, in order."""
    if len(losses) < 4:
        return None
    best = min(range(len(losses)), key=lambda i: losses[i][1])
    worse = losses[-1][1] > _WORSE * losses[best][1] + 0.01
    if len(losses) - best <= 2 or not worse or losses[-1][0] >= 0.95 * losses[best][0]:
        return None
    return Finding(
        "warning",
        f"training loss still falls, but validation loss rose from {losses[best][1]:.3f} to "
        f"{losses[-1][1]:.3f}: it overfits its clips",
        "add voices and negatives, raise [data] draws or [augment], set [train] patience or weight_decay",
    )


def lopsided(fpr: float, fnr: float, config: RunConfig) -> Finding | None:
    """One kind of error at the model's own threshold is high, the other low."""
    train, detector = config.train, config.detector
    figures = f"false alarms in {100 * fpr:.0f} % of recordings without the word, {100 * fnr:.0f} % of words"
    if fpr >= _HIGH and fnr <= _LOW:
        settled = detector.target_fah > 0
        threshold = "a lower [detector] target_fah" if settled else f"[detector] high above {detector.high:g}"
        return Finding(
            "warning",
            f"it fires at too much: {figures} missed",
            f"set [train] hard_negative_weight = {2 * train.hard_negative_weight:g}, {threshold}, and train "
            "on what `watchword mine` finds",
        )
    if fnr >= 2 * _HIGH and fpr <= _LOW:
        return Finding(
            "warning",
            f"it detects too little: {figures} missed",
            "add recordings of the word, raise [data] positive_draws, set [train] negative_weight = "
            f"{train.negative_weight / 2:g}, or allow more false alarms ([detector] target_fah or high)",
        )
    return None
