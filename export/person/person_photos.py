"""The photos that ``person`` is trained on, and a command that finds the people in them.

The command writes the masks that ``export.person.train_person`` reads. It uses MediaPipe's selfie
segmentation (Apache-2.0), whose weights come in its package. MediaPipe needs an older numpy than
camstream, so the command runs in an environment of its own; hence nothing of the project is
imported where this module is loaded:

    python -m venv segment && segment/bin/pip install mediapipe==0.10.21
    segment/bin/python export/person/person_photos.py FOLDER MASKS.npz
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from camstream.teach.dataset import ImageFolder

LABELS = ("no person", "person")
_LABELLED = Path(__file__).with_name("person_boxes.csv")


def photos(folder: Path) -> ImageFolder:
    """List the photos.

    Those in ``person`` are labelled by their folders, those in ``boxes`` by ``person_boxes.csv``,
    which we labelled by eye; doubtful photos, and people smaller than a tenth of the picture, are
    left out.

    Args:
        folder: Contains ``person`` and ``boxes``.

    Raises:
        SourceError: One of them is missing or has other contents.
    """
    from camstream.errors import SourceError
    from camstream.teach.dataset import ImageFolder, Sample, open_dataset

    by_folder = open_dataset(folder / "person")  # photos are named SET_NUMBER.jpg
    if by_folder.labels != ("no", "yes"):
        raise SourceError(f"{folder / 'person'} does not hold the folders no and yes")
    with _LABELLED.open(newline="", encoding="utf-8") as file:
        rows = [(row["file"], row["person"] == "yes") for row in csv.DictReader(file)]
    labelled = [
        Sample(folder / "boxes" / name, f"boxes/{name}", int(person), name.partition("/")[0])
        for name, person in rows
    ]
    by_set = [
        dataclasses.replace(one, source=one.path.stem.partition("_")[0])
        for one in by_folder.samples
    ]
    items = sorted((*by_set, *labelled), key=lambda sample: sample.class_index)
    return ImageFolder(folder, LABELS, tuple(items))


def main() -> None:
    """Write one (H, W) uint8 mask per photo, 255 on people, under yes/NAME."""
    import mediapipe  # type: ignore[import-not-found,unused-ignore]

    parser = argparse.ArgumentParser(description="Find the people in photos.")
    parser.add_argument("folder", type=Path, help="Contains person/yes.")
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
