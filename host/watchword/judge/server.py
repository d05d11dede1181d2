"""A judge for boards that reach a server: POST a snippet as WAV, get {"word", "score", "accepted"} back.

What comes in is not trusted: the length is limited and known before anything is read, only plain PCM is
parsed, connections are few and short, and whoever listens beyond this computer needs a shared secret.
"""

from __future__ import annotations

import contextlib
import hmac
import io
import ipaddress
import json
import os
import socket
import threading
import wave
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from watchword import spec
from watchword.errors import WatchwordError
from watchword.judge.network import Judge

TOKEN_VARIABLE = "WATCHWORD_JUDGE_TOKEN"
LONGEST_S = 15.0
MAX_BYTES = round(LONGEST_S * spec.SAMPLE_RATE_HZ) * 2 + 1024  # samples, and a header with room to spare
MAX_CONNECTIONS = 16
READ_TIMEOUT_S = 10.0  # for a client that sends nothing
LONGEST_CONNECTION_S = 30.0  # for a client that sends slowly


class BadSnippet(ValueError):
    """What was sent is not a snippet; the text says why."""


def read_snippet(content: bytes) -> np.ndarray:
    """int16 [samples] of a WAV file: 16-bit PCM, mono, 16 kHz, at most LONGEST_S."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            kind = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            if kind != (1, 2, spec.SAMPLE_RATE_HZ):
                raise BadSnippet(
                    f"{kind[0]} channels, {8 * kind[1]} bits, {kind[2]} Hz: not mono 16-bit 16 kHz"
                )
            raw = file.readframes(round(LONGEST_S * spec.SAMPLE_RATE_HZ) + 1)
    except BadSnippet:
        raise
    except Exception as error:  # the parser meets arbitrary bytes: whatever it trips over, they are no WAV
        raise BadSnippet(f"not a PCM WAV file ({error})") from error
    pcm = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.int16)
    if not pcm.size:
        raise BadSnippet("holds no samples")
    if pcm.size > LONGEST_S * spec.SAMPLE_RATE_HZ:
        raise BadSnippet(f"longer than {LONGEST_S:g} s")
    return pcm


class JudgeServer(ThreadingHTTPServer):
    """Answers a few connections at a time; the network itself is asked by one thread at a time."""

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self, address: tuple[str, int], judge: Judge, token: str, say: Callable[[str], None]
    ) -> None:
        self.judge, self.token, self.say = judge, token, say
        self._asking = threading.Lock()
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def ask(self, pcm: np.ndarray) -> dict[str, Any]:
        """The judge's answer to a snippet."""
        with self._asking:
            score = self.judge.score(pcm)
        return {"word": self.judge.word, "score": round(score, 6), "accepted": score >= self.judge.threshold}

    def process_request(self, request: Any, client_address: Any) -> None:
        """One more thread, unless there are enough."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.say(f"{client_address[0]}: refused, {MAX_CONNECTIONS} connections are open")
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, which is cut after LONGEST_CONNECTION_S even if data still flows."""
        limit = threading.Timer(LONGEST_CONNECTION_S, _shut_down, [request])
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a lost connection in one line instead of a traceback."""
        self.say(f"{client_address[0]}: connection lost")


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer
    timeout = READ_TIMEOUT_S
    server_version = "watchword-judge"
    sys_version = ""

    def do_GET(self) -> None:
        """What is listening here."""
        if self._admitted():
            judge = self.server.judge
            self._answer(
                HTTPStatus.OK, {"word": judge.word, "judge": judge.arch, "threshold": judge.threshold}
            )

    def do_POST(self) -> None:
        """Judge a snippet."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if not 0 <= length <= MAX_BYTES:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BYTES} bytes")
        content = self.rfile.read(length)  # before any refusal: a client that still writes would not see it
        if not self._admitted():
            return
        try:
            if len(content) < length:
                raise BadSnippet("the connection ended early")
            pcm = read_snippet(content)
        except BadSnippet as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        answer = self.server.ask(pcm)
        self.server.say(f"{self.client_address[0]}: {pcm.size / spec.SAMPLE_RATE_HZ:.2f} s, {answer}")
        self._answer(HTTPStatus.OK, answer)

    def _admitted(self) -> bool:
        """False, with the refusal sent, for a wrong secret or another path."""
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if self.server.token and not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            self._refuse(HTTPStatus.UNAUTHORIZED, "wrong or no bearer token")
        elif self.path != "/":
            self._refuse(HTTPStatus.NOT_FOUND, "POST a WAV snippet to /")
        else:
            return True
        return False

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.server.say(f"{self.client_address[0]}: refused, {why}")
        self._answer(status, {"error": why})

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `say` has reported the request already."""


def open_server(where: str, judge: Judge, say: Callable[[str], None]) -> JudgeServer:
    """Listen at HOST:PORT; port 0 takes a free one."""
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise WatchwordError(f"--serve takes HOST:PORT, not '{where}'", "", "e.g. --serve 127.0.0.1:8750")
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token and not _local(host):
        raise WatchwordError(
            f"{host} can be reached from other computers",
            "--serve",
            f"set {TOKEN_VARIABLE} to a shared secret",
        )
    try:
        return JudgeServer((host, int(port)), judge, token, say)
    except OSError as error:
        raise WatchwordError(
            f"cannot listen: {error.strerror or error}", where, "choose another --serve"
        ) from error


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have ended just now
        connection.shutdown(socket.SHUT_RDWR)


def _local(host: str) -> bool:
    """True if only this computer reaches the address."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False
