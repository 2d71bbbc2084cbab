"""What a session shows: the picture scaled to the window, the instruments and the player's bar."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import numpy as np

from camstream.live import actions, mouse
from camstream.live.bar import bar_px, draw_bar, position_at, said
from camstream.live.mosaic import MOSAIC_WH, Tiles, draw_mosaic
from camstream.live.paint import BLANK_WH, add_hud, draw

if TYPE_CHECKING:
    from camstream.frame import Frame
    from camstream.live.state import LiveState
    from camstream.picture import ImageU8, Picture
    from camstream.stages import Display

_BAR_S = 0.1
_STEP_PX = 4  # sides of a scaled picture are multiples: heat is drawn in cells of so many pixels


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where things lie in the image shown last, pixels: left, top, width and height."""

    size_wh: tuple[int, int]
    picture: tuple[int, int, int, int]
    bar: tuple[int, int, int, int] | None


class Screen:
    """Draws for a display, and reads what is done there.

    Pictures are scaled down first, then drawn on: text is sharp and of one size whatever the
    source, and a large source costs little more than a small one.
    """

    def __init__(self, display: Display) -> None:
        self._source = ""
        self._display = display
        self._place: _Place | None = None
        # How the bar looks, since when, and its image.
        self._drawn: tuple[object, float, ImageU8] | None = None
        self._scaled: tuple[Frame, Picture] | None = None
        self._tiles = Tiles()

    @property
    def is_open(self) -> bool:
        """Whether the user has not closed it."""
        return self._display.is_open

    def show(self, state: LiveState) -> None:
        """Draw a state, and show it."""
        if not self._display.is_open:
            return
        if state.source != self._source:
            self._source = state.source
            self._display.title = f"{state.source} - camstream"
        size_wh, room_wh = self._sizes(state)
        small = (
            None if state.frame is None or state.is_mosaic else self._fitted(state.frame, room_wh)
        )
        drawn = (
            draw_mosaic(state, room_wh, self._tiles)
            if state.is_mosaic
            else draw(state, small, room_wh)
        )
        add_hud(drawn, state, time.perf_counter())
        image = drawn.bgr(is_exact=False)
        height, width = image.shape[:2]
        left, top = (room_wh[0] - width) // 2, (room_wh[1] - height) // 2
        bar = None
        if (width, height) != size_wh:
            canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
            canvas[top : top + height, left : left + width] = image
            if state.player is not None:
                bar = 0, room_wh[1], size_wh[0], size_wh[1] - room_wh[1]
                canvas[bar[1] :] = self._bar((bar[2], bar[3]), state)
            image = canvas
        self._place = _Place(size_wh, (left, top, width, height), bar)
        self._display.show(image)

    def key(self) -> str | None:
        """Return the next key that was pressed, None for none."""
        return self._display.key()

    def clicks(self, state: LiveState) -> list[actions.Action]:
        """Return what the clicks since the last question ask for."""
        done: list[actions.Action] = []
        while (at := self._display.click()) is not None:
            if self._place is not None:
                done += self._meant(state, self._place, at)
        return done

    def fullscreen(self, on: bool | None) -> None:
        """Fill the screen, or not any more; None changes it to the other state."""
        self._display.set_fullscreen(not self._display.is_fullscreen if on is None else on)

    def close(self) -> None:
        """Remove it from the screen."""
        self._display.close()

    def _sizes(self, state: LiveState) -> tuple[tuple[int, int], tuple[int, int]]:
        """The size of the image, and of the room for the picture in it."""
        width, height = BLANK_WH if state.frame is None else state.frame.picture.size_wh
        if state.is_mosaic:
            width, height = MOSAIC_WH
        if state.player is None:
            size_wh = self._display.size_wh((width, height))
            return size_wh, size_wh
        size_wh = self._display.size_wh((width, height + bar_px(height)))
        return size_wh, (size_wh[0], max(1, size_wh[1] - bar_px(size_wh[1])))

    def _fitted(self, frame: Frame, room_wh: tuple[int, int]) -> Picture:
        """Scale a frame's picture into a room; the last one is kept, as it is often shown again."""
        size_wh = fit(frame.picture.size_wh, room_wh)
        if self._scaled is None or not (
            self._scaled[0] is frame and self._scaled[1].size_wh == size_wh
        ):
            is_same = size_wh == frame.picture.size_wh
            self._scaled = frame, frame.picture if is_same else frame.picture.resized(size_wh)
        return self._scaled[1]

    def _bar(self, size_wh: tuple[int, int], state: LiveState) -> ImageU8:
        """Draw the player's bar, a few times a second: that is as often as it changes."""
        player = state.player
        assert player is not None
        look = size_wh, state.is_paused, dataclasses.replace(player, position=0.0), said(player)
        now = time.perf_counter()
        if self._drawn is None or self._drawn[0] != look or now > self._drawn[1] + _BAR_S:
            image = draw_bar(size_wh, player, state.timeline, is_paused=state.is_paused)
            self._drawn = look, now, image
        return self._drawn[2]

    def _meant(
        self, state: LiveState, place: _Place, at: tuple[float, float]
    ) -> list[actions.Action]:
        x, y = at[0] * place.size_wh[0], at[1] * place.size_wh[1]
        if place.bar is not None and state.player is not None and y >= place.bar[1]:
            left, _, width, height = place.bar
            to = position_at((width, height), state.player, (x - left) / width)
            return [] if to is None else [actions.Seek(to)]
        left, top, width, height = place.picture
        if not (left <= x < left + width and top <= y < top + height):
            return []
        return mouse.click(state, (x - left) / width, (y - top) / height, (width, height))


def fit(size_wh: tuple[int, int], room_wh: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size of the shape of a picture that fits into a room, pixels."""
    scale = min(room_wh[0] / size_wh[0], room_wh[1] / size_wh[1])
    if scale == 1:
        return size_wh
    sides = [int(side * scale) for side in size_wh]
    width, height = (side // _STEP_PX * _STEP_PX or max(1, side) for side in sides)
    return width, height
