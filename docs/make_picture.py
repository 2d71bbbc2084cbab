"""Makes the pictures of README and docs: frames of the project's clips as camstream draws them.

python docs/make_picture.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import camstream
from camstream.commands.demo import sample_clip

TILE_WH = (480, 270)
COLUMNS = 3


def write_table(
    clip: Path, model: str, style: camstream.Style, frames: tuple[int, ...], path: Path
) -> None:
    """Write a table of a clip's frames, as ``camstream annotate`` draws them."""
    tiles = []
    with camstream.stream(clip, model) as predictions:
        for prediction in predictions:
            if prediction.frame.index in frames:
                image = prediction.draw(style)
                tiles.append(cv2.resize(image, TILE_WH, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    """Write docs/pictures/sample.jpg, people.jpg and missed.jpg."""
    folder = Path(__file__).parent / "pictures"
    plain, boxed = camstream.Style(), camstream.Style(show_boxes=True)
    sample, people = sample_clip(), sample_clip("people")
    write_table(
        sample, "efficientnet_lite0", plain, (30, 90, 130, 215, 250, 330), folder / "sample.jpg"
    )
    write_table(people, "person", boxed, (40, 110, 160, 325, 400, 500), folder / "people.jpg")
    # Somebody is there, and not seen:
    write_table(people, "person", boxed, (87, 302, 312), folder / "missed.jpg")


if __name__ == "__main__":
    main()
