"""The judge: what it hears, how sentry and judge count together, and the service that boards ask."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from judge_run import COEFFS, TINY_JUDGES, write_run
from watchword import audio, core, spec
from watchword.errors import WatchwordError
from watchword.export.settings import ModelSettings

pytestmark = pytest.mark.train

from board_model import WORD, noise, write_model  # noqa: E402

from tools.generate import results as reference  # noqa: E402

CLI = [sys.executable, "-c", "from watchword.cli.main import main; main()"]


def wav(pcm: np.ndarray, channels: int = 1, rate: int = 16_000, width: int = 2) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return out.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("teacher"), "ds_tcn", WORD)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentry with random weights, and recordings it fires on."""
    root = tmp_path_factory.mktemp("sentry")
    write_model(root / "model")
    for i in range(4):
        audio.save(root / "yes" / f"{i}.wav", noise(2.0, i))
    for i in range(2):
        audio.save(root / "no" / f"{i}.flac", noise(40.0, 10 + i))
    return root


def judged(run: Path, place: Path, *more: object) -> tuple[str, dict[str, Any]]:
    """What the command says on stdout, and its JSON."""
    from watchword.cli.judge import command

    arguments = ["--judge", run, "--model", place / "model", "--positives", place / "yes"]
    arguments += ["--negatives", place / "no", "--workers", 1, "--out", place / "judge.json", *more]
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    content = json.loads((place / "judge.json").read_text())
    jsonschema.validate(content, reference.schema_of("judge.json"))
    return result.stdout, content


@pytest.mark.parametrize("arch", TINY_JUDGES)
def test_a_score_is_the_highest_average_of_its_windows(arch: str, tmp_path: Path) -> None:
    """Against windows cut and averaged one by one."""
    from watchword.judge.network import Judge
    from watchword.train.architectures import build_model, logits_of, receptive_rows
    from watchword.train.trainer import load_weights

    judge = Judge(write_run(tmp_path, arch), 0.5)
    network = build_model(TINY_JUDGES[arch], COEFFS)
    load_weights(network, tmp_path / "weights_float.npz")
    settings, span = ModelSettings.load(tmp_path / "settings.json"), receptive_rows(TINY_JUDGES[arch])
    scores = []
    for seed in range(3):
        pcm = noise(2.2, seed)
        rows = core.normalise(core.frontend_rows(pcm, 320, COEFFS), settings.normalisation)
        windows = np.stack([rows[at : at + span] for at in range(0, len(rows) - span + 1, 2)])
        real = windows[:, :, None, :].astype(np.float32) * np.float32(spec.INPUT_SCALE)
        logits = logits_of(network)(real).numpy().reshape(-1)
        best = np.convolve(logits, np.ones(3) / 3, "valid").max()
        scores.append(judge.score(pcm))
        assert scores[-1] == pytest.approx(1.0 / (1.0 + np.exp(-best)), abs=2e-3)
    assert max(scores) - min(scores) > 1e-3
    assert 0.0 <= judge.score(noise(0.1, 9)) <= 1.0, "short sound gets silence in front"


def test_the_cascade_counts_what_the_judge_accepts(run: Path, place: Path) -> None:
    _, everything = judged(run, place, "--threshold", 0)
    scores = [ruling["score"] for ruling in everything["rulings"]]
    assert len(scores) > 8 and np.ptp(scores) > 0.05
    assert everything["accepted"] == everything["detections"] == len(scores)
    middle = float(np.median(scores))
    stdout, some = judged(run, place, "--threshold", middle)
    assert 0 < some["accepted"] < some["detections"]
    lines = stdout.splitlines()
    assert len([line for line in lines if line.startswith("accepted")]) == some["accepted"]
    assert len([line for line in lines if line.startswith("rejected")]) == sum(s < middle for s in scores)
    assert some["cascade"]["false_alarms"] < some["sentry"]["false_alarms"]
    assert some["cascade"]["misses"] >= some["sentry"]["misses"]
    assert some["cascade"]["negative_hours"] == some["sentry"]["negative_hours"] == pytest.approx(80 / 3600)
    _, nothing = judged(run, place, "--threshold", 1)
    assert nothing["cascade"]["false_alarms"] == 0 and nothing["cascade"]["frr"] == 1.0
    alarms = [point["false_alarms"] for point in some["curve"]]
    assert alarms == sorted(alarms, reverse=True)


