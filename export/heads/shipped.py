"""The last layers that come with the project: NAME.npz holds the numbers, NAME.json the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from camstream import catalog
from camstream.contract import ModelInfo
from camstream.errors import ModelError
from export.teach.rehead import Lesson, save
from export.teach.trunk import Trunk

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be known of a last layer beside its numbers.

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


def names() -> tuple[str, ...]:
    """List the last layers that are there."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.npz")))


def build(name: str, output: Path, *, say: Callable[[str], None]) -> ModelInfo:
    """Put a shipped last layer on its network, which is exported first where it never was.

    Args:
        name: One of ``names``.
        output: The file to write; one that is there is replaced.
        say: Is told each step.

    Raises:
        ModelError: The network of that name on this machine is another one.
        SetupError: The network has to be exported, and torch is not installed.
        SinkError: The file cannot be written.
    """
    lesson, record = load(name)
    trunk = Trunk(catalog.model_path(record.network, say=say))
    if trunk.info.weights_sha256 != record.weights_sha256:
        raise ModelError(
            f"{name} belongs to other weights of {record.network} than those in "
            f"{catalog.cached_path(record.network)}; delete that file and try again"
        )
    say("comparing every output with the trunk")
    return save(trunk, lesson, output, name=name)


def load(name: str, folder: Path = FOLDER) -> tuple[Lesson, Record]:
    """Read a last layer."""
    values = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    for key in ("labels", "cam_range", "size_hw"):
        values[key] = tuple(values[key])
    record = Record(**values)
    with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
        lesson = Lesson(
            labels=record.labels,
            weight=stored["weight"],
            bias=stored["bias"],
            background=record.background,
            cam_range=record.cam_range,
            size_hw=record.size_hw,
            taught_on=record.taught_on,
        )
    return lesson, record


def write(name: str, lesson: Lesson, trunk: Trunk, folder: Path = FOLDER) -> None:
    """Write a last layer, so that it can be shipped."""
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
    np.savez_compressed(folder / f"{name}.npz", weight=lesson.weight, bias=lesson.bias)
