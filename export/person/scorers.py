"""Whatever tells from one image whether somebody is there: ``person``, and its rivals.

A scorer is named KIND:ARGUMENT. Each has a function from an image to a score between 0 and 1, and the
threshold at which its makers say that there is a person:

    camstream:person         a model of camstream, at its own size
    camstream:person@448     at another input size
    yolox:yolox_nano.onnx    a YOLOX detector: the highest score of a person, at 0.3 (with @tiles, also
                             of four overlapping quarters)
    vww:model_fp32.tflite    the classifier that won the Visual Wake Words challenge of 2019

The rivals' files are not in the project: YOLOX-nano (Apache-2.0) is in
Kazuhito00/YOLOX-ONNX-TFLite-Sample, VWW (MIT) in mit-han-lab/VWW, which needs ``ai-edge-litert``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from camstream.errors import UsageError
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import ImageU8

_YOLOX_SIDE, _YOLOX_FILL, _YOLOX_STRIDES = 416, 114, (8, 16, 32)
_YOLOX_THRESHOLD = 0.3
_TILE = 0.6  # of the sides: four of them overlap by a fifth
_VWW_WH = (238, 208)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Something to measure.

    Attributes:
        name: As it was given, without folders.
        score: Of an image, (H, W, 3) uint8 BGR: 0 to 1.
        threshold: From this score on there is a person.
    """

    name: str
    score: Callable[[ImageU8], float]
    threshold: float


def open_scorer(text: str, *, threads: int = 1) -> Scorer:
    """Open what KIND:ARGUMENT names.

    Args:
        text: See the module.
        threads: Of the network.

    Raises:
        UsageError: There is no such kind.
    """
    kind, _, argument = text.partition(":")
    if kind == "camstream":
        return _camstream(argument, threads)
    if kind == "yolox":
        path, _, tiles = argument.partition("@")
        find = Yolox(Path(path), threads=threads)
        score = find.tiled_score if tiles else find.score
        return Scorer(Path(path).stem + tiles, score, _YOLOX_THRESHOLD)
    if kind == "vww":
        return Scorer(Path(argument).stem, _vww(Path(argument), threads), 0.5)
    raise UsageError(f"no scorer {text!r}: it starts with camstream:, yolox: or vww:")


def _camstream(argument: str, threads: int) -> Scorer:
    name, _, size = argument.partition("@")
    model = Model(
        zoo.find_model(name),
        device="cpu",
        threads=threads,
        input_size=int(size) if size else None,
    )
    (row,) = (n for n, label in enumerate(model.info.labels) if label == "person")

    def score(image: ImageU8) -> float:
        logits = model.predict(image).logits.astype(np.float64)
        shares = np.exp(logits - logits.max())
        return float(shares[row] / shares.sum())

    return Scorer(Path(name).stem + (f"@{size}" if size else ""), score, 0.5)


class Yolox:
    """A YOLOX detector's persons."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Open the file, with 416 x 416 pixels as its input."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (self._input,) = (one.name for one in self._session.get_inputs())
        centres, strides = [], []
        for stride in _YOLOX_STRIDES:
            side = _YOLOX_SIDE // stride
            y, x = np.mgrid[:side, :side]
            centres.append(np.stack([x.ravel(), y.ravel()], axis=1))
            strides.append(np.full((side * side, 1), stride))
        self._centres, self._strides = np.concatenate(centres), np.concatenate(strides)

    def boxes(self, image: ImageU8, *, at_least: float) -> NDArray[np.float64]:
        """Find persons: (N, 5) of x0, y0, x1, y1 in pixels and the score, without doubles."""
        height, width = image.shape[:2]
        ratio = min(_YOLOX_SIDE / height, _YOLOX_SIDE / width)
        size_wh = max(1, int(width * ratio)), max(1, int(height * ratio))
        fitted = np.full((_YOLOX_SIDE, _YOLOX_SIDE, 3), _YOLOX_FILL, np.float32)
        fitted[: size_wh[1], : size_wh[0]] = cv2.resize(image, size_wh)
        planes = np.ascontiguousarray(fitted.transpose(2, 0, 1))[np.newaxis]
        (rows,) = self._session.run(None, {self._input: planes})[0]
        scores = rows[:, 4] * rows[:, 5]  # of an object, of the first class: person
        kept = scores >= at_least
        centre = (rows[kept, :2] + self._centres[kept]) * self._strides[kept]
        half = np.exp(rows[kept, 2:4]) * self._strides[kept] / 2
        found = np.concatenate([centre - half, centre + half], axis=1) / ratio
        xywh = np.concatenate([found[:, :2], found[:, 2:] - found[:, :2]], axis=1)
        chosen = cv2.dnn.NMSBoxes(xywh.tolist(), scores[kept].tolist(), at_least, 0.45)
        rows_of = np.asarray(chosen, np.int64).reshape(-1)
        return np.concatenate([found, scores[kept, np.newaxis]], axis=1)[rows_of].astype(np.float64)

    def score(self, image: ImageU8) -> float:
        """Give the highest score of a person."""
        return float(self.boxes(image, at_least=0.001)[:, 4].max(initial=0.0))

    def tiled_score(self, image: ImageU8) -> float:
        """Give the highest score in the image and in four overlapping quarters of it."""
        height, width = image.shape[:2]
        tall, wide = round(height * _TILE), round(width * _TILE)
        tiles = [
            image[y : y + tall, x : x + wide] for y in (0, height - tall) for x in (0, width - wide)
        ]
        return max(self.score(one) for one in (image, *tiles))


def _vww(path: Path, threads: int) -> Callable[[ImageU8], float]:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found,import-untyped,unused-ignore]

    network = Interpreter(model_path=str(path), num_threads=threads)
    network.allocate_tensors()
    (source,), (result,) = network.get_input_details(), network.get_output_details()

    def score(image: ImageU8) -> float:
        small = cv2.resize(image, _VWW_WH, interpolation=cv2.INTER_AREA)
        pixels = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[np.newaxis]
        is_float = source["dtype"] == np.float32
        network.set_tensor(
            source["index"], (pixels.astype(np.float32) - 127.5) / 127.5 if is_float else pixels
        )
        network.invoke()
        none, person = (float(one) for one in network.get_tensor(result["index"]).ravel()[:2])
        return (
            person / max(none + person, 1e-9) if min(none, person) >= 0 else _softmax(none, person)
        )

    return score


def _softmax(none: float, person: float) -> float:
    return float(1 / (1 + np.exp(none - person)))
