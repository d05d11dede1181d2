"""A Home Assistant core of its own for the tests, driven over its REST API as a person's browser does."""

from __future__ import annotations

import http.client
import json
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any
CLIENT = "http://127.0.0.1/"  # what the tests call themselves when they log in
UP_S = 120.0  # a bound against hanging: it starts within seconds
CONFIGURATION = """\
homeassistant:
  name: Watchword
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
config:
onboarding:
automation: !include automations.yaml
template:
  - light:
      - name: Desk
        turn_on: []
        turn_off: []
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Event:
    """One event of Home Assistant's bus."""

    kind: str
    data: dict[str, Json]


class Events:
    """What Home Assistant's bus says from now on; a thread reads it as it comes."""

    def __init__(self, port: int, token: str) -> None:
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.request("GET", "/api/stream", headers={"Authorization": f"Bearer {token}"})
        self._response = self._connection.getresponse()
        assert self._response.status == 200, self._response.read()
        assert self._response.readline() == b"data: ping\n"  # from here on nothing is missed
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError, ValueError, AttributeError, http.client.HTTPException):  # closed meanwhile
            for line in self._response:
                kind, _, text = line.decode().partition(": ")
                if kind == "data" and text.strip() != "ping":
                    event = json.loads(text)
                    self._queue.put(Event(event["event_type"], event["data"]))
        self._queue.put(None)

    def wait(self, wanted: Callable[[Event], bool], seconds: float, what: str) -> Event:
        """The next event like that; those before it are dropped."""
        until = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"Home Assistant has not seen {what} within {seconds:g} s") from None
            assert event is not None, f"Home Assistant ended before it saw {what}"
            if wanted(event):
                return event

    def close(self) -> None:
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class HomeAssistant:
    """A running core whose owner is logged in; ends with `close`, and with the process that started it."""

    def __init__(self, home: Path, folder: Path, automations: Sequence[str] = ()) -> None:
        self.port = free_port()
        folder.mkdir(parents=True)
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port))
        (folder / "automations.yaml").write_text("".join(_item(text) for text in automations))
        self.log = folder / "home-assistant.log"
        command = ["setpriv", "--pdeathsig", "TERM", str(home / "bin" / "hass"), "--skip-pip"]
        self._output = (folder / "output.txt").open("w+")
        self._process = subprocess.Popen(
            [*command, "--config", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._token = ""
        try:
            self._wait_until_up()
            self._token = self._become_owner()
        except BaseException:
            self.close()
            raise

    def call(self, method: str, path: str, body: Json = None, form: str | None = None) -> Json:
        """One request to its API; what it answers, as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers["Content-Type"] = "application/json" if form is None else "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, form if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        assert response.status < 300, f"{method} {path}: {response.status} {text}"
        return json.loads(text) if text else None

    def events(self) -> Events:
        return Events(self.port, self._token)

    def state(self, entity: str) -> Json:
        return self.call("GET", f"/api/states/{entity}")

    def entities(self, platform: str) -> list[str]:
        return sorted(s["entity_id"] for s in self.call("GET", "/api/states") if _is(s, platform))

    def act(self, domain: str, action: str, **data: Json) -> None:
        self.call("POST", f"/api/services/{domain}/{action}", data)

    def add_esphome(self, port: int) -> Json:
        """What a person does under Settings, Devices & services, Add integration, ESPHome."""
        flow = "/api/config/config_entries/flow"
        step = self.call("POST", flow, {"handler": "esphome"})
        done = self.call("POST", f"{flow}/{step['flow_id']}", {"host": "127.0.0.1", "port": port})
        assert done["type"] == "create_entry", done
        return done

    def close(self) -> None:
        """It has a few seconds to end in order."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _wait_until_up(self) -> None:
        until = time.monotonic() + UP_S
        while True:
            with suppress(OSError):
                self.call("GET", "/api/onboarding")
                return
            try:
                code = self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                assert time.monotonic() < until, f"Home Assistant is not up after {UP_S:g} s: see {self.log}"
            else:
                self._output.seek(0)
                raise AssertionError(f"Home Assistant ended with {code}: {self._output.read()[-2000:]}")

    def _become_owner(self) -> str:
        """The first page that a new installation shows; gives a token."""
        owner = {"name": "Owner", "username": "owner", "password": "watchword", "language": "en"}
        code = self.call("POST", "/api/onboarding/users", {"client_id": CLIENT, **owner})["auth_code"]
        form = f"grant_type=authorization_code&code={code}&client_id={CLIENT}"
        return str(self.call("POST", "/auth/token", form=form)["access_token"])


def _is(state: Json, platform: str) -> bool:
    return str(state["entity_id"]).startswith(platform + ".")


def _item(text: str) -> str:
    """What is pasted into the editor of automations, as an item of their file."""
    return "- " + text.strip().replace("\n", "\n  ") + "\n"
