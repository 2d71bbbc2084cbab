"""Blends small colours with an opacity into a picture's own planes, BGR or YUV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from camstream.picture import ImageU8, Picture, chroma_step


def regions(target: Picture, xyxy: tuple[int, int, int, int]) -> list[ImageU8]:
    """Give views of a part of each plane.

    Args:
        target: Whose planes.
        xyxy: Left, top, right, bottom in pixels of the picture; even numbers, or the picture's edge.
    """
    views = []
    for plane in target.planes():
        step = chroma_step(target.size_wh, plane)
        left, top = xyxy[0] // step, xyxy[1] // step
        right, bottom = -(-xyxy[2] // step), -(-xyxy[3] // step)
        views.append(plane[top:bottom, left:right])
    return views


def blend(planes: Sequence[ImageU8], colours: ImageU8, opacity: ImageU8) -> None:
    """Blend colours into planes of any size that they cover: p + (colour - p) * opacity.

    Colours are multiplied with their opacity before they are enlarged: otherwise the colour of
    places without heat would bleed into the rim of the heat.

    Args:
        planes: (H, W) or (H, W, 3) uint8, changed in place.
        colours: (h, w, 3) uint8 in the planes' own representation.
        opacity: (h, w) uint8, 255 is opaque.
    """
    weighted = cv2.multiply(colours, cv2.merge([opacity] * 3), scale=1 / 255)
    cleared = cv2.bitwise_not(opacity)
    kept_parts: dict[tuple[int, ...], ImageU8] = {}  # the two colour planes share theirs
    for index, plane in enumerate(planes):
        over, keep = weighted, cleared
        if plane.ndim == 2:
            over = np.ascontiguousarray(weighted[..., index])
        else:
            keep = cv2.merge([cleared] * 3)
        if plane.shape not in kept_parts:
            kept_parts[plane.shape] = _stretch(cast("ImageU8", keep), plane)
        kept = cv2.multiply(plane, kept_parts[plane.shape], scale=1 / 255)
        cv2.add(kept, _stretch(cast("ImageU8", over), plane), dst=plane)


def _stretch(small: ImageU8, plane: ImageU8) -> ImageU8:
    if small.shape == plane.shape:
        return small
    size_wh = plane.shape[1], plane.shape[0]
    return cast("ImageU8", cv2.resize(small, size_wh, interpolation=cv2.INTER_LINEAR))
