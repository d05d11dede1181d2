"""`watchword evaluate`: the C pipeline over all recordings on this computer, into a session folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from watchword import core, spec
from watchword.data.corpus import Skipped
from watchword.data.recordings import Selection
from watchword.errors import WatchwordError
from watchword.evaluate import budgets, metrics
from watchword.evaluate.conditions import Scenes, condition_results, with_conditions
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import (
    SCHEMA,
    Results,
    accuracy_results,
    empty_board_results,
    selection_results,
)
from watchword.evaluate.session import Session, provenance
from watchword.evaluate.stream import run_host
from watchword.export.image import load_image

HOST = "host"


def evaluate_on_host(
    model: Path,
    selection: Selection,
    session: Session,
    limits: Path,
    workers: int | None = None,
    scenes: Scenes | None = None,
) -> Results:
    """Stream, measure, and build the results; the caller writes them.

    The host has no cost or memory of its own to limit, so its table in the budgets is optional.
    scenes: hear everything under acoustic conditions too; the headline figures stay those as it is.
    """
    image = load_image(model)
    values = budgets.read_tables(limits).get(HOST, {})
    announce(selection, session)
    for note in scenes.notes if scenes else ():
        session.log(note)
    run = run_host(image, with_conditions(selection, scenes) if scenes else selection, workers)
    session.log(
        f"{run.seconds * run.times_real_time:,.0f} s of audio in {run.seconds:,.0f} s: "
        f"{run.times_real_time:,.0f} x real time"
    )
    as_it_is = [stream for stream in run.streams if not stream.recording.condition]
    skipped = tuple({s.path: s for s in run.skipped}.values())  # once, not in every condition
    results = build_results(HOST, image, as_it_is, selection, skipped)
    if scenes:
        results["notes"] += scenes.notes
        results["conditions"] = condition_results(run.streams, core.ModelImage(image).detector, scenes)
    results["origin"]["model"] = str(model)
    results["provenance"] |= {"seconds": run.seconds, "times_real_time": run.times_real_time}
    finish_budgets(results, limits, values)
    return results


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


def build_results(
    board: str,
    image: bytes,
    streams: Sequence[ScoredStream],
    selection: Selection,
    skipped: Sequence[Skipped],
) -> Results:
    """Everything that follows from the image and the scores; a board adds its own figures."""
    if not streams:
        raise WatchwordError("none of the recordings could be read", "", "see the skipped files above")
    model = core.ModelImage(image)
    results: Results = {"schema": SCHEMA, "word": model.header["word"], "board": board}
    results |= accuracy_results(streams, metrics.measure(streams), model.detector)
    results |= empty_board_results() | {"conditions": None}
    results |= selection_results(selection, skipped)
    results["memory"] |= {"arena_bytes": model.header["arena_bytes"], "model_bytes": len(image)}
    results["hashes"] |= {"model": hashlib.sha256(image).hexdigest(), "spec": f"{core.spec_id():08x}"}
    results["provenance"] = provenance()
    return results


def finish_budgets(results: Results, limits: Path, values: dict[str, float]) -> None:
    """Add the verdict on `values`, which were read from the file `limits` before the long work."""
    results["budgets"] = {"file": os.path.relpath(limits), **budgets.budget_results(results, values)}
