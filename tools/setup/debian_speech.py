"""Recorded speech, music and sounds out of Debian packages, as negatives and noise for training.

    python -m tools.setup.debian_speech OUT [--only PACKAGE ...]

Needs Debian or Ubuntu (apt-get, dpkg-deb) and no rights: packages are unpacked, not installed. Writes
OUT/<package>/<label>-NN.flac, about five minutes each, and OUT/manifest.csv for `watchword scan`. The
recordings are real people, mostly not speaking English; each package keeps its own licence, which is
copied beside its sounds.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tqdm import tqdm
from watchword import audio, spec
from watchword.data.corpus import Clip, write_manifest
from watchword.errors import WatchwordError

STREAM_S = 300.0
PAUSE = np.zeros(round(0.4 * spec.SAMPLE_RATE_HZ), np.int16)
SUFFIXES = (".wav", ".ogg", ".flac", ".gsm")
SHORTEST_S = 0.2


@dataclass(frozen=True)
class Source:
    """Sounds of one package: those whose path holds `within` and none of `without`."""

    package: str
    split: str
    label: str  # negative (people speaking) or noise
    within: str = ""
    without: tuple[str, ...] = ("/silence/",)


SOURCES = (
    Source("asterisk-core-sounds-en-wav", "train", "negative"),
    Source("asterisk-core-sounds-es-wav", "train", "negative"),
    Source("asterisk-core-sounds-ru-wav", "train", "negative"),
    Source("asterisk-prompt-es-co", "train", "negative"),
    Source("fillets-ng-data-cs", "train", "negative", "/sound/"),
    Source("hedgewars-data", "train", "negative", "/Sounds/voices/"),
    Source("ktuberling-data", "train", "negative", "/sounds/", ("/sounds/it/", "/sounds/nl/", "/sounds/fr/")),
    Source("asterisk-core-sounds-it-wav", "val", "negative"),
    Source("fillets-ng-data-nl", "train", "negative", "/sound/"),
    Source("asterisk-moh-opsound-wav", "train", "noise"),
    Source("wesnoth-1.16-music", "train", "noise"),
    Source("hedgewars-data", "train", "noise", "/Data/", ("/voices/",)),
    Source("freedroidrpg-data", "train", "noise", "/sound/"),
    Source("sonic-pi-samples", "train", "noise"),
    Source("colobot-common-sounds", "val", "noise"),
    Source("fillets-ng-data", "val", "noise", "/music/"),
)


def unpack(package: str, folder: Path) -> Path:
    """Download a package and unpack it below `folder`."""
    done = subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
        raise WatchwordError(
            f"cannot be downloaded: {reason}", package, "run apt-get update, or leave it out"
        )
    subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder / "x")], check=True)
    return folder / "x"


def read(path: Path) -> np.ndarray:
    """int16 [samples] at 16 kHz; a bare .gsm file has no header and is read as GSM 06.10 at 8 kHz."""
    if path.suffix != ".gsm":
        return audio.load(path)
    signal, rate_hz = soundfile.read(
        path, dtype="float32", format="RAW", subtype="GSM610", samplerate=8000, channels=1
    )
    return audio.to_int16(soxr.resample(signal, rate_hz, spec.SAMPLE_RATE_HZ, quality="HQ"))


def streams(files: list[Path]) -> Iterator[np.ndarray]:
    """The files in order, joined with pauses into pieces of about STREAM_S."""
    parts: list[np.ndarray] = []
    held = 0
    for path in files:
        try:
            pcm = read(path)
        except WatchwordError as error:
            tqdm.write(f"left out: {error}", file=sys.stderr)
            continue
        if pcm.size < SHORTEST_S * spec.SAMPLE_RATE_HZ:
            continue
        parts += [pcm, PAUSE]
        held += pcm.size + PAUSE.size
        if held > STREAM_S * spec.SAMPLE_RATE_HZ:
            yield np.concatenate(parts)
            parts, held = [], 0
    if parts:
        yield np.concatenate(parts)


def collect(source: Source, unpacked: Path, out: Path) -> list[Clip]:
    """Write the streams of one source; returns their clips."""
    names = sorted(p for p in unpacked.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    files = [
        p
        for p in names
        if source.within in p.as_posix() and not any(w in p.as_posix() for w in source.without)
    ]
    clips = []
    for number, pcm in enumerate(streams(files)):
        path = audio.save(out / source.package / f"{source.label}-{number:02d}.flac", pcm)
        seconds = pcm.size / spec.SAMPLE_RATE_HZ
        licence = f"Debian package {source.package}: see its copyright file"
        speaker = source.package if source.label == "negative" else ""
        clips.append(
            Clip(path, source.split, source.label, "", speaker, source.package, seconds, licence=licence)
        )
    return clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=sorted({s.package for s in SOURCES}), metavar="PACKAGE")
    arguments = parser.parse_args()
    packages = arguments.only or list(dict.fromkeys(source.package for source in SOURCES))
    clips: list[Clip] = []
    for package in tqdm(packages, desc="packages", unit="package"):
        with tempfile.TemporaryDirectory() as scratch:
            unpacked = unpack(package, Path(scratch))
            for source in (s for s in SOURCES if s.package == package):
                clips += collect(source, unpacked, arguments.out)
            for licence in unpacked.glob("usr/share/doc/*/copyright"):
                shutil.copy(licence, arguments.out / package / "copyright")
    write_manifest(arguments.out / "manifest.csv", clips)
    for label in ("negative", "noise"):
        for split in ("train", "val"):
            hours = sum(c.seconds for c in clips if c.label == label and c.split == split) / 3600.0
            print(f"{label} {split}: {hours:.2f} h")
    print(arguments.out / "manifest.csv")


if __name__ == "__main__":
    try:
        main()
    except WatchwordError as error:
        sys.exit(f"error: {error}")
