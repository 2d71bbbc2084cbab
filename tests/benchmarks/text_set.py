"""Photos with words written onto them, and the same photos without: to learn from, and to judge by.

Words in many fonts, colours, sizes (1/15 to 1/3 of the photo's height) and angles, on a plate or on the
bare photo, in perspective. Half of all photos, with a word or without, also have clutter: lines,
polygons, scribbles, bars; half of those without a word have an empty plate. The fonts come with matplotlib; those of the DejaVu family are
learnt from, those of the STIX and Computer Modern families are judged by, with other words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from camstream.media import read_photo
from camstream.picture import ImageU8, MapF32

LONGEST_PX = 400
TEXT, NO_TEXT = "text", "no text"
SMALLEST, LARGEST = 1 / 15, 1 / 3  # of the photo's height
_WORDS = {
    "learnt": "exit stop bakery open taxi hotel police sale market bus lane school room coffee fire "
    "garage slow parking bank north press closed river music danger",
    "judged": "street museum pull tickets salon west pizza station wash notice books gate private "
    "theatre keep clear family kitchen bridge laundry airport caution service zone",
}
_FONTS = {"learnt": ("DejaVu",), "judged": ("STIXGeneral", "cmb10", "cmr10", "cmss10", "cmtt10")}
_DRAWN_PX = 64  # height of a letter as it is drawn, before it is put into the photo
_CONTRAST = 70  # least difference of brightness from what lies behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A photo, with a word or without.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        box: Left, top, right, bottom of the word; None: there is none.
    """

    image: ImageU8
    box: tuple[float, float, float, float] | None

    @property
    def height(self) -> float:
        """The word's box's height as a part of the photo's; 0 without a word."""
        return 0.0 if self.box is None else (self.box[3] - self.box[1]) / self.image.shape[0]


def fonts(part: str) -> list[cv2.FontFace]:
    """Open the fonts of a part, "learnt" or "judged"."""
    folder = Path(mpl.get_data_path(), "fonts", "ttf")
    names = [path for path in sorted(folder.glob("*.ttf")) if path.stem.startswith(_FONTS[part])]
    return [cv2.FontFace(str(path)) for path in names if not path.stem.endswith("Display")]


def make_scene(
    photo: ImageU8, seed: int, part: str, faces: list[cv2.FontFace], *, with_text: bool
) -> Scene:
    """Write a word onto a photo, or none.

    Args:
        photo: (H, W, 3) uint8 BGR.
        seed: Of everything that is drawn by chance.
        part: "learnt" or "judged".
        faces: Its fonts.
        with_text: Whether there is a word; the clutter is drawn from the same chances.
    """
    random = np.random.default_rng([seed, with_text, part == "judged"])
    scale = LONGEST_PX / max(photo.shape[:2])
    size_wh = round(photo.shape[1] * scale), round(photo.shape[0] * scale)
    image = cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    if random.random() < 0.5:
        for _ in range(random.integers(1, 5)):
            _clutter(image, random)
    face = faces[random.integers(len(faces))]
    box = _write(image, _word(random, part), face, random, is_blank=not with_text)
    return Scene(
        image=np.clip(image + random.normal(0, 2, image.shape), 0, 255).astype(np.uint8), box=box
    )


def write_folder(folder: Path, photos: list[tuple[str, Path]], part: str = "learnt") -> None:
    """Write a folder for ``camstream teach``: each photo once with a word, once without.

    Args:
        folder: To be made: text/SOURCE/NAME.jpg, no text/SOURCE/NAME.jpg.
        photos: The source and the file of each.
        part: "learnt" or "judged".
    """
    faces = fonts(part)
    for seed, (source, path) in enumerate(photos):
        photo = read_photo(path)
        for label in (TEXT, NO_TEXT):
            target = folder / label / source / f"{path.stem}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            scene = make_scene(photo, seed, part, faces, with_text=label == TEXT)
            cv2.imwrite(str(target), scene.image, [cv2.IMWRITE_JPEG_QUALITY, 92])


def _word(random: np.random.Generator, part: str) -> str:
    words = _WORDS[part].split()
    text = words[random.integers(len(words))]
    ways = (text, text.upper(), text.capitalize(), str(random.integers(10, 100_000)))
    text = ways[random.choice(4, p=(0.25, 0.35, 0.25, 0.15))]
    if random.random() < 0.3:
        text += f" {words[random.integers(len(words))]}"
    return text


