"""A recording as the chip sees it, as a picture: waveform, mel spectrogram, MFCC rows, input rows, scores."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watchword import audio, core, spec
from watchword.data.endpoint import word_bounds
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES
from watchword.data.spectrogram import HOP_SAMPLES, log_mel
from watchword.errors import WatchwordError
from watchword.files import printable, write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_S = 60.0  # of a recording in one picture
_BLUE, _ORANGE, _RED, _GREY = "#1f6feb", "#e07b00", "#c62f3b", "#98a3ae"
_DPI = 110


@dataclass(frozen=True)
class Views:
    """What there is to see of one recording. Rows start with it; the silence behind it is part of them."""

    pcm: np.ndarray  # int16 [samples] of the recording
    word: tuple[int, int]  # samples, by energy
    kind: str  # of the rows
    hop_samples: int
    mel_db: np.ndarray  # float64 [rows, MEL_BANDS] above the front end's floor
    features: np.ndarray  # int16 [rows, coeffs] of the front end
    normalised: np.ndarray | None  # int8 [rows, coeffs], the model's input
    scores: np.ndarray | None  # uint8 [n]
    smoothed: np.ndarray | None  # float64 [n], 0..1
    score_s: np.ndarray | None  # float64 [n], seconds of the recording at which each score is due
    threshold: float


def view(pcm: np.ndarray, image: bytes | None = None) -> Views:
    """Stream int16 [samples] as evaluate does, silence around it; with a model through all of it."""
    pcm = pcm[: round(MOST_S * spec.SAMPLE_RATE_HZ)]
    lead, tail = np.zeros(LEAD_SAMPLES, np.int16), np.zeros(TAIL_SAMPLES, np.int16)
    stream = np.concatenate([lead, pcm, tail])
    kind, hop, coeffs = "mfcc", HOP_SAMPLES, spec.MAX_COEFFS
    if image is not None:
        model = core.ModelImage(image)
        kind, hop, coeffs = model.kind, int(model.header["hop_samples"]), int(model.header["coeffs"])
    first_mel, first = LEAD_SAMPLES // hop, (LEAD_SAMPLES - core.lead_samples(kind, hop)) // hop
    rows, mel = core.frontend_rows(stream, hop, coeffs, kind), log_mel(stream, hop)[first_mel:]
    if image is None:
        return Views(pcm, word_bounds(pcm), kind, hop, mel, rows[first:], None, None, None, None, 0.0)
    run = core.run_pipeline(image, stream)
    return Views(
        pcm,
        word_bounds(pcm),
        kind,
        hop,
        mel,
        rows[first:],
        core.normalise(rows, normalisation_of(image))[first:],
        run.scores,
        core.unit(run.smoothed_q15),
        (run.score_samples - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ,
        core.ModelImage(image).detector.high,
    )


def normalisation_of(image: bytes) -> core.Normalisation:
    """The normalisation a model image carries."""
    header = core.ModelImage(image).header
    count = int(header["coeffs"])
    mean = np.frombuffer(image, "<i2", count, int(header["norm_mean_offset"]))
    mode = next(name for name, value in spec.CMVN_MODES.items() if value == header["cmvn_mode"])
    gain = np.frombuffer(image, core.gain_type(mode), count, int(header["norm_gain_offset"]))
    spreads_at = int(header["norm_mean_offset"]) + mean.nbytes
    spread = np.frombuffer(image, "<u2", count, spreads_at) if mode == "running_mv" else None
    return core.Normalisation(mode, int(header["cmvn_alpha_q15"]), mean, gain, spread)


def plot_files(files: list[Path], out: Path, image: bytes | None = None) -> list[Path]:
    """One picture a file: `out` itself for one file, a folder of them for several."""
    single = len(files) == 1
    if single and out.suffix.lower() != ".png":
        raise WatchwordError("is not a .png file", out, "name the picture, such as --plot word.png")
    if not single and out.suffix:
        raise WatchwordError("is one file for several pictures", out, "name a folder")
    targets = [out] if single else [out / f"{name}.png" for name in _names(files)]
    return [
        write_atomic(target, draw(view(audio.load(file), image), file.name))
        for file, target in zip(files, targets, strict=True)
    ]


def draw(views: Views, title: str) -> bytes:
    """The picture as PNG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = [_waveform, _mel, _features]
    if views.normalised is not None:
        panels += [_normalised, _scores]
    with rc_context({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(11, 1.1 + 1.75 * len(panels)), layout="constrained", dpi=_DPI)
        grid = figure.subplots(len(panels), 2, squeeze=False, gridspec_kw={"width_ratios": [48, 1]})
        for panel, (axes, scale) in zip(panels, grid, strict=True):
            picture = panel(axes, views)
            if picture is None:
                scale.set_axis_off()
            else:
                figure.colorbar(picture, cax=scale)
            _frame(axes, views)
        for axes in grid[:-1, 0]:
            axes.tick_params(labelbottom=False)
        grid[-1][0].set_xlabel("seconds")
        figure.suptitle(_title(views, plot_text(title)), x=0.01, ha="left", fontsize=13)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_text(name: str, longest: int = 80) -> str:
    """A file name as matplotlib draws it: a dollar sign is no formula, a long name is cut."""
    shown = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return printable(shown).replace("$", r"\$")


def _title(views: Views, name: str) -> str:
    start, end = (at / spec.SAMPLE_RATE_HZ for at in views.word)
    seconds = views.pcm.size / spec.SAMPLE_RATE_HZ
    cut = f", its first {MOST_S:.0f} s" if seconds >= MOST_S else ""
    return f"{name}{cut}: word {start:.2f} to {end:.2f} s (by energy), followed by the silence evaluate adds"


def _names(files: list[Path]) -> list[str]:
    """File names without suffix; where two are the same, with the folder in front."""
    stems = [file.stem for file in files]
    names = [f"{f.parent.name}_{f.stem}" if stems.count(f.stem) > 1 else f.stem for f in files]
    if len(set(names)) < len(names):
        raise WatchwordError("several files have the same name and folder", files[0], "plot them one by one")
    return names


def _frame(axes: Axes, views: Views) -> None:
    """The same seconds in every panel, and where the word is."""
    axes.set_xlim(0.0, len(views.features) * views.hop_samples / spec.SAMPLE_RATE_HZ)
    for at in views.word:
        axes.axvline(at / spec.SAMPLE_RATE_HZ, color=_ORANGE, lw=1.4, ls="--")


def _waveform(axes: Axes, views: Views) -> None:
    times = np.arange(views.pcm.size) / spec.SAMPLE_RATE_HZ
    axes.plot(times, views.pcm / audio.FULL_SCALE, color=_BLUE, lw=0.5)
    peak = max(float(np.abs(views.pcm.astype(np.int32)).max(initial=0)) / audio.FULL_SCALE, 1e-3)
    axes.set(title="waveform", ylabel="of full scale", ylim=(-1.05 * peak, 1.05 * peak))


def _mel(axes: Axes, views: Views) -> Any:
    axes.set(title="mel spectrogram of the C front end, dB above its floor", ylabel="band")
    return _image(axes, views, views.mel_db, "magma", 0.0, max(1.0, float(views.mel_db.max())))


def _features(axes: Axes, views: Views) -> Any:
    rows = views.features
    if views.kind == "logmel":
        axes.set(title="log-mel rows, int16 (1 = 0.0235 dB)", ylabel="band")
        return _image(axes, views, rows, "magma", 0.0, max(1.0, float(rows.max())))
    if views.kind == "micro":
        axes.set(title="micro rows, int16 (64 ln x, after noise reduction and PCAN)", ylabel="channel")
        return _image(axes, views, rows, "magma", 0.0, max(1.0, float(rows.max())))
    limit = max(1.0, float(np.percentile(np.abs(rows[:, 1:].astype(np.int32)), 99.5)))
    axes.set(title="MFCC rows, int16 (1 = 0.0235 dB); coefficient 0 beyond the scale", ylabel="coefficient")
    return _image(axes, views, rows, "RdBu_r", -limit, limit)


def _normalised(axes: Axes, views: Views) -> Any:
    axes.set(title="after normalisation, int8: the model's input", ylabel="band or coefficient")
    rows = np.zeros((1, 1)) if views.normalised is None else views.normalised
    limit = max(1.0, float(np.percentile(np.abs(rows.astype(np.int32)), 99.5)))
    return _image(axes, views, rows, "RdBu_r", -limit, limit)


def _image(axes: Axes, views: Views, rows: np.ndarray, colours: str, low: float, high: float) -> Any:
    """Rows [n, bands] over time; a row is due at the end of its hop."""
    seconds = len(rows) * views.hop_samples / spec.SAMPLE_RATE_HZ
    extent = (0.0, seconds, -0.5, rows.shape[1] - 0.5)
    return axes.imshow(
        rows.T,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )


def _scores(axes: Axes, views: Views) -> None:
    if views.scores is None or views.smoothed is None or views.score_s is None:
        return
    axes.plot(views.score_s, views.scores / (1 << spec.SCORE_FRAC_BITS), color=_GREY, lw=0.9, label="raw")
    axes.plot(views.score_s, views.smoothed, color=_BLUE, lw=1.8, label="smoothed")
    axes.axhline(views.threshold, color=_RED, lw=1.2, ls="--", label=f"threshold {views.threshold:.2f}")
    axes.set(title="the model's score", ylim=(-0.03, 1.05))
    axes.legend(loc="upper right", fontsize=9)
