"""Make the clip with people and the truth beside it: ``python videos/make_people.py [FOLDER]``.

A garage with a motorcycle, filmed by a hand-held camera. An astronaut comes in from the left,
comes close and leaves; later she stands up behind the motorcycle, an officer of the navy joins
her, and both leave. People are cut out of photos, and what is nearer than they are hides them: the
room's photo has a disparity map. ``people.csv`` tells, frame by frame, whether and where they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import cv2
import numpy as np
from make_sample import FPS, HEIGHT, WIDTH, Box, Floats, Image, add_video, path, to_frame
from matplotlib import cbook
from skimage import data

from numpy.typing import NDArray

Layer: TypeAlias = "NDArray[np.float32]"  # (h, w, 4): BGR times opacity, and opacity, 0 to 1

FRAMES = 540
ROOM_SCALE = 1.78  # frame pixels a pixel of the room's photo, before the camera moves
ROOM_XY = (370.5, 232.0)  # the room's pixel that is in the middle of the frame
BEHIND = 40.0  # disparity of somebody between bench and motorcycle, pixels
SEAT_ROW = 246  # rows of the room below which the motorcycle hides whoever is behind it
WHOLE = 0.75  # who shows less than this part of themselves is entering or leaving
GRAIN = 1.6  # standard deviation of the sensor's noise, grey levels
COLUMNS = ["index", "pts_s", "is_present", "x0", "y0", "x1", "y1"]
COLUMNS += [f"{name}_2" for name in COLUMNS[3:]]

ASTRONAUT = (
    (230, 15), (250, 18), (268, 28), (285, 44), (295, 58), (300, 78), (301, 92), (295, 108),
    (286, 122), (277, 131), (268, 137), (263, 150), (257, 164), (263, 176), (280, 190),
    (295, 208), (303, 225), (306, 240), (322, 244), (335, 258), (346, 275), (352, 295),
    (358, 315), (363, 335), (364, 347), (385, 344), (405, 343), (425, 346), (445, 354),
    (465, 370), (480, 390), (490, 415), (496, 445), (500, 455), (511, 463), (511, 511),
    (34, 511), (25, 490), (23, 455), (22, 420), (20, 395), (24, 370), (25, 345), (33, 315),
    (40, 290), (50, 270), (62, 250), (78, 232), (95, 217), (113, 206), (114, 190), (120, 183),
    (125, 172), (133, 160), (145, 152), (165, 148), (186, 149), (182, 140), (180, 132),
    (172, 122), (162, 112), (156, 98), (154, 80), (155, 62), (164, 48), (178, 40), (190, 36),
    (198, 26), (212, 18),
)  # fmt: skip
OFFICER = (
    (258, 22), (275, 23), (290, 28), (300, 38), (310, 43), (330, 52), (342, 62), (350, 75),
    (354, 85), (362, 88), (370, 100), (370, 130), (368, 160), (366, 175), (372, 180), (375, 190),
    (374, 200), (370, 220), (365, 245), (362, 262), (357, 280), (350, 295), (340, 302),
    (334, 309), (345, 322), (365, 335), (390, 348), (415, 362), (440, 370), (470, 380),
    (490, 390), (497, 400), (505, 420), (511, 445), (511, 599), (12, 599), (15, 560), (22, 500),
    (27, 440), (35, 415), (45, 395), (60, 378), (85, 367), (120, 357), (145, 352), (170, 342),
    (195, 322), (203, 315), (200, 300), (190, 292), (180, 285), (168, 278), (162, 265),
    (161, 250), (160, 235), (157, 215), (153, 200), (153, 190), (158, 183), (157, 178),
    (150, 175), (146, 150), (145, 125), (150, 105), (160, 92), (174, 82), (177, 72), (187, 58),
    (200, 48), (215, 42), (222, 36), (240, 24),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody in the scene for a while.

    Attributes:
        who: 0 is the astronaut, 1 the officer.
        start: First frame.
        frames: How many.
        keys: Stations, evenly spaced in time: where the middle of the photo's upper edge is in
            the room's frame (x, y), and frame pixels a photo pixel.
        is_behind: Whether the motorcycle is in front.
        steps: Frames a step takes; 0 stands still.
        light: Factors on blue, green and red.
    """

    who: int
    start: int
    frames: int
    keys: tuple[tuple[float, float, float], ...]
    is_behind: bool = False
    steps: int = 0
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)


VISITS = (
    Visit(
        who=0,
        start=66,
        frames=156,
        keys=(
            (-330, 250, 1.06),
            (300, 235, 1.12),
            (560, 170, 1.30),
            (640, 150, 1.36),
            (900, 225, 1.14),
            (1560, 250, 1.06),
        ),
        steps=15,
    ),
    Visit(
        who=0,
        start=270,
        frames=216,
        keys=(
            (560, 430, 0.68),
            (560, 62, 0.68),
            (545, 66, 0.68),
            (500, 62, 0.68),
            (480, 64, 0.68),
            (520, 62, 0.68),
            (530, 430, 0.68),
        ),
        is_behind=True,
        light=(0.80, 0.84, 0.88),
    ),
    Visit(
        who=1,
        start=342,
        frames=120,
        keys=(
            (1610, 300, 0.98),
            (1030, 285, 1.0),
            (1000, 280, 1.0),
            (1010, 282, 1.0),
            (1640, 300, 0.98),
        ),
        steps=15,
        light=(0.88, 0.92, 0.96),
    ),
)


def guided(guide: NDArray[np.float32], matte: NDArray[np.float32], radius: int) -> Layer:
    """Let the edge of a matte follow a grey picture's edges (He et al. 2010, guided filter)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, size), np.float32)

    spread = mean(guide * guide) - mean(guide) ** 2
    slope = (mean(guide * matte) - mean(guide) * mean(matte)) / (spread + 1e-3)
    offset = mean(matte) - slope * mean(guide)
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def cut_out(photo: Image, outline: tuple[tuple[int, int], ...]) -> Layer:
    """Cut a person out along an outline drawn by hand, refined in a narrow band about it."""
    drawn = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(drawn, [np.array(outline, np.int32)], 1)
    inside = cv2.distanceTransform(drawn, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - drawn, cv2.DIST_L2, 5)
    labels = np.where(drawn > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inside > 5], labels[outside > 4] = cv2.GC_FGD, cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(photo, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    hard = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    hard = cv2.medianBlur(cv2.morphologyEx(hard, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), 5)
    grey = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    soft = guided(grey, cv2.erode(hard, np.ones((3, 3), np.uint8)).astype(np.float32), 3)
    matte = np.clip((soft - 0.15) / 0.7, 0, 1)[..., None]
    # Colours of the old background shine through at the edge: the nearest inner ones replace them.
    core = cv2.erode(hard, np.ones((7, 7), np.uint8))
    clean = cv2.inpaint(photo, (1 - core) * (matte[..., 0] > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    edge = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 1.5)[..., None]
    colours = photo * edge + clean * (1 - edge)
    return np.dstack((colours * matte, matte)).astype(np.float32)
