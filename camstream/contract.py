"""What a camstream model file promises: the one thing that camstream/ and export/ share.

Inputs
    frames   (N, H, W, 3) uint8, BGR as it comes from a camera, any N, H and W. Channel order,
             normalisation and layout are inside the graph; the resize is outside.
    classes  (K,) int64, optional: which classes the maps are of. A value c >= 0 names class c;
             a value -r means "the class ranked r-th in this frame", so -1 is the top-1 class.
             Left out, it is -1, -2, ... -5: the maps of the five best classes.

Outputs
    logits       (N, C) float32, before softmax; scores are softmax(logits / ModelInfo.temperature).
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
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from camstream.errors import ModelError

CONTRACT_VERSION = 1
_MAX_SIDES = 256
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

# The limits of what is read from a file: far beyond any network, far below what fills a memory.
MAX_FILE_BYTES = 2**31 - 1  # of one protobuf message, which an ONNX file is
MAX_METADATA_CHARACTERS = 4_000_000
MAX_CLASSES = 100_000
MAX_SIDE = 4096  # pixels
ABSURD = 1e6  # of a logit or a map value; those of real networks stay below a thousand

# No control character and nothing that turns the direction of text: labels reach terminals.
_TEXT = r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*\Z"
_Text = Annotated[str, Meta(max_length=1000, pattern=_TEXT)]
_Labels = Annotated[tuple[_Text, ...], Meta(min_length=1, max_length=MAX_CLASSES)]
_Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
_Count = Annotated[int, Meta(ge=0, le=10**9)]
_Value = Annotated[float, Meta(ge=-1e9, le=1e9)]
_Positive = Annotated[float, Meta(gt=0, le=1e9)]
_Difference = Annotated[float, Meta(ge=0, le=1e9)]
_Ratio = Annotated[float, Meta(ge=-1, le=1)]
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0
_Temperature = Annotated[float, Meta(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)]
_Triple = tuple[_Value, _Value, _Value]

Method = Literal["CAM", "CAM (max pooling)", "Grad-CAM", "HiResCAM"]

_TEXT_IN_WORDS = "a text of up to 1,000 characters without control characters"
# What each entry of the metadata must be, for the message about one that is not.
_MUST_BE = {
    "contract": "a whole number",
    "labels": f"a list of 1 to {MAX_CLASSES:,} names, each {_TEXT_IN_WORDS}",
    "size_hw": f"two whole numbers, 1 to {MAX_SIDE}",
    "size_multiple": f"a whole number, 1 to {MAX_SIDE}, or null",
    "color": '"RGB" or "BGR"',
    "mean": "three numbers",
    "std": "three numbers above 0",
    "method": '"CAM", "CAM (max pooling)", "Grad-CAM" or "HiResCAM"',
    "cam_range": "two different numbers, the lower one first",
    "versions": "up to 64 names with versions",
    "parity": "a parity report",
    "quantization": "a report on the precision",
    "background": "one of the labels, or null",
    "temperature": "a number from 0.01 to 100",
}

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
        logits_max: Largest absolute logit, which the differences are relative to; None in files
            of camstream 0.2 and before.
        cam_max: Largest absolute map value; likewise.
    """

    shapes_nhw: Annotated[tuple[tuple[_Side, _Side, _Side], ...], Meta(max_length=64)]
    logits_max_diff: _Difference
    cam_max_diff: _Difference
    identity_error: _Difference | None
    logits_max: _Difference | None = None
    cam_max: _Difference | None = None


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

    kind: Literal["int8", "fp16"]
    pictures: _Text
    calibrated: _Count
    compared: _Count
    top1_agreement: _Ratio
    cam_correlation: _Ratio


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
        temperature: What logits are divided by before the softmax, so that scores are probabilities (Guo
            et al. 2017). Logits and maps in the file are those of the network, and the CAM identity is
            theirs. 1 in files of camstream 0.2 and before, and where nobody measured it.
        contract: Version of this contract.
    """

    name: _Text
    labels: _Labels
    size_hw: tuple[_Side, _Side]
    size_multiple: _Side | None
    color: Literal["RGB", "BGR"]
    mean: _Triple
    std: tuple[_Positive, _Positive, _Positive]
    method: Method
    layer: _Text
    cam_range: tuple[_Value, _Value]
    weights: _Text
    weights_sha256: _Text
    versions: Annotated[dict[_Text, _Text], Meta(max_length=64)]
    parity: ParityReport | None = None
    quantization: Quantization | None = None
    background: _Text | None = None
    fine_features: _Text | None = None
    temperature: _Temperature = 1.0
    contract: int = CONTRACT_VERSION

    @property
    def is_random(self) -> bool:
        """Whether weights were made at random, so that scores and maps mean nothing."""
        return self.weights.startswith("random")

    def to_json(self) -> str:
        """Write the record as JSON, for the file's metadata."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def of_file(cls, text: str | None, outputs: Collection[str], *, path: str) -> ModelInfo:
        """Read the record of an ONNX file.

        Args:
            text: The file's metadata under METADATA_KEY; None where there are none.
            outputs: The names of its graph's outputs.
            path: The file, for the error's message.

        Raises:
            ModelError: camstream did not make the file, or its record cannot be believed.
        """
        if text is None or not set(outputs).issuperset(OUTPUTS):
            raise ModelError(
                f"{path} is an ONNX file, but not a camstream model (it has no class activation "
                f"maps); make one with: camstream export {path} -o {Path(path).stem}.cam.onnx"
            )
        return cls.from_json(text, path=path)

    @classmethod
    def from_json(cls, text: str, *, path: str) -> ModelInfo:
        """Read the record back; nothing in it is believed unless the schema above allows it.

        Args:
            text: What ``to_json`` wrote.
            path: The file it was read from, for the error's message.

        Raises:
            ModelError: The text is not such a record, or of another contract version.
        """
        values = _object(text, path)
        version = values.get("contract")
        if isinstance(version, int) and version != CONTRACT_VERSION:
            raise ModelError(
                f"{path}: made for contract version {version}, this camstream reads "
                f"{CONTRACT_VERSION}; export the model again"
            )
        _rename(values, _OLD_KEYS)
        if isinstance(values.get("parity"), dict):
            _rename(values["parity"], _OLD_KEYS)
        try:
            info = msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise _unbelievable(path, _entry_in(str(error))) from error
        if info.cam_range[0] >= info.cam_range[1]:
            raise _unbelievable(path, "cam_range")
        if info.background is not None and info.background not in info.labels:
            raise _unbelievable(path, "background")
        return info