def test_the_sentry_alone_is_what_evaluate_measures(run: Path, place: Path) -> None:
    from watchword.data.recordings import select
    from watchword.evaluate import metrics
    from watchword.evaluate.stream import run_host
    from watchword.export.image import load_image

    host = run_host(load_image(place / "model"), select(place / "yes", place / "no"), 1, progress=False)
    expected = metrics.measure(host.streams)
    found = judged(run, place, "--sentry-high", "0.3")[1]
    own, jumpy = found["sentry_own_settings"], found["sentry"]
    assert (own["misses"], own["false_alarms"]) == (len(expected.misses), len(expected.false_alarms))
    assert own["fah_upper95"] == expected.fah_upper95
    assert found["sentry_high"]["used"] == 0.3 and jumpy["false_alarms"] != own["false_alarms"]


def test_the_judge_waits_for_sound_and_its_latency_says_so(run: Path, place: Path) -> None:
    at_once, later = (judged(run, place, "--threshold", 0, "--after-ms", ms)[1] for ms in (0, 300))
    assert later["sentry"] == at_once["sentry"]
    assert [r["score"] for r in later["rulings"]] != [r["score"] for r in at_once["rulings"]]
    assert at_once["cascade"]["latency_ms_p50"] == at_once["sentry"]["latency_ms_p50"]


def test_the_snippet_is_the_sound_around_the_detection(run: Path) -> None:
    from watchword.judge.network import Judge

    judge, pcm = Judge(run, 0.5), np.arange(30_000).astype(np.int16)
    cut = judge.around(pcm, 29_000, 500)
    assert cut[-1] == 29_499 and cut.size == min(29_000, judge.before_samples) + 500
    assert judge.before_samples > 1.5 * spec.SAMPLE_RATE_HZ
    assert judge.around(pcm, 1000, 200)[[0, -1]].tolist() == [0, 1199]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "model"], "nothing to evaluate"),
        (["--model", "none", "--data", "x"], "no model here"),
        ([], "--serve is needed"),
        (["--serve", "127.0.0.1:0", "--model", "model"], "--serve and --model exclude each other"),
        (["--serve", "8750"], "--serve takes HOST:PORT"),
        (["--serve", "0.0.0.0:0"], "set WATCHWORD_JUDGE_TOKEN"),
        (["--model", "model", "--positives", "yes", "--threshold", "2"], "2.0 is not in the range"),
    ],
)
def test_mistakes(run: Path, place: Path, arguments: list[str], told: str) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*CLI, "judge", "--judge", run, *arguments], cwd=place, env=env, capture_output=True, text=True
    )
    assert done.returncode in (1, 2) and told in done.stderr and "Traceback" not in done.stderr


def test_a_judge_of_another_word_or_of_no_run_is_refused(place: Path, tmp_path: Path) -> None:
    from watchword.judge.network import Judge

    write_run(tmp_path / "other", "ds_tcn", "another")
    with pytest.raises(WatchwordError, match="listens for 'test word', the judge for 'another'"):
        judged(tmp_path / "other", place)
    (tmp_path / "other" / "settings.json").unlink()
    with pytest.raises(WatchwordError, match=r"no settings\.json: not a finished run"):
        Judge(tmp_path / "other", 0.5)
    write_run(tmp_path / "big", "resnet18")
    write_run(tmp_path / "mixed", "ds_tcn")
    (tmp_path / "mixed" / "weights_float.npz").write_bytes((tmp_path / "big/weights_float.npz").read_bytes())
    with pytest.raises(WatchwordError, match="weights do not fit"):
        Judge(tmp_path / "mixed", 0.5)


