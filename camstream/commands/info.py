"""``camstream info``: what a model file holds."""

from __future__ import annotations

import contextlib
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from camstream.commands.options import DebugOption, open_model
from camstream.console import plain_errors, results, say
from camstream.errors import UsageError
from camstream.models.classes import ClassNames
from camstream.models.zoo import DEFAULT_MODEL, SHIPPED

if TYPE_CHECKING:
    from camstream.contract import ModelInfo, ParityReport
    from camstream.models.session import Model


_MEASURED_S = 0.4


def info(
    model_name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help=f"{' or '.join(SHIPPED)}, or an .onnx file."),
    ] = DEFAULT_MODEL,
    word: Annotated[
        str | None,
        typer.Argument(metavar="WORD", help="With --classes: only those that hold this word."),
    ] = None,
    classes: Annotated[bool, typer.Option("--classes", help="List the classes.")] = False,
    debug: DebugOption = False,
) -> None:
    """Print what a model is for, its file, speed, input, weights; or its classes.

    $ camstream info person
    $ camstream info --classes dog
    """
    with plain_errors(debug):
        if word is not None and not classes:
            raise UsageError(f"{word!r} is one name too many; to find classes add --classes")
        if classes:
            model_name, word = _model_and_word(model_name, word)
        model = open_model(model_name, device="cpu")
        if classes:
            _list_classes(model.info.labels, word or "")
            return
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column()
        table.add_column(overflow="fold")  # a path is to be copied, whatever its length
        for name, value in {**_here(model), **_rows(model.info)}.items():
            table.add_row(Text(name), Text(value))
        results.print(table)


def _model_and_word(first: str, second: str | None) -> tuple[str, str | None]:
    """Tell the model from the word, in whatever order they came; one alone may be either."""

    def is_model(name: str) -> bool:
        return name in SHIPPED or Path(name).suffix.lower() == ".onnx"

    if second is None:
        return (first, None) if is_model(first) else (DEFAULT_MODEL, first)
    return (second, first) if is_model(second) and not is_model(first) else (first, second)


def _list_classes(labels: tuple[str, ...], word: str) -> None:
    """Print number and label of the classes that hold a word, or of a group of that name."""
    names = ClassNames(labels)
    found = {i for i, label in enumerate(labels) if word.casefold() in label.casefold()}
    with contextlib.suppress(UsageError):
        found |= set(names.find(word).indices) if word else set()
    if not found:
        names.find(word)  # says which are like it
    for index in sorted(found):
        say(f"{index:>5}  {labels[index]}")


def _here(model: Model) -> dict[str, str]:
    """Say what a model is for, where it is and how fast it is on this machine."""
    content = model.file.content
    size = model.path.stat().st_size if content is None else len(content)
    where = str(model.path).encode("utf-8", "replace").decode()
    if content is not None:
        where = "comes with camstream, put together when it is opened"
    return {
        "name": model.info.name,
        "for": _purpose(model.info),
        "file": f"{where} ({size / 1e6:.1f} MB)",
        "speed here": _speed(model),
    }


def _purpose(info: ModelInfo) -> str:
    if info.is_random:
        return "trying things out: its weights are random"
    count = len(info.labels)
    if info.background is not None:
        others = [label for label in info.labels if label != info.background]
        what = others[0] if len(others) == 1 else f"one of {len(others)} things"
        return f'to tell whether there is {what} or "{info.background}", and where'
    if count == 1000 and "tench" in info.labels:
        return (
            "to name and find the 1,000 kinds of things of ImageNet: animals, tools, food, vehicles"
        )
    return f"to tell {count} classes apart, and to show where"


def _speed(model: Model) -> str:
    """Measure the median time of a picture of 1280x720 over half a second at most."""
    picture = np.zeros((720, 1280, 3), np.uint8)
    times: list[float] = []
    end = time.perf_counter() + _MEASURED_S
    while len(times) < 3 or time.perf_counter() < end:
        times.append(model.predict(picture).infer_ms)
    middle = statistics.median(times)
    return f"{middle:.1f} ms a picture, {1000 / middle:.0f} a second on {model.device}"


def _rows(model: ModelInfo) -> dict[str, str]:
    low, high = model.cam_range
    multiple = f"multiples of {model.size_multiple}" if model.size_multiple else "no other size"
    rows = {
        "classes": f"{len(model.labels)} ({', '.join(model.labels[:3])}"
        + (" ...)" if len(model.labels) > 3 else ")"),
        "maps": f"{model.method} of {model.layer}",
        "heat": f"begins at {low:g}, full at {high:g} (logit units)",
        "input": f"uint8 BGR, {model.size_hw[1]}x{model.size_hw[0]} preferred; {multiple}",
        "normalisation": f"{model.color}, (x - {model.mean}) / {model.std}, inside the graph",
        "weights": model.weights,
        "sha256": model.weights_sha256,
        "made with": ", ".join(f"{name} {version}" for name, version in model.versions.items()),
    }
    if model.temperature != 1:
        rows["scores"] = f"softmax(logits / {model.temperature:g})"
    if (parity := model.parity) is not None:
        rows["parity"] = f"{differences(parity)} of the source"
        if parity.identity_error is not None:
            within = of_largest(parity.identity_error, parity.cam_max)
            rows["CAM identity"] = f"mean(cam) + bias = logit within {within}"
    if (lower := model.quantization) is not None:
        rows[lower.kind] = (
            f"against float32 on {lower.compared} pictures: top-1 agreement "
            f"{lower.top1_agreement:.1%}, map correlation {lower.cam_correlation:.4f}"
        )
    return rows


def differences(parity: ParityReport) -> str:
    """Say how far a file's outputs are from those of the network that it came from."""
    logits = of_largest(parity.logits_max_diff, parity.logits_max)
    cam = of_largest(parity.cam_max_diff, parity.cam_max)
    return f"logits within {logits}, cam within {cam}"


def of_largest(difference: float, largest: float | None) -> str:
    """Write a difference as a part of the largest value, or alone where that is not known."""
    if not largest:
        return f"{difference:.1e}"
    return f"{difference / largest:.1e} of the largest value ({largest:.3g})"
