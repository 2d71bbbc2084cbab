"""Which input size names most photos right, and what does it cost? One table.

    python -m tests.benchmarks.input_size [DATA] [--rounds 60] [--no-int8]

DATA is the folder of photos beside the project, ../shared/data. Names: ``imagenet1k_photos``, one
photo of each of 500 classes. Names and boxes: ``boxes/imagenette_val``, 250 photos that their
publisher stretched to 224x224 pixels, so that more pixels bring them nothing new.

"whole" is what camstream does: the whole photo, its shape kept as far as multiples of 32 allow, with
as many pixels as a square of that side. "stretched" makes it a square, "padded" puts it on a grey
square. "shorter side 256, crop 224" is the source network's usual test, and "published" that of its
authors: the middle 224 / (224 + 32) of the shorter side, bicubic. Both look at a part only.

Time: a photo of 400x300 pixels from its pixels to its maps, resizing included, on one thread, all
rows in turns in one run; "1080p" is the same for a frame of 1920x1080. Only the ratios to the default
size are worth quoting.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from camstream import media
from camstream.evaluate import metrics
from camstream.evaluate.annotations import GroundTruth, read_ground_truths
from camstream.evaluate.measure import read_photo
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.quantize import Precision
from camstream.maps.boxes import largest_box
from camstream.models import zoo
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from tests.benchmarks.speed import in_turns

DATA = Path(__file__).parents[3] / "shared" / "data"
SIDES = (192, 224, 256, 288, 320, 352, 384)
INT8_SIDES = (224, 256, 288, 320)
DEFAULT_SIDE = 224
GREY = 127
ROUNDS = 60


Photo = tuple[ImageU8, int]  # and its class


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to show a picture to the network.

    Attributes:
        name: Of its row.
        model: The network at one input size.
        cut: What is done to the picture before, (H, W, 3) BGR to the same.
        is_whole: Whether it is the whole picture, unmoved, so that boxes can be compared.
    """

    name: str
    model: Model
    cut: Callable[[ImageU8], ImageU8] = lambda image: image
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one variant; shares 0 to 1, None where one has no meaning.

    Attributes:
        top1: Photos named right.
        top5: Photos whose class is among the best five.
        top1_boxed: Photos of ``imagenette_val`` named right.
        boxes: Things of ``imagenette_val`` boxed at IoU 0.5, by the 20 % rule.
        photo_ms: A photo of 400x300 pixels, to its maps.
        frame_ms: A frame of 1920x1080 pixels, to its maps.
    """

    top1: float
    top5: float
    top1_boxed: float | None
    boxes: float | None
    photo_ms: float
    frame_ms: float


def padded(image: ImageU8) -> ImageU8:
    """Put a picture in the middle of a grey square, its shape kept."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), GREY, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def usual_crop(image: ImageU8, *, shorter: int = 256, side: int = 224) -> ImageU8:
    """Resize the shorter side, and crop a square from the middle."""
    height, width = image.shape[:2]
    scale = shorter / min(height, width)
    size_wh = max(side, round(width * scale)), max(side, round(height * scale))
    resized = Picture.from_bgr(image).bgr(size_wh)
    left, top = (size_wh[0] - side) // 2, (size_wh[1] - side) // 2
    return np.ascontiguousarray(resized[top : top + side, left : left + side])


def published_crop(image: ImageU8, *, side: int = 224, margin: int = 32) -> ImageU8:
    """Crop as the network's authors do: a padded centre crop, resized by cubic interpolation."""
    height, width = image.shape[:2]
    crop = int(side / (side + margin) * min(height, width))
    top, left = (height - crop + 1) // 2, (width - crop + 1) // 2
    part = image[top : top + crop, left : left + crop]
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def variants(file: Path, lower: Path | None) -> list[Variant]:
    """List the rows: every size, other shapes at two sizes, the crops, and 8-bit weights."""
    at = partial(Model, file, device="cpu", threads=1)
    rows = [Variant(name=f"whole {side}", model=at(input_size=side)) for side in SIDES]
    for side in (DEFAULT_SIDE, 256):
        square = at(size_wh=(side, side))
        rows.append(Variant(name=f"stretched {side}", model=square))
        rows.append(Variant(name=f"padded {side}", model=square, cut=padded, is_whole=False))
    square = at(size_wh=(224, 224))
    crops = (("shorter side 256, crop 224", usual_crop), ("published", published_crop))
    rows += [Variant(name=name, model=square, cut=cut, is_whole=False) for name, cut in crops]
    if lower is not None:
        rows += [
            Variant(
                name=f"int8, whole {side}",
                model=Model(lower, device="cpu", threads=1, input_size=side),
            )
            for side in INT8_SIDES
        ]
    return rows


