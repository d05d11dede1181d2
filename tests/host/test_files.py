"""Files are whole or not there, names are never taken twice, and what fails is said with a remedy."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from watchword import audio
from watchword.cli import main
from watchword.device.recording import GrowingWav, check_new, growing
from watchword.errors import WatchwordError
from watchword.evaluate.session import open_session
from watchword.files import (
    check_file,
    check_folder,
    new_folder,
    numbered,
    with_suffixes,
    write_atomic,
    write_folder,
    write_new,
)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The kernel refuses to make files longer, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def sound(samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, samples).astype(np.int16)


class TestWriteAtomic:
    @pytest.mark.parametrize(
        ("module", "step"), [(os, "fsync"), (Path, "chmod"), (Path, "replace"), (tempfile, "mkstemp")]
    )
    def test_every_step_that_fails_is_named_and_leaves_what_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, step: str
    ) -> None:
        path = write_atomic(tmp_path / "results.json", "before")

        def full(*args: object, **options: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch, pytest.raises(WatchwordError) as failed:
            patch.setattr(module, step, full)
            write_atomic(path, "after")
        assert failed.value.where == str(path) and "No space left" in failed.value.what
        assert "free some space" in failed.value.remedy
        assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]

    def test_a_device_or_pipe_is_refused_not_replaced(self, tmp_path: Path) -> None:
        pipe, link = tmp_path / "pipe", tmp_path / "link"
        os.mkfifo(pipe)
        link.symlink_to(pipe)
        for path in (pipe, link):
            with pytest.raises(WatchwordError, match=r"not a regular file.*name a file"):
                check_file(path)
            with pytest.raises(WatchwordError, match=r"not a regular file.*name a file"):
                write_atomic(path, "content")
        assert pipe.is_fifo() and link.is_symlink() and len(list(tmp_path.iterdir())) == 2

    def test_a_full_disk_leaves_no_half_file(self, tmp_path: Path) -> None:
        with file_size_limit(1000), pytest.raises(WatchwordError, match=r"a\.npz: cannot write here"):
            write_atomic(tmp_path / "a.npz", bytes(5000))
        assert not list(tmp_path.iterdir())

    def test_a_name_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "folder" / "in").mkdir(parents=True)
        with pytest.raises(WatchwordError, match="folder"):
            write_atomic(tmp_path / "folder", "x")
        with pytest.raises(WatchwordError, match="shorter name"):
            write_atomic(tmp_path / ("é" * 200), "x")
        with pytest.raises(WatchwordError, match="choose another one"):
            write_atomic(write_atomic(tmp_path / "file", "x") / "below", "x")


class TestNewNames:
    def test_programs_at_once_never_share_a_name(self, tmp_path: Path) -> None:
        def write(content: str) -> Path:
            return write_new(numbered(tmp_path, r"(\d+)\.txt", lambda n: f"{n:03d}.txt"), content)

        with ThreadPoolExecutor(8) as pool:
            contents = [str(i) for i in range(80)]
            paths = list(pool.map(write, contents))
        assert len(set(paths)) == 80 and [path.read_text() for path in paths] == contents
        assert len(list(tmp_path.iterdir())) == 80

    def test_the_number_is_after_the_highest_of_the_tools_own_names(self, tmp_path: Path) -> None:
        for name in ("0003_080.wav", "0007_090.wav", "0009_080 (copy).wav", "best.wav", "0008_070.wav.part"):
            (tmp_path / name).touch()
        names = numbered(tmp_path, r"(\d+)_\d+\.wav", lambda n: f"{n:04d}_050.wav")
        assert audio.save_new(names, sound(10)).name == "0008_050.wav"

    def test_sessions_of_one_second_have_folders_of_their_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with ExitStack() as stack:
            folders = [stack.enter_context(open_session(None)).folder for _ in range(5)]
            assert len(set(folders)) == 5 and all(folder.is_dir() for folder in folders)
        assert not any(folder.exists() for folder in folders), "nothing was written: nothing stays"
        same = Path("sessions") / "20260101-120000"
        names = [new_folder(with_suffixes(same)).name for _ in range(3)]
        assert names == [same.name, f"{same.name}-2", f"{same.name}-3"]

    def test_a_failed_write_gives_its_name_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with file_size_limit(10), pytest.raises(WatchwordError, match="cannot write here"):
            write_new(with_suffixes(tmp_path / "a"), bytes(100))
        assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "model", {"a": "1", "b": b"2"})
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    for place in (folder, tmp_path / "other"):
        with pytest.raises(WatchwordError, match="cannot write here"):
            write_folder(place, {"a": "3", "b": b"4"})
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {"a": b"1", "b": b"2"}
    assert [f.name for f in tmp_path.iterdir()] == ["model"]


def test_a_folder_is_replaced_behind_its_link_and_not_under_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, link = write_folder(tmp_path / "model", {"a": "1"}), tmp_path / "link"
    link.symlink_to(folder)
    assert write_folder(link, {"a": "2"}) == link
    assert link.is_symlink() and (folder / "a").read_text() == "2"
    monkeypatch.chdir(folder)
    with pytest.raises(WatchwordError, match="is the folder that you are in"):
        write_folder(Path(), {"a": "3"})
    assert (folder / "a").read_text() == "2"


def test_a_folder_is_tried_before_the_work(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "new") and not check_folder(tmp_path / "new")
    with pytest.raises(WatchwordError, match="cannot write here"):
        check_folder(write_atomic(tmp_path / "file", ""))


class TestGrowingRecording:
    def test_it_is_whole_whenever_it_is_cut(self, tmp_path: Path) -> None:
        pcm, file = sound(4000), GrowingWav(tmp_path / "a.wav")
        for at in range(0, pcm.size, 500):
            file.append(pcm[at : at + 500])
            np.testing.assert_array_equal(audio.load(file.path), pcm[: at + 500])
        copy = tmp_path / "cut.wav"
        for size in (46, 1001, 4444, 7999):  # what a power cut may leave of it
            copy.write_bytes(file.path.read_bytes()[:size])
            np.testing.assert_array_equal(audio.load(copy), pcm[: (size - 44) // 2])
        file.close()

    @pytest.mark.parametrize("suffix", [".wav", ".flac"])
    @pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit(143), WatchwordError("unplugged")])
    def test_what_was_appended_stays_however_it_ends(
        self, tmp_path: Path, suffix: str, end: BaseException
    ) -> None:
        path, pcm = tmp_path / f"a{suffix}", sound(3000)
        with pytest.raises((KeyboardInterrupt, SystemExit, WatchwordError)), growing(path) as file:
            file.append(pcm)
            raise end
        np.testing.assert_array_equal(audio.load(path), pcm)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_full_disk_ends_it_with_what_fits(self, tmp_path: Path) -> None:
        path, pcm = tmp_path / "a.wav", sound(3000)
        with (
            file_size_limit(4100),
            pytest.raises(WatchwordError, match=r"a\.wav: cannot write here"),
            growing(path) as file,
        ):
            for at in range(0, pcm.size, 500):
                file.append(pcm[at : at + 500])
        np.testing.assert_array_equal(audio.load(path), pcm[:2000])

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("evening", "this audio"),
            ("evening.mp3", ".mp3"),
            ("there.wav", "folder"),
            ("kept.wav", "already"),
        ],
    )
    def test_what_cannot_be_a_recording_is_refused_at_once(
        self, tmp_path: Path, name: str, says: str
    ) -> None:
        (tmp_path / "there.wav").mkdir()
        kept = audio.save(tmp_path / "kept.wav", sound(10)).read_bytes()
        with pytest.raises(WatchwordError, match=says):
            check_new(tmp_path / name)
        assert (tmp_path / "kept.wav").read_bytes() == kept
        check_new(tmp_path / "new.wav")
        assert not (tmp_path / "new.wav").exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/tmp/x"),
            "error: /tmp/x: No space left on device (free",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/proc/1/mem"),
            "error: /proc/1/mem: Permission denied",
        ),
    ],
)
def test_what_the_system_refuses_anywhere_is_a_line(
    error: OSError, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(standalone_mode: bool) -> None:
        raise error

    monkeypatch.setattr(main.commands, "main", fails)
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.startswith(says) and said.count("\n") == 1


def test_output_into_a_program_that_ends_is_no_fault() -> None:
    """As in `watchword --help | head -1`."""
    verbs = "import sys; sys.argv = ['watchword', '--help']; from watchword.cli.main import main; main()"
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([sys.executable, "-c", verbs], stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert done.stderr == ""
