"""The heads that come with the project: NAME.npz holds the numbers, NAME.json the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from camstream.contract import ModelInfo
from camstream.errors import ModelError
from camstream.graph.backbone import Trunk
from camstream.graph.neck import Neck
from camstream.graph.new_head import Lesson, save
from camstream.models import zoo as catalog

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be known of a head beside its numbers.

    Attributes:
        network: The network that it belongs to.
        weights_sha256: Of the weights of that network's trunk.
        labels: One name a class.
        background: See ``Lesson.background``.
        cam_range: Map values (logit units) where heat begins and where it is full.
        size_hw: Preferred input height and width.
        taught_on: What it was taught on, in words.
    """

    network: str
    weights_sha256: str
    labels: tuple[str, ...]
    background: str | None
    cam_range: tuple[float, float]
    size_hw: tuple[int, int]
    taught_on: str


@dataclass(frozen=True, slots=True)
class Shipped:
    """A head as it is shipped: a neck, and a linear layer behind its pooling.

    Attributes:
        neck: Goes on the trunk.
        lesson: The linear layer.
        record: The rest.
    """

    neck: Neck
    lesson: Lesson
    record: Record


def names() -> tuple[str, ...]:
    """List the heads that are there."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.npz")))


def build(name: str, output: Path, *, say: Callable[[str], None]) -> ModelInfo:
    """Put a shipped head on its network, which is exported first where it never was.

    Args:
        name: One of ``names``.
        output: The file to write; one that is there is replaced.
        say: Is told each step.

    Raises:
        ModelError: The network of that name on this machine is another one.
        SetupError: The network has to be exported, and torch is not installed.
        SinkError: The file cannot be written.
    """
    head = load(name)
    record = head.record
    trunk = Trunk(catalog.model_path(record.network, say=say), neck=head.neck)
    if trunk.info.weights_sha256 != record.weights_sha256:
        raise ModelError(
            f"{name} belongs to other weights of {record.network} than those in "
            f"{catalog.cached_path(record.network)}; delete that file and try again"
        )
    say("comparing every output with the trunk")
    return save(trunk, head.lesson, output, name=name)


def load(name: str, folder: Path = FOLDER) -> Shipped:
    """Read a head."""
    values = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    for key in ("labels", "cam_range", "size_hw"):
        values[key] = tuple(values[key])
    record = Record(**values)
    with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
        numbers = {key: stored[key].astype(np.float32) for key in stored.files}
    lesson = Lesson(
        labels=record.labels,
        weight=numbers.pop("weight"),
        bias=numbers.pop("class_bias"),
        background=record.background,
        cam_range=record.cam_range,
        size_hw=record.size_hw,
        taught_on=record.taught_on,
    )
    return Shipped(Neck(**numbers), lesson, record)


def write(name: str, trunk: Trunk, neck: Neck, lesson: Lesson, folder: Path = FOLDER) -> None:
    """Write a head in half precision, so that it can be shipped.

    Args:
        name: What the model is called.
        trunk: Of the network that it belongs to.
        neck: Its neck.
        lesson: Its linear layer.
        folder: Where to.
    """
    record = Record(
        network=trunk.info.name,
        weights_sha256=trunk.info.weights_sha256,
        labels=lesson.labels,
        background=lesson.background,
        cam_range=lesson.cam_range,
        size_hw=lesson.size_hw or trunk.info.size_hw,
        taught_on=lesson.taught_on,
    )
    text = json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    numbers = {**asdict(neck), "weight": lesson.weight, "class_bias": lesson.bias}
    half = {key: np.asarray(value, np.float16) for key, value in numbers.items()}
    np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **half)
