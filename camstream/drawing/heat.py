"""Colours of evidence: heat on one side, warm and cold for a contrast, and the bar that explains them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from camstream.drawing.blend import blend, regions
from camstream.drawing.text import Rectangle, line_height, panel_size, write
from camstream.maps import cam as cams

if TYPE_CHECKING:
    from camstream.picture import ImageU8, MapF32, Picture

# The part of each colour map that is drawn, 0 to 1. The ends of some are nearly black: a dark blot
# would hide what has the most evidence, and darken what has next to none.
_PARTS = {
    "turbo": (0.1, 0.88),
    "jet": (0.12, 0.88),
    "inferno": (0.35, 1.0),
    "magma": (0.35, 1.0),
    "plasma": (0.15, 1.0),
    "viridis": (0.25, 1.0),
    "hot": (0.3, 0.95),
}
_FULL_OPACITY_AT = 0.35  # of the range: weaker evidence is not only colder but fainter
_CLEARS_FROM, _CLEARED = 0.6, 0.4  # stronger heat lets more of the picture through, up to this part

# Of a contrast, BGR, from all for the second class to all for the first one: blue and orange are
# told apart by any eye, and none of them is dark.
_CONTRAST = ((255, 96, 16), (255, 200, 64), (235, 235, 235), (64, 200, 255), (0, 64, 255))


def draw_heat(
    target: Picture,
    cam: MapF32,
    limits: tuple[float, float],
    *,
    colormap: str,
    heatmap_opacity: float,
    is_contrast: bool = False,
) -> None:
    """Blend the heat of a map into a picture.

    Args:
        target: Is drawn on; only where there is heat.
        cam: (h, w) float32, covers the whole picture, logit units.
        limits: Values where heat begins and where it is full.
        colormap: See ``Style.colormap``; a contrast has colours of its own.
        heatmap_opacity: Of strong evidence, 0 to 1.
        is_contrast: Whether negative values are evidence too, for the other class.
    """
    step = _step(target.size_wh)
    fine = cams.enlarge(cam, (target.size_wh[0] // step, target.size_wh[1] // step))
    heat = cams.signed_heat(fine, limits) if is_contrast else cams.heat(fine, limits)
    there = (heat != 128).view(np.uint8) if is_contrast else heat
    if not there.any():
        return
    rows, columns = _hot_part(there)
    x0, y0, x1, y1 = (edge * step for edge in (columns.start, rows.start, columns.stop, rows.stop))
    colours = target.native(ramp("contrast" if is_contrast else colormap))
    part = heat[rows, columns]
    coloured = cast("ImageU8", cv2.applyColorMap(part, colours))
    opacity = cv2.LUT(part, opacities(heatmap_opacity, is_contrast=is_contrast))
    blend(regions(target, (x0, y0, x1, y1)), coloured, cast("ImageU8", opacity))


@functools.lru_cache(maxsize=16)
def ramp(colormap: str) -> ImageU8:
    """Give the colours of heat 0 to 255, (256, 1, 3) uint8 BGR; "contrast" has none at 128."""
    if colormap == "contrast":
        places = np.linspace(0, 255, len(_CONTRAST))
        channels = [
            np.interp(np.arange(256), places, [colour[channel] for colour in _CONTRAST])
            for channel in range(3)
        ]
        return np.rint(np.stack(channels, axis=-1))[:, np.newaxis].astype(np.uint8)
    begin, end = _PARTS[colormap]
    steps = np.rint(255 * np.linspace(begin, end, 256)).astype(np.uint8)
    table = cv2.applyColorMap(steps, getattr(cv2, f"COLORMAP_{colormap.upper()}"))
    return cast("ImageU8", table.reshape(256, 1, 3))


@functools.lru_cache(maxsize=16)
def opacities(heatmap_opacity: float, *, is_contrast: bool = False) -> ImageU8:
    """Give the opacity of heat 0 to 255, (256,) uint8.

    It rises to ``heatmap_opacity``, and falls again for the strongest heat, whose colour says enough:
    the subject shows through. Where only the heatmap is asked for, with 1, it does not fall.
    """
    heat = np.arange(256) / 255
    if is_contrast:
        heat = np.abs(np.arange(256) - 128) / 127
    rising = np.minimum(heat / _FULL_OPACITY_AT, 1)
    cleared = min(_CLEARED, 1 - heatmap_opacity)
    falling = 1 - cleared * np.clip((heat - _CLEARS_FROM) / (1 - _CLEARS_FROM), 0, 1)
    return np.rint(255 * heatmap_opacity * np.minimum(rising * falling, 1)).astype(np.uint8)


def draw_legend(
    target: Picture,
    limits: tuple[float, float],
    *,
    colormap: str,
    is_contrast: bool = False,
) -> Rectangle:
    """Draw a small bar of the colours into the lower right corner, with its values in logit units.

    Args:
        target: Is drawn on, unless it is too small for words.
        limits: Values where heat begins and where it is full.
        colormap: See ``draw_heat``.
        is_contrast: See there.

    Returns:
        Left, top, right and bottom of what was drawn, pixels.
    """
    (width, height), line_px = target.size_wh, line_height(target, share=0.6)
    low = -limits[1] if is_contrast else limits[0]
    text = f"{low:.3g}  logit units  {limits[1]:.3g}"
    panel_wh, margin = panel_size(target, text, line_px), line_px // 4 * 2
    bar_px = line_px // 4 * 2
    left = (width - margin - panel_wh[0]) // 2 * 2
    top = (height - margin - panel_wh[1]) // 2 * 2
    if left < 0 or top < bar_px:
        return 0, 0, 0, 0
    write(target, text, line_px, top, left)
    colours = target.native(ramp("contrast" if is_contrast else colormap).reshape(1, 256, 3))
    bar = cast("ImageU8", cv2.resize(colours, (panel_wh[0], bar_px)))
    opaque = np.full((bar_px, panel_wh[0]), 255, np.uint8)
    blend(regions(target, (left, top - bar_px, left + panel_wh[0], top)), bar, opaque)
    return left, top - bar_px, left + panel_wh[0], top + panel_wh[1]


def legend_px(target: Picture) -> int:
    """Height of the part at the bottom of a picture in which ``draw_legend`` draws, pixels."""
    line_px = line_height(target, share=0.6)
    return panel_size(target, "0", line_px)[1] + 2 * (line_px // 4 * 2)


def _step(size_wh: tuple[int, int]) -> int:
    """Pixels of the picture a cell of the heat: a power of 2 that divides both sides.

    So a part of the heat covers exactly a part of the picture, and only that is blended.
    """
    step = 1
    while all(side % (2 * step) == 0 for side in size_wh) and max(size_wh) // (2 * step) >= 240:
        step *= 2
    return step


def _hot_part(heat: ImageU8) -> tuple[slice, slice]:
    """The rows and columns that hold all heat, with a rim of none; even numbers of cells."""
    x, y, width, height = cv2.boundingRect(heat)
    rows, columns = heat.shape
    return (
        slice(max(0, y - 2) // 2 * 2, min(rows, (y + height + 3) // 2 * 2)),
        slice(max(0, x - 2) // 2 * 2, min(columns, (x + width + 3) // 2 * 2)),
    )
