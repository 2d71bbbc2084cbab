"""Draws a prediction onto its picture: heatmap, boxes, trail, label, notes.

Everything is drawn small first, as colours with an opacity, and blended into the picture's own
planes, whether those are BGR or YUV. Pixels without heat or text are not touched at all.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

import cv2
import numpy as np

from camstream.drawing.blend import blend, regions
from camstream.drawing.shapes import Bgr, draw_outline, draw_trail, line_width
from camstream.drawing.text import add_notes, panel_size, write, write_label, write_state
from camstream.drawing.tiles import lay_out, plan
from camstream.errors import UsageError
from camstream.frame import Annotated, Box, ClassBox
from camstream.maps import cam as cams
from camstream.picture import ImageU8, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.frame import Prediction, View
    from camstream.picture import MapF32

Colormap = Literal["turbo", "jet", "inferno", "magma", "plasma", "viridis", "hot"]
COLORMAPS: tuple[Colormap, ...] = get_args(Colormap)

_WHITE = (255, 255, 255)
_FULL_OPACITY_AT = 0.35  # of the range: weaker evidence is not only colder but fainter


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a prediction is drawn.

    Attributes:
        heatmap_opacity: Of strong evidence, 0 (only the picture) to 1 (only the heatmap).
        colormap: One of COLORMAPS.
        show_heatmap: Whether the heatmap is drawn.
        show_label: Whether the top-1 label is drawn.
        show_boxes: Whether the prediction's boxes are drawn.
    """

    heatmap_opacity: float = 0.6
    colormap: Colormap = "turbo"
    show_heatmap: bool = True
    show_label: bool = True
    show_boxes: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.heatmap_opacity <= 1:
            raise UsageError(f"heatmap_opacity is 0 to 1, not {self.heatmap_opacity}")
        if self.colormap not in COLORMAPS:
            raise UsageError(f"no colormap {self.colormap!r}; there are {', '.join(COLORMAPS)}")


