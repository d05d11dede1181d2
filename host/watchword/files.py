"""Reading and writing files: text of any editor is read, a reader never sees half a file, no name is taken
twice, and every failure names the file and what helps.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from watchword.errors import WatchwordError

_LOCKED_BYTE = 1 << 40
_LOCK_POLL_S = 0.1
_OTHER_PLACE = "choose a writable folder"
_REMEDIES = {
    errno.ENOSPC: "free some space, or choose a folder on another disk",
    errno.EDQUOT: "free some space, or choose a folder on another disk",
    errno.EFBIG: "choose a folder on a file system that holds larger files",
    errno.EISDIR: "there is a folder of this name: choose another one",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another name",
    errno.EEXIST: "there is something of this name already: choose another one",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENXIO: "name a file: nothing can be put in a device's or a pipe's place",
    errno.EBUSY: "something is mounted here, or in use: name a folder in it",
    errno.EIO: "the disk or the connection to it fails: choose another one",
}


def cannot_write(error: OSError, path: Path) -> WatchwordError:
    """What a failed write to `path` is for the user."""
    remedy = _REMEDIES.get(error.errno or 0, _OTHER_PLACE)
    return WatchwordError(f"cannot write here: {error.strerror or error}", path, remedy)


def cannot_use(error: OSError) -> WatchwordError:
    """What the operating system refused, of a file that only the error names."""
    where = "" if error.filename is None else os.fsdecode(str(error.filename))
    return WatchwordError(error.strerror or str(error), where, _REMEDIES.get(error.errno or 0, ""))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever fails in writing `path` inside becomes an error that names it."""
    try:
        yield
    except OSError as error:
        raise cannot_write(error, path) from error


def write_atomic(path: Path, content: bytes | str, durable: bool = True) -> Path:
    """Write `content` to `path` in one step: a temporary file beside it, then a rename.

    After it returns the file survives a power cut, unless `durable` is false: for what is checked when
    it is read and can be computed again.
    """
    with writing(path):
        _put(path, content, durable)
    return path


def write_folder(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write a folder of these files in one step: a reader sees all of them, or what was there before.

    It may take the place of a folder that holds such files only. Returns it as it was named.
    """
    named, folder = folder, folder.resolve()
    if folder == Path.cwd():
        raise WatchwordError("is the folder that you are in", folder, "name a folder in it")
    with writing(named):
        others = sorted({entry.name for entry in folder.iterdir()} - set(files)) if folder.exists() else []
        if others:
            what = f"holds other files ({others[0]})"
            raise WatchwordError(what, folder, "choose another folder, or remove them")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:40]}.") as beside:
            new, old = Path(beside) / "new", Path(beside) / "old"
            new.mkdir()
            for name, content in files.items():
                _put(new / name, content, durable=True)
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                if old.exists():
                    old.rename(folder)
                raise
        _sync_folder(folder.parent)
    return named


def _put(path: Path, content: bytes | str, durable: bool) -> None:
    with _temporary(path, content, durable) as temporary:
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)


def write_new(names: Iterable[Path], content: bytes | str) -> Path:
    """Write `content`, in one step, to the first of `names` that is free; all in one folder."""
    names = iter(names)
    first = next(names)
    with writing(first), _temporary(first, content, durable=True) as temporary:
        path = _first_free(chain([first], names), lambda name: name.open("xb").close())
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)  # empty, and ours
            raise
        _sync_folder(path.parent)
    return path


def new_folder(names: Iterable[Path]) -> Path:
    """Create the first of `names` that is free as a folder; all in one folder."""
    names = iter(names)
    first = next(names)
    with writing(first):
        first.parent.mkdir(parents=True, exist_ok=True)
        return _first_free(chain([first], names), lambda name: name.mkdir())


def numbered(folder: Path, pattern: str, name: Callable[[int], str]) -> Iterator[Path]:
    """Candidates for write_new: `name` of 1 + the highest number in the folder, and so on.

    `pattern` matches the whole of the names that count; its first group is their number.
    """
    found = [re.fullmatch(pattern, entry.name) for entry in folder.iterdir()] if folder.is_dir() else []
    highest = max((int(match[1]) for match in found if match), default=0)
    return (folder / name(number) for number in count(highest + 1))


def with_suffixes(path: Path) -> Iterator[Path]:
    """Candidates for write_new and new_folder: `path`, then with -2, -3 ... before its suffix."""
    return chain([path], (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(2)))


def lock(handle: IO[Any], wait: bool) -> None:
    """Hold an open file until it is closed; BlockingIOError if another program does, and not `wait`."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(handle, wait)
    fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None


def _lock_on_windows(handle: IO[Any], wait: bool) -> None:
    """A byte far behind the end: others can read the rest meanwhile."""
    import msvcrt

    windows: Any = msvcrt  # of another system than mypy is told
    place = handle.tell()
    while True:
        handle.seek(_LOCKED_BYTE)
        try:
            windows.locking(handle.fileno(), windows.LK_NBLCK, 1)
            break
        except OSError as error:
            if not wait:
                raise BlockingIOError(error.errno, "held by another program") from error
            time.sleep(_LOCK_POLL_S)
        finally:
            handle.seek(place)


def check_file(path: Path) -> None:
    """An error, before long work, unless a file can be written at `path`."""
    with writing(path):
        _require_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def read_text(path: Path, errors: str = "strict") -> str:
    """Text as any editor saves it: UTF-8 with or without a byte order mark, or UTF-16; lines end with \\n.

    Raises OSError as `read_bytes` does, WatchwordError for other encodings. `errors`, for tables and settings
    that hold file names: "surrogateescape".
    """
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16") if wide else content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise WatchwordError(f"line {line} is not UTF-8 text", path, "save the file as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def printable(text: str) -> str:
    """A text that any program takes: bytes of a file name that are not UTF-8 as \\xfc."""
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)


def check_folder(folder: Path) -> bool:
    """Make the folder and try to write there, before long work; True if it had to be made."""
    existed = folder.is_dir()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return not existed


def _require_replaceable(path: Path) -> None:
    """A rename would put a file in the place of a device or a pipe, such as /dev/stdout, for all programs."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        raise OSError(errno.ENXIO, "not a regular file")


def _first_free(names: Iterable[Path], create: Callable[[Path], None]) -> Path:
    """The first that `create`, which fails where something is, can make: two programs never get the same."""
    for path in names:
        with suppress(FileExistsError):
            create(path)
            return path
    raise AssertionError("names of new files never end")


@contextmanager
def _temporary(path: Path, content: bytes | str, durable: bool) -> Iterator[Path]:
    """A file beside `path` with this content and usual permissions; removed unless it was renamed."""
    _require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            # A file name that is not UTF-8 goes back to the bytes that it is.
            handle.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """So that a rename survives a power cut too; some file systems cannot, and have nothing to say."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
