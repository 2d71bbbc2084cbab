"""Prints what finer maps bring and cost: localisation and time of ``--map-stride``.

    python tests/benchmarks/map_stride.py [FOLDER with images/ and boxes.csv]

EfficientNet-Lite0 with its packaged weights. For every photo: the map of its own class, values
under 20 % of the maximum cut, the box around the largest component; a hit where its IoU with a
box of the class is at least 0.5 (Zhou et al. 2016, section 3.2).
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from camstream import contract
from camstream.maps.cam import enlarge, find_peak
from export.source import load_named
from export.to_onnx import export

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "boxes" / "imagenette_val"
STRIDES = (None, 16, 8)
THRESHOLD = 0.2
IOU = 0.5
TIMED_RUNS = 60

Box = tuple[float, float, float, float]


def main(folder: Path) -> None:
    """Measure every stride and print the table."""
    truth = read_boxes(folder / "boxes.csv")
    print("| map | IoU >= 0.5 | peak in a box | top-1 | ms, 2 threads |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        sessions = {}
        for stride in STRIDES:
            path = Path(scratch) / f"{stride}.onnx"
            export(load_named("efficientnet_lite0"), path, map_stride=stride)
            sessions[stride] = open_session(path)
        times = best_ms(list(sessions.values()))
        for (_, session), ms in zip(sessions.items(), times, strict=True):
            shape, hits, peaks, right = localise(session, folder, truth)
            count = len(truth)
            print(
                f"| {shape[0]}x{shape[1]} | {hits / count:.1%} | {peaks / count:.1%} "
                f"| {right / count:.1%} | {ms:.1f} |",
                flush=True,
            )
    print(f"\n{len(truth)} photos.")


def read_boxes(table: Path) -> dict[str, tuple[int, list[Box]]]:
    """Read each photo's class and boxes, in pixels of the 224x224 photo."""
    truth: dict[str, tuple[int, list[Box]]] = defaultdict(lambda: (0, []))
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            box = (float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))
            boxes = [*truth[row["file"]][1], box]
            truth[row["file"]] = (int(row["class_index_imagenet"]), boxes)
    return dict(truth)


def open_session(path: Path) -> ort.InferenceSession:
    """Open a model on two CPU threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def localise(
    session: ort.InferenceSession, folder: Path, truth: dict[str, tuple[int, list[Box]]]
) -> tuple[tuple[int, ...], int, int, int]:
    """Count the photos where the map's box, its peak and the top-1 class are right."""
    hits = peaks = right = 0
    shape: tuple[int, ...] = ()
    for name, (class_index, boxes) in truth.items():
        photo = cv2.imread(str(folder / "images" / name))
        assert photo is not None, name
        feed: dict[str, Any] = {
            contract.FRAMES: photo[np.newaxis],
            contract.CLASSES: np.array([class_index]),
        }
        logits, maps = session.run([contract.LOGITS, contract.CAM], feed)
        height, width = photo.shape[:2]
        shape = maps.shape[2:]
        fine = enlarge(maps[0, 0])
        x, y = find_peak(fine, (width, height)).xy
        found = box_of(fine, (width, height))
        hits += found is not None and any(iou(found, box) >= IOU for box in boxes)
        peaks += any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)
        right += int(logits[0].argmax()) == class_index
    return shape, hits, peaks, right


def box_of(fine: NDArray[np.float32], size_wh: tuple[int, int]) -> Box | None:
    """Find the box around the largest component; None where nothing speaks for the class."""
    if fine.max() <= 0:
        return None
    strong = (fine > THRESHOLD * fine.max()).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
    x, y, w, h = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), :4]
    scale_x, scale_y = size_wh[0] / fine.shape[1], size_wh[1] / fine.shape[0]
    return x * scale_x, y * scale_y, (x + w) * scale_x, (y + h) * scale_y


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, width) * max(0.0, height)
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / (area - common)


def best_ms(sessions: list[ort.InferenceSession]) -> list[float]:
    """Time one frame, sessions in turn; the best of many runs, for others share the machine."""
    frame = {contract.FRAMES: np.zeros((1, 224, 224, 3), np.uint8)}
    best = [float("inf")] * len(sessions)
    for _ in range(TIMED_RUNS):
        for index, session in enumerate(sessions):
            started = time.perf_counter()
            session.run(None, frame)
            best[index] = min(best[index], (time.perf_counter() - started) * 1e3)
    return best


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS)
