"""Chooses the settings of ``--sharp`` and tells what they, and other ways, are worth and cost.

    python tests/benchmarks/sharp.py ../shared/data          the settings, and what they give
    python tests/benchmarks/sharp.py ../shared/data --all    every way that was tried

EfficientNet-Lite0 with its packaged weights. A thing is found where the box around the largest
region of its class's map has an IoU of at least 0.5 with a true one.

Halves of imagenette_val: the photos of each class, by name, go to A and B in turns. A setting is
chosen by the share found on half A; of equals, by the mean of the shares on fruit and
traffic_light. It is reported on half B.

B was looked at while the ways were tried, so it is not blind. Therefore the same choice, among the
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
from camstream.evaluate.annotations import Thing, read_things
from camstream.evaluate.measure import look_at
from camstream.maps import cam as cams
from camstream.maps.boxes import find_boxes
from camstream.models import zoo as catalog
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from export.source import load_named
from export.to_onnx import export
from tests.benchmarks.speed import in_turns

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.sharp_ways import (
    PLAIN,
    SHARP_SIDES,
    SIDES,
    WAYS,
    Looker,
    Seen,
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

    def __init__(self, way: Way, things: Iterable[Seen]) -> None:
        rows: dict[str, list[float]] = defaultdict(list)
        rules = way.rules()
        for seen in things:
            for setting, cam in way.maps(seen):
                fine = cams.enlarge(np.ascontiguousarray(cam, np.float32))
                for text, rule in rules.items():
                    boxes = find_boxes(fine, seen.size_wh, rule(fine))[:1]
                    name = ", ".join(filter(None, (setting, text if len(rules) > 1 else "")))
                    rows[name].append(metrics.best_iou(boxes, seen.thing.truth))
        self.names = list(rows)
        self.found = np.array(list(rows.values())) >= metrics.IOU

    def of_sides(self, sides: Iterable[int]) -> Trials:
        """Keep the settings of some input sides."""
        kept = [n for n, name in enumerate(self.names) if int(name.split(":")[0]) in set(sides)]
        part = copy.copy(self)
        part.names, part.found = [self.names[n] for n in kept], self.found[kept]
        return part

    def choose(self, half: Mask, others: list[Mask]) -> int:
        """Give the setting that finds most in a half; of equals, most in the other sets."""
        shares = np.mean([self.found[:, other].mean(axis=1) for other in others], axis=0)
        return int(np.lexsort((shares, self.found[:, half].sum(axis=1)))[-1])


def halve(things: list[Thing], order: Callable[[int], NDArray[np.int64]]) -> Mask:
    """Give every second thing of each class, in an order of each class's things."""
    half = np.zeros(len(things), np.bool_)
    by_class: dict[int, list[int]] = defaultdict(list)
    for position, thing in sorted(enumerate(things), key=lambda item: item[1].path.name):
        by_class[thing.class_index].append(position)
    for number, positions in enumerate(by_class.values()):
        # Classes with an odd number give the one more to A and B in turns.
        half[np.array(positions)[order(len(positions))][number % 2 :: 2]] = True
    return half


class Judge:
    """The halves that settings are chosen on and reported on."""

    def __init__(self, things: dict[str, list[Thing]]) -> None:
        every = [thing for name in SETS for thing in things[name]]
        sets = np.repeat(range(len(SETS)), [len(things[name]) for name in SETS])
        self._sets = {name: sets == number for number, name in enumerate(SETS)}
        self._others = [self._sets[name] for name in SETS[1:]]
        random, first = np.random.default_rng(0), len(things[SETS[0]])

        def whole(half: Mask) -> Mask:
            return np.concatenate([half, np.zeros(len(every) - first, np.bool_)])

        self._half_a = whole(halve(every[:first], np.arange))
        self._random = [whole(halve(every[:first], random.permutation)) for _ in range(HALVES)]

    def row(self, trials: Trials) -> tuple[str, str]:
        """Give what a way is worth, in the columns of TITLE, and its chosen setting."""
        whole = self._sets[SETS[0]]
        chosen = trials.choose(self._half_a, self._others)
        masks = [self._half_a, whole & ~self._half_a, *self._sets.values()]
        shares = [100 * trials.found[chosen, mask].mean() for mask in masks]
        again = [
            100 * trials.found[trials.choose(half, self._others), whole & ~half].mean()
            for half in self._random
        ]
        shown = "".join(f"{share:7.1f}" for share in shares)
        return f"{shown}{np.mean(again):8.1f} +- {np.std(again):.1f}", trials.names[chosen]