def checked_labels(labels: Iterable[str | None], source: str) -> tuple[str, ...]:
    """Make sure that a model with these labels can be opened again.

    Args:
        labels: The names of classes.
        source: Where they came from, for the error's message.

    Raises:
        ModelError: There are too many, or one is too long or no printable text.
    """
    try:
        return msgspec.convert(tuple(labels), _Labels)
    except msgspec.ValidationError as error:
        raise ModelError(f"the labels in {source} must be {_MUST_BE['labels']}") from error


def _object(text: str, path: str) -> dict[str, Any]:
    """Read JSON that holds one object."""
    values: Any = None
    if len(text) <= MAX_METADATA_CHARACTERS:
        try:
            values = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):  # no JSON, or too deep
            values = None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: its camstream metadata cannot be read; export the model again")
    return values


def _entry_in(message: str) -> str:
    """Find the entry that a message of msgspec is about: "... - at `$.labels[...]`"."""
    found = re.search(r"at `\$\.(\w+)", message) or re.search(r"field `(\w+)`", message)
    return found[1] if found else "contract"


def _unbelievable(path: str, entry: str) -> ModelError:
    must_be = _MUST_BE.get(entry, _TEXT_IN_WORDS)
    return ModelError(
        f'{path}: in its camstream metadata, "{entry}" must be {must_be}; export the model again'
    )


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
    longest = 4 * max(preferred_hw)
    # Of very many sizes a part will do: each pair of sides is looked at.
    step = multiple * math.ceil(longest / multiple / _MAX_SIDES)
    sides = range(step, longest + 1, step) or (multiple,)

    def misfit(size_wh: tuple[int, int]) -> float:
        w, h = size_wh
        return abs(math.log(w / h / aspect)) + abs(math.log(w * h / area))

    return min(((w, h) for w in sides for h in sides), key=misfit)
