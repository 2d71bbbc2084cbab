"""A window on the screen, by SDL. Everything here belongs to the main thread."""

from __future__ import annotations

import os
import sys
from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING

import cv2
import numpy as np

from camstream.errors import SinkError
from camstream.picture import ImageU8
from camstream.sinks.sdl import Sdl

if TYPE_CHECKING:
    import pygame

_REMEDY = "use --no-window, with --output FILE or --records FILE to keep the results"
# A larger window costs more time for each picture than it shows: whoever wants one maximises it.
_LARGEST_WH = (1920, 1200)
_SMALLEST_WH = (160, 120)
_FRAME_WH = (16, 48)  # what the frame and title of a window take at most
_REPEAT_MS = (400, 40)  # of a key that is held: the first time, then each


class Window:
    """Shows images; reads keys and clicks.

    Its size is the user's: pictures never change it.

    Attributes:
        is_open: Whether the user has not closed it and the display is there; also before it appears.
    """

    def __init__(self, title: str, *, is_fullscreen: bool = False) -> None:
        """Connect to the display; the window appears with the first image.

        Args:
            title: What its title bar says.
            is_fullscreen: Whether it fills the screen at first.

        Raises:
            SinkError: There is no display to open it on.
        """
        self._game = _start()
        self._names = _special_keys(self._game)
        self._sdl = Sdl(self._game)
        self._is_fullscreen = is_fullscreen
        # Hidden until the first image: from here on the loss of the display is noticed.
        self._window: pygame.Window = self._game.Window(
            title, _SMALLEST_WH, resizable=True, hidden=True
        )
        self._sdl.watch(self._window.id)
        self._is_shown = False
        self._shown_xywh = (0, 0, 1, 1)  # where the image lies in the window
        self._keys: deque[str] = deque()
        self._clicks: deque[tuple[float, float]] = deque()
        self._is_closed = False

    @property
    def title(self) -> str:
        """What its title bar says."""
        return self._window.title

    @title.setter
    def title(self, title: str) -> None:
        self._window.title = title

    @property
    def is_open(self) -> bool:
        self._read()
        return not self._is_closed

    @property
    def is_fullscreen(self) -> bool:
        """Whether it fills the screen."""
        return self._is_fullscreen

    def set_fullscreen(self, on: bool) -> None:
        """Fill the screen, or go back to the size and place before."""
        self._is_fullscreen = on
        if self._is_shown and on:
            self._window.set_fullscreen(desktop=True)
        elif self._is_shown:
            self._window.set_windowed()

    def size_wh(self, picture_wh: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the image to show next, pixels.

        Args:
            picture_wh: Of the picture that comes; while the window is not open yet, its shape is
                kept and it is enlarged or reduced to the screen's work area.
        """
        if self._is_shown:
            self._read()
            return self._window.get_surface().get_size()
        area = self._sdl.work_area()[2:]
        room = [
            min(have - frame, most)
            for have, frame, most in zip(area, _FRAME_WH, _LARGEST_WH, strict=True)
        ]
        scale = min(room[0] / picture_wh[0], room[1] / picture_wh[1])
        width, height = (max(1, round(side * scale)) for side in picture_wh)
        return width, height

    def show(self, image: ImageU8) -> None:
        """Show an image, (H, W, 3) uint8 BGR, in the middle of the window, on black.

        One that is larger than the window, because that was made smaller, is reduced.
        """
        self._read()
        if self._is_closed:
            return
        if not self._is_shown:
            self._open(image.shape[1], image.shape[0])
        surface = self._window.get_surface()
        width, height = surface.get_size()
        scale = min(1.0, width / image.shape[1], height / image.shape[0])
        if scale < 1:
            size_wh = max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale))
            image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        h, w = image.shape[:2]
        left, top = (width - w) // 2, (height - h) // 2
        self._shown_xywh = left, top, w, h
        if (w, h) != (width, height):
            surface.fill((0, 0, 0))
        pixels = self._game.image.frombuffer(np.ascontiguousarray(image), (w, h), "BGR")
        try:
            surface.blit(pixels, (left, top))
            self._window.flip()
        except self._game.error:
            self._is_closed = True

    def key(self) -> str | None:
        """Return the next key that was pressed, None for none.

        A character as it was typed, or a name: "space", "enter", "escape", "tab", "backspace",
        "delete", "insert", "left", "right", "up", "down", "home", "end", "pageup", "pagedown",
        "f1" to "f12". A key that is held is pressed again and again.
        """
        self._read()
        return self._keys.popleft() if self._keys else None

    def click(self) -> tuple[float, float] | None:
        """Return the next click on the image, as parts of its width and height; None for none."""
        self._read()
        return self._clicks.popleft() if self._clicks else None

    def close(self) -> None:
        """Close the window."""
        self._is_closed = True
        if self._sdl.is_lost:
            self._sdl.leave(self._window)
            return
        self._window.destroy()
        self._game.display.quit()

    def _open(self, width: int, height: int) -> None:
        self._is_shown = True
        self._window.size = max(width, _SMALLEST_WH[0]), max(height, _SMALLEST_WH[1])
        self._window.minimum_size = _SMALLEST_WH
        self._window.set_icon(_icon(self._game))
        self._game.key.set_repeat(*_REPEAT_MS)
        self._window.show()
        self._window.position = self._sdl.middle_xy(self._window.id, self._window.size, _FRAME_WH)
        if self._is_fullscreen:
            self._window.set_fullscreen(desktop=True)
        self._read()

    def _read(self) -> None:
        """Take what the display has to say."""
        if self._is_closed:
            return
        game = self._game
        for event in game.event.get():
            if event.type in (game.QUIT, game.WINDOWCLOSE):
                self._is_closed = True
            elif event.type == game.TEXTINPUT:
                self._keys += ["space" if letter == " " else letter for letter in event.text]
            elif event.type == game.KEYDOWN and event.key in self._names:
                self._keys.append(self._names[event.key])
            elif event.type == game.MOUSEBUTTONDOWN and event.button == 1:
                self._click(*event.pos)
        self._is_closed = self._is_closed or self._sdl.is_lost

    def _click(self, x: int, y: int) -> None:
        left, top, width, height = self._shown_xywh
        at = (x + 0.5 - left) / width, (y + 0.5 - top) / height
        if all(0 <= part < 1 for part in at):
            self._clicks.append(at)


def _icon(game: ModuleType) -> pygame.Surface:
    """A warm spot on dark ground."""
    away = np.linspace(-1, 1, 32) ** 2
    spot = np.clip(1.2 - 1.5 * (away[:, None] + away), 0, 1)[..., None]
    pixels = (np.array([40, 30, 30]) * (1 - spot) + np.array([40, 140, 255]) * spot).astype(
        np.uint8
    )
    icon: pygame.Surface = game.image.frombuffer(pixels.tobytes(), (32, 32), "BGR")
    return icon


def check_display() -> None:
    """Check that a window can be opened.

    Raises:
        SinkError: It cannot be opened.
    """
    _start().display.quit()


def _start() -> ModuleType:
    """Import SDL and connect it to the display.

    Raises:
        SinkError: There is none.
    """
    is_x11 = sys.platform not in ("win32", "darwin")
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if is_x11 and not display:
        raise SinkError(f"cannot open a window: no display (DISPLAY is not set); {_REMEDY}")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # Ctrl-C is Python's
    if is_x11:  # else SDL draws nowhere, and says nothing, where the display does not answer
        os.environ.setdefault("SDL_VIDEODRIVER", "x11" if os.environ.get("DISPLAY") else "wayland")
    os.environ.setdefault("SDL_VIDEO_ALLOW_SCREENSAVER", "1")
    # By OpenGL, SDL makes the window anew under the first image (keys and clicks of that moment are
    # lost), and without a graphics card each image takes several times as long.
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    import pygame  # a tenth of a second, and only a window needs it

    try:
        pygame.display.init()
    except pygame.error as error:
        where = f" on display {display}" if is_x11 else ""
        raise SinkError(f"cannot open a window{where}; {_REMEDY}") from error
    return pygame


def _special_keys(game: ModuleType) -> dict[int, str]:
    """Keys that type no character, and their names."""
    names = {
        "escape": game.K_ESCAPE,
        "tab": game.K_TAB,
        "backspace": game.K_BACKSPACE,
        "delete": game.K_DELETE,
        "insert": game.K_INSERT,
        "left": game.K_LEFT,
        "right": game.K_RIGHT,
        "up": game.K_UP,
        "down": game.K_DOWN,
        "home": game.K_HOME,
        "end": game.K_END,
        "pageup": game.K_PAGEUP,
        "pagedown": game.K_PAGEDOWN,
        **{f"f{number}": getattr(game, f"K_F{number}") for number in range(1, 13)},
    }
    codes = {code: name for name, code in names.items()}
    return codes | {game.K_RETURN: "enter", game.K_KP_ENTER: "enter"}