def annotate(
    prediction: Prediction,
    style: Style = Style(),
    *,
    picture: Picture | None = None,
    room_wh: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> Annotated:
    """Draw a prediction.

    Args:
        prediction: What is displayed of it is drawn; several views side by side.
        style: How.
        picture: Draw onto this later picture of the same source instead of the prediction's.
        room_wh: Where several views are shown, the width and height that the whole must fit in.
        notes: Small texts for the bottom left corner, one below the other.
    """
    base = picture or prediction.frame.picture
    boxes = prediction.boxes if style.show_boxes else ()
    views = prediction.displayed
    size_wh, cam_range = prediction.frame.picture.size_wh, prediction.cam.cam_range
    if len(views) == 1:
        target = base.copy()
        _draw_view(target, views[0], boxes, size_wh, cam_range, style)
    else:
        grid = plan(len(views) + 1, base.size_wh, room_wh)
        plain = base.resized(grid.tile_wh)
        tiles = [plain.copy() for _ in views]
        for tile, view in zip(tiles, views, strict=True):
            own = [found for found in boxes if found.label == view.label]
            _draw_view(tile, view, own, size_wh, cam_range, style)
        target = lay_out([plain, *tiles], like=base, columns=grid.columns)
    caveat = prediction.cam.caveat
    add_notes(target, [caveat, *notes] if caveat else notes)
    return Annotated(prediction=prediction, picture=target)


def _draw_view(
    target: Picture,
    view: View,
    boxes: Sequence[ClassBox],
    frame_wh: tuple[int, int],
    limits: tuple[float, float],
    style: Style,
) -> None:
    """Draw one view onto a picture; boxes and trail are in pixels of a frame of that size."""
    if not view.is_background:
        if style.show_heatmap and style.heatmap_opacity > 0:
            _draw_heat(target, view.cam, limits, style)
        draw_trail(target, view.trail, frame_wh)
        _draw_boxes(target, boxes, frame_wh, is_named=view.state is None)
    if style.show_label and view.state is None:
        write_label(target, f"{view.label}  {view.score:.0%}")
    elif style.show_label:
        write_state(target, view.label, view.score, is_background=view.is_background)


def draw(prediction: Prediction, style: Style = Style()) -> ImageU8:
    """Draw a prediction and return it as an image, see ``Prediction.draw``."""
    return annotate(prediction, style).picture.bgr()


@functools.lru_cache(maxsize=8)
def _ramp(colormap: str) -> ImageU8:
    """The colours of heat 0 to 255, (256, 1, 3) uint8 BGR."""
    steps = np.arange(256, dtype=np.uint8)
    table = cv2.applyColorMap(steps, getattr(cv2, f"COLORMAP_{colormap.upper()}"))
    return table.reshape(256, 1, 3)  # type: ignore[return-value]


def _step(size_wh: tuple[int, int]) -> int:
    """Pixels of the picture a cell of the heat: a power of 2 that divides both sides.

    So a part of the heat covers exactly a part of the picture, and only that is blended.
    """
    step = 1
    while all(side % (2 * step) == 0 for side in size_wh) and max(size_wh) // (2 * step) >= 240:
        step *= 2
    return step


def _draw_heat(target: Picture, cam: MapF32, cam_range: tuple[float, float], style: Style) -> None:
    step = _step(target.size_wh)
    fine = cams.enlarge(cam, (target.size_wh[0] // step, target.size_wh[1] // step))
    heat = cams.heat(fine, cam_range)
    if not heat.any():
        return
    rising = np.minimum(np.arange(256) / (255 * _FULL_OPACITY_AT), 1)
    opacity = np.rint(255 * style.heatmap_opacity * rising).astype(np.uint8)
    rows, columns = _hot_part(heat)
    part = heat[rows, columns]
    x0, y0, x1, y1 = (edge * step for edge in (columns.start, rows.start, columns.stop, rows.stop))
    coloured = cast("ImageU8", cv2.applyColorMap(part, target.native(_ramp(style.colormap))))
    under = regions(target, (x0, y0, x1, y1))
    blend(under, coloured, cast("ImageU8", cv2.LUT(part, opacity)))


def _hot_part(heat: ImageU8) -> tuple[slice, slice]:
    """The rows and columns that hold all heat, with a rim of none; even numbers of cells."""
    x, y, width, height = cv2.boundingRect(heat)
    rows, columns = heat.shape
    return (
        slice(max(0, y - 2) // 2 * 2, min(rows, (y + height + 3) // 2 * 2)),
        slice(max(0, x - 2) // 2 * 2, min(columns, (x + width + 3) // 2 * 2)),
    )


def _draw_boxes(
    target: Picture, boxes: Sequence[ClassBox], frame_wh: tuple[int, int], *, is_named: bool
) -> None:
    scale = target.size_wh[0] / frame_wh[0], target.size_wh[1] / frame_wh[1]
    for position, found in reversed(list(enumerate(boxes))):  # the best class lies on top
        is_repeated = any(other.label == found.label for other in boxes[:position])
        text = "" if is_repeated or not is_named else f"{found.label}  {found.score:.0%}"
        xyxy = cast(
            "tuple[float, float, float, float]",
            tuple(np.multiply(found.box.xyxy, scale * 2).tolist()),
        )
        draw_box(target, Box(xyxy), text)


def draw_box(target: Picture, box: Box, text: str = "", colour: Bgr = _WHITE) -> None:
    """Draw a box onto a picture.

    Args:
        target: Is drawn on.
        box: In pixels of the target.
        text: Stands at the box's lower left corner, inside, where there is room.
        colour: Blue, green, red; 0 to 255.
    """
    draw_outline(target, box, colour)
    if not text:
        return
    (width, height), line = target.size_wh, line_width(target.size_wh)
    line_px = max(12, round(min(height / 32, width / 26)))
    top = round(min(box.xyxy[3] - line, height)) // 2 * 2 - panel_size(target, text, line_px)[1]
    write(target, text, line_px, top, round(max(0.0, box.xyxy[0] + line)) // 2 * 2)
