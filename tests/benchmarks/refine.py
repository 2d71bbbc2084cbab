"""Chooses the settings of ``--refine``; prints the accuracy and cost of them and of other ways.

    python tests/benchmarks/refine.py ../shared/data          the settings, and their accuracy
    python tests/benchmarks/refine.py ../shared/data --all    every way that was tried
    python tests/benchmarks/refine.py ../shared/data --papers the ways of other papers only

EfficientNet-Lite0 with its packaged weights. An object is found where the box around the largest
region of its class's map has an IoU of at least 0.5 with a true one.

Halves of imagenette_val: the photos of each class, by name, go to A and B in turns. A setting is
chosen by the share found on half A; of equals, by the mean of the shares on fruit and
traffic_light. It is reported on half B.

B was used while the ways were tried, so it is not blind. Therefore the same choice, among the
same settings, is repeated for 50 halves drawn at random, class by class: mean and standard
deviation of the half that was not chosen on are the honest figure.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from threadpoolctl import threadpool_limits

from camstream.console import console
from camstream.evaluate import metrics
from camstream.evaluate.annotations import GroundTruth, read_ground_truths
from camstream.evaluate.measure import evaluate_photo
from camstream.maps import cam as cams
from camstream.maps.boxes import find_boxes
from camstream.models import zoo
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from export.source import load_named
from export.to_onnx import export
from tests.benchmarks.speed import in_turns

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.refine_papers import PAPERS
from tests.benchmarks.refine_ways import (
    PLAIN,
    REFINE_SIDES,
    SIDES,
    WAYS,
    TappedPhoto,
    Tapper,
    Way,
    guided,
    joined,
)

SETS = ("imagenette_val", "fruit", "traffic_light")
HALVES = 50
ROUNDS = 100

Mask = NDArray[np.bool_]
T = TypeVar("T")


class Trials:
    """What each setting of a way finds.

    Attributes:
        names: Of the settings.
        found: (settings, things) bool, at IoU 0.5.
    """

    def __init__(self, way: Way, photos: Iterable[TappedPhoto]) -> None:
        rows: dict[str, list[float]] = defaultdict(list)
        rules = way.rules()
        for photo in photos:
            for setting, cam in way.maps(photo):
                fine = cams.enlarge(np.ascontiguousarray(cam, np.float32))
                for text, rule in rules.items():
                    boxes = find_boxes(fine, photo.size_wh, rule(fine))[:1]
                    name = ", ".join(filter(None, (setting, text if len(rules) > 1 else "")))
                    rows[name].append(metrics.best_iou(boxes, photo.ground_truth.truth))
        self.names = list(rows)
        self.found = np.array(list(rows.values())) >= metrics.IOU

    def of_sides(self, sides: Iterable[int]) -> Trials:
        """Keep the settings of some input sides."""
        kept = [n for n, name in enumerate(self.names) if int(name.split(":")[0]) in set(sides)]
        part = copy.copy(self)
        part.names, part.found = [self.names[n] for n in kept], self.found[kept]
        return part

    def choose(self, half: Mask, others: list[Mask]) -> int:
        """Return the setting that finds most in a half; of equals, most in the other sets."""
        shares = np.mean([self.found[:, other].mean(axis=1) for other in others], axis=0)
        return int(np.lexsort((shares, self.found[:, half].sum(axis=1)))[-1])


def halve(ground_truths: list[GroundTruth], order: Callable[[int], NDArray[np.int64]]) -> Mask:
    """Return every second object of each class, in an order of the objects of each class."""
    half = np.zeros(len(ground_truths), np.bool_)
    by_class: dict[int, list[int]] = defaultdict(list)
    for position, ground_truth in sorted(
        enumerate(ground_truths), key=lambda item: item[1].path.name
    ):
        by_class[ground_truth.class_index].append(position)
    for number, positions in enumerate(by_class.values()):
        # Of classes with an odd number, the extra one goes to A and B in turns.
        half[np.array(positions)[order(len(positions))][number % 2 :: 2]] = True
    return half


class Evaluator:
    """The halves that settings are chosen on and reported on."""

    def __init__(self, ground_truths: dict[str, list[GroundTruth]]) -> None:
        every = [ground_truth for name in SETS for ground_truth in ground_truths[name]]
        sets = np.repeat(range(len(SETS)), [len(ground_truths[name]) for name in SETS])
        self._sets = {name: sets == number for number, name in enumerate(SETS)}
        self._others = [self._sets[name] for name in SETS[1:]]
        random, first = np.random.default_rng(0), len(ground_truths[SETS[0]])

        def whole(half: Mask) -> Mask:
            return np.concatenate([half, np.zeros(len(every) - first, np.bool_)])

        self._half_a = whole(halve(every[:first], np.arange))
        self._random = [whole(halve(every[:first], random.permutation)) for _ in range(HALVES)]

    def row(self, localizations: Trials) -> tuple[str, str]:
        """Return the shares of a way, in the columns of TITLE, and its chosen setting."""
        whole = self._sets[SETS[0]]
        chosen = localizations.choose(self._half_a, self._others)
        masks = [self._half_a, whole & ~self._half_a, *self._sets.values()]
        shares = [100 * localizations.found[chosen, mask].mean() for mask in masks]
        again = [
            100
            * localizations.found[localizations.choose(half, self._others), whole & ~half].mean()
            for half in self._random
        ]
        displayed = "".join(f"{share:7.1f}" for share in shares)
        return f"{displayed}{np.mean(again):8.1f} +- {np.std(again):.1f}", localizations.names[
            chosen
        ]


TITLE = "      A      B  A + B  fruit lights   random halves"


def with_bar(ground_truths: Sequence[T], at: str) -> Iterable[T]:
    """Iterate with a progress bar that does not end up among the figures."""
    return track(ground_truths, at, console=console, transient=True)


def times(plain: Model, refine: Model, dilated: Path) -> dict[str, float]:
    """Time a frame by each way against the plain one, all in turns: medians of one run."""
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)

    def run(model: Model) -> Callable[[], object]:
        return lambda: cams.enlarge(model.predict(image).cam.displayed[0])

    def flipped() -> None:
        both = plain.predict(image).cam.maps + plain.predict(image[:, ::-1]).cam.maps
        cams.enlarge(both[0])

    def at(side: int, *, is_refined: bool = False) -> Callable[[], object]:
        return run(Model(plain.path, device="cpu", size_wh=(side, side), refine=is_refined))

    large = at(320)
    ways: dict[str, Callable[[], object]] = {
        "plain": run(plain),
        "--refine": run(refine),
        "finer map by dilation": run(Model(dilated, device="cpu")),
        "flip": flipped,
        "input of 256": at(256),
        "input of 288": at(288),
        "input of 320": large,
        "two scales, 224 and 320": lambda: (run(plain)(), large()),
        "guided filter": lambda: guided(plain.predict(image).cam.maps[0], image, 16, 1e-2),
        "early layer, input of 224": at(224, is_refined=True),
        "early layer, input of 256": at(256, is_refined=True),
        "early layer, input of 288": at(288, is_refined=True),
        "early layer, input of 320": at(320, is_refined=True),
    }
    found = dict(zip(ways, in_turns(ROUNDS, *ways.values()), strict=True))
    return {name: ms / found["plain"] for name, ms in found.items()}


def shipped(model: Model, ground_truths: list[GroundTruth]) -> float:
    """Measure the program itself, in percent of objects found."""
    localizations = [
        evaluate_photo(model, ground_truth).localizations["map"].iou
        for ground_truth in with_bar(ground_truths, "inference")
    ]
    return 100 * metrics.share_right(np.array(localizations))


def main() -> None:
    """Infer every photo, choose, print."""
    parser = argparse.ArgumentParser(description="Measure --refine")
    parser.add_argument("data", type=Path, help="the folder with boxes/")
    parser.add_argument("--all", action="store_true", help="every way that was tried")
    parser.add_argument("--papers", action="store_true", help="the ways of other papers only")
    parser.add_argument("--model", help="another of the EfficientNet-Lite files")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    path = (zoo.find_model(arguments.model) if arguments.model else zoo.find_model()).path
    plain, refine = (Model(path, device="cpu", refine=is_refined) for is_refined in (False, True))
    ground_truths: dict[str, list[GroundTruth]] = {}
    for name in SETS:
        folder = arguments.data / "boxes" / name
        names = ClassNames(plain.info.labels)
        ground_truths[name], _ = read_ground_truths(folder / "images", folder / "boxes.csv", names)
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        dilated = Path(scratch) / "dilated.onnx"
        export(load_named(plain.info.name), dilated, map_stride=16)
        costs = times(plain, refine, dilated)
        tapper = Tapper(path, dilated)
        every = [ground_truth for name in SETS for ground_truth in ground_truths[name]]
        photos = [tapper(ground_truth) for ground_truth in with_bar(every, "inference")]
        evaluator = Evaluator(ground_truths)
        print(f"{'% found':30s}{TITLE}   cost  setting")

        def show(name: str, localizations: Trials) -> None:
            shares, setting = evaluator.row(localizations)
            cost = f"{costs[name]:.2f}" if name in costs else ""
            print(f"{name:30s}{shares}{cost:>7s}  {setting}", flush=True)

        ways = {name: WAYS[name] for name in PAPERS} if arguments.papers else WAYS
        more = arguments.all or arguments.papers
        for name, way in {"plain": PLAIN, **(ways if more else {})}.items():
            show(name, Trials(way, with_bar(photos, name)))
        if arguments.papers:
            return
        sides = SIDES if arguments.all else REFINE_SIDES
        joins = Trials(Way(lambda photo: joined(photo, sides), (20,)), with_bar(photos, "--refine"))
        for side in sides if arguments.all else ():
            show(f"early layer, input of {side}", joins.of_sides([side]))
        show("--refine", joins.of_sides(REFINE_SIDES))
        print(f"\nthe program with --refine: {refine.refinement}")
        for name in SETS:
            print(f"  {name:16s}{shipped(refine, ground_truths[name]):6.1f} % found", flush=True)


if __name__ == "__main__":
    main()
