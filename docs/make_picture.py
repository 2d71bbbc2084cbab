"""Makes the pictures of the README and of docs/person.md: frames of the project's clips as camstream annotates them.

python docs/make_picture.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import camstream
from camstream.commands.demo import sample_clip
from camstream.drawing.overlay import Style, annotate
from camstream.maps.select import MapSelector, Selection
from camstream.models.session import Model
from camstream.sources.file import FileSource

TILE_WH = (480, 270)
COLUMNS = 3


def picture_of(clip: Path, model: Model, style: Style, frames: tuple[int, ...], path: Path) -> None:
    """Write a table of a clip's frames, as ``camstream annotate`` shows them."""
    look = MapSelector(model.infer, model.info, Selection())
    tiles = []
    for frame in FileSource(clip):
        prediction = look(frame)
        if frame.index in frames:
            image = annotate(prediction, model.info.cam_range, style).picture.bgr()
            tiles.append(cv2.resize(image, TILE_WH, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    """Write docs/sample.jpg, docs/people.jpg and docs/missed.jpg."""
    folder = Path(__file__).parent
    sample = (30, 90, 130, 215, 250, 330)
    people = (40, 110, 160, 325, 400, 500)
    missed = (87, 302, 312)  # somebody is there
    picture_of(sample_clip(), camstream.load_model(), Style(), sample, folder / "sample.jpg")
    for frames, name in ((people, "people.jpg"), (missed, "missed.jpg")):
        picture_of(
            sample_clip("people"),
            camstream.load_model("person"),
            Style(show_boxes=True),
            frames,
            folder / name,
        )


if __name__ == "__main__":
    main()
