"""A window on the screen. Everything here belongs to the main thread."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2

from camstream.errors import SinkError
from camstream.picture import ImageU8

_REMEDY = "use --no-window, with --output FILE or --records FILE to keep the results"
_SPECIAL = {8: "backspace", 9: "tab", 13: "enter", 27: "escape", 32: "space"}


class Window:
    """Shows images and reads keys."""

    def __init__(self, title: str) -> None:
        """Prepare a window; it appears with the first image.

        Raises:
            SinkError: There is no display to open it on.
        """
        _check_import_order()
        check_display()
        # Qt prints many warnings about fonts that it does not need.
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        self._title = title
        self._size_wh: tuple[int, int] | None = None

    def show(self, image: ImageU8) -> None:
        """Show an image, (H, W, 3) uint8 BGR; the window takes its size when that changes.

        Raises:
            SinkError: This OpenCV has no windows.
        """
        size_wh = image.shape[1], image.shape[0]
        if self._size_wh is None:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            try:
                cv2.namedWindow(self._title, flags)
            except cv2.error as error:  # opencv-python-headless
                reason = f"cannot open a window: this OpenCV has none; {_REMEDY}"
                raise SinkError(reason) from error
        if size_wh != self._size_wh:
            cv2.resizeWindow(self._title, *size_wh)
            self._size_wh = size_wh
        cv2.imshow(self._title, image)

    def key(self) -> str | None:
        """Return the key that was pressed: a character, a name such as "escape", or None.

        Call it often: of the keys that were pressed since the last call, OpenCV with Qt (all Linux
        wheels) keeps only the last. A call takes one or two milliseconds.
        """
        if self._size_wh is None:  # no window has the keyboard yet
            return None
        code = cv2.pollKey()
        if code < 0:
            return None
        code &= 0xFF
        return _SPECIAL.get(code, chr(code) if code < 127 else None)

    @property
    def is_open(self) -> bool:
        """Whether the user has not closed it; also before it appears."""
        if self._size_wh is None:
            return True
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the window is gone altogether
            return False

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()
        cv2.pollKey()


def _check_import_order() -> None:
    """Refuse to open a window that would hang, see the first import of ``camstream``."""
    loaded = list(sys.modules)
    if sys.platform == "linux" and loaded.index("av") < loaded.index("cv2"):
        raise SinkError("cannot open a window: import camstream (or cv2) before av in this program")


def check_display() -> None:
    """Check that a window can be opened.

    OpenCV aborts the whole process where it cannot reach a display, so a child process tries it.

    Raises:
        SinkError: It cannot be opened.
    """
    if sys.platform in ("win32", "darwin"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SinkError(f"cannot open a window: no display (DISPLAY is not set); {_REMEDY}")
    attempt = "import cv2; cv2.namedWindow('camstream'); cv2.destroyAllWindows()"
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", attempt], capture_output=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SinkError(f"cannot open a window: the display does not answer; {_REMEDY}") from error
    if child.returncode != 0:
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise SinkError(f"cannot open a window on display {display}; {_REMEDY}")
