"""MJPEG and other streams on the standard input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from tests.clips import numbered

# Prints the number of each frame as it comes; the last line is the name and the kind.
READER = """
from camstream.sources import open_source
from tests.clips import read_number
source = open_source("-")
for frame in source:
    print(read_number(frame.picture.bgr()), flush=True)
print(source.name, source.is_live)
source.close()
"""


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


@pytest.fixture
def reader() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", READER],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def test_pictures_on_stdin_are_read_to_the_end(reader: subprocess.Popen[bytes]) -> None:
    out, err = reader.communicate(b"".join(jpeg(number) for number in range(25)), timeout=30)
    assert err == b""
    assert out.decode().split("\n") == [*map(str, range(25)), "stdin True", ""]
    assert reader.returncode == 0


def test_a_picture_is_shown_when_it_comes_and_not_when_a_buffer_is_full(
    reader: subprocess.Popen[bytes],
) -> None:
    assert reader.stdin is not None
    assert reader.stdout is not None
    for number in range(12):
        reader.stdin.write(jpeg(number))
        reader.stdin.flush()
    # 25 kB in all, and the pipe stays open; the end of a picture is known when the next begins.
    assert [int(reader.stdout.readline()) for _ in range(11)] == list(range(11))
    reader.stdin.close()
    assert reader.stdout.read().decode().split() == ["11", "stdin", "True"]


def test_what_is_no_video_on_stdin_is_one_line(tiny_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "camstream", "live", "-", "--no-window"]
    options = ["-m", str(tiny_path), "--device", "cpu"]
    for data in (b"", b"hello\n" * 1000):
        done = subprocess.run([*command, *options], input=data, capture_output=True, timeout=60)
        assert done.returncode == 1
        (line,) = [one for one in done.stderr.decode().splitlines() if "tiny on cpu" not in one]
        assert line.startswith("camstream: cannot open stdin: ")
