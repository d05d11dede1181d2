"""The peers: wake word detectors from PyPI, each in an environment of its own, asked over pipes."""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from watchword.errors import WatchwordError
from watchword.evaluate.equal_alarms import Trace
from watchword.files import write_atomic

ROOT = Path(__file__).resolve().parents[2]
WORKERS = Path(__file__).with_name("workers")
_LEFT_OUT = "use --no-peer for this model's figures alone"


@dataclass(frozen=True)
class Package:
    """A detector on PyPI: what its environment holds, and which worker runs it there."""

    name: str
    worker: str  # the module in `workers`
    requirements: tuple[str, ...]
    alone: tuple[str, ...] = ()  # installed without what they ask for beside it


PYMICRO = Package(
    "pymicro-wakeword",
    "pymicro",
    ("pymicro-wakeword==2.5.0", "pymicro-features==2.0.2", "numpy==2.4.6"),
)
OPENWAKEWORD = Package(
    "openwakeword",
    "openwake",
    (
        "numpy==2.4.6",
        "onnx==1.23.2",
        "onnxruntime==1.32.0",
        "scikit-learn==1.9.1",
        "scipy==1.17.1",
        "tqdm==4.70.1",
    ),
    # The last version whose package holds its models. It asks for tflite-runtime, which its ONNX models
    # do not need and newer Pythons do not have.
    alone=("openwakeword==0.5.1",),
)
PACKAGES = (PYMICRO, OPENWAKEWORD)


@dataclass(frozen=True)
class PeerInfo:
    """What the worker says about itself."""

    versions: dict[str, str]
    words: tuple[str, ...]
    model: str | None  # None: it has no model for the word
    cutoff: float = 0.0  # detects above this score
    window: int = 0  # inferences averaged

    @property
    def threshold(self) -> float:
        """The least score that it detects."""
        return math.nextafter(self.cutoff, math.inf)


def install(package: Package, folder: Path) -> Path:
    """The Python of an environment with the peer in it; made when it is not there yet."""
    pins = (*package.requirements, *package.alone)
    name = f"{'-'.join(pins)}-{sys.version_info.major}.{sys.version_info.minor}"
    home = folder / hashlib.sha256(name.encode()).hexdigest()[:12]
    python, ready = home / "bin" / "python", home / "ready"
    if ready.is_file():
        return python
    print(f"installing {package.name} into {home}", file=sys.stderr)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "--disable-pip-version-check",
        "install",
        "-q",
    ]
    commands = [
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)],
        [*pip, *package.requirements],
    ]
    if package.alone:
        commands.append([*pip, "--no-deps", *package.alone])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise WatchwordError(
                f"the peer {package.name} cannot be installed: {' '.join(last)}", home, _LEFT_OUT
            )
    write_atomic(ready, name + "\n")
    return python


class PeerProcess:
    """One worker process, for one thread."""

    def __init__(self, package: Package, python: Path, word: str) -> None:
        self._package = package
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [str(python), "-m", f"tools.accuracy.workers.{package.worker}", word],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in: IO[bytes] = self._process.stdin
        self._out: IO[bytes] = self._process.stdout
        try:
            hello = json.loads(self._out.readline())
        except ValueError:
            self.close()
            raise self._died() from None
        self.info = PeerInfo(**{**hello, "words": tuple(hello["words"])})

    def trace(self, pcm: np.ndarray) -> Trace:
        """Its probabilities over one recording, int16 [samples]."""
        try:
            self._in.write(struct.pack("<I", len(pcm)) + pcm.astype("<i2").tobytes())
            self._in.flush()
            (count,) = struct.unpack("<I", self._out.read(4))
            ends, levels = (np.frombuffer(self._out.read(8 * count), kind) for kind in ("<i8", "<f8"))
        except (OSError, struct.error, ValueError):
            raise self._died() from None
        if len(levels) != count:
            raise self._died()
        return Trace(levels, ends)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(BrokenPipeError):  # what it never read
                pipe.close()

    def _died(self) -> WatchwordError:
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        what = f"the peer {self._package.name} stopped: {' '.join(last) or 'without a word'}"
        return WatchwordError(what, WORKERS / f"{self._package.worker}.py", _LEFT_OUT)


class Peer:
    """A worker for each thread, and on disk what they said before about the same samples."""

    def __init__(self, package: Package, python: Path, word: str, cache: Path) -> None:
        self.package, self._python, self._word = package, python, word
        self._local, self._lock = threading.local(), threading.Lock()
        self._workers: list[PeerProcess] = []
        self.info = self._worker().info
        identity = repr((sorted(self.info.versions.items()), self.info.model, _code(package)))
        self._cache = cache / hashlib.sha256(identity.encode()).hexdigest()[:12]

    def trace(self, pcm: np.ndarray) -> Trace:
        key = hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest()
        path = self._cache / key[:2] / f"{key}.npy"
        try:
            ends, levels = np.load(path, allow_pickle=False)
            return Trace(levels, ends.astype(np.int64))
        except (OSError, ValueError, EOFError):
            trace = self._worker().trace(pcm)
        buffer = io.BytesIO()
        np.save(buffer, np.stack([trace.ends.astype(np.float64), trace.levels]))
        write_atomic(path, buffer.getvalue())
        return trace

    def _worker(self) -> PeerProcess:
        if not hasattr(self._local, "worker"):
            self._local.worker = PeerProcess(self.package, self._python, self._word)
            with self._lock:
                self._workers.append(self._local.worker)
        worker: PeerProcess = self._local.worker
        return worker

    @property
    def title(self) -> str:
        return f"{self.package.name} {self.info.versions[self.package.name]}"

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


def _code(package: Package) -> bytes:
    """What decides which scores a worker gives for the same samples."""
    return (WORKERS / f"{package.worker}.py").read_bytes()
