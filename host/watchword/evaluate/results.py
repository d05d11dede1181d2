"""What bench and evaluate find: the types behind results.json, one dataclass an object of the file.

The comment beside a field is its description in docs/reference/results.md and in the JSON Schema, both
written by tools/generate/results.py. A field that may be null says when.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from watchword.core import DetectorConfig
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import CurvePoint, GroupFigures
from watchword.evaluate.together import Together
from watchword.typed_json import read_json, to_json

__all__ = ["SCHEMA", "Results", "read_results", "to_json"]

SCHEMA = 2
FILE = "results.json"


@dataclass(frozen=True)
class Latency:
    """From the end of a word to its detection; below 0 the word was recognised before it ended."""

    p50: float | None  # median, ms; null if no word with listed times was detected
    p95: float | None  # 95th percentile, ms; null like `p50`
    words: int | None = None  # detected words with listed times: what it rests on; null in older files


@dataclass(frozen=True)
class TrialFigures:
    """Yes-or-no figures: every word, and every stretch of other audio, by its highest smoothed score."""

    words: int  # trials with the word
    others: int  # trials without the word
    hits: int  # words at or above the threshold in force
    misses: int  # words below the threshold in force
    false_alarms: int  # other trials at or above the threshold in force
    correct_rejections: int  # other trials below the threshold in force
    accuracy: float | None  # share 0..1 of right answers over all trials; null without trials
    # share 0..1, mean of the shares of words detected and of other trials rejected; null unless both kinds
    balanced_accuracy: float | None
    fpr: float | None  # false-positive rate, share 0..1 of the other trials; null without other trials
    fnr: float | None  # false-negative rate, share 0..1 of the words; null without words
    eer: float | None  # equal error rate, share 0..1, over all thresholds; null unless both kinds are there
    auc: float | None  # area under the ROC curve, 0..1; null unless both kinds are there
    # area for FPR below 0.1, standardised: 0.5 is chance, 1 perfect; null unless both kinds are there
    partial_auc: float | None


@dataclass(frozen=True)
class Trials:
    """The same words against two ways to count other audio."""

    seconds: TrialFigures  # every second of negative audio is a trial
    clips: TrialFigures  # every recording without the word is a trial, whatever its length


@dataclass(frozen=True)
class Trace:
    """Scores around an event."""

    first_s: float  # time of the first score, seconds from the event
    step_s: float  # between two scores, seconds
    raw: tuple[int, ...]  # scores of the model, percent
    smoothed: tuple[int, ...]  # their moving averages, percent
    words: tuple[tuple[float, float], ...]  # start and end of the words nearby, seconds from the event


@dataclass(frozen=True)
class Scene:
    """Which part of the file was heard under which acoustic condition."""

    condition: str  # name of the condition
    draw: int  # number of the draw of room and noise, from 0
    start: int | None  # first sample of the part at 16 kHz; null: the beginning
    stop: int | None  # sample after its last one; null: the end


@dataclass(frozen=True)
class EventRecord:
    """A miss, a false alarm or an extra detection."""

    path: str  # sound file
    name: str  # its short path, for lists
    time_s: float  # detection, or end of the missed word, in seconds of the file
    peak: float | None  # highest smoothed score around it, 0..1; null if there were no scores
    speaker: str  # empty: not known
    source: str  # empty: not known
    sound: Scene | None = None  # null: the file was heard as it is
    trace: Trace | None = None  # of the worst events of each kind; null for the others
    # how the place of a missed word was known: "listed"; not, so that it is shown where it was "found" by its
    # energy; or not at all, "whole"; null for other events
    placed: str | None = None


@dataclass(frozen=True)
class ConditionFigures:
    """One acoustic condition."""

    condition: str  # its name; the first is the recordings as they are
    positives: int  # words heard, every draw counted
    misses: int  # of them, at the threshold in force
    frr: float | None  # misses / positives, share 0..1; null without words
    frr_upper95: float | None  # one-sided 95 % bound of it; null without words
    frr_at_false_alarms: dict[str, float | None]  # FRR at each of `thresholds`; null without words
    frr_by_false_alarms: tuple[float, ...]  # FRR when 0, 1, 2 ... false alarms are allowed in all other audio
    negative_hours: float  # hours of audio without the word
    false_alarms: int  # in it, at the threshold in force
    fah: float | None  # false alarms per hour; null without negative audio
    fah_upper95: float | None  # one-sided 95 % bound of it; null without negative audio
    latency_ms: Latency  # from word end to detection


@dataclass(frozen=True)
class Conditions:
    """Everything heard once more in rooms and noise (evaluate --conditions)."""

    draws: int  # of room and noise for every word, per condition
    seed: int  # of the draws
    rooms: int  # room responses of the split
    noises: int  # noise recordings of the split
    thresholds: dict[str, float]  # high threshold 0..1 that allows as many false alarms as the key says
    rows: tuple[ConditionFigures, ...]  # one a condition
    misses: tuple[EventRecord, ...]  # in all conditions but the first, lowest peak first
    false_alarms: tuple[EventRecord, ...]  # in all conditions but the first, highest peak first


@dataclass(frozen=True)
class Spread:
    """Cost of a stage in one hop."""

    min: int  # least, in `unit`
    mean: float  # mean, in `unit`
    max: int  # most, in `unit`


@dataclass(frozen=True)
class DetectionCost:
    """What the hop that fires costs, from the arrival of its audio to the detection."""

    p50: float  # median, in `unit`
    max: int  # most, in `unit`


@dataclass(frozen=True)
class Estimate:
    """What an instruction count would mean on a chip: assumed, not measured."""

    clock_hz: int  # assumed clock, Hz
    cycles_per_instruction: float  # assumed
    cpu_share: float  # of one core, 0..1
    text: str  # the same in words


@dataclass(frozen=True)
class Cost:
    """Work of the board's pipeline, by stage (frontend, model, detector)."""

    # per second of audio, by stage and `total`; null without a board and where a board counts cycles
    instructions_per_audio_second: dict[str, float | None]
    instructions_per_hop: (
        dict[str, Spread] | None
    )  # in `unit`, by stage, added silence included; null on host
    estimate: Estimate | None  # null unless the board counts instructions
    unit: str | None = None  # "instructions", or "cycles" of a board with a clock; null without a board
    detection_instructions: DetectionCost | None = None  # in `unit`; null without detections on a board
    # per second of audio, by stage and `total`; null unless the board counts cycles
    cycles_per_audio_second: dict[str, float] | None = None


