"""Writes archives without a model: exactly the layout of ``camstream archive``, from given scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

CLASS = pa.struct([("label", pa.string()), ("class_index", pa.int32()), ("score", pa.float32())])
BOX = pa.struct([*CLASS, *((name, pa.float32()) for name in ("x0", "y0", "x1", "y1"))])
SCHEMA = pa.schema(
    [
        ("video", pa.dictionary(pa.int32(), pa.string())),
        ("index", pa.int64()),
        ("pts_s", pa.float64()),
        ("time", pa.timestamp("ms")),
        ("label", pa.string()),
        ("class_index", pa.int32()),
        ("score", pa.float32()),
        ("logit", pa.float32()),
        ("top", pa.list_(CLASS)),
        ("present", pa.bool_()),
        ("presence", pa.float64()),
        ("presence_label", pa.string()),
        *((name, pa.float32()) for name in ("peak_x", "peak_y", "peak", "area")),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(BOX)),
        ("asked", pa.list_(CLASS)),
    ]
)


@dataclass(frozen=True)
class Made:
    """One video of an archive.

    Attributes:
        video: Its path, as it was given.
        labels: The classes that occur, (C,).
        pts_s: (T,) seconds.
        classes: (T, K) places in ``labels``, best first.
        scores: (T, K) 0 to 1.
        start: When it begins.
        rate_hz: Of the samples.
        video_rate_hz: Of the frames.
        present: (T,), None where the model does not know it.
        presence: (T,) the score of that.
        presence_label: What is present then.
        boxes: Of the frames that have some: label, score.
        path: Where the video lies; empty: ``video``, from here.
        size: Of its file, bytes, and when it was changed, ns; 0: not known.
    """

    video: str
    labels: Sequence[str]
    pts_s: NDArray[np.float64]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    start: datetime = datetime(2026, 11, 1, 12)
    rate_hz: float = 2.0
    video_rate_hz: float = 30.0
    present: NDArray[np.bool_] | None = None
    presence: NDArray[np.float64] | None = None
    presence_label: str = "person"
    class_indices: Sequence[int] | None = None
    boxes: dict[int, list[tuple[str, float]]] = field(default_factory=dict)
    size_wh: tuple[int, int] = (640, 360)
    model: str = "tiny"
    path: str = ""
    size: int = 0
    mtime_ns: int = 0


def write_video(folder: Path, made: Made, *, rows_a_group: int = 10_000) -> Path:
    """Write the records and the row of one video; returns the file of records."""
    identity = hashlib.sha256(made.video.encode()).hexdigest()[:16]
    day = folder / "records" / f"day={made.start:%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    (folder / "videos").mkdir(exist_ok=True)
    records = day / f"{identity}.parquet"
    pq.write_table(
        _table(made),
        records,
        compression="zstd",
        row_group_size=rows_a_group,
        use_dictionary=["video", "label", "presence_label", "top.list.element.label"],
    )
    _write_row(folder / "videos" / f"{identity}.parquet", identity, made)
    return records


def _table(made: Made) -> pa.Table:
    count, k = made.classes.shape
    numbers = np.asarray(
        made.class_indices if made.class_indices is not None else range(len(made.labels)), np.int32
    )
    names = pa.array(list(made.labels))

    def classes(places: NDArray[np.int64]) -> tuple[Any, Any]:
        taken = pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), names)
        return taken.cast(pa.string()), pa.array(numbers[places])

    flat_labels, flat_numbers = classes(made.classes.ravel())
    flat = pa.StructArray.from_arrays(
        [flat_labels, flat_numbers, pa.array(made.scores.ravel().astype(np.float32))],
        fields=list(CLASS),
    )
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * k)
    best, best_number = classes(made.classes[:, 0])
    start = np.datetime64(made.start, "ms")
    rng = np.random.default_rng(count)
    noise = [pa.array(rng.random(count, np.float32)) for _ in range(5)]
    none = pa.nulls(count)
    width, height = (pa.array(np.full(count, side, np.int32)) for side in made.size_wh)
    boxes = (
        [
            [
                {"label": label, "class_index": 0, "score": score}
                | {"x0": 10.0, "y0": 10.0, "x1": 50.0, "y1": 50.0}
                for label, score in made.boxes.get(row, [])
            ]
            for row in range(count)
        ]
        if made.boxes
        else [[]] * count
    )
    columns: dict[str, Any] = {
        "video": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(count, np.int32)), pa.array([made.video])
        ),
        "index": pa.array(np.arange(count)),
        "pts_s": pa.array(made.pts_s),
        "time": pa.array(start + (made.pts_s * 1000).round().astype("timedelta64[ms]")),
        "label": best,
        "class_index": best_number,
        "score": pa.array(made.scores[:, 0].astype(np.float32)),
        "logit": noise[4],
        "top": pa.ListArray.from_arrays(offsets, flat),
        "present": none.cast(pa.bool_()) if made.present is None else pa.array(made.present),
        "presence": none.cast(pa.float64()) if made.presence is None else pa.array(made.presence),
        "presence_label": none.cast(pa.string())
        if made.present is None
        else pa.array([made.presence_label] * count),
        **dict(zip(("peak_x", "peak_y", "peak", "area"), noise[:4], strict=True)),
        "width": width,
        "height": height,
        "boxes": pa.array(boxes, pa.list_(BOX)),
        "asked": pa.array([[]] * count, pa.list_(CLASS)),
    }
    return pa.table(columns, schema=SCHEMA)


def _write_row(path: Path, identity: str, made: Made) -> None:
    row: dict[str, Any] = {
        "video_id": identity,
        "video": made.video,
        "path": made.path or str(Path(made.video).absolute()),
        "start": made.start,
        "start_from": "container",
        "duration_s": float(made.pts_s[-1] + 1 / made.rate_hz),
        "frames": len(made.pts_s),
        "decoded": len(made.pts_s),
        "rate_hz": made.rate_hz,
        "video_rate_hz": made.video_rate_hz,
        "width": made.size_wh[0],
        "height": made.size_wh[1],
        "model": made.model,
        "model_sha256": hashlib.sha256(made.model.encode()).hexdigest(),
        "options": json.dumps({"rate_hz": made.rate_hz}),
        "camstream": "0.2.0",
        "warnings": [],
        "parts": 1,
        "size": made.size,
        "mtime_ns": made.mtime_ns,
    }
    pq.write_table(pa.Table.from_pylist([row]), path)


def made_video(
    number: int, *, rows: int, rate_hz: float = 2.0, days: int = 30, classes: int = 50
) -> Made:
    """Make a video in which some classes come and go, by a generator of its own number."""
    rng = np.random.default_rng(number)
    labels = ["person", "cat", "dog", "car", *(f"thing {place}" for place in range(classes - 4))]
    stays = rng.integers(1, 120, size=rows)  # how many samples a class stays the best
    best = np.repeat(rng.integers(0, len(labels), size=rows), stays)[:rows]
    others = (best[:, None] + np.cumsum(rng.integers(1, 9, size=(rows, 4)), axis=1)) % len(labels)
    raw = rng.random((rows, 5)).astype(np.float32) * np.array(
        [1, 0.3, 0.15, 0.08, 0.04], np.float32
    )
    raw[:, 0] = 0.3 + 0.7 * raw[:, 0] ** 0.3
    scores = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1)
    return Made(
        video=f"cam{number % 20:02d}/{number:05d}.mp4",
        labels=labels,
        pts_s=np.arange(rows) / rate_hz,
        classes=np.concatenate([best[:, None], others], axis=1),
        scores=np.sort(scores, axis=1)[:, ::-1],
        start=datetime(2026, 11, 1) + timedelta(minutes=number * days * 1440 // 1000),
        rate_hz=rate_hz,
    )
