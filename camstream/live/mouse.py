"""A click on the picture becomes actions."""

from __future__ import annotations

from camstream.live import actions, layout, mosaic
from camstream.live.state import LiveState


def click(state: LiveState, x: float, y: float, size_wh: tuple[int, int]) -> list[actions.Action]:
    """Take a click.

    Args:
        state: Of the session.
        x: From the left edge of the picture that is shown, 0, to its right one, 1.
        y: From its upper edge, 0, to its lower one, 1.
        size_wh: Width and height of that picture, which may be several views side by side.

    Returns:
        What is to be done: of several cameras, the one that was clicked is shown alone; while an answer is listed, a click on a class of it shows this class,
        and one beside it closes the list; else a click asks what has evidence there.
    """
    if state.is_mosaic:
        camera = mosaic.camera_at(state, size_wh, x, y)
        return [] if camera is None else [actions.Focus(camera)]
    box = layout.answer_box(state, size_wh)
    if box is not None:
        chosen = box.class_at(x * size_wh[0], y * size_wh[1])
        found = (
            []
            if chosen is None
            else [actions.ShowClasses([state.names.name_of(chosen.label, chosen.class_index)])]
        )
        return [*found, actions.CloseAnswer()]
    place = layout.tile_at(state, size_wh, x, y)
    return [] if place is None else [actions.AskAt(place[1], place[2])]
