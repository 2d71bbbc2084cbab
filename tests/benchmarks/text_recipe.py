"""A text detector learnt from photo labels alone, as the paper's section 4.3: the recipe, measured.

    python -m tests.benchmarks.text_recipe [DATA] [--each 200] [--sizes 224 448] [--folder FOLDER]
    python -m tests.benchmarks.text_recipe --photos MINE --write FOLDER    # only a folder for teach
    python -m tests.benchmarks.text_recipe [DATA] --picture FILE.jpg

DATA is the folder of photos beside the project, ../shared/data. Words are written onto photos of three
sources (``tests.benchmarks.text_set``): rooms and houses, Caltech 101, ImageNet. ``camstream teach``
learns "text" and "no text" from two of them, and is judged on the third, with other words and other
fonts; each source is left out once. No place is ever learnt: where the word is comes from the map.

AUC and right (mean of both classes) are of photos; peak in box and boxes with an IoU of 0.5 (around the
largest region above 20 and 50 % of the map's maximum) of those with a word, whatever the model says. By chance, a peak lies in the
box as often as the box is large.

--picture teaches on all three sources, and draws frames of the project's own sample clips with and without
words, and two pages of print that come with scikit-image.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage import data as skimage_data
from sklearn.metrics import roc_auc_score

import camstream
from camstream.commands.demo import sample_clip
from camstream.evaluate import metrics
from camstream.frame import Box
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import save
from camstream.maps import cam as cams
from camstream.maps.boxes import PAPER_RATIO, largest_box
from camstream.media import read_photo
from camstream.models import zoo
from camstream.models.session import Model
from camstream.sources.file import FileSource
from camstream.teach.dataset import find_background
from camstream.teach.features import FeatureOptions, FeatureSet
from camstream.teach.fit import fit
from camstream.teach.run import Request, compute_features, to_linear_head
from tests.benchmarks.text_set import TEXT, Scene, fonts, make_scene, write_folder

DATA = Path(__file__).parents[3] / "shared" / "data"
SOURCES = {"houses": "houses", "caltech101": "caltech101", "imagenet1k": "imagenet1k"}
TIGHT_RATIO = 0.5  # ``--box-threshold 50%``
# Clip, frame, whether a word is written onto it; and the chance that words and clutter are drawn by.
_FRAMES: tuple[tuple[Literal["sample", "people"], int, bool], ...] = (
    ("sample", 30, True),
    ("people", 110, True),
    ("sample", 215, True),
    ("people", 325, False),
)
_SEED = 3
_TILE_WH = (400, 225)
_BINS = ((0.0, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a model said of a photo.

    Attributes:
        has_text: The truth.
        score: Probability of text.
        height: Of the word's box, as a part of the photo's.
        share: Of the word's box, as a part of the photo's area.
        is_hit: Whether the map's peak lies in the word's box.
        iou: With the word's box, of that around the largest region above 20 % of the map's maximum.
        tight_iou: The same above 50 %.
    """

    has_text: bool
    score: float
    height: float = 0.0
    share: float = 0.0
    is_hit: bool = False
    iou: float = 0.0
    tight_iou: float = 0.0