@dataclass(frozen=True)
class Memory:
    """Bytes of the board's RAM and flash."""

    ram_bytes: int | None  # static RAM, the model's arena included; null unless this run built the firmware
    arena_bytes: int  # of it, the model's arena
    stack_bytes: int | None  # stack, high-water mark; null without a board
    code_bytes: int | None  # code and constants in flash without the model; null like ram_bytes
    model_bytes: int  # the model's image in flash


@dataclass(frozen=True)
class Parity:
    """The board's scores and detections against the host pipeline's; all 0 without a board."""

    checked_scores: int = 0  # scores compared
    mismatches: int = 0  # of them, those that differ or are missing on one side
    checked_detections: int = 0  # detections compared, by sample
    detection_mismatches: int = 0  # of them, those that only one side made


@dataclass(frozen=True)
class LinkFigures:
    """The serial link; all null without a board."""

    bytes: int | None = None  # on the wire, both directions; null without a board
    retransmissions: int | None = None  # frames sent again, by either end; null without a board
    lost_samples: int | None = None  # samples that the board did not get, must be 0; null without a board
    bad_frames: int | None = None  # frames that made no sense, at either end; null without a board
    crc_errors: int | None = None  # frames that were damaged, at either end; null without a board


@dataclass(frozen=True)
class Hashes:
    """What was measured, to the bit."""

    firmware: str | None  # SHA-256 of the flash contents; null unless this run built the firmware
    model: str  # SHA-256 of model.bin
    spec: str  # id of the constants that host and board share, hexadecimal


@dataclass(frozen=True)
class SkippedFile:
    """A recording that could not be used."""

    path: str  # sound file
    reason: str  # what is wrong with it


@dataclass(frozen=True)
class BudgetLine:
    """One limit and what was measured."""

    key: str  # name of the limit in the budgets file
    label: str  # the same in words
    unit: str  # "share", "per hour", "ms", "count" or "bytes"
    value: float | None  # null: not measured
    budget: float | None  # most that is allowed; null: no limit given
    passed: bool | None  # null: no limit given, or nothing to measure it on


@dataclass(frozen=True)
class Budgets:
    """The limits of the board's table in the budgets file."""

    file: str  # path of the budgets file
    passed: bool  # false if a limit was exceeded, or what it limits is not known
    lines: tuple[BudgetLine, ...]  # one a limit


