"""The records that flow: Frame -> Prediction. Each holds the one before; all are frozen.

Words: ``frame`` is the record, ``picture`` its pixels, ``image`` a plain BGR array; ``cam`` is
the raw map in logit units, ``heatmap`` what is drawn of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from camstream.picture import MapF32, Picture


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: Counts the source's frames from 0; a gap means frames that were dropped.
        pts_s: Media time, seconds; for a live source seconds since its first frame.
        captured_s: ``time.perf_counter()`` when it arrived; for latency only.
        picture: The pixels.
    """

    index: int
    pts_s: float
    captured_s: float
    picture: Picture


@dataclass(frozen=True, slots=True)
class TopClass:
    """One of the classes that score best in a frame.

    Attributes:
        label: The class's name.
        class_index: Its position in the logits.
        score: Softmax probability, 0 to 1.
        logit: Raw score.
    """

    label: str
    class_index: int
    score: float
    logit: float


@dataclass(frozen=True, slots=True)
class ClassMaps:
    """Raw class activation maps of one frame.

    Attributes:
        maps: (K, h, w) float32, logit units, any sign. Map k covers the whole picture in equal
            cells; a value belongs to its cell's centre. mean(maps[k]) + bias[k] is the logit.
        class_indices: (K,) int64, the class of each map.
        bias: (K,) float32, the classifier's bias of each class.
        method: How they were made, as ``ModelInfo.method`` says it.
    """

    maps: MapF32
    class_indices: NDArray[np.int64]
    bias: NDArray[np.float32]
    method: str = "CAM"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says about one frame.

    Attributes:
        frame: The frame it was computed from.
        top: The best classes, best first.
        cam: The maps, the top-1 class's first unless other classes were asked for.
        infer_ms: Time that inference took, resize included.
    """

    frame: Frame
    top: tuple[TopClass, ...]
    cam: ClassMaps
    infer_ms: float
