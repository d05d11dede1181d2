"""`watchword evaluate` of several models: each word's results, and what the words do to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from watchword import core, words
from watchword.data.recordings import Selection
from watchword.data.several_words import concerns, of_word
from watchword.errors import WatchwordError
from watchword.evaluate import budgets
from watchword.evaluate.assemble import HOST, BoardFigures, Heard, Limits, build_results
from watchword.evaluate.host import announce
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.report import hours, percent, rate
from watchword.evaluate.results import Results
from watchword.evaluate.session import Session, aligned, table
from watchword.evaluate.stream import HostRun, run_host
from watchword.evaluate.together import Together, together
from watchword.export.image import load_image, starting_with


@dataclass(frozen=True)
class WordModel:
    """One of the models that listen at once."""

    model: Path
    image: bytes
    preset: str | None = None  # of the model, to be in force instead of the settings that it starts with

    @property
    def word(self) -> str:
        return str(core.ModelImage(self.image).header["word"])

    @property
    def running(self) -> bytes:
        """The image as it is to be heard."""
        return starting_with(self.image, self.preset)


def load_models(models: Sequence[Path], preset: str | None) -> list[WordModel]:
    """Models of different words, each with that preset."""
    loaded = [WordModel(model, load_image(model), preset) for model in models]
    for number, one in enumerate(loaded):
        _ = one.running  # which a model may not have
        twice = [other for other in loaded[:number] if words.same(other.word, one.word)]
        if twice:
            what = f"is a model of '{one.word}', as {twice[0].model} is"
            raise WatchwordError(what, one.model, "give one model for each word")
    return loaded


def evaluate_several(
    models: Sequence[WordModel],
    selection: Selection,
    session: Session,
    limits: Path,
    workers: int | None = None,
) -> list[Results]:
    """Stream everything through every model and build the results of each word; the caller writes them."""
    values = budgets.read_tables(limits).get(HOST, {})
    announce(selection, session)
    runs = [run_host(one.running, selection, workers) for one in models]
    return word_results(models, selection, runs, [run.streams for run in runs], Limits(limits, values))


def word_results(
    models: Sequence[WordModel],
    selection: Selection,
    runs: Sequence[HostRun],
    streams: Sequence[Sequence[ScoredStream]],
    limits: Limits,
    boards: Sequence[BoardFigures | None] = (),
) -> list[Results]:
    """The results of each word from what its model made of all recordings.

    runs: of the host, for each word; streams: what counts, the host's or a board's.
    """
    figures = [*boards, *[None] * (len(models) - len(boards))]
    spent = [board.cost.instructions_per_audio_second["total"] for board in figures if board is not None]
    total = sum(value for value in spent if value is not None) if spent and None not in spent else None
    joint = together([one.word for one in models], streams, total)
    results = []
    for one, run, of_model, board in zip(models, runs, streams, figures, strict=True):
        own = [stream for stream in of_model if concerns(stream.recording, one.word)]
        heard = Heard(
            one.model,
            one.image,
            of_word(selection, one.word),
            own,
            run.skipped,
            run.seconds,
            run.times_real_time,
            preset=one.preset,
        )
        results.append(replace(build_results(heard, limits, board), together=joint))
    return results


def write_several(session: Session, results: Sequence[Results]) -> list[Path]:
    """A folder for each word in the session's, with the files of a session each."""
    folders = []
    for one in results:
        folder = session.folder / words.folder_name(one.word)
        folder.mkdir(parents=True, exist_ok=True)
        Session(folder, session.lines).finish(one)
        folders.append(folder)
    return folders


def tables(results: Sequence[Results]) -> str:
    """Of every word, and of all of them together, for the terminal."""
    joint = results[0].together
    assert joint is not None
    return "\n\n".join([*map(table, results), "\n".join(together_lines(joint))])


def together_lines(joint: Together) -> list[str]:
    """Joint false alarms, and which word is taken for which."""
    alarms: list[Sequence[str]] = [
        ("without any of the words", "false alarms", "in", "FAH", "at least", "at most")
    ]
    for name, found in [*joint.each.items(), ("any of them", joint.joint)]:
        rates = (rate(value) for value in (found.fah, found.fah_lower95, found.fah_upper95))
        alarms.append((name, str(found.false_alarms), hours(found.negative_hours), *rates))
    taken: list[Sequence[str]] = [("said", "heard as", "words", "times", "share", "at most")]
    for one in joint.mistaken:
        shares = (percent(one.share), percent(one.share_upper95))
        taken.append((one.said, one.heard, str(one.words), str(one.times), *shares))
    lines = [*aligned(alarms), "", *aligned(taken)]
    if joint.instructions_per_audio_second is not None:
        millions = joint.instructions_per_audio_second / 1e6
        lines.append(f"all words: {millions:.2f} M instructions per second of audio")
    return lines
