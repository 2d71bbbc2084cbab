"""Lays several views of one picture side by side, the plain picture first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from camstream.picture import Picture, chroma_step

_TILE_WIDTH_PX = (320, 640)  # narrower, and labels cannot be read; wider, and no screen holds it
_GAP_PX = 4
_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 3}


def columns_of(count: int) -> int:
    """Choose how many tiles stand side by side, so that few places stay empty."""
    return _COLUMNS.get(count) or math.ceil(math.sqrt(count))


def tile_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a tile for a picture, pixels: its shape kept, both even."""
    width = max(_TILE_WIDTH_PX[0], min(_TILE_WIDTH_PX[1], size_wh[0]))
    return width // 2 * 2, max(2, round(width * size_wh[1] / size_wh[0] / 2) * 2)


def grid_size(size_wh: tuple[int, int], count: int) -> tuple[int, int]:
    """Width and height of the whole for so many tiles of a picture, pixels."""
    (width, height), columns = tile_size(size_wh), columns_of(count)
    rows = math.ceil(count / columns)
    return columns * (width + _GAP_PX) - _GAP_PX, rows * (height + _GAP_PX) - _GAP_PX


def lay_out(tiles: Sequence[Picture], like: Picture) -> Picture:
    """Put tiles onto one dark picture, row by row.

    Args:
        tiles: All of one size and kind.
        like: Gives time and colour tags; what the tiles were made of.
    """
    width, height = tiles[0].size_wh
    columns = columns_of(len(tiles))
    rows = math.ceil(len(tiles) / columns)
    whole = like.blank((columns * (width + _GAP_PX) - _GAP_PX, rows * (height + _GAP_PX) - _GAP_PX))
    for position, tile in enumerate(tiles):
        row, column = divmod(position, columns)
        left, top = column * (width + _GAP_PX), row * (height + _GAP_PX)
        for to, origin in zip(whole.planes(), tile.planes(), strict=True):
            step = chroma_step((width, height), origin)
            rows_px, columns_px = origin.shape[:2]
            to[top // step : top // step + rows_px, left // step : left // step + columns_px] = (
                origin
            )
    return whole
