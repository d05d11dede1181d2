"""The voice satellite of satellite.yaml: built by the real ESPHome, run, spoken to, and read over its API."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
LIMIT_S = 120  # for anything that a program or the client is to say
PIPE_BYTES = 4096  # one page, the least that a pipe holds


def esphome_python() -> Path:
    """The Python of the environment that has the real ESPHome; without one, the test is skipped."""
    python = Path(os.environ.get("WATCHWORD_ESPHOME", ROOT / ".cache/esphome/bin/python"))
    if not python.is_file():
        pytest.skip(f"no ESPHome at {python}: make esphome (it needs Python 3.12 or newer)")
    return python


def run_esphome(
    verb: str, config: Path, data: Path, substitutions: dict[str, object], limit_s: int = 600
) -> subprocess.CompletedProcess[str]:
    """`esphome VERB CONFIG`; what it keeps goes to `data`."""
    values = [part for name, value in substitutions.items() for part in ("-s", name, str(value))]
    return subprocess.run(
        [esphome_python(), "-m", "esphome", *values, verb, config],
        capture_output=True,
        text=True,
        timeout=limit_s,
        env={**os.environ, "ESPHOME_DATA_DIR": str(data), "PYTHONPATH": ""},
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Satellite:
    """The built program, its microphone (a pipe), and its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.pipe = folder / "pcm"
        os.mkfifo(self.pipe)
        config = Path(shutil.copy(HERE / "satellite.yaml", folder))
        values = {"watchword": ROOT, "pcm": self.pipe, "port": self.port}
        done = run_esphome("compile", config, folder / "data", values)
        assert done.returncode == 0, done.stdout + done.stderr
        self.log = folder / "program.log"
        self.program = folder / "data/build/satellite/.pioenvs/satellite/program"

    @contextmanager
    def started(self) -> Iterator[None]:
        """The program, with the settings that it kept."""
        environment = {**os.environ, "HOME": str(self.folder)}  # where it keeps settings
        command = ["setpriv", "--pdeathsig", "KILL", self.program]  # it ends with the tests, however they end
        with (
            self.log.open("wb") as output,
            subprocess.Popen(command, stdout=output, stderr=output, env=environment) as self._process,
        ):
            try:
                yield
            finally:
                self._process.terminate()

    @contextmanager
    def running(self) -> Iterator[Session]:
        """The same, and a client that is connected to it."""
        with self.started(), Session(self) as session:
            yield session

    def end_program(self) -> None:
        """As a shutdown does, with what is to be kept written."""
        self._process.terminate()
        self._process.wait(LIMIT_S)

    def play(self, pcm: np.ndarray) -> None:
        """To its microphone; returns when all is read."""
        with self.pipe.open("wb", buffering=0) as pipe:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # writable again then means: empty
            content = pcm.astype("<i2").tobytes()
            for start in range(0, len(content), PIPE_BYTES):
                pipe.write(content[start : start + PIPE_BYTES])
            empty = select.poll()
            empty.register(pipe, select.POLLOUT)
            assert empty.poll(1000 * LIMIT_S), f"the program does not listen: {self.said()}"

    def said(self) -> str:
        """The end of the program's log."""
        return self.log.read_text(errors="replace")[-2000:]


class Session:
    """What a client says to the satellite and hears from it."""

    def __init__(self, satellite: Satellite) -> None:
        self.satellite = satellite
        self._heard: queue.Queue[dict] = queue.Queue()
        self.entities: list[str] = []
        self.states: dict[str, object] = {}

    def __enter__(self) -> Session:
        self._client = subprocess.Popen(
            [esphome_python(), HERE / "client.py", str(self.satellite.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": ""},
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.entities = self._until("entities")["entities"]
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stdin.close()
        self._client.wait(LIMIT_S)
        self._client.stdout.close()

    def _listen(self) -> None:
        for line in self._client.stdout:
            self._heard.put(json.loads(line))
        self._heard.put({"end": True})

    def _until(self, *kinds: str) -> dict:
        """The next thing of one of these kinds; states that come before it are noted."""
        while True:
            said = self._heard.get(timeout=LIMIT_S)
            if "state" in said:
                self.states[said["state"]] = said["value"]
            assert "end" not in said, (
                f"the client ended: {self.satellite.log.read_text(errors='replace')[-2000:]}"
            )
            if any(kind in said for kind in kinds):
                return said

    def state(self, name: str, value: object) -> None:
        """Wait until an entity has this value."""
        while self.states.get(name) != value:
            self._until("state")

    def set(self, name: str, value: object) -> None:
        self._tell(set=name, value=value)

    def press(self, name: str) -> None:
        self._tell(press=name)

    def _tell(self, **wish: object) -> None:
        self._client.stdin.write(json.dumps(wish) + "\n")
        self._client.stdin.flush()

    def wake(self) -> tuple[str, float, float]:
        """The next wake word: the word, its score, and when, as an event of Home Assistant tells it."""
        event = self._until("event")
        assert event["event"] == "esphome.wake_word"
        data = event["data"]
        return data["word"], float(data["score"]), float(data["time"])

    def fired(self) -> str:
        """The next type that the event entity took."""
        return self._until("fired")["value"]