# ── the service ──────────────────────────────────────────────────────────────────────────────
TOKEN = "s3cret"


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[int]:
    """`watchword judge --serve` in a process of its own; the port it listens on."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "WATCHWORD_JUDGE_TOKEN": TOKEN}
    process = subprocess.Popen(
        [*CLI, "judge", "--judge", str(run), "--serve", "127.0.0.1:0"],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    found = re.search(r":(\d+)/", line)
    assert found, line + process.stderr.read()
    yield int(found[1])
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in errors, errors


def ask(
    port: int, body: bytes, method: str = "POST", path: str = "/", token: str = TOKEN, **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Authorization": f"Bearer {token}", **headers})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_snippet_gets_the_judges_own_score(service: int, run: Path) -> None:
    from watchword.judge.network import Judge

    judge = Judge(run, 0.5)
    for seed in range(3):
        pcm = noise(2.5, seed)
        status, answer = ask(service, wav(pcm))
        assert status == 200 and set(answer) == {"word", "score", "accepted"}
        assert answer["word"] == WORD and answer["accepted"] == (answer["score"] >= 0.5)
        assert answer["score"] == pytest.approx(judge.score(pcm), abs=1e-5)
    assert ask(service, b"", "GET") == (200, {"word": WORD, "judge": "ds_tcn", "threshold": 0.5})


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "not a PCM WAV"),
        (b"RIFF", 400, "not a PCM WAV"),
        (b"\x00" * 5000, 400, "not a PCM WAV"),
        (wav(np.zeros(0, np.int16)), 400, "no samples"),
        (wav(np.zeros(800, np.int16), channels=2), 400, "2 channels"),
        (wav(np.zeros(800, np.int16), rate=44_100), 400, "44100 Hz"),
        (wav(np.zeros(800, np.int16), width=1), 400, "8 bits"),
        (wav(np.zeros(16_000 * 15 + 1, np.int16)), 400, "longer than 15 s"),
        (wav(np.zeros(16_000 * 40, np.int16)), 413, "at most"),
    ],
)
def test_bad_sound_is_refused(service: int, body: bytes, status: int, told: str) -> None:
    if status == 413:  # only the header: what follows would not be read
        found, answer = ask(service, b"x", **{"Content-Length": str(len(body))})
    else:
        found, answer = ask(service, body)
    assert found == status and told in answer["error"]


def test_damaged_wav_files_never_harm_it(service: int) -> None:
    good, rng = wav(noise(0.2, 3)), np.random.default_rng(8)
    for _ in range(60):
        bad = bytearray(good[: int(rng.integers(20, len(good)))])
        for at in rng.integers(0, min(60, len(bad)), 3):
            bad[at] = int(rng.integers(256))
        assert ask(service, bytes(bad))[0] in (200, 400)
    assert ask(service, good)[0] == 200


def test_strangers_and_wrong_paths_are_refused(service: int) -> None:
    good = wav(noise(0.2, 3))
    assert ask(service, good, token="guess")[0] == 401
    assert ask(service, b"", "GET", token="")[0] == 401
    assert ask(service, good, path="/other")[0] == 404
    with socket.create_connection(("127.0.0.1", service), timeout=10) as raw:
        raw.sendall(b"POST / HTTP/1.0\r\n\r\n")
        assert b" 411 " in raw.recv(4096)
    with socket.create_connection(("127.0.0.1", service), timeout=10) as raw:
        raw.sendall(b"\xff\xfe nonsense\r\n\r\n")
        raw.recv(4096)
    assert ask(service, good)[0] == 200


def test_many_idle_connections_do_not_pile_up(service: int) -> None:
    """Beyond its limit it hangs up at once, and answers again when there is room."""
    idle = [socket.create_connection(("127.0.0.1", service), timeout=10) for _ in range(20)]
    closed = 0
    for raw in idle:
        raw.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            closed += raw.recv(1) == b""
    assert closed == 4
    for raw in idle:
        raw.close()
    for _ in range(50):
        try:
            assert ask(service, wav(noise(0.2, 3)))[0] == 200
            return
        except (ConnectionError, http.client.RemoteDisconnected):
            continue
    pytest.fail("it did not recover")
