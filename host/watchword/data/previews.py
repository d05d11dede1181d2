"""What augmentation makes of a clip, to listen to and to look at before hours are spent on training."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from watchword import audio, spec
from watchword.data import augment
from watchword.data.bank import Bank
from watchword.data.corpus import read_manifest
from watchword.data.mixing import Signal, load_signal
from watchword.data.plots import plot_text
from watchword.data.rooms import simulate
from watchword.data.spectrogram import log_mel
from watchword.data.word_place import place_word
from watchword.files import write_atomic

if TYPE_CHECKING:
    from watchword.config import RunConfig

LIST, SHEET = "previews.txt", "previews.png"
_PANEL_IN = (3.2, 1.9)
_SHOWN_DB = 60.0


@dataclass(frozen=True)
class Preview:
    """One version of a clip: its file, what was drawn for it, its int16 samples."""

    path: Path
    drawn: str
    pcm: np.ndarray

    @property
    def line(self) -> str:
        return f"{self.path.name}: {self.drawn}"


def training_bank(config: RunConfig) -> Bank:
    """What a training run with this configuration mixes clips with; without a manifest, rooms only."""
    manifest = config.data.manifest
    clips = [clip for clip in read_manifest(manifest) if clip.split == "train"] if manifest else []
    noises, rooms, speech = (
        tuple(clip.path for clip in clips if clip.label == label) for label in ("noise", "rir", "negative")
    )
    if not rooms:
        numbers = range(config.augment.simulated_rooms)
        rooms = tuple(simulate(Path(config.data.cache) / "rooms", numbers, config.data.seed))
    return Bank(noises, rooms, speech)


def make_previews(
    clips: Sequence[Path], config: RunConfig, out: Path, count: int, seed: int, negative: bool = False
) -> list[Preview]:
    """`count` versions of each clip as wav files in `out`, with a list and a sheet of spectrograms.

    Clips are taken for the wake word, cut as training cuts it, or (`negative`) for other speech.
    """
    bank = training_bank(config)
    sources = [load_signal(clip) for clip in clips]
    names = _names(clips)
    previews = [
        _preview(source, config, bank, out / f"{name}-{number + 1}.wav", [seed, index, number], negative)
        for index, (name, source) in enumerate(zip(names, sources, strict=True))
        for number in range(count)
    ]
    for preview in previews:
        audio.save(preview.path, preview.pcm)
    write_atomic(out / LIST, "".join(f"{preview.line}\n" for preview in previews))
    shown = [
        [Preview(clip, "as recorded", audio.to_int16(source)), *previews[i * count : (i + 1) * count]]
        for i, (clip, source) in enumerate(zip(clips, sources, strict=True))
    ]
    write_atomic(out / SHEET, _contact_sheet(shown))
    return previews


def _names(clips: Sequence[Path]) -> list[str]:
    """The clips' names, numbered where two are the same."""
    stems = [clip.stem for clip in clips]
    return [stem if stems.count(stem) == 1 else f"{i + 1}-{stem}" for i, stem in enumerate(stems)]


def _preview(
    source: Signal, config: RunConfig, bank: Bank, path: Path, seed: list[int], negative: bool
) -> Preview:
    rng = np.random.default_rng(seed)
    scene = augment.draw_scene(config.augment, bank, rng, word=not negative)
    if negative:
        pcm = augment.talk_in_scene([source], scene, rng)
    else:
        place = place_word(audio.to_int16(source))
        word = (place.start, place.end) if place else (0, len(source))
        pcm = augment.word_in_scene(source, word, scene, rng)
    return Preview(path, augment.describe(scene, word=not negative), pcm)


def _contact_sheet(rows: Sequence[Sequence[Preview]]) -> bytes:
    """A PNG of mel spectrograms, each clip's versions after it, at most four side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [panel for row in rows for panel in row]
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(
        figsize=(_PANEL_IN[0] * columns, (_PANEL_IN[1] + 0.5) * lines), layout="constrained", dpi=110
    )
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(lines, columns, squeeze=False).flat, panels, strict=False):
        level_db = log_mel(panel.pcm)
        axes.imshow(
            level_db.T,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=level_db.max() - _SHOWN_DB,
            vmax=level_db.max(),
            extent=(0.0, len(panel.pcm) / spec.SAMPLE_RATE_HZ, 0, spec.MEL_BANDS),
        )
        axes.set_title(textwrap.fill(plot_text(panel.line, 400), 56), fontsize=6, loc="left")
        axes.set_xlabel("s", fontsize=6)
        axes.set_ylabel("mel band", fontsize=6)
        axes.tick_params(labelsize=6)
    for axes in figure.axes[len(panels) :]:
        axes.set_axis_off()
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
