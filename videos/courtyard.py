"""The place of the clip with people: a courtyard with a low wall, drawn with textures of photos.

From far to near: the brick wall of a house, a lawn, a low wall, a path of gravel. Gravel and lawn
are photos of scikit-image (CC0); the bricks are drawn, and the gravel gives them their roughness.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Plane: TypeAlias = "NDArray[np.float32]"  # (h, w, 3) BGR or (h, w) grey, 0 to 255

WIDTH, HEIGHT = 1440, 840  # of the drawing: a frame and what a swaying camera sees beyond it
LAWN, COPING, LOW_WALL, PATH = 300, 408, 442, 712  # rows where each begins


def draw() -> Plane:
    """Draw the courtyard, (HEIGHT, WIDTH, 3) BGR, 0 to 255."""
    room = np.empty((HEIGHT, WIDTH, 3), np.float32)
    rough = tiled(data.gravel(), 0.5, HEIGHT, WIDTH)  # type: ignore[no-untyped-call]
    room[:LAWN] = bricks(LAWN, brick_wh=(46, 15), rng=np.random.default_rng(1)) * 0.82
    room[LAWN:COPING] = lawn(COPING - LAWN)
    room[COPING:LOW_WALL] = np.array((172, 178, 182), np.float32)
    room[LOW_WALL:PATH] = bricks(PATH - LOW_WALL, brick_wh=(104, 33), rng=np.random.default_rng(2))
    room[PATH:] = path(HEIGHT - PATH)
    for top, bottom, share in ((0, LAWN, 0.14), (COPING, LOW_WALL, 0.22), (LOW_WALL, PATH, 0.22)):
        room[top:bottom] *= 1 + share * (rough[top:bottom, :, None] - 1)
    shade(room, LAWN - 26, LAWN, 0.35)
    shade(room, COPING - 30, COPING, 0.30)
    room[LOW_WALL : LOW_WALL + 12] *= np.linspace(0.55, 1, 12, dtype=np.float32)[:, None, None]
    shade(room, PATH - 40, PATH, 0.30)
    across = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    room *= (1.04 - 0.16 * (across - 0.2) ** 2)[None, :, None]  # light falls from the right
    return np.asarray(cv2.GaussianBlur(np.clip(room, 0, 255), (0, 0), 0.7), np.float32)


def hiding() -> Plane:
    """Opacity of what is nearer than somebody on the lawn, (HEIGHT, WIDTH), 0 to 1."""
    near = np.zeros((HEIGHT, WIDTH), np.float32)
    near[COPING:] = 1
    return np.asarray(cv2.GaussianBlur(near, (0, 0), 0.6), np.float32)


def tiled(texture: NDArray[np.uint8], scale: float, height: int, width: int) -> Plane:
    """Lay a grey texture over an area, mirrored at its edges; its mean becomes 1."""
    small = cv2.resize(texture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    plane = np.pad(small, ((0, height), (0, width)), mode="symmetric")[:height, :width]
    return np.asarray(plane, np.float32) / np.float32(small.mean())


def bricks(height: int, *, brick_wh: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Draw courses of bricks in running bond, each of its own red."""
    width, course = brick_wh
    wall = np.full((height, WIDTH, 3), (140, 150, 158), np.float32)  # mortar
    joint = max(2, course // 8)
    for row in range(-(-height // course)):
        for column in range(-1, WIDTH // width + 1):
            x = column * width + (row % 2) * width // 2
            colour = np.array((66, 82, 128)) * rng.normal(1, 0.09) + rng.normal(0, 4, 3)
            corner = (x + width - joint - 1, row * course + course - joint - 1)
            cv2.rectangle(wall, (x, row * course), corner, colour.tolist(), cv2.FILLED)
    return wall


def lawn(height: int) -> Plane:
    """Draw grass, finer towards the house."""
    grass = tiled(data.grass(), 0.5, height, WIDTH)  # type: ignore[no-untyped-call]
    return np.asarray(grass[..., None] * np.array((62, 104, 92), np.float32), np.float32)


def path(height: int) -> Plane:
    """Draw gravel as it is seen from a standing person's eyes."""
    ground = tiled(data.gravel(), 1.0, 3 * height, 2 * WIDTH)  # type: ignore[no-untyped-call]
    tall, wide = ground.shape
    corners = np.array(((0, 0), (wide, 0), (wide, tall), (0, tall)), np.float32)
    seen = np.array(((0, 0), (WIDTH, 0), (1.5 * WIDTH, height), (-0.5 * WIDTH, height)), np.float32)
    turn = cv2.getPerspectiveTransform(corners, seen)
    flat = cv2.warpPerspective(ground, turn, (WIDTH, height), flags=cv2.INTER_AREA)
    return np.asarray(flat[..., None] * np.array((128, 140, 148), np.float32), np.float32)


def shade(room: Plane, top: int, bottom: int, depth: float) -> None:
    """Darken the rows towards the foot of a wall."""
    room[top:bottom] *= np.linspace(1, 1 - depth, bottom - top, dtype=np.float32)[:, None, None]
