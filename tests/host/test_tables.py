"""Tables and settings as people's programs write them: read, or refused with the true line and the cause."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from watchword import config
from watchword.data.corpus import Clip, read_manifest, write_manifest
from watchword.data.tables import read_table
from watchword.errors import WatchwordError

PLAIN = "path,split,label,seconds\na.wav,train,positive,0.5\nb.wav,val,noise,1.5\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("\n", "\n\n").encode() + b",,,\n",
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", ";").replace("0.5", "0,5").replace("1.5", "1,5").encode(),
        b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
        PLAIN.replace("path,split", "Path, SPLIT").encode(),
        PLAIN.replace("\n", ",\n").encode(),
    ],
    ids=["plain", "bom", "utf-16", "crlf", "cr", "blank", "tabs", "semicolons", "sep", "case", "trailing"],
)
def test_what_programs_write_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    clips = read_manifest(tmp_path / "m.csv")
    assert [(c.path.name, c.split, c.label, c.seconds) for c in clips] == [
        ("a.wav", "train", "positive", 0.5),
        ("b.wav", "val", "noise", 1.5),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,split,label\n\n\na.wav,train,good\n", "line 4: label 'good' is unknown"),
        (b'path,split,label\n"a\nb.wav",train,good\n', "line 3: label 'good' is unknown"),
        (b"path,split,label\na, b.wav,train,noise\n", "line 2: has 4 cells, the header 3"),
        (b'path,split,label\na.wav,train,"noise\n', "line 2: is not a CSV file"),
        (b"path,split,label\n\ngr\xfc\xdfe.wav,train,noise\n", "line 3: the path is not UTF-8"),
        (b"path,split,label,Label\na.wav,train,noise,noise\n", "two columns 'label'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(WatchwordError, match=message):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("0.9,0.2", "does not end after it starts"),
        ("0,0", "does not end after it starts"),
        ("200,900", "beyond the recording of 1.2 s.*not in milliseconds"),
        ("0.2,", "only one of them"),
    ],
)
def test_word_times_that_no_word_has(tmp_path: Path, times: str, message: str) -> None:
    header = "path,split,label,seconds,word_start_s,word_end_s"
    (tmp_path / "m.csv").write_text(f"{header}\na.wav,train,positive,1.2,{times}\n")
    with pytest.raises(WatchwordError, match=f"m.csv, line 2: .*{message}"):
        read_manifest(tmp_path / "m.csv")


def test_a_name_of_any_bytes_comes_back(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/gr\xfc\xdfe.wav"))
    path.write_bytes(b"")
    clips = [Clip(path, "train", "positive", "hey", "ann", "home", 1.0, 0.25, 0.75, licence="CC0")]
    assert read_manifest(write_manifest(tmp_path / "m.csv", clips)) == clips


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_settings_of_a_windows_editor(tmp_path: Path, end: str) -> None:
    text = '[word]\nphrase = "hey"\n\n[train]\nepochs = 30\n'.replace("\n", end)
    for content in (b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        (tmp_path / "run.toml").write_bytes(content)
        assert config.load_config(tmp_path / "run.toml").train.epochs == 30


def test_an_empty_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf\r\n\r\n")
    with pytest.raises(WatchwordError, match="is empty"):
        read_table(tmp_path / "m.csv")
