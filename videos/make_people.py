"""Make the clip with people and the truth beside it: ``python videos/make_people.py [FOLDER]``.

A courtyard, filmed by a hand-held camera. An astronaut comes in from the left, comes close and
leaves; later she stands up behind a low wall, an officer of the navy joins her, and both leave.
People are cut out of photos in the public domain; the place is drawn (``courtyard.py``).
``people.csv`` tells, frame by frame, whether and where they are.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import courtyard
import cv2
import numpy as np
from make_sample import FPS, HEIGHT, WIDTH, Box, Floats, Image, add_video, path, to_frame
from matplotlib import cbook
from numpy.typing import NDArray
from skimage import data

Layer: TypeAlias = "NDArray[np.float32]"  # (h, w, 4): BGR times opacity, and opacity, 0 to 1

FRAMES = 540
WHOLE = 0.95  # whose head is in sight by less than this is entering or leaving
HEAD_ROWS = (145, 300)  # of the photos: their heads are above
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
            a frame of a still camera (x, y), and frame pixels a photo pixel.
        is_behind: Whether the low wall is in front.
        step_frames: Frames that a step takes; 0 slides.
        light: Factors on blue, green and red.
    """

    who: int
    start: int
    frames: int
    keys: tuple[tuple[float, float, float], ...]
    is_behind: bool = False
    step_frames: int = 0
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)


VISITS = (
    Visit(
        who=0,
        start=66,
        frames=162,
        keys=(
            (-330, 240, 1.07),
            (330, 232, 1.12),
            (590, 168, 1.30),
            (640, 150, 1.36),
            (900, 222, 1.15),
            (1570, 240, 1.07),
        ),
        step_frames=16,
        light=(0.90, 0.94, 0.97),
    ),
    Visit(
        who=0,
        start=282,
        frames=204,
        keys=(
            (500, 345, 0.68),
            (500, 36, 0.68),
            (540, 40, 0.68),
            (565, 37, 0.68),
            (500, 40, 0.68),
            (470, 36, 0.68),
            (470, 345, 0.68),
        ),
        is_behind=True,
        light=(0.76, 0.81, 0.86),
    ),
    Visit(
        who=1,
        start=342,
        frames=120,
        keys=(
            (1640, 285, 0.92),
            (1040, 270, 0.93),
            (1010, 264, 0.94),
            (1040, 270, 0.93),
            (1660, 285, 0.92),
        ),
        step_frames=16,
        light=(0.86, 0.90, 0.94),
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
    return np.asarray(np.clip(mean(slope) * guide + mean(offset), 0, 1), np.float32)


def cut_out(photo: Image, outline: tuple[tuple[int, int], ...]) -> Layer:
    """Cut a person out along an outline drawn by hand, refined in a narrow band about it."""
    drawn = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(drawn, [np.array(outline, np.int32)], 1)
    inside = cv2.distanceTransform(drawn, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - drawn, cv2.DIST_L2, 5)
    labels = np.where(drawn > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inside > 5], labels[outside > 4] = cv2.GC_FGD, cv2.GC_BGD
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(photo, labels, (0, 0, 0, 0), *models, 3, cv2.GC_INIT_WITH_MASK)
    hard = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    hard = cv2.medianBlur(cv2.morphologyEx(hard, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), 5)
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), np.float32) / np.float32(255)
    soft = guided(grey, cv2.erode(hard, np.ones((3, 3), np.uint8)).astype(np.float32), 3)
    matte = np.clip((soft - 0.15) / 0.7, 0, 1)[..., None]
    # Colours of the old background shine through at the edge: the nearest inner ones replace them.
    core = cv2.erode(hard, np.ones((7, 7), np.uint8))
    clean = cv2.inpaint(
        photo, (1 - core) * (matte[..., 0] > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA
    )
    edge = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 1.5)[..., None]
    colours = photo * edge + clean * (1 - edge)
    return np.dstack((colours * matte, matte)).astype(np.float32)


def camera(index: int) -> Floats:
    """Where the hand holds the camera: (3, 3) from a still camera's frame to that of a frame."""
    time = index / FPS
    x, y, degrees, zoom = (
        sum(size * np.sin(2 * np.pi * (hertz * time + phase)) for size, hertz, phase in waves)
        for waves in (
            ((4.5, 0.23, 0.0), (1.6, 0.61, 0.3)),
            ((3.5, 0.19, 0.4), (1.3, 0.73, 0.1)),
            ((0.16, 0.17, 0.2), (0.05, 0.53, 0.7)),
            ((0.006, 0.06, 0.0),),
        )
    )
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1.016 + zoom)
    turn[:, 2] += x, y
    return np.vstack((turn, (0, 0, 1)))


def stand(scale: float, photo_xy: tuple[float, float], xy: tuple[float, float]) -> Floats:
    """(3, 3) that puts a photo's point onto a point of a still camera's frame."""
    x, y = xy[0] - scale * photo_xy[0], xy[1] - scale * photo_xy[1]
    return np.array(((scale, 0, x), (0, scale, y), (0, 0, 1)))


