"""Where the instruments stand in a window: for those who draw them, and for the mouse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from camstream.drawing import tiles
from camstream.drawing.text import text_size
from camstream.live.state import LiveState

if TYPE_CHECKING:
    from camstream.live.ask import Evidence

_LARGEST_PX = 64  # a line of a screen of 2160 pixels


def text_px(size_wh: tuple[int, int]) -> int:
    """Height of a line's letters in a picture of a size, pixels."""
    return min(_LARGEST_PX, max(12, round(min(size_wh[1] / 20, size_wh[0] / 16) * 0.6)))


@dataclass(frozen=True, slots=True)
class AnswerBox:
    """The list of what has evidence at a place.

    Attributes:
        at: The place, pixels.
        xyxy: Left, top, right, bottom of the list, pixels.
        lines: What is written, from the top.
        line_px: Height of a line's letters.
        classes: What each line stands for; None for a line that is no class.
    """

    at: tuple[int, int]
    xyxy: tuple[int, int, int, int]
    lines: tuple[str, ...]
    line_px: int
    classes: tuple[Evidence | None, ...]

    def class_at(self, x: float, y: float) -> Evidence | None:
        """Give the class whose line is at a place, pixels; None outside and between."""
        left, top, right, bottom = self.xyxy
        if not (left <= x < right and top <= y < bottom):
            return None
        return self.classes[int((y - top) / (bottom - top) * len(self.lines))]


def answer_box(state: LiveState, size_wh: tuple[int, int]) -> AnswerBox | None:
    """Lay out the answer of a state on a picture of that size; None where there is no answer."""
    answer = state.answer
    if answer is None:
        return None
    found = answer.box
    lines: list[tuple[str, Evidence | None]] = []
    if found is not None and state.style.show_boxes:
        lines.append((f"box: {found.label} {found.score:.0%}", None))
    lines += [(f"{one.value:.0f}\t{one.label}", one) for one in answer.classes]
    lines.append(("click a class to show it" if answer.classes else "no evidence here", None))
    line_px = text_px(size_wh)
    width, height = text_size("\n".join(text for text, _ in lines), line_px, size_wh[0])
    tile_w, tile_h = tile_size_in(state, size_wh)
    x, y = round(answer.x * tile_w), round(answer.y * tile_h)
    left = x + line_px if x + line_px + width <= size_wh[0] else x - line_px - width
    left = max(0, min(left, size_wh[0] - width)) // 2 * 2
    top = max(0, min(y, size_wh[1] - height)) // 2 * 2
    return AnswerBox(
        (x, y),
        (left, top, left + width, top + height),
        tuple(text for text, _ in lines),
        line_px,
        tuple(one for _, one in lines),
    )


def tile_count(state: LiveState) -> int:
    """How many tiles are shown: the picture alone, or the plain picture and a tile a view."""
    views = 1 if state.prediction is None else len(state.prediction.displayed)
    return 1 if views == 1 else views + 1


def tile_size_in(state: LiveState, size_wh: tuple[int, int]) -> tuple[float, float]:
    """Width and height of a tile in the picture that is shown, pixels, with its share of gaps."""
    count, columns = (
        tile_count(state),
        tiles.columns_in(tile_count(state), _frame_wh(state), size_wh),
    )
    return size_wh[0] / columns, size_wh[1] / math.ceil(count / columns)


def tile_at(
    state: LiveState, size_wh: tuple[int, int], x: float, y: float
) -> tuple[int, float, float] | None:
    """Find the tile at a place of what is shown, see ``tiles.tile_at``."""
    return tiles.tile_at(tile_count(state), _frame_wh(state), size_wh, x, y)


def _frame_wh(state: LiveState) -> tuple[int, int]:
    return (1, 1) if state.frame is None else state.frame.picture.size_wh
