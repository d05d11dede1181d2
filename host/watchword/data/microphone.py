"""This computer's microphone, through PortAudio (extra `record`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import soxr

from watchword import audio, spec
from watchword.errors import WatchwordError

Meter = Callable[[float], None]  # is told the level of every block in dBFS
_BLOCK_S = 0.05
_SETTLE_S = 0.15  # a microphone that was just opened clicks; this much is thrown away
_FLOOR_DBFS = -96.0


@dataclass(frozen=True)
class Take:
    """One take: int16 [samples] at 16 kHz, and whether the computer was too slow to get all of it."""

    pcm: np.ndarray
    lost: bool = False


class Source(Protocol):
    """Where takes come from."""

    def take(self, seconds: float, meter: Meter) -> Take:
        """Listen for `seconds`, starting now."""
        ...


class Microphone:
    """An input of this computer; `device` is its PortAudio number, None = the default one."""

    def __init__(self, device: int | None = None) -> None:
        self._sound = _load_sounddevice()
        self._device = device
        try:
            info = self._sound.query_devices(device, "input")
        except (self._sound.PortAudioError, ValueError) as error:
            raise WatchwordError(f"no such input: {error}", _name(device), self._inputs()) from error
        self.name = str(info["name"])
        self._rate_hz = self._usable_rate(float(info["default_samplerate"]))

    def take(self, seconds: float, meter: Meter) -> Take:
        """Record mono; another rate than 16 kHz is resampled as in any sound file."""
        blocks, lost = [], False
        size = round(_BLOCK_S * self._rate_hz)
        try:
            with self._sound.InputStream(
                samplerate=self._rate_hz, device=self._device, channels=1, dtype="int16", blocksize=size
            ) as stream:
                stream.read(round(_SETTLE_S * self._rate_hz))
                for _ in range(round(seconds / _BLOCK_S)):
                    block, overflowed = stream.read(size)
                    blocks.append(np.array(block[:, 0]))
                    lost |= bool(overflowed)
                    meter(level_dbfs(blocks[-1]))
        except self._sound.PortAudioError as error:
            raise WatchwordError(f"recording failed: {error}", self.name, "try another --device") from error
        pcm = np.concatenate(blocks)
        if self._rate_hz != spec.SAMPLE_RATE_HZ:
            signal = pcm.astype(np.float32) / np.float32(audio.FULL_SCALE)
            pcm = audio.to_int16(soxr.resample(signal, self._rate_hz, spec.SAMPLE_RATE_HZ, quality="HQ"))
        return Take(pcm, lost)

    def _usable_rate(self, default_hz: float) -> int:
        """16 kHz if the input can, else what it does by default."""
        try:
            self._sound.check_input_settings(
                device=self._device, channels=1, dtype="int16", samplerate=spec.SAMPLE_RATE_HZ
            )
        except self._sound.PortAudioError:
            return round(default_hz)
        return spec.SAMPLE_RATE_HZ

    def _inputs(self) -> str:
        devices = enumerate(self._sound.query_devices())
        names = [f"{i} = {info['name']}" for i, info in devices if info["max_input_channels"] > 0]
        return f"choose --device: {'; '.join(names)}" if names else "this computer shows no microphone"


def level_dbfs(pcm: np.ndarray) -> float:
    """RMS level of int16 [samples]; full scale is 0 dBFS, silence _FLOOR_DBFS."""
    rms = float(np.sqrt(np.mean((pcm / audio.FULL_SCALE) ** 2))) if pcm.size else 0.0
    return max(_FLOOR_DBFS, 20.0 * float(np.log10(max(rms, 1e-9))))


def _name(device: int | None) -> str:
    return "default input" if device is None else f"input {device}"


def _load_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise WatchwordError("recording needs sounddevice", "", "pip install 'watchword[record]'") from error
    except OSError as error:  # it looks for PortAudio when it is imported
        remedy = "sudo apt-get install libportaudio2"
        raise WatchwordError(f"cannot reach a microphone: {error}", "", remedy) from error
    return sounddevice
