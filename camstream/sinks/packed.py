"""A picture as JPEG, to be kept in memory for a while."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from camstream.picture import Picture

_QUALITY = 92


@dataclass(frozen=True, slots=True)
class PackedPicture:
    """A picture's planes, each as a grey JPEG: colours are not converted on the way.

    Attributes:
        planes: Y, U and V.
        size_wh: Width and height, pixels, even.
        like: A picture of 2 x 2 pixels with the colours' meaning.
    """

    planes: tuple[bytes, ...]
    size_wh: tuple[int, int]
    like: Picture

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return sum(len(plane) for plane in self.planes)


def pack(picture: Picture) -> PackedPicture:
    """Pack a picture; its sides become even and its colours 4:2:0, as a video file has them."""
    planar = picture.even().yuv420()
    options = (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
    planes = tuple(
        cv2.imencode(".jpg", np.ascontiguousarray(plane), options)[1].tobytes()
        for plane in planar.planes()
    )
    return PackedPicture(planes, planar.size_wh, planar.blank((2, 2)))


def unpack(packed: PackedPicture) -> Picture:
    """Return the picture."""
    picture = packed.like.blank(packed.size_wh)
    for plane, coded in zip(picture.planes(), packed.planes, strict=True):
        decoded = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        np.copyto(plane, decoded)
    return picture
