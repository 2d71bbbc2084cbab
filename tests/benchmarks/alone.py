"""How many pictures a second is a model worth, with nothing around it?

    python -m tests.benchmarks.alone [MODEL or MODEL@SIZE ...] [--workers 2] [--rounds 8] [--each 40]

One frame of the sample clip, enlarged to 1280x720 pixels, from its pixels to its maps, resizing included: by one
worker with a thread of its own, and by several at once. The models take turns in one run; medians, and
the time of a picture as a multiple of the first model's. Nothing else may run on the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from camstream.commands.demo import sample_clip
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.sources.file import FileSource

MODELS = ("efficientnet_lite0", "person@224", "person", "person@352", "person@448")
FRAME_WH = (1280, 720)


@dataclass(slots=True)
class Timed:
    """A model and what it took.

    Attributes:
        name: As it was given.
        workers: One session each, one thread each.
        alone_s: A picture's time by one worker, of each round.
        together_s: The time between pictures of all workers together, of each round.
    """

    name: str
    workers: list[Model]
    alone_s: list[float] = field(default_factory=list)
    together_s: list[float] = field(default_factory=list)

    def run(self, image: ImageU8, count: int) -> None:
        """Time one round."""

        def look(worker: Model) -> None:
            for _ in range(count):
                worker.predict(image)

        begin = time.perf_counter()
        look(self.workers[0])
        self.alone_s.append((time.perf_counter() - begin) / count)
        begin = time.perf_counter()
        with ThreadPoolExecutor(len(self.workers)) as pool:
            list(pool.map(look, self.workers))
        self.together_s.append((time.perf_counter() - begin) / count / len(self.workers))


def open_model(text: str, workers: int) -> Timed:
    """Open MODEL or MODEL@SIZE, once for each worker."""
    name, _, size = text.partition("@")
    path = zoo.find_model(name)
    side = int(size) if size else None
    sessions = [Model(path, device="cpu", threads=1, input_size=side) for _ in range(workers)]
    return Timed(text, sessions)


def frame() -> ImageU8:
    """Give a frame of the sample clip, of the size that cameras have."""
    source = FileSource(sample_clip())
    picture = next(iter(source)).picture.bgr()
    source.close()
    return np.asarray(cv2.resize(picture, FRAME_WH, interpolation=cv2.INTER_CUBIC), np.uint8)


def main() -> int:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--each", type=int, default=40, help="pictures of a worker in a round")
    options = parser.parse_args()
    image = frame()
    models = [open_model(text, options.workers) for text in options.models]
    for _ in track(range(options.rounds), "rounds"):
        for model in models:
            model.run(image, options.each)
    table = Table("model", "input", "one worker", "ratio", f"{options.workers} workers")
    first = statistics.median(models[0].alone_s)
    for model in models:
        width, height = model.workers[0].input_size_wh(Picture.from_bgr(image))
        alone, together = statistics.median(model.alone_s), statistics.median(model.together_s)
        table.add_row(
            model.name,
            f"{width}x{height}",
            f"{alone * 1000:.1f} ms",
            f"{alone / first:.2f}",
            f"{1 / together:.0f} pictures/s",
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