def _write(
    image: MapF32, text: str, face: cv2.FontFace, random: np.random.Generator, *, is_blank: bool
) -> tuple[float, float, float, float] | None:
    """Write a word, half of them on a plate; returns its box. A blank one has a plate at most, and no box."""
    height, width = image.shape[:2]
    letters = _letters(text, face)
    share = np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST)))
    scale = min(share * height / letters.shape[0], 0.9 * width / letters.shape[1])
    mask = _placed(letters, scale, (width, height), random)
    rows, columns = np.nonzero(mask[0] > 0.4)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    if random.random() < 0.5:
        _blend(image, mask[1], _colour(random), 1.0)
    if is_blank:
        return None
    behind = float(image[mask[1] > 0.5].mean())
    colour = _colour(random)
    while abs(float(colour.mean()) - behind) < _CONTRAST:
        colour = _colour(random)
    _blend(image, mask[0], colour, random.uniform(0.8, 1))
    if random.random() < 0.3:
        image[:] = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.2))
    return tuple(float(side) for side in box)  # type: ignore[return-value]


def _letters(text: str, face: cv2.FontFace) -> ImageU8:
    """Draw a word, (h, w) uint8, cut off at its edges."""
    canvas = np.zeros((2 * _DRAWN_PX, _DRAWN_PX * (len(text) + 2), 3), np.uint8)
    cv2.putText(
        canvas, text, (_DRAWN_PX // 2, int(1.4 * _DRAWN_PX)), (255, 255, 255), face, _DRAWN_PX
    )
    rows, columns = np.nonzero(canvas[..., 0] > 99)
    return canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]


def _placed(
    letters: ImageU8, scale: float, size_wh: tuple[int, int], random: np.random.Generator
) -> tuple[MapF32, MapF32]:
    """Turn, tilt and place a word and the plate behind it; two masks (H, W), 0 to 1."""
    height, width = (scale * side for side in letters.shape)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    corners = corners * (1 + random.uniform(-0.12, 0.12, (4, 1)))
    angle = random.normal(0, 10) * np.pi / 180
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = corners @ turn
    low, high = corners.min(axis=0), corners.max(axis=0)
    free = np.maximum(np.array(size_wh) - (high - low), 0)
    corners = corners - low + random.random(2) * free
    drawn_h, drawn_w = letters.shape
    source = np.array([[0, 0], [drawn_w, 0], [drawn_w, drawn_h], [0, drawn_h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    small = cv2.GaussianBlur(letters, (0, 0), max(0.1, 0.4 / scale))
    mask = cv2.warpPerspective(small, matrix, size_wh, flags=cv2.INTER_LINEAR)
    plate = np.zeros(size_wh[::-1], np.uint8)
    wider = corners.mean(axis=0) + (corners - corners.mean(axis=0)) * (
        1 + random.uniform(0.1, 0.4),
        1 + random.uniform(0.3, 1.2),
    )
    cv2.fillConvexPoly(plate, wider.astype(np.int32), 255, cv2.LINE_AA)
    return _share(mask), _share(plate)


def _clutter(image: MapF32, random: np.random.Generator) -> None:
    """Draw something that is no word."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    middle = random.random(2) * (width, height)
    size = np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST))) * height
    kind = random.integers(5)
    thick = int(max(1, size * random.uniform(0.05, 0.2)))
    if kind == 0:  # lines
        for _ in range(random.integers(1, 6)):
            ends = (middle + random.normal(0, 1.5 * size, (2, 2))).astype(int)
            cv2.line(mask, ends[0].tolist(), ends[1].tolist(), 255, thick, cv2.LINE_AA)
    elif kind == 1:  # a polygon
        points = middle + random.normal(0, size, (random.integers(3, 7), 2))
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    elif kind == 2:  # a scribble
        steps = random.normal(0, 0.5 * size, (random.integers(5, 20), 2))
        steps[:, 0] += 0.3 * size
        points = middle + np.cumsum(steps, axis=0) - steps.mean(axis=0)
        cv2.polylines(mask, [points.astype(np.int32)], False, 255, thick, cv2.LINE_AA)
    elif kind == 3:  # bars, as of a fence
        for n in range(random.integers(3, 12)):
            x, y = int(middle[0] + n * 0.6 * size), int(middle[1])
            cv2.line(mask, (x, y), (x, y + int(size)), 255, thick, cv2.LINE_AA)
    else:  # an ellipse
        axes = (random.uniform(0.3, 1.5, 2) * size).astype(int).tolist()
        angle = float(random.uniform(0, 180))
        cv2.ellipse(mask, middle.astype(int).tolist(), axes, angle, 0, 360, 255, -1, cv2.LINE_AA)
    _blend(image, _share(mask), _colour(random), random.uniform(0.7, 1))


def _share(mask: NDArray[Any]) -> MapF32:
    return np.asarray(mask, np.float32) / np.float32(255)


def _colour(random: np.random.Generator) -> MapF32:
    grey = random.random() < 0.5
    value = np.full(3, random.uniform(0, 255)) if grey else random.uniform(0, 255, 3)
    return value.astype(np.float32)


def _blend(image: MapF32, mask: MapF32, colour: MapF32, strength: float) -> None:
    part = (mask * strength)[..., np.newaxis]
    image[:] = image * (1 - part) + colour * part
