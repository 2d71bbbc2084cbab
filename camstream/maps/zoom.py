"""Where a second look is worth it: the part of a picture that the maps of its best classes point to.

A thing that is small in its picture is smaller than the network was trained on, and its surroundings
are averaged into its scores. The maps point to it even where its name is wrong, as what looks like
one class looks like its relatives too: so all maps of the best classes are put together. The paper
crops so before it classifies birds (Zhou et al. 2016, section 3.4).
"""

from __future__ import annotations

import cv2
import numpy as np

from camstream.frame import Box
from camstream.maps import cam as cams
from camstream.picture import MapF32

RATIO = 0.5  # of the joined map's maximum: what is above it is looked at
# Of the box's sides, added on each. Of small flowers on photos of houses 90 % are named right in their
# true box, and 62 % with a margin of 0.15 around it (docs/lab/names.md).
MARGIN = 0.0
_SMALLEST = 0.2  # of the picture's sides: less is hardly more than one cell of a map
_LARGEST = 0.8  # of the picture's area: then a second look would see the same again


def joined(maps: MapF32) -> MapF32:
    """Put the maps of several classes together.

    Args:
        maps: (K, h, w) float32, logit units.

    Returns:
        (h, w): at each place the evidence of the class that has most there.
    """
    highest: MapF32 = np.maximum(maps, 0).max(axis=0)
    return highest


def crop_around(
    cam: MapF32, size_wh: tuple[int, int], *, ratio: float = RATIO, margin: float = MARGIN
) -> Box | None:
    """Find the part of a picture to look at again: around the connected region of the map's peak.

    Args:
        cam: (h, w) float32, see ``joined``.
        size_wh: Width and height of the picture, pixels.
        ratio: Part of the map's maximum that the region lies above.
        margin: Added on each side, as a part of the region's width and height.

    Returns:
        A box of whole pixels; None where nothing has evidence, or most of the picture has.
    """
    fine = cams.enlarge(cam)
    peak = float(fine.max())
    if not peak > 0 or peak == float(fine.min()):
        return None
    mask = (fine > ratio * peak).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    row, column = np.unravel_index(int(fine.argmax()), fine.shape)
    found = stats[labels[row, column]]
    sides = []
    for first, count, cells, pixels in zip(
        found[:2], found[2:4], fine.shape[::-1], size_wh, strict=True
    ):
        side = count / cells * (1 + 2 * margin)
        side = min(1.0, max(_SMALLEST, side))
        middle = min(1 - side / 2, max(side / 2, (first + count / 2) / cells))
        begin, end = (middle - side / 2) * pixels, (middle + side / 2) * pixels
        sides.append((int(np.floor(begin)), min(pixels, int(np.ceil(end)))))
    (left, right), (top, bottom) = sides
    box = Box((left, top, right, bottom))
    return None if box.area > _LARGEST * size_wh[0] * size_wh[1] else box
