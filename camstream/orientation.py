"""How a coded picture is turned to be upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a coded picture is turned to be upright: transpose first, then flip."""

    transpose: bool
    flip_x: bool
    flip_y: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation | None:
        """Read the display matrix: (x, y) is shown at (a x + c y, b x + d y).

        Call it for one frame of a stream and not for every one: PyAV's side data and its frame
        hold each other, which keeps the frame's pixels until the garbage collector comes by.

        Returns:
            None where the frame is upright as it is.
        """
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return None
        a, b, _, c, d = np.frombuffer(data, np.int32)[:5]  # type: ignore[call-overload]
        transpose = abs(b) > abs(a)
        x_axis, y_axis = (c, b) if transpose else (a, d)
        if not transpose and x_axis >= 0 and y_axis >= 0:
            return None
        return cls(bool(transpose), bool(x_axis < 0), bool(y_axis < 0))

    def apply(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn one plane, (H, W) to (H, W) or (W, H)."""
        plane = plane.T if self.transpose else plane
        return plane[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
