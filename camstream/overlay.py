"""Draws a prediction onto its picture: the heatmap, the label, a few words of state.

Everything is drawn small first, as colours with an opacity, and blended into the picture's own
planes, whether those are BGR or YUV. Pixels without heat or text are not touched at all.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

import cv2
import numpy as np

from camstream import cam as cams
from camstream.boxes import BOX_RULES, Box, BoxRule, ClassBox, boxes_of
from camstream.outline import Bgr, draw_outline, line_width
from camstream.picture import ImageU8, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.cam import Peak
    from camstream.contract import ModelInfo
    from camstream.frame import Prediction
    from camstream.model import Model

Colormap = Literal["turbo", "jet", "inferno", "magma", "plasma", "viridis", "hot"]
COLORMAPS: tuple[Colormap, ...] = get_args(Colormap)

_WHITE = (255, 255, 255)
_FULL_OPACITY_AT = 0.35  # of the range: weaker evidence is not only colder but fainter
_PANEL_OPACITY = 150


@dataclass(frozen=True, slots=True)
class Style:
    """How a prediction is drawn.

    Attributes:
        heatmap_opacity: Of strong evidence, 0 (only the picture) to 1 (only the heatmap).
        colormap: One of COLORMAPS.
        cam_range: Map values (logit units) where heat begins and where it is full; None takes
            the model's own.
        show_heatmap: Whether the heatmap is drawn.
        show_label: Whether the top-1 label is drawn.
        show_boxes: Whether boxes are read from the maps, drawn, and kept in the records.
        box_rule: Which boxes, see ``boxes.boxes_of``.
    """

    heatmap_opacity: float = 0.6
    colormap: Colormap = "turbo"
    cam_range: tuple[float, float] | None = None
    show_heatmap: bool = True
    show_label: bool = True
    show_boxes: bool = False
    box_rule: BoxRule = "largest"

    def __post_init__(self) -> None:
        if not 0 <= self.heatmap_opacity <= 1:
            raise ValueError(f"heatmap_opacity is 0 to 1, not {self.heatmap_opacity}")
        if self.colormap not in COLORMAPS:
            raise ValueError(f"no colormap {self.colormap!r}; there are {', '.join(COLORMAPS)}")
        if self.cam_range is not None and not self.cam_range[0] < self.cam_range[1]:
            raise ValueError(f"cam_range is low, high; not {self.cam_range}")
        if self.box_rule not in BOX_RULES:
            raise ValueError(f"box_rule is one of {', '.join(BOX_RULES)}; not {self.box_rule!r}")


@dataclass(frozen=True, slots=True)
class Annotated:
    """A prediction and what was drawn of it.

    Attributes:
        prediction: What was drawn.
        picture: The picture with the overlay; the prediction's own is unchanged.
        peak: Of the drawn map, in pixels of the picture and logit units.
        boxes: In pixels of the prediction's frame; None where none were asked for.
    """

    prediction: Prediction
    picture: Picture
    peak: Peak
    boxes: tuple[ClassBox, ...] | None = None


def annotate(
    prediction: Prediction,
    cam_range: tuple[float, float],
    style: Style = Style(),
    *,
    picture: Picture | None = None,
    notes: Sequence[str] = (),
) -> Annotated:
    """Draw a prediction.

    Args:
        prediction: Its first map and its top-1 class are drawn.
        cam_range: The model's own range, see ``ModelInfo.cam_range``.
        style: How.
        picture: Draw onto this later picture of the same source instead of the prediction's.
        notes: Small texts for the bottom left corner, one below the other.
    """
    target = (picture or prediction.frame.picture).copy()
    step = _step(target.size_wh)
    fine = cams.enlarge(
        prediction.cam.maps[0], (target.size_wh[0] // step, target.size_wh[1] // step)
    )
    heat = cams.heat(fine, style.cam_range or cam_range)
    if style.show_heatmap and style.heatmap_opacity > 0 and heat.any():
        _blend_heat(target, heat, step, style)
    boxes = None
    if style.show_boxes:
        boxes = boxes_of(prediction, style.box_rule, floor=(style.cam_range or cam_range)[0])
        _draw_boxes(target, boxes)
    if style.show_label:
        top, line_px = prediction.top[0], _line_px(target)
        _blend_text(target, f"{top.label}  {top.score:.0%}", line_px, line_px // 4 * 2)
    add_notes(target, notes)
    return Annotated(prediction, target, cams.find_peak(fine, target.size_wh), boxes)


def add_notes(target: Picture, notes: Sequence[str]) -> None:
    """Write small texts into the bottom left corner, one below the other.

    Args:
        target: Is drawn on.
        notes: The last is the lowest. Each is a panel of its own; it may have several lines.
    """
    line_px = max(12, round(_line_px(target) * 0.6))
    y = target.size_wh[1] - line_px // 4 * 2
    for note in reversed(notes):
        y -= _panel(note, line_px, target.size_wh[0])[0].shape[0]
        _blend_text(target, note, line_px, y // 2 * 2)


def draw(prediction: Prediction, model: Model, style: Style = Style()) -> ImageU8:
    """Draw a prediction and give it as an image.

    Args:
        prediction: From ``model.predict`` or a stream.
        model: The model that made it; its scale is used.
        style: How.

    Returns:
        (H, W, 3) uint8 BGR, the size of the prediction's picture.
    """
    notes = caveats(model.info)
    return annotate(prediction, model.info.cam_range, style, notes=notes).picture.bgr()


def caveats(info: ModelInfo) -> list[str]:
    """What every picture must say of a model: nothing, unless its weights mean nothing."""
    return ["random weights: label and heat mean nothing"] if info.is_random else []


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


def _blend_heat(target: Picture, heat: ImageU8, step: int, style: Style) -> None:
    rising = np.minimum(np.arange(256) / (255 * _FULL_OPACITY_AT), 1)
    opacity = np.rint(255 * style.heatmap_opacity * rising).astype(np.uint8)
    rows, columns = _hot_part(heat)
    part = heat[rows, columns]
    regions = []
    for plane in target.planes():
        shrunk = target.size_wh[0] // plane.shape[1]  # 1, or 2 for the colour planes of 4:2:0
        y0, y1, x0, x1 = (
            edge * step // shrunk for edge in (rows.start, rows.stop, columns.start, columns.stop)
        )
        regions.append(plane[y0:y1, x0:x1])
    coloured = cast("ImageU8", cv2.applyColorMap(part, target.native(_ramp(style.colormap))))
    _blend(regions, coloured, cast("ImageU8", cv2.LUT(part, opacity)))


def _hot_part(heat: ImageU8) -> tuple[slice, slice]:
    """The rows and columns that hold all heat, with a rim of none; even numbers of cells."""
    x, y, width, height = cv2.boundingRect(heat)
    rows, columns = heat.shape
    return (
        slice(max(0, y - 2) // 2 * 2, min(rows, (y + height + 3) // 2 * 2)),
        slice(max(0, x - 2) // 2 * 2, min(columns, (x + width + 3) // 2 * 2)),
    )


def _line_px(target: Picture) -> int:
    """Height of the label's line, in proportion to the picture."""
    return max(13, round(min(target.size_wh[1] / 20, target.size_wh[0] / 16)))


