"""What a camstream model file promises: the one thing that camstream/ and export/ share.

Inputs
    frames   (N, H, W, 3) uint8, BGR as it comes from a camera, any N, H and W. Channel order,
             normalisation and layout are inside the graph; the resize is outside.
    classes  (K,) int64, optional: which classes the maps are of. A value c >= 0 names class c;
             a value -r means "the class ranked r-th in this frame", so -1 is the top-1 class.
             Left out, it is -1, -2, ... -5: the maps of the five best classes.

Outputs
    logits       (N, C) float32, before softmax.
    cam          (N, K, h, w) float32: raw class activation maps in logit units, any sign.
    cam_classes  (N, K) int64: the class index that each map is of. This is how the caller learns
                 which class a map belongs to: never by position in the logits.
    cam_bias     (N, K) float32: the classifier's bias of each of those classes.

The CAM identity, which holds for every file whose method is CAM or HiResCAM, on any input, for
every map k of frame n (the other methods promise a place, not a sum):

    mean(cam[n, k]) + cam_bias[n, k] == logits[n, cam_classes[n, k]]

Geometry: cell (row, col) of a map covers the input rectangle from (row, col) to (row + 1,
col + 1) in units of (H / h, W / w), and its value belongs to the rectangle's centre.

Everything else that is to be known of a model (ModelInfo) is JSON in the file's metadata under
METADATA_KEY.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camstream.errors import ModelError

CONTRACT_VERSION = 1
METADATA_KEY = "camstream"

FRAMES = "frames"
CLASSES = "classes"
LOGITS = "logits"
CAM = "cam"
CAM_CLASSES = "cam_classes"
CAM_BIAS = "cam_bias"
INPUTS = (FRAMES, CLASSES)
OUTPUTS = (LOGITS, CAM, CAM_CLASSES, CAM_BIAS)

DEFAULT_TOP_K = 5

# What files made by camstream 0.1 call it.
_OLD_KEYS = {"proof": "parity", "law_residual": "identity_error", "early": "fine_features"}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model's file, on the disk or only in memory.

    Attributes:
        path: Where it lies, or what a file in memory is called.
        content: The bytes of a file that is only in memory, None for one on the disk.
    """

    path: Path
    content: bytes | None = None

    @classmethod
    def of(cls, file: Path | ModelFile) -> ModelFile:
        """Accept a path as well."""
        return file if isinstance(file, ModelFile) else cls(file)

    def read(self) -> bytes:
        """Return the file's bytes."""
        return self.path.read_bytes() if self.content is None else self.content


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What the exporter measured on the finished file, against the network it came from.

    Attributes:
        shapes_nhw: The (batch, height, width) of every input that was compared.
        logits_max_diff: Largest absolute difference of a logit.
        cam_max_diff: Largest absolute difference of a map value, in logit units.
        identity_error: Largest absolute mean(cam) + bias - logit; None where the method promises
            no such identity.
    """

    shapes_nhw: tuple[tuple[int, int, int], ...]
    logits_max_diff: float
    cam_max_diff: float
    identity_error: float | None


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a smaller or faster file differs from the float32 network it was made of.

    Attributes:
        kind: "int8" or "fp16".
        pictures: What both were compared on, in words; for int8, pictures of the same source
            as those it was calibrated on, but not the same ones.
        calibrated: How many pictures the value ranges were read from; 0 for fp16.
        compared: How many pictures were compared.
        top1_agreement: Part of them on which both name the same class first, 0 to 1.
        cam_correlation: Mean Pearson correlation of the maps of the float32 network's top class.
    """

    kind: str
    pictures: str
    calibrated: int
    compared: int
    top1_agreement: float
    cam_correlation: float


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Everything that is to be known of a model beside its tensors.

    Attributes:
        name: The network's name.
        labels: One name a class, in the order of the logits.
        size_hw: The preferred input height and width, pixels.
        size_multiple: Other heights and widths that are multiples of this work as well and keep
            the CAM identity and the geometry; None: only ``size_hw`` does.
        color: Channel order the network was trained with ("RGB" or "BGR"); the graph's input is
            always BGR.
        mean: Subtracted from each channel (0 to 255), in the order of ``color``.
        std: Each channel is then divided by this.
        method: How the maps are made: "CAM", "CAM (max pooling)", "Grad-CAM" or "HiResCAM".
        layer: The tensor whose channels are weighted into maps.
        cam_range: Map values (logit units) at which heat begins and at which it is full. One
            pair a model, so that a colour means the same in every frame.
        weights: Where the weights came from, in words.
        weights_sha256: SHA-256 of the file they were read from, hexadecimal.
        versions: Package name to version, of what made the file.
        parity: What the exporter measured.
        quantization: How it differs from float32; None where it does not.
        background: The label that means "none of the others", such as "no cup"; None where no
            class does. Its logit and its map are 0 everywhere: the other classes' maps are the
            evidence for them against it.
        fine_features: The tensor, (N, D, h', w'), of an earlier layer's features on a grid twice as fine
            as the maps', which ``camstream.graph.refine`` joins them with. It is no output of the file,
            which would cost every user one percent. None where there is no such layer.
        contract: Version of this contract.
    """

    name: str
    labels: tuple[str, ...]
    size_hw: tuple[int, int]
    size_multiple: int | None
    color: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    method: str
    layer: str
    cam_range: tuple[float, float]
    weights: str
    weights_sha256: str
    versions: dict[str, str]
    parity: ParityReport | None = None
    quantization: Quantization | None = None
    background: str | None = None
    fine_features: str | None = None
    contract: int = CONTRACT_VERSION

    @property
    def is_random(self) -> bool:
        """Whether weights were made at random, so that scores and maps mean nothing."""
        return self.weights.startswith("random")

    def to_json(self) -> str:
        """Write the record as JSON, for the file's metadata."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, *, path: str) -> ModelInfo:
        """Read the record back.

        Args:
            text: What ``to_json`` wrote.
            path: The file it was read from, for the error's message.

        Raises:
            ModelError: The text is not such a record, or of another contract version.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values["contract"]
            if version != CONTRACT_VERSION:
                raise ModelError(
                    f"{path}: made for contract version {version}, this camstream reads "
                    f"{CONTRACT_VERSION}; export the model again"
                )
            _rename(values, _OLD_KEYS)
            for key in ("labels", "size_hw", "mean", "std", "cam_range"):
                values[key] = tuple(values[key])
            if values["parity"] is not None:
                parity = values["parity"]
                _rename(parity, _OLD_KEYS)
                parity["shapes_nhw"] = tuple(tuple(shape) for shape in parity["shapes_nhw"])
                values["parity"] = ParityReport(**parity)
            if values.get("quantization") is not None:
                values["quantization"] = Quantization(**values["quantization"])
            return cls(**values)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path}: its camstream metadata cannot be read ({error!r}); export it again"
            ) from error


def _rename(values: dict[str, Any], names: dict[str, str]) -> None:
    for old, new in names.items():
        if old in values:
            values[new] = values.pop(old)


@functools.lru_cache(maxsize=64)
def fit_size(
    picture_wh: tuple[int, int], *, preferred_hw: tuple[int, int], multiple: int | None
) -> tuple[int, int]:
    """Choose the network's input size for a picture: its shape kept, the cost the same.

    A 16:9 picture becomes 288 x 160 instead of 224 x 224: nothing is cropped, and things keep
    their shape as far as multiples of the stride allow. On wide and tall clips that brings more
    right labels than the square, at the same number of pixels.

    Args:
        picture_wh: Width and height of the picture, pixels.
        preferred_hw: The model's own height and width.
        multiple: Both sides must be multiples of this; None: only ``preferred_hw`` will do.

    Returns:
        Width and height, pixels.
    """
    height, width = preferred_hw
    if multiple is None:
        return width, height
    aspect, area = picture_wh[0] / picture_wh[1], width * height
    sides = range(multiple, 4 * max(preferred_hw) + 1, multiple)

    def misfit(size_wh: tuple[int, int]) -> float:
        w, h = size_wh
        return abs(math.log(w / h / aspect)) + abs(math.log(w * h / area))

    return min(((w, h) for w in sides for h in sides), key=misfit)