TITLE = "      A      B  A + B  fruit lights   random halves"


def looking(things: Sequence[T], at: str) -> Iterable[T]:
    """Go through things with a bar that does not end up among the figures."""
    return track(things, at, console=console, transient=True)


def times(plain: Model, sharp: Model, dilated: Path) -> dict[str, float]:
    """Time a frame by each way against the plain one, all in turns: medians of one run."""
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)

    def run(model: Model) -> Callable[[], object]:
        return lambda: cams.enlarge(model.predict(image).cam.shown[0])

    def flipped() -> None:
        both = plain.predict(image).cam.maps + plain.predict(image[:, ::-1]).cam.maps
        cams.enlarge(both[0])

    def at(side: int, *, is_sharp: bool = False) -> Callable[[], object]:
        return run(Model(plain.path, device="cpu", size_wh=(side, side), sharp=is_sharp))

    large = at(320)
    ways: dict[str, Callable[[], object]] = {
        "plain": run(plain),
        "--sharp": run(sharp),
        "finer map by dilation": run(Model(dilated, device="cpu")),
        "flip": flipped,
        "input of 256": at(256),
        "input of 288": at(288),
        "input of 320": large,
        "two scales, 224 and 320": lambda: (run(plain)(), large()),
        "guided filter": lambda: guided(plain.predict(image).cam.maps[0], image, 16, 1e-2),
        "early layer, input of 224": at(224, is_sharp=True),
        "early layer, input of 256": at(256, is_sharp=True),
        "early layer, input of 288": at(288, is_sharp=True),
        "early layer, input of 320": at(320, is_sharp=True),
    }
    found = dict(zip(ways, in_turns(ROUNDS, *ways.values()), strict=True))
    return {name: ms / found["plain"] for name, ms in found.items()}


def shipped(model: Model, things: list[Thing]) -> float:
    """Measure the program itself, in percent of things found."""
    trials = [look_at(model, thing).trials["map"].iou for thing in looking(things, "looking")]
    return 100 * metrics.share_right(np.array(trials))


def main() -> None:
    """Look at every photo, choose, print."""
    parser = argparse.ArgumentParser(description="What --sharp is worth")
    parser.add_argument("data", type=Path, help="the folder with boxes/")
    parser.add_argument("--all", action="store_true", help="every way that was tried")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    path = catalog.model_path()
    plain, sharp = (Model(path, device="cpu", sharp=is_sharp) for is_sharp in (False, True))
    things: dict[str, list[Thing]] = {}
    for name in SETS:
        folder = arguments.data / "boxes" / name
        names = ClassNames(plain.info.labels)
        things[name], _ = read_things(folder / "images", folder / "boxes.csv", names)
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        dilated = Path(scratch) / "dilated.onnx"
        export(load_named(plain.info.name), dilated, map_stride=16)
        costs = times(plain, sharp, dilated)
        looker = Looker(path, dilated)
        every = [thing for name in SETS for thing in things[name]]
        seen = [looker(thing) for thing in looking(every, "looking")]
        judge = Judge(things)
        print(f"{'% found':30s}{TITLE}   cost  setting")

        def tell(name: str, trials: Trials) -> None:
            shares, setting = judge.row(trials)
            cost = f"{costs[name]:.2f}" if name in costs else ""
            print(f"{name:30s}{shares}{cost:>7s}  {setting}", flush=True)

        for name, way in {"plain": PLAIN, **(WAYS if arguments.all else {})}.items():
            tell(name, Trials(way, looking(seen, name)))
        sides = SIDES if arguments.all else SHARP_SIDES
        joins = Trials(Way(lambda one: joined(one, sides), ("20%",)), looking(seen, "--sharp"))
        for side in sides if arguments.all else ():
            tell(f"early layer, input of {side}", joins.of_sides([side]))
        tell("--sharp", joins.of_sides(SHARP_SIDES))
        print(f"\nthe program with --sharp: {sharp.sharp}")
        for name in SETS:
            print(f"  {name:16s}{shipped(sharp, things[name]):6.1f} % found", flush=True)


if __name__ == "__main__":
    main()
