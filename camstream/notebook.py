"""Live pictures in a notebook: what ``camstream.stream`` returns shows itself there.

    camstream.stream(0)                            # the last line of a cell
    camstream.stream("clip.mp4").show(width=960)   # or anywhere in it

The cell shows one picture that changes, until the source ends or the kernel is interrupted; then the
source is closed and no thread is left. Nothing here needs a notebook to be imported.
"""

from __future__ import annotations

import base64
import sys
import time
from typing import Any

import cv2
import numpy as np

from camstream.channel import ChannelClosed
from camstream.drawing.overlay import Style, annotate
from camstream.drawing.text import add_notes
from camstream.errors import SetupError, UsageError
from camstream.frame import Prediction
from camstream.picture import Picture
from camstream.pipeline import Pipeline
from camstream.stages import status_of

_QUALITY = 80
_LOOK_S = 0.2  # between two looks at a source from which nothing comes
_LOST_S = 1.0  # without a picture for so long, the last one is dimmed and says so
_SMALLEST = 32
# Half of what a Jupyter server lets through by itself; over it, it drops what a cell says.
_BYTES_A_SECOND = 500_000


class Stream(Pipeline):
    """The predictions of a source: iterate over them in a ``with`` statement, or ``show`` them."""

    def __repr__(self) -> str:
        """Say what it is of."""
        return f"<camstream.Stream of {self.source.name!r}>"

    def _ipython_display_(self) -> None:
        """Show it where a notebook's cell ends with it; elsewhere, and a second time, name it."""
        if _kernel() is None or self.is_begun:
            print(repr(self))
        else:
            self.show()

    def show(
        self, *, width: int = 640, rate_hz: float = 15.0, style: Style = Style(show_boxes=True)
    ) -> None:
        """Show live pictures in the notebook's cell, until the source ends or somebody interrupts.

        A file is shown at its own speed, as far as the model keeps up; of a camera the newest
        picture. Pictures that come too quickly for ``rate_hz``, or for what a Jupyter server lets
        through, are not drawn.

        Args:
            width: Of the picture, pixels; a smaller one is shown as it is.
            rate_hz: The most pictures a second that are sent to the browser.
            style: How to draw.

        Raises:
            SetupError: This is no notebook.
            SourceError: The source cannot be read.
            UsageError: A value is wrong, or the stream was used before.
        """
        if _kernel() is None:
            raise SetupError(
                "show() needs a notebook (Jupyter); in a terminal there is: camstream live"
            )
        if not width >= _SMALLEST or not rate_hz > 0:
            raise UsageError(f"a width is at least {_SMALLEST} pixels, and a rate more than 0")
        if self.is_begun:
            raise UsageError("a stream runs once: call camstream.stream again")
        with self:
            try:
                self._show(_Cell(), width, 1 / rate_hz, style)
            except KeyboardInterrupt:
                return  # that is how a camera ends; the last picture stays

    def _show(self, cell: _Cell, width: int, period_s: float, style: Style) -> None:
        begun_s: float | None = None
        came_s = time.perf_counter()
        unshown: Prediction | None = None
        while True:
            try:
                unshown = self.predictions.get(_LOOK_S)  # Windows interrupts no longer waits
            except TimeoutError:
                cell.miss(time.perf_counter() - came_s, status_of(self.source).state)
                continue
            except ChannelClosed:
                break
            came_s = time.perf_counter()
            media_s = unshown.frame.pts_s
            begun_s = came_s - media_s if begun_s is None else begun_s
            if not self.source.is_live:
                time.sleep(max(0.0, begun_s + media_s - came_s))
            if cell.is_due:
                cell.show(_drawn(unshown, width, style), period_s)
                unshown = None
        if unshown is not None:
            cell.show(_drawn(unshown, width, style), period_s)  # the last picture stays
        self.raise_error()


class _Cell:
    """The picture in a notebook's cell."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._newest: Picture | None = None
        self._due_s = 0.0
        self._told_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether another picture may be sent."""
        return time.perf_counter() >= self._due_s

    def show(self, picture: Picture, period_s: float) -> None:
        """Show a picture; the next is due after so many seconds, or later where it is large."""
        self._newest, self._told_s = picture, 0.0
        sent = self._send(picture)
        self._due_s = time.perf_counter() + max(period_s, sent / _BYTES_A_SECOND)

    def miss(self, missing_s: float, state: str) -> None:
        """Dim the picture, and say in it since when none has come; once a second."""
        if self._newest is None or missing_s < self._told_s + _LOST_S:
            return
        self._told_s = missing_s
        dim = Picture.from_bgr((self._newest.bgr() // 3).astype(np.uint8))
        add_notes(dim, [f"lost {missing_s:.0f} s", *([state] if state else [])])
        self._send(dim)

    def _send(self, picture: Picture) -> int:
        """Put a picture into the cell; returns about how many bytes that took."""
        import IPython.display

        jpeg = cv2.imencode(".jpg", picture.bgr(), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        data = {"image/jpeg": base64.b64encode(jpeg.tobytes()).decode(), "text/plain": "a picture"}
        if self._handle is None:
            display: Any = IPython.display.display
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
        return len(data["image/jpeg"])


def _drawn(prediction: Prediction, width: int, style: Style) -> Picture:
    """Draw a prediction, at most so many pixels wide."""
    picture = prediction.frame.picture
    own_w, own_h = picture.size_wh
    if own_w > width:
        picture = picture.resized((width // 2 * 2, max(2, round(own_h * width / own_w / 2) * 2)))
    return annotate(prediction, style, picture=picture).picture


def _kernel() -> object | None:
    """Return the kernel of the notebook that this runs in, None elsewhere; imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None)
