"""`watchword evaluate`: the C pipeline over all recordings on this computer, into a session folder."""

from __future__ import annotations

from pathlib import Path

from watchword import spec
from watchword.data.recordings import Selection
from watchword.evaluate import budgets, metrics
from watchword.evaluate.assemble import HOST, Heard, Limits, build_results
from watchword.evaluate.conditions import Scenes, condition_results, with_conditions
from watchword.evaluate.results import Results
from watchword.evaluate.session import Session
from watchword.evaluate.stream import run_host
from watchword.export.image import load_image, starting_with


def evaluate_on_host(
    model: Path,
    selection: Selection,
    session: Session,
    limits: Path,
    workers: int | None = None,
    scenes: Scenes | None = None,
    preset: str | None = None,
) -> Results:
    """Stream, measure, and build the results; the caller writes them.

    The host has no cost or memory of its own to limit, so its table in the budgets is optional.
    preset: of the model, to be in force instead of the settings that it starts with.
    scenes: hear everything under acoustic conditions too; the headline figures stay those as it is.
    """
    image = load_image(model)
    running = starting_with(image, preset)
    values = budgets.read_tables(limits).get(HOST, {})
    announce(selection, session)
    notes = scenes.notes if scenes else ()
    for note in notes:
        session.log(note)
    chosen = with_conditions(selection, scenes) if scenes else selection
    limit = Limits(limits, values)

    def partial() -> Results | None:
        known = session.ledger.host_streams(running, selection.recordings)
        streams = [known[i] for i in sorted(known)]
        if not streams:
            return None
        return build_results(Heard(model, image, selection, streams, (), partial=True, preset=preset), limit)

    with session.keeping(partial):
        run = run_host(running, chosen, workers, ledger=session.ledger)
    session.log(
        f"{run.seconds * run.times_real_time:,.0f} s of audio in {run.seconds:,.0f} s: "
        f"{run.times_real_time:,.0f} x real time"
    )
    as_it_is = [stream for stream in run.streams if not stream.recording.condition]
    skipped = tuple({s.path: s for s in run.skipped}.values())  # once, not in every condition
    speed = (run.seconds, run.times_real_time)
    heard = Heard(model, image, selection, as_it_is, skipped, *speed, preset=preset)
    conditions = condition_results(run.streams, heard.detector, scenes) if scenes and run.streams else None
    return build_results(heard, limit, None, conditions, notes)


def announce(selection: Selection, session: Session) -> None:
    """Say what is going to be streamed, and what is not."""
    words = sum(len(r.words) for r in selection.recordings)
    sized = zip(selection.recordings, selection.seconds, strict=True)
    negative = sum(metrics.negative_samples(r, round(s * spec.SAMPLE_RATE_HZ)) for r, s in sized)
    minutes = negative / spec.SAMPLE_RATE_HZ / 60
    session.log(
        f"{len(selection.recordings)} recordings: {words} words in {len(selection.positives)}, "
        f"{minutes:.1f} minutes without"
    )
    for note in selection.notes:
        session.log(note)
    for skipped in selection.skipped:
        session.log(f"skipped {skipped.path}: {skipped.reason}")
