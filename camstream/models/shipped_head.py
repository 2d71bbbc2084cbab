"""A head that ships with camstream: NAME.npz holds the numbers, NAME.json the metadata."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from camstream.contract import ModelFile, ParityReport
from camstream.errors import ModelError
from camstream.graph.assemble import info_of, with_info
from camstream.graph.backbone import Backbone
from camstream.graph.neck import Neck
from camstream.graph.new_head import LinearHead, to_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The metadata of a shipped head.

    Attributes:
        network: The network that the head was trained on.
        weights_sha256: SHA-256 of the weights of that network's backbone.
        labels: One name per class.
        background: See ``LinearHead.background``.
        cam_range: Map values (logit units) where heat begins and where it is full.
        size_hw: Preferred input height and width.
        taught_on: The pictures that the head was trained on, in words.
        parity: The parity report of the assembled model, measured when the head was written.
        versions: Package name to version, of the packages that wrote the head.
    """

    network: str
    weights_sha256: str
    labels: tuple[str, ...]
    background: str | None
    cam_range: tuple[float, float]
    size_hw: tuple[int, int]
    taught_on: str
    parity: ParityReport
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class ShippedHead:
    """A neck, a linear layer behind its pooling, and their metadata.

    Attributes:
        neck: Added to the backbone.
        linear_head: The linear layer.
        record: The metadata.
    """

    neck: Neck
    linear_head: LinearHead
    record: Record


def assemble(name: str, head: ShippedHead, network: ModelFile) -> bytes:
    """Build the model of a shipped head and its network, without torch and without a file.

    Args:
        name: The model's name.
        head: The head, from ``read``.
        network: The file of the network that the head was trained on.

    Returns:
        The content of the model's file. Its parity report is that of the head's record: the same
        numbers make the same graph.

    Raises:
        ModelError: The network's weights are not those that the head was trained on.
    """
    backbone = Backbone(network, neck=head.neck)
    if backbone.info.weights_sha256 != head.record.weights_sha256:
        raise ModelError(f"{name} belongs to other weights than those in {network.path}")
    model = to_model(backbone, head.linear_head, name=name)
    info = info_of(model, path=name)
    record = head.record
    info = dataclasses.replace(info, parity=record.parity, versions=record.versions)
    content: bytes = with_info(model, info).SerializeToString()
    return content


def read(numbers_file: Path, record_file: Path) -> ShippedHead:
    """Read a head that ``write`` wrote."""
    values = json.loads(record_file.read_text(encoding="utf-8"))
    for key in ("labels", "cam_range", "size_hw"):
        values[key] = tuple(values[key])
    parity = values["parity"]
    parity["shapes_nhw"] = tuple(tuple(shape) for shape in parity["shapes_nhw"])
    values["parity"] = ParityReport(**parity)
    record = Record(**values)
    with np.load(numbers_file, allow_pickle=False) as stored:
        numbers = {key: stored[key].astype(np.float32) for key in stored.files}
    linear_head = LinearHead(
        labels=record.labels,
        weight=numbers.pop("weight"),
        bias=numbers.pop("class_bias"),
        background=record.background,
        cam_range=record.cam_range,
        size_hw=record.size_hw,
        taught_on=record.taught_on,
    )
    return ShippedHead(neck=Neck(**numbers), linear_head=linear_head, record=record)


def write(numbers_file: Path, record_file: Path, head: ShippedHead) -> None:
    """Write a head, in half precision.

    Args:
        numbers_file: The .npz file to write.
        record_file: The .json file to write.
        head: The head to write.
    """
    text = json.dumps(asdict(head.record), indent=2, ensure_ascii=False) + "\n"
    record_file.write_text(text, encoding="utf-8")
    linear = head.linear_head
    numbers = {**asdict(head.neck), "weight": linear.weight, "class_bias": linear.bias}
    half: dict[str, Any] = {key: np.asarray(value, np.float16) for key, value in numbers.items()}
    np.savez_compressed(numbers_file, **half)
