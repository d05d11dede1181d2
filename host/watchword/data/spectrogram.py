"""The mel spectrogram as the C front end has it."""

from __future__ import annotations

import numpy as np
from scipy import fft

from watchword import core, spec

HOP_SAMPLES = max(spec.HOP_CHOICES_SAMPLES)
_ROW_LSB_DB = 10.0 * np.log10(2.0) / (1 << spec.MFCC_FRAC_BITS)


def log_mel(pcm: np.ndarray, hop_samples: int = HOP_SAMPLES) -> np.ndarray:
    """Mel spectrogram of int16 [samples] in dB above the front end's floor, float64 [rows, MEL_BANDS].

    From all MFCCs of the C front end: their orthonormal DCT is undone, so this is what the chip computes
    before it, within the rounding of the rows.
    """
    rows = core.frontend_rows(pcm, hop_samples, spec.MEL_BANDS)
    logmel: np.ndarray = fft.idct(rows.astype(np.float64), type=2, norm="ortho", axis=1) * _ROW_LSB_DB
    return logmel
