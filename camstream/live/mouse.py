"""A click on the picture becomes actions."""

from __future__ import annotations

from camstream.live import actions, layout
from camstream.live.ask import name_of
from camstream.live.state import LiveState

_END = 1 - 1e-6  # the last pixel is in the picture


def click(state: LiveState, x: float, y: float, size_wh: tuple[int, int]) -> list[actions.Action]:
    """Take a click.

    Args:
        state: Of the session.
        x: From the left edge of the picture that is shown, 0, to its right one, 1.
        y: From its upper edge, 0, to its lower one, 1.
        size_wh: Width and height of that picture, which may be several views side by side.

    Returns:
        What is to be done: while an answer is listed, a click on a class of it shows this class,
        and one beside it closes the list; else a click asks what has evidence there.
    """
    width, height = size_wh
    box = layout.answer_box(state, size_wh)
    if box is not None:
        chosen = box.class_at(x * width, y * height)
        found = [] if chosen is None else [actions.ShowClasses([name_of(chosen, state.info)])]
        return [*found, actions.CloseAnswer()]
    tile_w, tile_h = layout.tile_size_in(state, size_wh)
    column, row = (max(0.0, min(one, _END)) for one in (x, y))
    column, row = column * width / tile_w, row * height / tile_h
    if int(row) * layout.columns(state) + int(column) >= layout.tile_count(state):
        return []  # an empty place of the grid
    return [actions.AskAt(column % 1, row % 1)]
