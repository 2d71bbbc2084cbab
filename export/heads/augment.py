"""Variants of photos that say the same: nearer, farther, darker, blurred, of another shape."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from camstream.picture import ImageU8


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each change is made; 0 to 1.

    Attributes:
        far: The whole photo becomes a part of another, empty one: its person is small.
        near: A part of the photo fills the picture.
        dim: Brightness, contrast and colour change.
        blur: It loses its sharpness.
    """

    far: float = 0.35
    near: float = 0.35
    dim: float = 0.3
    blur: float = 0.2


def vary(
    photo: ImageU8,
    ground: ImageU8,
    random: np.random.Generator,
    *,
    chances: Chances,
    least_part: float,
) -> ImageU8:
    """Make a variant of a photo.

    Args:
        photo: (H, W, 3) uint8.
        ground: An empty scene of any size, to put the photo into.
        random: Decides.
        chances: How often what is done.
        least_part: The least part of the photo's sides that may be cut out; a photo with a
            person keeps most, or the person might be cut away.

    Returns:
        (H, W, 3) uint8 of the photo's size.
    """
    height, width = photo.shape[:2]
    draw = random.random()
    if draw < chances.far:
        photo = _put_into(photo, ground, random)
    elif draw < chances.far + chances.near:
        part = random.uniform(least_part, 0.95)
        h, w = round(height * part), round(width * part)
        y, x = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
        photo = photo[y : y + h, x : x + w]
    if random.random() < 0.5:
        photo = photo[:, ::-1]
    if random.random() < chances.dim:
        gain, gamma = random.uniform(0.35, 1.2), random.uniform(0.7, 1.5)
        tint = random.uniform(0.9, 1.1, 3)
        values = 255 * (photo / np.float32(255)) ** gamma * gain * tint
        photo = np.clip(values, 0, 255).astype(np.uint8)
    photo = np.ascontiguousarray(photo)
    if random.random() < chances.blur:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), random.uniform(0.6, 2.0)), np.uint8)
    return np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _put_into(photo: ImageU8, ground: ImageU8, random: np.random.Generator) -> ImageU8:
    """Put a photo, smaller, somewhere into an empty scene; its border is blended softly."""
    height, width = photo.shape[:2]
    scene = cv2.resize(ground, (width, height), interpolation=cv2.INTER_AREA)
    part = random.uniform(0.3, 0.8)
    h, w = max(8, round(height * part)), max(8, round(width * part))
    y, x = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
    small = cv2.resize(photo, (w, h), interpolation=cv2.INTER_AREA)
    edge = max(1, round(min(h, w) * 0.06))
    mask = np.zeros((h, w), np.float32)
    mask[edge:-edge, edge:-edge] = 1
    mask = cv2.blur(mask, (2 * edge + 1, 2 * edge + 1))[..., np.newaxis]
    inside = scene[y : y + h, x : x + w]
    scene[y : y + h, x : x + w] = (small * mask + inside * (1 - mask)).round().astype(np.uint8)
    return np.asarray(scene, np.uint8)