def warp(layer: NDArray[np.float32], matrix: Floats, flags: int) -> NDArray[np.float32]:
    """Take a layer into a frame; nothing is beyond its edges."""
    scale = float(np.hypot(*matrix[:2, 0]))
    if scale < 0.9:  # or the shrunk layer would flicker
        layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.45 / scale), np.float32)
    return np.asarray(cv2.warpAffine(layer, matrix[:2], (WIDTH, HEIGHT), flags=flags), np.float32)


class Scene:
    """The room and the people, ready to be filmed."""

    def __init__(self) -> None:
        self.room, self.near = courtyard.draw(), courtyard.hiding()
        astronaut = np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
        officer = np.asarray(
            cv2.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))), np.uint8
        )
        self.people = (cut_out(astronaut, ASTRONAUT), cut_out(officer, OFFICER))
        self.ways = [path(visit.keys, visit.frames) for visit in VISITS]

    def film(self, index: int) -> tuple[Image, list[tuple[float, Box]]]:
        """Take a frame; gives who is in sight too: the visible part of the head, and the box."""
        moved = camera(index)
        middle = courtyard.WIDTH / 2, courtyard.HEIGHT / 2
        room = moved @ stand(1, middle, (WIDTH / 2, HEIGHT / 2))
        frame = cv2.warpAffine(
            self.room,
            room[:2],
            (WIDTH, HEIGHT),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        hiding = warp(self.near, room, cv2.INTER_CUBIC)
        seen = []
        for visit, way in sorted(zip(VISITS, self.ways, strict=True), key=lambda it: it[0].who):
            if not 0 <= index - visit.start < visit.frames:
                continue
            layer = self.people[visit.who]
            matrix = moved @ walk(visit, way, index - visit.start, layer.shape[1])
            person = warp(layer, matrix, cv2.INTER_LINEAR)
            if visit.is_behind:
                person *= 1 - hiding[..., None]
            opacity = person[..., 3]
            frame = frame * (1 - opacity[..., None]) + person[..., :3] * np.array(
                visit.light, np.float32
            )
            head = layer[: HEAD_ROWS[visit.who], :, 3]
            whole = float(head.sum()) * float(np.hypot(*matrix[:2, 0])) ** 2
            below = warp(np.ascontiguousarray(head), matrix, cv2.INTER_LINEAR) * (opacity > 0.5)
            if (opacity > 0.5).any():
                seen.append((float(below.sum()) / whole, bounds(opacity > 0.5)))
        return develop(np.asarray(frame, np.float32), index), seen


def walk(visit: Visit, way: Floats, number: int, photo_width: int) -> Floats:
    """(3, 3) from a person's photo to a still camera's frame, with the bobbing of steps."""
    x, y, scale = way[number].tolist()
    angle = 0.0
    if visit.step_frames:
        speed = abs(float(np.gradient(way[:, 0])[number]))
        step = np.pi * number / visit.step_frames
        sway = min(1.0, speed / 8)
        y += 9 * sway * (1 - abs(np.sin(step)))
        angle = np.deg2rad(0.9 * sway * np.cos(step))
    else:
        y += 1.5 * np.sin(2 * np.pi * number / 95)  # breath
    turn = np.array(
        ((np.cos(angle), np.sin(angle), 0), (-np.sin(angle), np.cos(angle), 0), (0, 0, 1))
    )
    down = 600 * scale  # turns about the feet, not about the hair
    feet = stand(scale, (photo_width / 2, 600), (0, 0))
    return np.asarray(stand(1, (0, 0), (x, y + down)) @ turn @ feet)


def bounds(mask: NDArray[np.bool_]) -> Box:
    """The box of what is set: left, top, right, bottom, the last two exclusive."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return (left, top, left + width, top + height)


def develop(frame: NDArray[np.float32], index: int) -> Image:
    """Add what a camera adds: a breath of exposure, grain."""
    gain = 1 + 0.008 * np.sin(2 * np.pi * index / 47) + 0.003 * np.sin(2 * np.pi * index / 7.3)
    grain = np.random.default_rng(index).standard_normal((HEIGHT // 2, WIDTH // 2), np.float32)
    grain = GRAIN * cv2.resize(grain, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    seen = np.clip(np.rint(frame * gain + grain[..., None]), 0, 255)
    return np.asarray(seen, np.uint8)


def row(index: int, seen: list[tuple[float, Box]]) -> list[str]:
    """One line of people.csv."""
    whole = [box for share, box in seen if share >= WHOLE]
    present = "1" if whole else "" if seen else "0"
    corners = [str(round(edge)) for box in whole for edge in box]
    return [str(index), f"{index / FPS:.6f}", present, *corners, *[""] * (8 - len(corners))]


def main(folder: Path) -> None:
    """Write people.mp4 and people.csv into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scene, rows = Scene(), []
    with av.open(folder / "people.mp4", "w", options={"movflags": "+faststart"}) as clip:
        video = add_video(clip, crf=25)
        for index in range(FRAMES):
            image, seen = scene.film(index)
            clip.mux(video.encode(to_frame(image, index)))
            rows.append(row(index, seen))
        clip.mux(video.encode())
    lines = [",".join(cells) + "\n" for cells in (COLUMNS, *rows)]
    (folder / "people.csv").write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
