"""Follows the peaks of a map: a path for each thing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from camstream.frame import TrailPoint
from camstream.maps import cam as cams
from camstream.maps.boxes import APART_RATIO, ratio_threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from camstream.frame import Frame, View
    from camstream.picture import MapF32


_REACH_CELLS = 2.0


class Trail:
    """Remembers where the peaks of the main map were, one in each region that stands apart.

    A peak goes on with the path that ended nearest to it in the frame before, no farther away than
    two cells of the map; otherwise a path begins with it. So no path jumps from one thing to another.
    """

    def __init__(self) -> None:
        self._paths: list[list[TrailPoint]] = []
        self._key: int | str | None = None
        self._before_s, self._now_s = -math.inf, -math.inf

    def add(
        self, view: View, frame: Frame, *, seconds: float, floor: float, is_cut: bool
    ) -> tuple[TrailPoint, ...]:
        """Add a frame: the next one, or the last one once more.

        Args:
            view: The main one.
            frame: Its frame.
            seconds: How long points are kept.
            floor: A region has no peak at or below this value, logit units.
            is_cut: Whether a new scene begins, in which nothing goes on.

        Returns:
            The points of the last seconds, path by path; each path is oldest first and begins with
            a point that ``is_start``.
        """
        now = frame.pts_s
        if now != self._now_s:
            self._before_s, self._now_s = self._now_s, now
        if is_cut or view.key != self._key:
            self._paths = []
        self._key = view.key
        recent = [
            [point for point in path if now - seconds <= point.pts_s < now] for path in self._paths
        ]
        self._paths = [path for path in recent if path]
        going_on = [path for path in self._paths if path[-1].pts_s == self._before_s]
        (width, height), (rows, columns) = frame.picture.size_wh, view.cam.shape
        reach_px = _REACH_CELLS * max(width / columns, height / rows)
        for xy in _peaks(view.cam, frame.picture.size_wh, floor):
            near = min(going_on, key=lambda path: math.dist(path[-1].xy, xy), default=None)
            if near is None or math.dist(near[-1].xy, xy) > reach_px:
                self._paths.append([TrailPoint(now, xy, is_start=True)])
            else:
                near.append(TrailPoint(now, xy, is_start=False))
                going_on.remove(near)
        return tuple(
            TrailPoint(point.pts_s, point.xy, is_start=place == 0)
            for path in self._paths
            for place, point in enumerate(path)
        )


def _peaks(cam: MapF32, size_wh: tuple[int, int], floor: float) -> Iterator[tuple[float, float]]:
    """Yield where the peak of each region is, pixels; the highest peak first."""
    fine = cams.enlarge(cam)
    if not fine.max() > max(floor, fine.min()):
        return
    level = max(ratio_threshold(fine, APART_RATIO), floor)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(
        (fine > level).view(np.uint8), connectivity=8
    )
    cell, lowest = fine.size / cam.size, np.float32(-np.inf)
    found = []
    for number in range(1, count):
        peak = cams.find_peak(np.where(numbers == number, fine, lowest), size_wh)
        # What is smaller than a cell of the raw map cannot be told apart from the highest one.
        if stats[number, cv2.CC_STAT_AREA] >= cell or peak.value == fine.max():
            found.append(peak)
    for peak in sorted(found, key=lambda peak: -peak.value):
        yield peak.xy