def measure(variant: Variant, photos: Sequence[Photo], boxed: Sequence[GroundTruth]) -> Row:
    """Name every photo, and box the things whose boxes are known; the times come later."""
    ranks = np.array([_rank(variant, image, class_index) for image, class_index in photos])
    top1_boxed = boxes = None
    if variant.is_whole:
        found = [_look_for(variant.model, one) for one in boxed]
        top1_boxed = float(np.mean([is_named for is_named, _ in found]))
        boxes = metrics.share_right(np.array([iou for _, iou in found]))
    row = Row(
        top1=float((ranks < 1).mean()),
        top5=float((ranks < 5).mean()),
        top1_boxed=top1_boxed,
        boxes=boxes,
        photo_ms=0.0,
        frame_ms=0.0,
    )
    print(f"{variant.name}: top-1 {row.top1:.1%}, top-5 {row.top5:.1%}, {boxes=}", flush=True)
    return row


def _rank(variant: Variant, image: ImageU8, class_index: int) -> int:
    """Return the rank of a class in a photo, from 0; 5 where it is none of the best five."""
    top = variant.model.predict(variant.cut(image)).top
    return [*(one.class_index for one in top), class_index].index(class_index)


def _look_for(model: Model, truth: GroundTruth) -> tuple[bool, float]:
    """Return whether a thing is named right, and the IoU of its box by the paper's 20 % rule."""
    image = read_photo(truth)
    prediction = model.predict(image, classes=[truth.class_index])
    box = largest_box(prediction.cam.displayed[0], (image.shape[1], image.shape[0]))
    is_named = prediction.top[0].class_index == truth.class_index
    return is_named, 0.0 if box is None else metrics.best_iou([box], truth.truth)


def timed(rows: Sequence[Variant], rounds: int) -> list[tuple[float, float]]:
    """Time every variant on a photo and on a large frame, in turns; milliseconds."""
    rng = np.random.default_rng(0)
    times = []
    for width, height in ((400, 300), (1920, 1080)):
        image = rng.integers(0, 255, (height, width, 3), np.uint8)
        runs = [partial(_look, variant, image) for variant in rows]
        times.append(in_turns(rounds, *runs))
    return list(zip(*times, strict=True))


def _look(variant: Variant, image: ImageU8) -> None:
    variant.model.predict(variant.cut(image))


def make_int8(file: Path, pictures: Path, folder: Path) -> Path:
    """Write the network with 8-bit weights, calibrated on pictures that are not the photos named."""
    lower = folder / "int8.onnx"
    precision = Precision("int8", pictures)
    add_cam_to_file(file, lower, Overrides(), precision=precision, progress=lambda _: None)
    return lower


def to_table(names: Sequence[str], rows: Sequence[Row], title: str) -> Table:
    """Lay the figures out; times as ratios to the default size."""
    table = Table(title=title)
    table.add_column("input")
    heads = ("top-1", "top-5", "stretched: top-1", "boxes", "ms", "ratio", "1080p: ms", "ratio")
    for head in heads:
        table.add_column(head, justify="right")
    default = rows[names.index(f"whole {DEFAULT_SIDE}")]
    for name, row in zip(names, rows, strict=True):
        shares = (row.top1, row.top5, row.top1_boxed, row.boxes)
        table.add_row(
            name,
            *("-" if share is None else f"{share * 100:.1f}" for share in shares),
            f"{row.photo_ms:.1f}",
            f"{row.photo_ms / default.photo_ms:.2f}",
            f"{row.frame_ms:.1f}",
            f"{row.frame_ms / default.frame_ms:.2f}",
        )
    return table


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="frames timed a row")
    parser.add_argument("--no-int8", action="store_true", help="leave out 8-bit weights")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    model = zoo.load_model(device="cpu")
    boxed_set = arguments.data / "boxes" / "imagenette_val"
    photos = sorted((arguments.data / "imagenet1k_photos").glob("*.jpg"))
    boxed, _ = read_ground_truths(
        boxed_set / "images", boxed_set / "boxes.csv", ClassNames(model.info.labels)
    )
    if not photos:
        sys.exit(f"no photos are in {arguments.data}: give the folder that holds imagenet1k_photos")
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        lower = None
        if not arguments.no_int8:
            lower = make_int8(model.path, boxed_set / "images", Path(folder))
        ways = variants(model.path, lower)
        images = [(media.read_photo(photo), int(photo.stem)) for photo in photos]
        shares = [measure(way, images, boxed) for way in ways]
        rows = [
            dataclasses.replace(row, photo_ms=photo_ms, frame_ms=frame_ms)
            for row, (photo_ms, frame_ms) in zip(shares, timed(ways, arguments.rounds), strict=True)
        ]
    title = f"{len(photos)} photos, {len(boxed)} stretched ones with boxes; {model.info.name}"
    Console(width=120).print(to_table([way.name for way in ways], rows, title))


if __name__ == "__main__":
    main()
