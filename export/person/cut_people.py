"""Find the people in photos: ``python export/heads/cut_people.py FOLDER MASKS.npz``.

A step before ``export.person.train_person``, with MediaPipe's selfie segmentation (Apache-2.0),
whose weights come in its package. It wants another numpy than camstream does, so it needs an
environment of its own, and imports nothing of the project:

    python -m venv cut && cut/bin/pip install mediapipe==0.10.21
    cut/bin/python export/heads/cut_people.py FOLDER MASKS.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import mediapipe  # type: ignore[import-not-found,unused-ignore]
import numpy as np


def main() -> None:
    """Write one (H, W) uint8 mask a photo, 255 on what was found, under yes/NAME."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="Holds person/yes.")
    parser.add_argument("masks", type=Path, help="The .npz to write.")
    options = parser.parse_args()
    masks = {}
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as segment:
        for path in sorted((options.folder / "person" / "yes").iterdir()):
            image = cv2.imread(str(path))
            if image is None:
                print(f"{path} cannot be read, left out")
                continue
            found = segment.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).segmentation_mask
            masks[f"{path.parent.name}/{path.name}"] = (found * 255).astype(np.uint8)
    np.savez_compressed(options.masks, **masks)
    print(f"{options.masks}: {len(masks)} masks")


if __name__ == "__main__":
    main()
