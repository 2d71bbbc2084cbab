"""Lays several views of one picture side by side, the plain picture first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Grid:
    """How tiles are laid out.

    Attributes:
        columns: How many stand side by side.
        tile_wh: Width and height of each, pixels.
    """

    columns: int
    tile_wh: tuple[int, int]


def plan(count: int, size_wh: tuple[int, int], room_wh: tuple[int, int] | None = None) -> Grid:
    """Plan a grid of so many tiles of a picture.

    Args:
        count: Of the tiles.
        size_wh: Width and height of the picture.
        room_wh: Of the room that the whole must fit in, where tiles become as large as they can;
            None: tiles have the size in which they can be read, whatever the whole becomes.
    """
    if room_wh is None:
        return Grid(columns_of(count), tile_size(size_wh))
    grids = []
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        wide, high = (room_wh[0] + _GAP_PX) / columns, (room_wh[1] + _GAP_PX) / rows
        scale = min((wide - _GAP_PX) / size_wh[0], (high - _GAP_PX) / size_wh[1])
        width, height = (max(2, int(side * scale) // 2 * 2) for side in size_wh)
        grids.append(Grid(columns, (width, height)))
    return max(grids, key=lambda grid: grid.tile_wh)


def tile_at(
    count: int, size_wh: tuple[int, int], grid_wh: tuple[int, int], x: float, y: float
) -> tuple[int, float, float] | None:
    """Find the tile at a place of a grid.

    Args:
        count: Of the tiles.
        size_wh: Width and height of the picture that they show.
        grid_wh: Of the whole.
        x: From the left edge of the whole, 0, to its right one, 1.
        y: From its upper edge, 0, to its lower one, 1.

    Returns:
        Its position, from 0, and the place in it, 0 to 1; None for a gap or an empty place.
    """
    columns = columns_in(count, size_wh, grid_wh)
    rows = math.ceil(count / columns)
    across, down = x * grid_wh[0], y * grid_wh[1]
    wide, high = (grid_wh[0] + _GAP_PX) / columns, (grid_wh[1] + _GAP_PX) / rows
    column, row = int(across / wide), int(down / high)
    in_x, in_y = (across - column * wide) / (wide - _GAP_PX), (down - row * high) / (high - _GAP_PX)
    tile = row * columns + column
    is_tile = column < columns and tile < count and 0 <= in_x < 1 and 0 <= in_y < 1
    return (tile, in_x, in_y) if is_tile else None


def columns_in(count: int, size_wh: tuple[int, int], grid_wh: tuple[int, int]) -> int:
    """Tell from a grid's size how many of its tiles stand side by side: they have a picture's shape."""

    def distortion(columns: int) -> float:
        rows = math.ceil(count / columns)
        width, height = grid_wh[0] / columns, grid_wh[1] / rows
        return abs(math.log(width / height * size_wh[1] / size_wh[0]))

    return min(range(1, count + 1), key=distortion)


def lay_out(tiles: Sequence[Picture], like: Picture, columns: int | None = None) -> Picture:
    """Put tiles onto one dark picture, row by row.

    Args:
        tiles: All of one size and kind.
        like: Gives time and colour tags; what the tiles were made of.
        columns: How many stand side by side; None: as ``columns_of`` says.
    """
    width, height = tiles[0].size_wh
    columns = columns or columns_of(len(tiles))
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
