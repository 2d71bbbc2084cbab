"""Cameras through OpenCV."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol

import cv2

from camstream.address import shown
from camstream.errors import SourceError
from camstream.picture import Picture
from camstream.sources.capture import Taken


class Device(Protocol):
    """The part of cv2.VideoCapture that is used; tests replace it."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...
    def get(self, propId: int) -> float: ...  # noqa: N803
    def set(self, propId: int, value: float) -> bool: ...  # noqa: N803


class CameraCapture:
    """A camera; see ``camstream.sources.capture.Capture``."""

    def __init__(
        self,
        address: str | int,
        size_wh: tuple[int, int] | None = None,
        *,
        open_device: Callable[[str | int], Device] | None = None,
    ) -> None:
        """Open a camera.

        Args:
            address: Its number or device.
            size_wh: Width and height to ask it for; None leaves the choice to it.
            open_device: A parameter for tests.

        Raises:
            SourceError: It cannot be opened.
        """
        # OpenCV would fill the screen with what it tried.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._device: Device = (open_device or cv2.VideoCapture)(address)
        if not self._device.isOpened():
            self._device.release()
            raise SourceError(
                f"cannot open {shown(address)}: there is no such camera, another program holds "
                'it, or this user may not read it; "camstream doctor" lists the cameras'
            )
        # MJPG before the size: uncompressed, many cameras give 5 frames a second at 1080p.
        self._device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if size_wh is not None:
            self._device.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
            self._device.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
        with contextlib.suppress(cv2.error):
            self._device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.rate_hz: float | None = self._device.get(cv2.CAP_PROP_FPS)

    def read(self) -> Taken | None:
        """Wait for the next picture."""
        try:
            is_there, image = self._device.read()
        except cv2.error:  # some drivers raise where others return nothing
            return None
        return Taken(Picture.from_bgr(image)) if is_there and image is not None else None

    def release(self) -> None:
        """Close the camera."""
        self._device.release()
