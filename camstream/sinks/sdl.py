"""What SDL knows and pygame does not tell: the work area, and that the display has gone.

By ctypes, in the SDL library that pygame has loaded. Where a function is not found, the answer is
that of pygame alone.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import sys
import time
from types import ModuleType
from typing import Any

_X11 = 2  # SDL_SYSWM_X11
_FRAMED_S = 0.3  # a window manager draws its frame in less


class _Rect(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


class _WindowInfo(ctypes.Structure):
    """SDL_SysWMinfo of SDL 2, as far as X11 fills it."""

    _fields_ = [
        ("version", ctypes.c_uint8 * 3),
        ("subsystem", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("more", ctypes.c_uint8 * 128),
    ]


class Sdl:
    """The display that pygame is connected to.

    Attributes:
        is_lost: Whether the display has gone, after ``watch``.
    """

    def __init__(self, game: ModuleType) -> None:
        """Find SDL.

        Args:
            game: The module pygame, its display started.
        """
        self.is_lost = False
        self._game = game
        self._handlers: list[Any] = []  # C holds their addresses
        name = "SDL2.dll" if sys.platform == "win32" else game.base.__file__
        try:
            self._library: ctypes.CDLL | None = ctypes.CDLL(name)
        except OSError:
            self._library = None

    def work_area(self) -> tuple[int, int, int, int]:
        """The first screen without bars and docks: left, top, width and height, pixels."""
        area = _Rect()
        with contextlib.suppress(AttributeError):  # no such function there
            if (
                self._library is not None
                and self._library.SDL_GetDisplayUsableBounds(0, ctypes.byref(area)) == 0
            ):
                return area.x, area.y, area.w, area.h
        width, height = self._game.display.get_desktop_sizes()[0]
        return 0, 0, width, height * 9 // 10

    def middle_xy(
        self, window_id: int, size_wh: tuple[int, int], frame_wh: tuple[int, int]
    ) -> tuple[int, int]:
        """Return where a window lies in the middle of the work area: left and top, pixels.

        Args:
            window_id: Of the window, which is shown already.
            size_wh: Width and height of what is in its frame.
            frame_wh: Of what the frame adds at most; the title is above.
        """
        left, top, width, height = self.work_area()
        spare_x, spare_y = width - size_wh[0] - frame_wh[0], height - size_wh[1] - frame_wh[1]
        if sys.platform in ("win32", "darwin"):  # a place is that of what is in the frame
            return left + (spare_x + frame_wh[0]) // 2, top + spare_y // 2 + frame_wh[1] * 3 // 4
        # With X, too, once SDL knows the frame; until then it is the frame's own place.
        border_left, border_top = self._borders(window_id)
        return left + spare_x // 2 + border_left, top + spare_y // 2 + border_top

    def _borders(self, window_id: int) -> tuple[int, int]:
        """Wait for a window's frame; returns what it adds at the left and above, 0 for no frame."""
        if self._library is None:
            return 0, 0
        above, beside = ctypes.c_int(), ctypes.c_int()
        with contextlib.suppress(AttributeError):
            self._library.SDL_GetWindowFromID.restype = ctypes.c_void_p
            window = ctypes.c_void_p(self._library.SDL_GetWindowFromID(window_id))
            ask = self._library.SDL_GetWindowBordersSize
            end = time.monotonic() + _FRAMED_S
            while time.monotonic() < end and above.value == 0:
                self._game.event.pump()
                if ask(window, ctypes.byref(above), ctypes.byref(beside), None, None) != 0:
                    break
                time.sleep(0.005)
        return beside.value, above.value

    def watch(self, window_id: int) -> None:
        """Learn of the loss of an X display, which would end the process at once otherwise.

        Xlib calls ``exit`` unless a handler of one's own returns (libX11 1.7 or newer). With Wayland
        and on other systems SDL reports the loss as a closed window.
        """
        if sys.platform in ("win32", "darwin") or self._library is None:
            return
        with contextlib.suppress(AttributeError, OSError):
            self._library.SDL_GetWindowFromID.restype = ctypes.c_void_p
            window = ctypes.c_void_p(self._library.SDL_GetWindowFromID(window_id))
            info = _WindowInfo()
            info.version[:] = [2, 0, 0]
            is_known = self._library.SDL_GetWindowWMInfo(window, ctypes.byref(info))
            if not is_known or info.subsystem != _X11:
                return
            x11 = ctypes.CDLL("libX11.so.6")
            quiet = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: 0)
            lost = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(
                lambda _, __: setattr(self, "is_lost", True)
            )
            self._handlers += [quiet, lost]
            x11.XSetIOErrorExitHandler(ctypes.c_void_p(info.display), lost, None)
            x11.XSetIOErrorHandler(quiet)

    def leave(self, window: object) -> None:
        """Leave a display that is lost as it is: closing its window would wait for an answer for ever."""
        atexit.unregister(self._game.quit)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(window))  # it is closed where it is forgotten
