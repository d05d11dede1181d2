"""Golden rows: exact integers of front end and normaliser, committed, so that no edit changes a bit.

After an intended change: `python tests/golden/test_frontend_golden.py` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from watchword import core
from watchword.export.affine import esphome_normalisation

GOLDEN = Path(__file__).with_name("frontend.npz")


def signal() -> np.ndarray:
    """1.6 s of integers only: quiet noise, a loud chirp by recurrence, silence, full-scale noise."""
    state, noise = 1, []
    for _ in range(12_800):
        state = (1_103_515_245 * state + 12_345) % (1 << 31)
        noise.append((state >> 15) - 32_768)
    noise = np.array(noise, np.int64)
    n = np.arange(6_400)
    chirp = np.where((n * n // 2_000) % 2 == 0, 12_000, -12_000)
    parts = (noise[:6_400] >> 9, chirp, np.zeros(6_400, int), noise[6_400:])
    return np.concatenate(parts).astype(np.int16)


def rows() -> dict[str, np.ndarray]:
    made = {f"hop{hop}": core.frontend_rows(signal(), hop, 40) for hop in (160, 320)}
    logmel = {f"logmel_hop{hop}": core.frontend_rows(signal(), hop, 40, "logmel") for hop in (160, 320)}
    mean, gain = np.full(40, 900, np.int16), np.full(40, 1_500, np.uint16)
    for mode in ("running", "running_mv"):
        spread = np.arange(100, 500, 10, dtype=np.uint16) if mode == "running_mv" else None
        normalisation = core.Normalisation(mode, 436, mean, gain, spread)
        made[f"{mode}_hop160"] = core.normalise(logmel["logmel_hop160"], normalisation)
    micro = {f"micro_hop{hop}": core.frontend_rows(signal(), hop, 40, "micro") for hop in (160, 320)}
    made["affine_hop160"] = core.normalise(micro["micro_hop160"], esphome_normalisation())
    return made | logmel | micro


def test_rows_are_the_committed_integers() -> None:
    golden = np.load(GOLDEN)
    made = rows()
    assert set(made) == set(golden.files)
    for name, got in made.items():
        assert np.array_equal(got, golden[name]), f"{name}: the bits changed"


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **rows())
