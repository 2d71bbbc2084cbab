"""The bar of a file that is played: what is going on, time, and the labels found so far."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from camstream.drawing.text import panel_size, write
from camstream.live.timeline import Timeline
from camstream.picture import ImageU8, Picture
from camstream.sources.player import PlayerState

_GROUND, _TRACK, _WHITE = (28, 28, 28), (62, 62, 62), (255, 255, 255)
_TURN = 0.381966  # of the hues: neighbours differ, however many there are
_NARROWEST_PX = 40  # a track that is narrower says nothing


def bar_px(height: int) -> int:
    """Choose the height of the bar in a window of a height, pixels."""
    return max(18, min(98, round(height / 22))) // 2 * 2


def draw_bar(
    size_wh: tuple[int, int], player: PlayerState, timeline: Timeline, *, is_paused: bool
) -> ImageU8:
    """Draw the bar.

    Args:
        size_wh: Width and height, pixels.
        player: Where the player is.
        timeline: The labels found so far.
        is_paused: Whether the picture is held.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    width, height = size_wh
    image = np.full((height, width, 3), _GROUND, np.uint8)
    if player.counts == "seconds":
        _draw_sign(image, "end" if player.has_ended else "pause" if is_paused else "play")
    bar = Picture.from_bgr(image)
    line_px = max(9, height * 5 // 9)
    left = height if player.counts == "seconds" else 0
    text = said(player)
    write(bar, text, line_px, _middle(bar, text, line_px), left // 2 * 2)
    image = bar.bgr()
    track = track_x(size_wh, player)
    if player.length and track is not None:
        _draw_track(image, track, player, timeline)
    return image


def track_x(size_wh: tuple[int, int], player: PlayerState) -> tuple[int, int] | None:
    """Return where the track of the positions begins and ends in a bar, pixels; None for none."""
    width, height = size_wh
    line_px = max(9, height * 5 // 9)
    whole = Picture.from_bgr(np.zeros((height, width, 3), np.uint8))
    left = (height if player.counts == "seconds" else 0) + height // 4
    left += panel_size(whole, said(player), line_px)[0]
    right = width - height // 4
    return (left, right) if right - left >= _NARROWEST_PX else None


def position_at(size_wh: tuple[int, int], player: PlayerState, x: float) -> float | None:
    """Return the position that a click on the bar means.

    Args:
        size_wh: Width and height of the bar, pixels.
        player: Where the player is.
        x: From the left edge of the bar, 0, to its right one, 1.
    """
    track = track_x(size_wh, player)
    if track is None or not player.length or not track[0] <= x * size_wh[0] <= track[1]:
        return None
    share = (x * size_wh[0] - track[0]) / (track[1] - track[0])
    if player.counts == "photos":
        return float(min(int(share * (player.length + 1)), player.length))
    return share * player.length


def said(player: PlayerState) -> str:
    """Say where the player is, in few characters."""
    if player.counts == "photos":
        text = f"{player.position + 1:.0f} / {(player.length or 0) + 1:.0f}"
    elif player.length is None:
        text = clock(player.position)
    else:
        text = f"{clock(player.position)} / {clock(player.length)}"
    if player.speed != 1:
        text += f"  {player.speed:g}x"
    return text + ("  loop" if player.is_looping else "")


def clock(seconds: float) -> str:
    """Write a time as 1:05 or 1:00:05."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _middle(bar: Picture, text: str, line_px: int) -> int:
    return max(0, (bar.size_wh[1] - panel_size(bar, text, line_px)[1]) // 4 * 2)


def _draw_sign(image: ImageU8, sign: str) -> None:
    """Draw a triangle, two bars or a square."""
    side = image.shape[0]
    low, high = round(side * 0.28), round(side * 0.72)
    if sign == "play":
        corners = np.array([[low, low], [low, high], [high, side // 2]])
        cv2.fillPoly(image, [corners], _WHITE, cv2.LINE_AA)
    elif sign == "pause":
        part = (high - low) // 3
        image[low:high, low : low + part] = _WHITE
        image[low:high, high - part : high] = _WHITE
    else:
        image[low:high, low:high] = _WHITE


def _draw_track(
    image: ImageU8, track: tuple[int, int], player: PlayerState, timeline: Timeline
) -> None:
    """Draw the labels found so far where they were found, and where the player is."""
    height = image.shape[0]
    (left, right), top, bottom = track, round(height * 0.16), round(height * 0.84)
    image[top:bottom, left:right] = _TRACK
    words = Picture.from_bgr(image)
    line_px = max(8, round(height * 0.42))
    for begin, end, label in timeline.runs():
        x0, x1 = (round(left + share * (right - left)) for share in (begin, end))
        colour = _colour(timeline.labels.index(label))
        words.planes()[0][top:bottom, x0 : max(x1, x0 + 1)] = colour
        text_wh = panel_size(words, label, line_px)
        if text_wh[0] <= x1 - x0 and text_wh[1] <= height:
            write(words, label, line_px, (height - text_wh[1]) // 4 * 2, (x0 + 1) // 2 * 2)
    image[:] = words.bgr()
    length = player.length or 0.0
    if player.counts == "photos":
        share, wide = (player.position + 0.5) / (length + 1), (right - left) / (length + 1) / 2
    else:
        share, wide = min(1.0, player.position / length), 0.0
    x, half = round(left + share * (right - left)), max(1, height // 20, round(min(wide, height)))
    image[: max(2, top - 1), max(left, x - half) : x + half] = _WHITE
    image[bottom + 1 :, max(left, x - half) : x + half] = _WHITE
    if player.counts == "seconds":
        image[:, max(left, x - half) : x + half] = _WHITE


def _colour(number: int) -> tuple[int, int, int]:
    """Blue, green and red of a label; dark enough for white words."""
    red, green, blue = colorsys.hsv_to_rgb(0.58 + number * _TURN, 0.6, 0.62)
    return round(255 * blue), round(255 * green), round(255 * red)
