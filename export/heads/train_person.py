"""Train and judge the model ``person``: ``python -m export.heads.train_person FOLDER [--write]``.

FOLDER has ``person/yes`` and ``person/no`` with photos, whose names begin with their source, and
``videos`` with ``presence.csv``. The photos are stretched to squares, since some publishers did
so to theirs and the shape would tell the label. Prints every figure of docs/person.md.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from camstream import catalog
from camstream.errors import SourceError
from camstream.model import Model
from camstream.source.file import FileSource
from export.heads import shipped
from export.teach.album import Album, open_album
from export.teach.command import look_with_bar, to_lesson
from export.teach.features import Look
from export.teach.fit import fit
from export.teach.rehead import save
from export.teach.report import show, sum_up
from export.teach.trunk import Trunk

NAMES = {"yes": "person", "no": "no person"}
_TIMED = 200


def photos(folder: Path) -> Album:
    """List the photos, with the names of the new classes."""
    album = open_album(folder)
    if set(album.labels) != set(NAMES):
        raise SourceError(f"{folder} does not hold the folders yes and no")
    return dataclasses.replace(album, labels=tuple(NAMES[label] for label in album.labels))


def judge_presence(model: Model, videos: Path) -> None:
    """Count the right frames of the clips whose presence is known."""
    with (videos / "presence.csv").open(newline="", encoding="utf-8") as file:
        ranges = list(csv.DictReader(file))
    for name in sorted({row["file"] for row in ranges}):
        truth = {
            index: row["person"]
            for row in ranges
            if row["file"] == name
            for index in range(int(row["first_frame"]), int(row["last_frame"]) + 1)
        }
        right, wrong = 0, list[int]()
        source = FileSource(videos / name)
        for frame in source:
            if frame.index in truth:
                seen = model.infer(frame).top[0].label
                if seen == NAMES[truth[frame.index]]:
                    right += 1
                else:
                    wrong.append(frame.index)
        source.close()
        print(f"{name}: {right} of {len(truth)} unambiguous frames right; wrong: {wrong[:20]}")


def judge_scenes(model: Model, videos: Path) -> None:
    """Tell in how many frames of each clip a person is seen."""
    for path in sorted(videos.iterdir()):
        if path.suffix == ".csv":
            continue
        source = FileSource(path)
        seen = [
            model.infer(frame).top[0].label == "person" for frame in source if frame.index % 5 == 0
        ]
        source.close()
        print(f"{path.name}: a person in {np.mean(seen):.1%} of {len(seen)} frames (every 5th)")


def time_model(model: Model) -> None:
    """Tell the model's own speed on a 16:9 picture."""
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    times = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        model.predict(picture)
        times.append(time.perf_counter() - started)
    rate_hz = 1 / float(np.median(times))
    print(f"the model alone: {rate_hz:.0f} frames/s, {rate_hz / 30:.1f} times 30")


def main() -> None:
    """Read the command line, train, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224, help="Side of the square, pixels.")
    parser.add_argument("--write", action="store_true", help="Replace the layer that is shipped.")
    options = parser.parse_args()
    trunk = Trunk(catalog.model_path(say=print))
    look = Look((options.size, options.size), stretch=True)
    gallery = look_with_bar(photos(options.folder / "person"), trunk, look)
    fitted = fit(gallery.samples(), say=print)
    show(sum_up(gallery, fitted), Console(highlight=False, soft_wrap=True))
    lesson = to_lesson(gallery, trunk, look, fitted, "no person")
    if options.write:
        shipped.write("person", lesson, trunk)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "person.onnx"
        print(save(trunk, lesson, path, name="person").proof)
        model = Model(path)
        judge_presence(model, options.folder / "videos")
        judge_scenes(model, options.folder / "videos")
        time_model(model)


if __name__ == "__main__":
    main()
