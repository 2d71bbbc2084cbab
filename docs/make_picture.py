"""Makes the README's picture: frames of the sample clip as camstream annotates them.

python docs/make_picture.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import camstream
from camstream.demo import sample_clip

FRAMES = (30, 90, 130, 215, 250, 330)
TILE_WH = (480, 270)
COLUMNS = 3


def main() -> None:
    """Write docs/sample.jpg."""
    model = camstream.load_model()
    tiles = []
    with camstream.stream(sample_clip(), model) as predictions:
        for prediction in predictions:
            if prediction.frame.index in FRAMES:
                image = camstream.draw(prediction, model)
                tiles.append(cv2.resize(image, TILE_WH, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    path = Path(__file__).parent / "sample.jpg"
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
