"""Pictures: planes of any size, and images whose memory ends where nothing more may be read."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from av import VideoFrame

from camstream.drawing.blend import regions
from camstream.drawing.shapes import draw_outline
from camstream.drawing.tiles import lay_out
from camstream.frame import Box
from camstream.picture import Picture, chroma_step

SIZES = list(itertools.product(range(1, 10), range(1, 10)))


def blank(size_wh: tuple[int, int], pixel_format: str = "yuv420p") -> Picture:
    """A picture whose planes are all 7, which no colour drawn here has."""
    picture = Picture(VideoFrame(*size_wh, pixel_format))
    for plane in picture.planes():
        plane[:] = 7
    return picture


@pytest.mark.parametrize("size_wh", SIZES, ids=str)
def test_a_cell_of_each_plane_covers_the_same_pixels_at_any_size(size_wh: tuple[int, int]) -> None:
    """What is written to a rectangle reaches the colour cells of its pixels, and no others."""
    luma, *chroma = blank(size_wh).planes()
    assert chroma_step(size_wh, luma) == 1
    assert [chroma_step(size_wh, plane) for plane in chroma] == [1 if size_wh == (1, 1) else 2] * 2
    (image,) = blank(size_wh, "bgr24").planes()
    assert chroma_step(size_wh, image) == 1
    width, height = size_wh
    # Left and top are even; right and bottom are even or the picture's edge.
    columns, rows = ([*range(0, side, 2), side] for side in size_wh)
    for left, right in itertools.combinations(columns, 2):
        for top, bottom in itertools.combinations(rows, 2):
            picture = blank(size_wh)
            for region in regions(picture, (left, top, right, bottom)):
                region[:] = 99
            luma, *chroma = picture.planes()
            written = np.zeros((height, width), np.bool_)
            written[top:bottom, left:right] = True
            np.testing.assert_array_equal(luma == 99, written)
            for plane in chroma:
                np.testing.assert_array_equal(plane == 99, written[::2, ::2])


@pytest.mark.parametrize("size_wh", SIZES, ids=str)
def test_an_outline_has_its_colour_where_it_has_its_brightness(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    for box in ((0, 0, width, height), (2, 2, width, height), (2.4, 1.2, 6.1, 7.0)):
        picture = blank(size_wh)
        draw_outline(picture, Box(box), (40, 160, 240))
        luma, *chroma = picture.planes()
        for plane in chroma:
            np.testing.assert_array_equal(plane != 7, (luma != 7)[::2, ::2])


@pytest.mark.parametrize("size_wh", [(2, 2), (4, 6), (8, 2)])
def test_tiles_have_their_colour_where_they_have_their_brightness(size_wh: tuple[int, int]) -> None:
    tiles = [blank(size_wh) for _ in range(3)]
    for number, tile in enumerate(tiles):
        for plane in tile.planes():
            plane[:] = 200 + number
    luma, *chroma = lay_out(tiles, blank(size_wh)).planes()
    for plane in chroma:
        for number in range(3):
            np.testing.assert_array_equal(plane == 200 + number, (luma == 200 + number)[::2, ::2])


@pytest.mark.parametrize("size_wh", SIZES, ids=str)
def test_making_sides_even_repeats_the_last_column_and_row(size_wh: tuple[int, int]) -> None:
    picture = blank(size_wh)
    for plane in picture.planes():
        plane[:] = np.arange(plane.size).reshape(plane.shape)
    even = Picture.from_video_frame(picture.video_frame, even=True)
    assert even.size_wh == tuple(side + side % 2 for side in size_wh)
    for plane, old in zip(even.planes(), picture.planes(), strict=True):
        rows, columns = np.indices(plane.shape)
        limits = old.shape[0] - 1, old.shape[1] - 1
        np.testing.assert_array_equal(
            plane, old[np.minimum(rows, limits[0]), np.minimum(columns, limits[1])]
        )


# The image lies at the end of a page, and the page behind it is closed: one byte read too far
# ends the process.
_AT_A_PAGES_END = """
import ctypes, mmap
import numpy as np
from camstream.picture import Picture

width, height, page = 319, 213, mmap.PAGESIZE
size = width * height * 3
pages = -(-size // page)
memory = mmap.mmap(-1, (pages + 1) * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
closed = ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + pages * page), page, 0)
assert closed == 0
image = np.frombuffer(memory, np.uint8, size, pages * page - size).reshape(height, width, 3)
image[:] = 7
for size_wh in ((224, 224), (288, 160), (width, height)):
    assert (Picture.from_bgr(image).bgr(size_wh) == 7).all()
Picture.from_bgr(image).yuv420()
print("whole")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="closes a memory page by mprotect")
def test_nothing_is_read_behind_an_image() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AT_A_PAGES_END], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "whole"), done.stderr