def photos_of(data: Path, each: int) -> dict[str, list[Path]]:
    """List some photos of each source, evenly over it."""
    found = {}
    for source, prefix in SOURCES.items():
        every = sorted((data / "person" / "no").glob(f"{prefix}_*.jpg"))
        found[source] = every[:: max(1, len(every) // each)][:each]
    return found


def taught(
    features: FeatureSet, backbone: Backbone, size: int, without: str, output: Path
) -> Model:
    """Teach a model as ``camstream teach`` does, on all sources but one."""
    is_in = np.array([source != without for source in features.sources])
    samples = tuple(one for one in features.dataset.samples if one.source != without)
    part = dataclasses.replace(
        features,
        dataset=dataclasses.replace(features.dataset, samples=samples),
        names=tuple(itertools.compress(features.names, is_in)),
        targets=features.targets[is_in],
        sources=tuple(itertools.compress(features.sources, is_in)),
        groups=features.groups[is_in],
        features=features.features[is_in],
    )
    fitted = fit(part.training_data())
    background = find_background(features.dataset.labels)
    options = FeatureOptions(size_hw=(size, size))
    save(backbone, to_linear_head(part, backbone, options, fitted, background), output)
    return Model(output, device="cpu", threads=1)


def judge(model: Model, scene: Scene) -> Judged:
    """Look at a photo."""
    index = model.info.labels.index(TEXT)
    prediction = model.predict(scene.image, classes=[index])
    score = float(prediction.scores[index])
    if scene.box is None:
        return Judged(has_text=False, score=score)
    cam, size_wh = prediction.cam.maps[0], prediction.frame.picture.size_wh
    true = np.array([scene.box])
    loose, tight = (largest_box(cam, size_wh, ratio=ratio) for ratio in (PAPER_RATIO, TIGHT_RATIO))
    return Judged(
        has_text=True,
        score=score,
        height=scene.height,
        share=Box(scene.box).area / (size_wh[0] * size_wh[1]),
        is_hit=metrics.is_hit(cams.find_peak(cams.enlarge(cam), size_wh).xy, true),
        iou=metrics.best_iou([loose] if loose else [], true),
        tight_iou=metrics.best_iou([tight] if tight else [], true),
    )


def add_rows(table: Table, name: str, judged: list[Judged]) -> None:
    """Add the figures of some photos; of all words, and by their size."""
    truth = np.array([one.has_text for one in judged])
    scores = np.array([one.score for one in judged])
    right = (np.mean(scores[truth] >= 0.5) + np.mean(scores[~truth] < 0.5)) / 2
    auc = f"{roc_auc_score(truth, scores):.3f}"
    for low, high in (_BINS[0][0], _BINS[-1][1]), *_BINS:
        words = [one for one in judged if one.has_text and low <= one.height < high]
        is_all = (low, high) == (_BINS[0][0], _BINS[-1][1])
        table.add_row(
            name if is_all else f"  height {low:.3g} to {high:.3g}",
            auc if is_all else "",
            f"{right:.1%}" if is_all else "",
            str(len(words)),
            *(
                f"{np.mean(values):.1%}"
                for values in (
                    [one.score >= 0.5 for one in words],
                    [one.is_hit for one in words],
                    [one.share for one in words],
                    [one.iou >= metrics.IOU for one in words],
                    [one.tight_iou >= metrics.IOU for one in words],
                )
            ),
        )


def learn_from(
    photos: dict[str, list[Path]], size: int, folder: Path
) -> tuple[FeatureSet, Backbone]:
    """Write a folder for ``camstream teach``, and compute its features."""
    made = folder / "photos"
    if not made.is_dir():
        write_folder(made, [(source, path) for source in photos for path in photos[source]])
    options = FeatureOptions(size_hw=(size, size))
    request = Request(folder=made, output=folder / "text.onnx", options=options, overwrite=True)
    return compute_features(request, zoo.find_model())


def measure(photos: dict[str, list[Path]], size: int, folder: Path) -> Table:
    """Leave each source out once; lay out what the models say of it."""
    features, backbone = learn_from(photos, size, folder)
    table = Table(title=f"--model-size {size}x{size}, {len(features.names)} photos to learn from")
    table.add_column("source left out")
    for head in ("AUC", "right", "words", "found", "peak in box", "by chance", "box 20 %", "50 %"):
        table.add_column(head, justify="right")
    everything, faces = [], fonts("judged")
    for source in photos:
        model = taught(features, backbone, size, source, folder / f"{source}-{size}.onnx")
        judged = [
            judge(model, make_scene(read_photo(path), seed, "judged", faces, with_text=with_text))
            for seed, path in enumerate(photos[source])
            for with_text in (True, False)
        ]
        everything += judged
        add_rows(table, source, judged)
    add_rows(table, "all", everything)
    return table


def draw_picture(model: Model, path: Path) -> None:
    """Draw frames of the sample clips and pages of print, as the model sees them."""
    images = []
    for number, (name, index, with_text) in enumerate(_FRAMES):
        with contextlib.closing(FileSource(sample_clip(name))) as frames:
            frame = next(itertools.islice(frames, index, None)).picture.bgr()
        scene = make_scene(frame, _SEED + number, "judged", fonts("judged"), with_text=with_text)
        images.append(scene.image)
    printed: Any = skimage_data
    prints = (printed.page(), printed.text())
    images += [np.asarray(cv2.cvtColor(one, cv2.COLOR_GRAY2BGR), np.uint8) for one in prints]
    tiles = []
    for image in images:
        width, height = _TILE_WH
        scale = max(width / image.shape[1], height / image.shape[0])
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        top, left = ((large.shape[k] - (height, width)[k]) // 2 for k in (0, 1))
        part = np.ascontiguousarray(large[top : top + height, left : left + width], np.uint8)
        tiles.append(model.predict(part).draw(camstream.Style(show_boxes=True)))
    half = len(tiles) // 2
    sheet = np.vstack([np.hstack(tiles[:half]), np.hstack(tiles[half:])])
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--each", type=int, default=200, help="photos of a source")
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 448])
    parser.add_argument("--folder", type=Path, help="a folder that photos and models are kept in")
    parser.add_argument("--write", type=Path, help="only write a folder for teach")
    parser.add_argument("--picture", type=Path, help="only draw the picture of the manual")
    parser.add_argument("--photos", type=Path, help="your photos that --write writes words onto")
    arguments = parser.parse_args()
    if arguments.write is not None:
        own = sorted((arguments.photos or arguments.data).rglob("*.jpg"))
        if not own:
            sys.exit(f"no photos (.jpg) are in {arguments.photos or arguments.data}")
        write_folder(arguments.write, [(path.parent.name, path) for path in own])
        return
    photos = photos_of(arguments.data, arguments.each)
    if not all(photos.values()):
        sys.exit(f"{arguments.data} lacks person/no")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.picture is not None:
            features, backbone = learn_from(photos, arguments.sizes[-1], folder)
            model = taught(features, backbone, arguments.sizes[-1], "", folder / "text.onnx")
            draw_picture(model, arguments.picture)
            return
        for size in arguments.sizes:
            Console(width=110).print(measure(photos, size, folder))


if __name__ == "__main__":
    main()
