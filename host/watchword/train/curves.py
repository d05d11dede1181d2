"""curves.png of a run: loss and misses over the epochs, and the final trade-off."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from watchword.files import write_atomic
from watchword.train.stage import RunLog
from watchword.train.validation import ValidationScores

_FIGURE = (12.0, 3.6)  # inches
_MOST_ALARMS = 20


def draw_curves(log: RunLog, results: dict[str, ValidationScores], path: Path) -> Path:
    """`results`: accuracy on validation by name ("float", "int8")."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (loss, misses, tradeoff) = pyplot.subplots(1, 3, figsize=_FIGURE, constrained_layout=True)
    numbers = range(1, len(log.rows) + 1)
    loss.semilogy(numbers, [float(str(row["loss"])) for row in log.rows])
    loss.set(xlabel="epoch (QAT's follow)", ylabel="training loss")
    points = [(n, row) for n, row in zip(numbers, log.rows, strict=True) if "frr_mean" in row]
    for key, label in (("frr_clean", "clean"), ("frr_mean", "mean of all conditions")):
        misses.plot(
            [n for n, _ in points],
            [100.0 * float(str(row[key])) for _, row in points],
            ".-",
            label=label,
        )
    misses.set(xlabel="epoch", ylabel="validation FRR, % (at 3 false alarms)", ylim=(0, None))
    misses.legend()
    for name, accuracy in results.items():
        alarms = range(_MOST_ALARMS + 1)
        frr = [100.0 * float(np.mean(list(accuracy.frr(k).values()))) for k in alarms]
        tradeoff.step(alarms, frr, where="post", label=name)
    hours = next(iter(results.values())).negative_hours if results else 0.0
    tradeoff.set(
        xlabel=f"false alarms in {hours:.2f} h", ylabel="FRR, % (mean of all conditions)", ylim=(0, None)
    )
    tradeoff.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    pyplot.close(figure)
    return write_atomic(path, picture.getvalue())