def _blend_text(target: Picture, text: str, line_px: int, top: int) -> None:
    ink, opacity = _panel(text, line_px, target.size_wh[0])
    height = opacity.shape[0]
    margin = line_px // 4 * 2
    if top >= 0 and top + height <= target.size_wh[1]:  # else it is too small for words
        _blend_panel(target, ink, opacity, (margin, top))


def _blend_panel(
    target: Picture, ink: ImageU8, opacity: ImageU8, left_top: tuple[int, int]
) -> None:
    (left, top), (height, width) = left_top, opacity.shape
    regions = []
    for plane in target.planes():
        step = target.size_wh[0] // plane.shape[1]  # 1, or 2 for the colour planes of 4:2:0
        regions.append(
            plane[top // step : (top + height) // step, left // step : (left + width) // step]
        )
    greys = target.native(
        np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], 3, 2)
    )
    _blend(regions, cast("ImageU8", cv2.applyColorMap(ink, greys)), opacity)


def _draw_boxes(target: Picture, boxes: Sequence[ClassBox]) -> None:
    for position, found in reversed(list(enumerate(boxes))):  # the best class lies on top
        named = any(other.top is found.top for other in boxes[:position])
        text = "" if named else f"{found.top.label}  {found.top.score:.0%}"
        draw_box(target, found.box, text)


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
    ink, opacity = _panel(text, max(12, round(min(height / 32, width / 26))), width)
    left = round(min(box.xyxy[0] + line, width - opacity.shape[1])) // 2 * 2
    top = round(min(box.xyxy[3] - line, height)) // 2 * 2 - opacity.shape[0]
    if left >= 0 and top >= 0:
        _blend_panel(target, ink, opacity, (left, top))


@functools.lru_cache(maxsize=64)
def _panel(text: str, line_px: int, room_px: int) -> tuple[ImageU8, ImageU8]:
    """White text on a dark translucent panel: grey value and opacity, (h, w) each, even sizes."""
    face, weight = cv2.FontFace("sans"), 600
    lines = text.splitlines()
    pad, pitch = line_px // 3, line_px * 3 // 2 // 2 * 2
    room = (room_px * 3, line_px * 3)
    # A tab puts what follows into a second column.
    column = 4 * line_px
    parts = [
        (column * place, row, part)
        for row, line in enumerate(lines)
        for place, part in enumerate(line.split("\t"))
    ]
    width = max(
        x + cv2.getTextSize(room, part, (0, line_px), face, line_px, weight)[2]
        for x, _, part in parts
    )
    longest = max(2 * pad + 2, room_px - 2 * (line_px // 4 * 2))
    w, h = min(width + 2 * pad, longest) // 2 * 2, pitch * len(lines)
    ink = np.zeros((h, w), np.uint8)
    for x, row, part in parts:
        at = (pad + x, row * pitch + (pitch + round(line_px * 0.7)) // 2)
        cv2.putText(ink, part, at, _WHITE, face, line_px, weight, 0, (0, room_px * 3))
    return ink, np.maximum(ink, _PANEL_OPACITY)


def _blend(planes: Sequence[ImageU8], colours: ImageU8, opacity: ImageU8) -> None:
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
