"""Files with names that FFmpeg would take for something else, or that no file system takes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import cv2
import pytest

from camstream.errors import SourceError
from camstream.sources import open_source
from camstream.sources.file import FileSource
from tests.clips import Video, make, numbered

SHORT = Video(frames=3, options={"preset": "ultrafast"})


def count(path: Path | str) -> int:
    with contextlib.closing(FileSource(Path(path))) as source:
        return len(list(source))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "plain.mp4", SHORT)


@pytest.mark.parametrize(
    "name",
    [
        "rec-12:30:05.mp4",
        "http:clip.mp4",
        "concat:plain.mp4|plain.mp4.mp4",
        "-",
        "pipe:0.mp4",
        " clip .mp4",
        "é" * 120 + ".mp4",  # 244 bytes
        "a" * 251 + ".mp4",  # 255, the most that most file systems take
        os.fsdecode(b"caf\xe9.mp4"),  # no UTF-8
        "%03d.mp4",
        "[draft]*?.mp4",
    ],
)
def test_a_name_is_a_name(
    name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a name opened a connection once, or was "Protocol not found"."""
    clip.rename(tmp_path / name)
    assert count(tmp_path / name) == 3
    monkeypatch.chdir(tmp_path)
    assert count(name) == 3


def test_a_photo_named_like_a_pattern_is_that_photo(tmp_path: Path) -> None:
    """FFmpeg would read 001.jpg, 002.jpg ... for it."""
    jpeg = cv2.imencode(".jpg", numbered(1))[1].tobytes()
    for name in ("img%03d.jpg", "img001.jpg", "img002.jpg"):
        (tmp_path / name).write_bytes(jpeg)
    assert count(tmp_path / "img%03d.jpg") == 1


@pytest.mark.parametrize("name", ["a" * 256 + ".mp4", "folder/" * 600 + "a.mp4", "a\0b.mp4"])
def test_a_name_that_no_file_system_takes_is_one_short_line(name: str) -> None:
    with pytest.raises(SourceError, match="cannot read ") as caught:
        open_source(name)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_password_in_what_is_no_file_is_not_shown() -> None:
    for text in ("rtsp//user:s3cret@host/x", "user:s3cret@host", "rtmp//host/app/s3cret"):
        with pytest.raises(SourceError, match="no such file") as caught:
            open_source(text)
        assert "s3cret" not in str(caught.value)


def test_an_address_that_names_a_file_is_that_file(clip: Path) -> None:
    """It was played as a stream: too fast, and again and again."""
    source = open_source(clip.as_uri())
    assert isinstance(source, FileSource)
    assert not source.is_live
    assert len(list(source)) == 3
    source.close()


def test_a_file_may_be_read_again(clip: Path) -> None:
    """The second time it was "not one frame of it can be decoded"."""
    source = FileSource(clip)
    first = [(frame.index, frame.pts_s) for frame in source]
    assert [(frame.index, frame.pts_s) for frame in source] == first
    assert next(iter(source)).index == 0
    assert len(list(source)) == 3
    source.close()
    with pytest.raises(SourceError, match="it was closed; open it again"):
        list(source)
    assert source.warnings == []
