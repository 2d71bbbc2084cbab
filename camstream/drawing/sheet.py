"""Contact sheets: small pictures with a caption each, on a dark ground."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from camstream.picture import ImageU8
from camstream.safe_text import safe_text

SHEET_SUFFIXES = (".jpg", ".jpeg", ".png")
TILE_PX, CAPTION_PX, GAP_PX = 256, 40, 8  # a tile is a square, its caption two lines below it
_GROUND = 24
_INK = (230, 230, 230)  # BGR


def ground(height: int, width: int) -> ImageU8:
    """Give an empty part of a sheet, (height, width, 3) uint8 BGR."""
    return np.full((height, width, 3), _GROUND, np.uint8)


def tile_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of a picture that fits in a tile, pixels."""
    scale = TILE_PX / max(height, width)
    return max(2, round(width * scale)), max(2, round(height * scale))


def make_tile(image: ImageU8, upper: str, lower: str, *, height: int = TILE_PX) -> ImageU8:
    """Put a picture above its caption.

    Args:
        image: (h, w, 3) uint8 BGR, no larger than a tile.
        upper: The first line of the caption.
        lower: The second one, in smaller letters.
        height: Of the tile without its caption, pixels.

    Returns:
        (height + caption, tile, 3) uint8 BGR.
    """
    canvas = ground(height + CAPTION_PX, TILE_PX)
    h, w = image.shape[:2]
    top, left = (height - h) // 2, (TILE_PX - w) // 2
    canvas[top : top + h, left : left + w] = image
    write_text(canvas, upper, (4, height + 16), 14)
    write_text(canvas, lower, (4, height + 33), 12)
    return canvas


def write_text(
    image: ImageU8,
    text: str,
    xy: tuple[int, int],
    size_px: int,
    colour: tuple[int, int, int] = _INK,
) -> None:
    """Write a line of text onto a sheet; what does not fit is cut off."""
    face = cv2.FontFace("sans")
    cv2.putText(cast("cv2.typing.MatLike", image), safe_text(text), xy, colour, face, size_px, 500)
