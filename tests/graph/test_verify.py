"""``verify`` refuses files that differ from the network they came from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from camstream.errors import ModelError
from camstream.graph.numpy_reference import NumpyReference
from camstream.graph.verify import Outputs, verify
from tests.graph import small
from tests.graph.test_add_cam import RAW, add_cam

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.contract import ModelInfo

SHAPES = ((1, 16, 16), (3, 16, 16))


def change(path: Path, name: str, scale: float) -> None:
    """Multiply one weight of a finished file."""
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(scale), name)
    )
    onnx.save(model, path)


def finished(folder: Path, *, hidden: int = 0) -> tuple[Path, NumpyReference, ModelInfo]:
    model = small.classifier(hidden=hidden, pool="flatten")
    path, info = add_cam(model, folder)
    return path, NumpyReference(model, info, name="net"), info


@pytest.mark.parametrize(
    ("weight", "message"),
    [("weight_0", "output logits differs"), ("camstream.pre.std", "output logits differs")],
)
def test_another_weight(tmp_path: Path, weight: str, message: str) -> None:
    path, reference, _ = finished(tmp_path)
    change(path, weight, 1.01)
    with pytest.raises(ModelError, match=message):
        verify(path, reference, classes=small.CLASSES, shapes_nhw=SHAPES)


def test_another_map(tmp_path: Path) -> None:
    path, reference, _ = finished(tmp_path)
    change(path, "camstream.cam.place_count", 1.01)
    with pytest.raises(ModelError, match="output cam differs"):
        verify(path, reference, classes=small.CLASSES, shapes_nhw=SHAPES)


def test_a_map_that_breaks_the_cam_identity(tmp_path: Path) -> None:
    """The CAM identity finds an error that the file and the reference have in common."""
    path, reference, _ = finished(tmp_path)
    change(path, "camstream.cam.place_count", 1.01)

    def as_wrong(frames: np.ndarray, classes: np.ndarray) -> Outputs:
        logits, cam, chosen, bias = reference(frames, classes)
        return logits, cam * np.float32(1.01), chosen, bias

    with pytest.raises(ModelError, match="is not the logit"):
        verify(path, as_wrong, classes=small.CLASSES, shapes_nhw=SHAPES)
    parity = verify(path, as_wrong, classes=small.CLASSES, shapes_nhw=SHAPES, check_identity=False)
    assert parity.identity_error is None


def test_maps_of_other_classes(tmp_path: Path) -> None:
    path, reference, _ = finished(tmp_path)

    def shifted(frames: np.ndarray, classes: np.ndarray) -> Outputs:
        logits, cam, chosen, bias = reference(frames, classes)
        return logits, cam, (chosen + 1) % small.CLASSES, bias

    with pytest.raises(ModelError, match="of other classes"):
        verify(path, shifted, classes=small.CLASSES, shapes_nhw=SHAPES)


def test_classes_that_are_tied(tmp_path: Path) -> None:
    """Equal logits have no order: either class may be the better."""
    maker = small.Maker(18)
    maker.features()
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    row = numpy_helper.to_array(maker.weights[2])[:1]
    maker.weights[2].CopyFrom(numpy_helper.from_array(np.repeat(row, 6, 0), "weight_2"))
    maker.weights[3].CopyFrom(numpy_helper.from_array(np.zeros(6, np.float32), "weight_3"))
    model = maker.model()
    path, info = add_cam(model, tmp_path)
    reference = NumpyReference(model, info, name="net")

    def backwards(frames: np.ndarray, classes: np.ndarray) -> Outputs:
        logits, cam, chosen, bias = reference(frames, classes)
        return logits, cam, np.where(classes < 0, chosen[:, ::-1], chosen), bias

    parity = verify(path, backwards, classes=small.CLASSES, shapes_nhw=SHAPES)
    assert parity.logits_max_diff < 1e-5


def test_logits_that_do_not_make_the_sources_output(tmp_path: Path) -> None:
    """The source's own output must follow from the tensor that was found to be the logits."""
    model = small.classifier()
    _, info = add_cam(model, tmp_path, RAW)
    reference = NumpyReference(model, info, name="net.onnx")
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    reference(frames, np.array([-1]))
    reference._own = dataclasses.replace(reference._own, final=None)
    with pytest.raises(ModelError, match="would explain nothing"):
        reference(frames, np.array([-1]))
