"""The computer's own screen, through mss."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from camstream.errors import SetupError, SourceError, UsageError, first_line
from camstream.picture import Picture
from camstream.sources.capture import Taken

PREFIX = "screen:"
_RATE_HZ = 30.0


class ScreenCapture:
    """A screen or a part of it, 30 pictures a second; see ``camstream.sources.capture.Capture``."""

    def __init__(self, address: str) -> None:
        """Open a screen.

        Args:
            address: "screen:" for all screens together, "screen:1" for the first one,
                "screen:X,Y,WxH" for a part, in pixels from the left and the top.

        Raises:
            UsageError: The address is none of these.
            SetupError: The extra is not installed.
            SourceError: There is no such screen.
        """
        which = parse(address)
        try:
            import mss
        except ModuleNotFoundError:
            raise SetupError(f'{address} needs mss; run: pip install "camstream[screen]"') from None
        self.rate_hz: float | None = _RATE_HZ
        self._due_s = 0.0
        self._mss: Any = None
        try:
            self._mss = mss.MSS()
            screens = self._mss.monitors
            if isinstance(which, int) and which >= len(screens):
                raise SourceError(
                    f"cannot open {address}: there is no such screen, the last one is {len(screens) - 1}"
                )
            self._area = screens[which] if isinstance(which, int) else which
            self._grab()
        except SourceError:
            self.release()
            raise
        except Exception as error:  # mss has an error of its own on each platform
            self.release()
            raise SourceError(f"cannot open {address}: {first_line(error)}") from error

    def read(self) -> Taken | None:
        """Wait until the next picture is due, and take it."""
        now = time.monotonic()
        self._due_s = max(now, self._due_s + 1 / _RATE_HZ)
        time.sleep(self._due_s - now)
        try:
            return Taken(self._grab())
        except Exception:  # as above; the screen may be locked
            return None

    def release(self) -> None:
        """Close the connection to the screen."""
        if self._mss is not None:
            self._mss.close()
            self._mss = None

    def _grab(self) -> Picture:
        image = np.asarray(self._mss.grab(self._area))  # (H, W, 4) BGRA
        return Picture.from_bgr(np.ascontiguousarray(image[..., :3]))


def parse(address: str) -> int | dict[str, int]:
    """Read an address, see ``ScreenCapture``.

    Returns:
        A screen's number, 0 for all together; or a part.

    Raises:
        UsageError: It is no address of a screen.
    """
    text = address.removeprefix(PREFIX)
    if not text:
        return 0
    if re.fullmatch(r"[1-9]\d?", text):
        return int(text)
    part = re.fullmatch(r"(-?\d{1,5}),(-?\d{1,5}),([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if part is None:
        raise UsageError(
            f'{address} is no screen: write "screen:", "screen:1" or "screen:X,Y,WxH", '
            "such as screen:0,0,1280x720"
        )
    return dict(zip(("left", "top", "width", "height"), map(int, part.groups()), strict=True))