@dataclass(frozen=True)
class Provenance:
    """Enough to repeat the run."""

    date: str  # ISO 8601, with time zone
    command: str  # command line
    versions: dict[str, str]  # of watchword, its libraries, Python and the system
    port: str | None = None  # of the board; null without a board
    seconds: float | None = None  # that streaming took; null if it was not measured
    times_real_time: float | None = None  # audio streamed over `seconds`; null if it was not measured


@dataclass(frozen=True)
class DetCurve:
    """Detection error trade-off over words and seconds of other audio, thinned."""

    fpr: tuple[float, ...]  # false-positive rates, share 0..1, rising
    fnr: tuple[float, ...]  # false-negative rates at the same thresholds, share 0..1


@dataclass(frozen=True)
class PeakHistograms:
    """Highest smoothed scores, 0..1 in equal bins."""

    bins: int  # number of bins
    words: tuple[int, ...]  # words by their peak
    negative_seconds: tuple[int, ...]  # seconds of negative audio by their peak


@dataclass(frozen=True)
class Details:
    """What the report shows beyond the headline figures."""

    misses: tuple[EventRecord, ...]  # every missed word, lowest peak first
    false_alarms: tuple[EventRecord, ...]  # every false alarm, highest peak first
    extra_detections: tuple[EventRecord, ...]  # on clips of the word, but outside it
    latencies_ms: tuple[float, ...]  # of every detected word, ms
    curve: tuple[CurvePoint, ...]  # misses and false alarms at other thresholds
    det: DetCurve | None  # null unless there are words and other audio
    peaks: PeakHistograms  # how high words and other audio score
    speakers: dict[str, GroupFigures]  # by speaker, where known
    sources: dict[str, GroupFigures]  # by source, where known
    # words alone, by the pitch of the voice as it is estimated from each recording; null in older files
    pitches: dict[str, GroupFigures] | None = None
    # words alone, by the ratio of voice to noise as it is estimated from each recording; null in older files
    snrs: dict[str, GroupFigures] | None = None
    info: dict[str, int | str] | None = None  # the board's `info` message; null without a board
    stats: dict[str, int] | None = None  # the board's `stats` message at the end; null without a board
    firmware: dict[str, int | str] | None = None  # sizes of the firmware; null unless this run built it


@dataclass(frozen=True)
class Results:
    """One session of bench or evaluate."""

    schema: int  # version of this layout
    word: str  # the model's wake word
    board: str  # the board's name, or "host" for evaluate
    frr: float | None  # missed words, share 0..1 of `positives`; null without recordings of the word
    frr_upper95: float | None  # one-sided 95 % bound of it (Clopper-Pearson); null like `frr`
    positives: int  # words spoken
    misses: int  # of them, not detected
    fah: float | None  # false alarms per hour; null without negative audio
    fah_upper95: float | None  # one-sided 95 % bound of it (Poisson, exact); null like `fah`
    false_alarms: int  # detections in negative audio, one a second at most
    negative_hours: float  # hours of audio without the word
    extra_detections: int  # on clips of the word, but outside it; part of no rate
    repeats: int  # detections within a second of one that was counted
    latency_ms: Latency  # from word end to detection, the board's computing included where it has a clock
    detector: DetectorConfig  # settings in force
    trials: Trials  # yes-or-no figures
    details: Details  # events, curves, groups
    cost: Cost  # the board's work
    memory: Memory  # the board's memory
    parity: Parity  # board against host
    link: LinkFigures  # the serial link
    hashes: Hashes  # of model, firmware and constants
    conditions: Conditions | None  # null unless asked for with --conditions
    origin: dict[str, str]  # the folders, the manifest and split, and the model that were given
    recordings: int  # recordings heard
    notes: tuple[str, ...]  # what qualifies the figures, in words
    skipped: tuple[SkippedFile, ...]  # recordings that could not be used
    provenance: Provenance  # when and how
    budgets: Budgets  # limits and verdict
    # words by how their place was known (as `placed` of an event): only listed ones have a latency, any other
    # is heard anywhere in its recording; null in older files
    word_places: dict[str, int] | None = None
    partial: bool = False  # true: the run was interrupted, and all figures are of `recordings` alone
    together: Together | None = None  # this word beside others that were heard at once; null for one alone


def read_results(folder: Path) -> Results:
    """results.json of a session folder."""
    path = folder / FILE
    if not path.is_file():
        raise WatchwordError(f"holds no {FILE}", folder, "name a folder that bench or evaluate wrote")
    return read_json(path, Results, "run bench or evaluate again", schema=SCHEMA)
