"""Draws a prediction onto its picture: heatmap, boxes, trail, label, notes.

Everything is drawn small first, as colours with an opacity, and blended into the picture's own
planes, whether those are BGR or YUV. Pixels without heat or text are not touched at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from camstream.drawing.boxes import draw_outlines, write_names
from camstream.drawing.heat import draw_heat, draw_legend
from camstream.drawing.shapes import draw_trail
from camstream.drawing.text import Rectangle, add_notes, write_label, write_state
from camstream.drawing.tiles import lay_out, plan
from camstream.errors import UsageError
from camstream.frame import Annotated
from camstream.maps import cam as cams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.frame import ClassBox, Prediction, View
    from camstream.picture import ImageU8, Picture

Colormap = Literal["turbo", "jet", "inferno", "magma", "plasma", "viridis", "hot"]
COLORMAPS: tuple[Colormap, ...] = get_args(Colormap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a prediction is drawn.

    Attributes:
        heatmap_opacity: Of strong evidence, 0 (only the picture) to 1 (only the heatmap).
        colormap: One of COLORMAPS.
        show_heatmap: Whether the heatmap is drawn.
        show_label: Whether the top-1 label is drawn.
        show_boxes: Whether the prediction's boxes are drawn.
        show_legend: Whether a bar explains the colours, in logit units.
    """

    heatmap_opacity: float = 0.6
    colormap: Colormap = "turbo"
    show_heatmap: bool = True
    show_label: bool = True
    show_boxes: bool = False
    show_legend: bool = False

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
            own = [found for found in boxes if found.key == view.key]
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
    cam_range: tuple[float, float],
    style: Style,
) -> None:
    """Draw one view onto a picture; boxes and trail are in pixels of a frame of that size."""
    limits = cams.range_of(view, cam_range)
    has_heat = style.show_heatmap and style.heatmap_opacity > 0
    if has_heat and not view.is_background:
        draw_heat(
            target,
            view.cam,
            limits,
            colormap=style.colormap,
            heatmap_opacity=style.heatmap_opacity,
            is_contrast=view.is_contrast,
        )
    if view.is_background:
        boxes = ()
    else:
        draw_trail(target, view.trail, frame_wh)
        draw_outlines(target, boxes, frame_wh)
    taken = [_write_name(target, view)] if style.show_label else []
    if has_heat and style.show_legend:
        taken.append(
            draw_legend(target, limits, colormap=style.colormap, is_contrast=view.is_contrast)
        )
    if view.state is None:  # the sign of a state says it for all
        without = None if view.is_sure else view.key
        write_names(target, boxes, frame_wh, without=without, taken=taken)


def _write_name(target: Picture, view: View) -> Rectangle:
    if view.state is not None:
        return write_state(
            target,
            view.name,
            f"{view.score:.0%}",
            is_background=view.is_background,
            is_sure=view.is_sure,
        )
    return write_label(target, view.name, f"{view.score:.0%}" if view.is_sure else "")


def draw(prediction: Prediction, style: Style = Style()) -> ImageU8:
    """Draw a prediction and return it as an image, see ``Prediction.draw``."""
    return annotate(prediction, style).picture.bgr()
