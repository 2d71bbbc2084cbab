"""A head that comes with camstream: NAME.npz holds the numbers, NAME.json the rest."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from camstream.contract import ModelFile, ParityReport
from camstream.errors import ModelError
from camstream.graph.assemble import info_of, with_info
from camstream.graph.backbone import Backbone
from camstream.graph.neck import Neck
from camstream.graph.new_head import LinearHead, to_model


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be known of a head beside its numbers.

    Attributes:
        network: The network that it belongs to.
        weights_sha256: Of the weights of that network's trunk.
        labels: One name a class.
        background: See ``LinearHead.background``.
        cam_range: Map values (logit units) where heat begins and where it is full.
        size_hw: Preferred input height and width.
        taught_on: What it was taught on, in words.
        parity: What was measured on the assembled model when the head was written.
        versions: Package name to version, of what made it.
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
    """A head as it is shipped: a neck, and a linear layer behind its pooling.

    Attributes:
        neck: Goes on the trunk.
        linear_head: The linear layer.
        record: The rest.
    """

    neck: Neck
    linear_head: LinearHead
    record: Record


def assemble(name: str, head: ShippedHead, network: ModelFile) -> bytes:
    """Put a shipped head on its network; no torch, and nothing is written.

    Args:
        name: The model's name.
        head: From ``read``.
        network: The file of the network that it belongs to.

    Returns:
        The model file's content. What it says of its parity was measured when the head was
        written: the same numbers make the same graph.

    Raises:
        ModelError: The network has other weights than the head was trained on.
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
    return ShippedHead(Neck(**numbers), linear_head, record)


def write(numbers_file: Path, record_file: Path, head: ShippedHead) -> None:
    """Write a head in half precision, so that it can be shipped.

    Args:
        numbers_file: The .npz file to write.
        record_file: The .json file to write.
        head: What to write.
    """
    text = json.dumps(asdict(head.record), indent=2, ensure_ascii=False) + "\n"
    record_file.write_text(text, encoding="utf-8")
    linear = head.linear_head
    numbers = {**asdict(head.neck), "weight": linear.weight, "class_bias": linear.bias}
    half = {key: np.asarray(value, np.float16) for key, value in numbers.items()}
    np.savez_compressed(numbers_file, allow_pickle=False, **half)
