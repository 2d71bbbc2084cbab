"""The screen as a source, on a virtual one."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from camstream.errors import SetupError, SourceError, UsageError
from camstream.sources import open_source
from camstream.sources.screen import parse

needs_xvfb = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="not installed: Xvfb")


@pytest.fixture(scope="module")
def screen() -> Iterator[None]:
    """A virtual screen of 640x480, which is this process's own."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", f":{answer.readline().strip()}")
        yield
    server.terminate()
    server.wait(10)


@needs_xvfb
@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize(
    ("address", "size_wh"),
    [("screen:", (640, 480)), ("screen:1", (640, 480)), ("screen:10,20,320x100", (320, 100))],
)
def test_a_screen_gives_pictures_at_its_own_rate(address: str, size_wh: tuple[int, int]) -> None:
    with contextlib.closing(open_source(address)) as source:
        assert source.is_live
        assert source.name == address
        frames = [frame for frame, _ in zip(source, range(7), strict=False)]
    assert {frame.picture.size_wh for frame in frames} == {size_wh}
    steps = [b.pts_s - a.pts_s for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0
    assert 0.15 < sum(steps) < 2  # 6 steps of a thirtieth of a second, on a busy machine


@needs_xvfb
@pytest.mark.usefixtures("screen")
def test_a_screen_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SourceError, match="there is no such screen, the last one is 1"):
        open_source("screen:2")


def test_without_a_display_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":9876")
    with pytest.raises(SourceError, match="cannot open screen:: "):
        open_source("screen:")


def test_without_the_extra_it_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mss", None)
    with pytest.raises(SetupError, match=r'run: pip install "camstream\[screen\]"'):
        open_source("screen:1")


def test_addresses_of_screens() -> None:
    assert parse("screen:") == 0
    assert parse("screen:12") == 12
    part = {"left": -5, "top": 0, "width": 1280, "height": 720}
    assert parse("screen:-5,0,1280x720") == part
    for wrong in ("screen:0", "screen:x", "screen:1,2", "screen:0,0,0x5", "screen:1,2,3x4x5"):
        with pytest.raises(UsageError, match="is no screen: write"):
            parse(wrong)
