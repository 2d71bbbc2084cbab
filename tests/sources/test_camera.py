"""Cameras through OpenCV: what is asked of a device, and what it gives."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.sources.camera import CameraCapture
from camstream.sources.live import LiveSource


class FakeDevice:
    """What OpenCV opens, with a list of what it reads."""

    def __init__(self, reads: list[Any], *, is_open: bool = True) -> None:
        self.settings: list[tuple[int, float]] = []
        self.released = 0
        self._reads, self._is_open = reads, is_open

    def isOpened(self) -> bool:  # noqa: N802
        return self._is_open

    def read(self) -> tuple[bool, Any]:
        read = self._reads.pop(0)
        if isinstance(read, Exception):
            raise read
        return read is not None, read

    def release(self) -> None:
        self.released += 1

    def get(self, propId: int) -> float:  # noqa: N803
        assert propId == cv2.CAP_PROP_FPS
        return 25.0

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        self.settings.append((propId, value))
        return True


def test_a_camera_gives_pictures_and_says_when_it_has_none() -> None:
    image = np.full((8, 12, 3), 7, np.uint8)
    device = FakeDevice([image, None, cv2.error("some drivers raise")])
    camera = CameraCapture(0, open_device=lambda _: device)
    taken = camera.read()
    assert taken is not None
    assert taken.media_s is None
    assert (taken.picture.bgr() == image).all()
    assert camera.read() is None
    assert camera.read() is None
    assert camera.rate_hz == 25.0


def test_the_size_is_asked_for_after_the_format() -> None:
    device = FakeDevice([])
    CameraCapture("/dev/video9", (1280, 720), open_device=lambda _: device)
    assert [setting for setting, _ in device.settings[:3]] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
    ]


def test_what_is_not_open_is_released_and_an_error() -> None:
    device = FakeDevice([], is_open=False)
    with pytest.raises(SourceError, match="cannot open camera 5"):
        CameraCapture(5, open_device=lambda _: device)
    assert device.released == 1


def test_a_camera_that_is_not_there_names_the_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"cannot open camera 63: .*camstream doctor"):
        LiveSource(63)
    assert capfd.readouterr() == ("", "")  # OpenCV would fill the screen
