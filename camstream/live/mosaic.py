"""Draws several cameras side by side, each with a line that says how it is.

What is not of now is grey and dim: a frozen picture never looks live.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from camstream.drawing.overlay import Style, annotate
from camstream.drawing.text import joined, text_size, write
from camstream.live.cameras import CameraState, health
from camstream.picture import Picture

if TYPE_CHECKING:
    from camstream.live.state import LiveState
    from camstream.picture import ImageU8

MOSAIC_WH = (1280, 720)  # where nobody says which room there is
_GAP_PX = 4
_SMALLEST_WH = (16, 16)
_SHAPE = 16 / 9  # of most cameras, and of the places
_DIM = 0.45  # of the brightness of a picture that is not of now
_LINE_SHARE = 18  # a tile is so many lines high
_LINE_PX = (11, 20)
_GROUND = 28

Rectangle = tuple[int, int, int, int]  # left, top, width, height


class Tiles:
    """Remembers what was drawn of each camera, as most stay the same from one picture to the next."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._drawn: dict[int, tuple[CameraState, object, ImageU8]] = {}

    def draw(self, camera: CameraState, style: Style, size_wh: tuple[int, int]) -> ImageU8:
        """Draw a camera in a size; (H, W, 3) uint8 BGR."""
        said = _said(camera)
        look = (said, camera.is_recording, camera.is_of_now, style, size_wh)
        kept = self._drawn.get(camera.id)
        if kept is None or not _is_same(kept[0], camera) or kept[1] != look:
            tile = _draw_tile(camera, said, style, size_wh)
            self._drawn[camera.id] = kept = camera, look, tile
        return kept[2]

    def forget(self, cameras: set[int]) -> None:
        """Keep these cameras only."""
        self._drawn = {number: kept for number, kept in self._drawn.items() if number in cameras}


def draw_mosaic(
    state: LiveState, room_wh: tuple[int, int] | None = None, tiles: Tiles | None = None
) -> Picture:
    """Draw all cameras of a state.

    Args:
        state: Of the session.
        room_wh: Width and height of the whole; None: 1280 x 720.
        tiles: What was drawn last, to be used again; None draws everything.
    """
    width, height = room_wh or MOSAIC_WH
    tiles = tiles or Tiles()
    canvas = np.full((height, width, 3), 0, np.uint8)
    places = places_in(len(state.cameras), (width, height))
    for camera, (left, top, wide, high) in zip(state.cameras, places, strict=True):
        canvas[top : top + high, left : left + wide] = tiles.draw(camera, state.style, (wide, high))
    tiles.forget({camera.id for camera in state.cameras})
    return Picture.from_bgr(canvas)


def places_in(count: int, size_wh: tuple[int, int]) -> list[Rectangle]:
    """Lay out so many cameras in a room: where each is, pixels; in no room, none is seen."""
    if not count:
        return []

    def tile_wh(columns: int) -> tuple[int, int]:
        rows = math.ceil(count / columns)
        wide, high = (size_wh[0] + _GAP_PX) / columns, (size_wh[1] + _GAP_PX) / rows
        width = min(wide - _GAP_PX, (high - _GAP_PX) * _SHAPE)
        return max(0, int(width) // 2 * 2), max(0, int(width / _SHAPE) // 2 * 2)

    # Of two ways that are as good, the one with more side by side.
    columns = max(range(1, count + 1), key=lambda columns: (tile_wh(columns), columns))
    width, height = tile_wh(columns)
    rows = math.ceil(count / columns)
    top = (size_wh[1] - rows * (height + _GAP_PX) + _GAP_PX) // 4 * 2
    found = []
    for place in range(count):
        row, column = divmod(place, columns)
        inside = min(columns, count - row * columns)
        left = (size_wh[0] - inside * (width + _GAP_PX) + _GAP_PX) // 4 * 2
        x, y = left + column * (width + _GAP_PX), top + row * (height + _GAP_PX)
        x, y = min(max(0, x), size_wh[0]), min(max(0, y), size_wh[1])
        found.append((x, y, min(width, size_wh[0] - x), min(height, size_wh[1] - y)))
    return found


def camera_at(state: LiveState, size_wh: tuple[int, int], x: float, y: float) -> int | None:
    """Give the number of the camera at a place of the mosaic, 0 to 1; None between them."""
    across, down = x * size_wh[0], y * size_wh[1]
    places = places_in(len(state.cameras), size_wh)
    for camera, (left, top, wide, high) in zip(state.cameras, places, strict=True):
        if left <= across < left + wide and top <= down < top + high:
            return camera.id
    return None


def _is_same(one: CameraState, other: CameraState) -> bool:
    """Whether both show one picture with one map; these are never changed."""
    return one.frame is other.frame and one.prediction is other.prediction


def _said(camera: CameraState) -> tuple[str, str]:
    """The two lines of a tile: which camera it is, and how it is."""
    number = f"{camera.id}  " if camera.id <= 9 else ""
    return f"{number}{camera.name}", health(camera)


def _draw_tile(
    camera: CameraState, said: tuple[str, str], style: Style, size_wh: tuple[int, int]
) -> ImageU8:
    width, height = size_wh
    tile = np.full((height, width, 3), _GROUND, np.uint8)
    if width < _SMALLEST_WH[0] or height < _SMALLEST_WH[1]:
        return tile
    if camera.frame is not None and camera.prediction is not None:
        inner_wh = _fitted(camera.frame.picture.size_wh, size_wh)
        small = camera.frame.picture.resized(inner_wh)
        if camera.is_of_now:
            small = annotate(camera.prediction, style, picture=small, room_wh=inner_wh).picture
            image = small.bgr(is_exact=False)
        else:
            image = grey(small, brightness=_DIM).bgr()
        high, wide = image.shape[:2]
        high, wide = min(high, height), min(wide, width)
        left, top = (width - wide) // 2, (height - high) // 2
        tile[top : top + high, left : left + wide] = image[:high, :wide]
    return _with_words(tile, camera, said)


def grey(picture: Picture, *, brightness: float = 1.0) -> Picture:
    """Make a picture without colour, and dimmer."""
    dim = cv2.cvtColor(picture.bgr(is_exact=False), cv2.COLOR_BGR2GRAY) * brightness
    return Picture.from_bgr(np.repeat(dim.astype(np.uint8)[:, :, np.newaxis], 3, axis=2))


def _with_words(tile: ImageU8, camera: CameraState, said: tuple[str, str]) -> ImageU8:
    picture = Picture.from_bgr(tile)
    width, height = picture.size_wh
    line_px = min(_LINE_PX[1], max(_LINE_PX[0], round(min(height, width * 9 / 16) / _LINE_SHARE)))
    name = f"{said[0]}   REC" if camera.is_recording else said[0]
    text = "\n".join(joined(picture, line, "", line_px) for line in (name, said[1]))
    high = text_size(text, line_px, width)[1]
    write(picture, text, line_px, max(0, (height - high - line_px // 4 * 2) // 2 * 2))
    return picture.bgr()


def _fitted(picture_wh: tuple[int, int], room_wh: tuple[int, int]) -> tuple[int, int]:
    scale = min(room_wh[0] / picture_wh[0], room_wh[1] / picture_wh[1])
    width, height = (max(4, int(side * scale) // 4 * 4) for side in picture_wh)
    return width, height
