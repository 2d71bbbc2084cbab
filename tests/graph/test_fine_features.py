"""Which layer has the fine features that refining uses; every kind of file keeps its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from camstream.graph.add_cam import add_cam_to_file
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import save
from camstream.graph.quantize import Kind, Precision
from camstream.models.session import Model
from tests.graph import light, small
from tests.graph.test_add_cam import RAW, add_cam
from tests.graph.test_quantize import photos
from tests.teach.test_teach import linear_head

if TYPE_CHECKING:
    from pathlib import Path


def two_stages(dtype: Any = np.float32) -> onnx.ModelProto:
    """16 x 16 pixels, 8 x 8 cells of the features ``relu_1``, and 4 x 4 cells."""
    maker = small.Maker(18, dtype)
    maker.features()
    weight = maker.weight(small.CHANNELS, small.CHANNELS, 3, 3)
    maker.add("Conv", weight, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    maker.add("Relu")
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    return maker.model()


def is_refined(path: Path) -> bool:
    image = np.random.default_rng(0).integers(0, 256, (small.SIDE, small.SIDE, 3), np.uint8)
    plain, refining = (Model(path, device="cpu", refine=refine) for refine in (False, True))
    seen = refining.predict(image).cam
    assert np.array_equal(plain.predict(image).cam.maps.shape, seen.maps.shape)
    return (
        seen.refined is not None and seen.refined.shape[1:] == (8, 8) and bool(seen.refined.any())
    )


def test_end_of_the_stage_before(tmp_path: Path) -> None:
    path, info = add_cam(two_stages(), tmp_path)
    assert info.fine_features == "relu_1"
    assert Model(path, device="cpu").info == info
    assert is_refined(path)


def test_the_picture_is_no_layer(tmp_path: Path) -> None:
    assert add_cam(small.classifier(), tmp_path)[1].fine_features is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("resnet50", "Sum"),
        ("densenet121", "Concat"),
        ("inception_v1", "Concat"),  # 13 x 13 before 6 x 6
        ("squeezenet", "Concat"),
    ],
)
def test_real_architectures(tmp_path: Path, name: str, kind: str) -> None:
    path, info = add_cam(light.load(name), tmp_path)
    made = {out: node.op_type for node in onnx.load(path).graph.node for out in node.output}
    assert made[str(info.fine_features)] == kind


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_lower_precision_keeps_it(tmp_path: Path, kind: Kind) -> None:
    source, output = small.save(two_stages(), tmp_path), tmp_path / "lower.onnx"
    precision = Precision(kind, photos(tmp_path / "photos", 40))
    add_cam_to_file(source, output, RAW, precision=precision, progress=lambda _: None)
    assert is_refined(output)


def test_taught_model_keeps_it(tmp_path: Path) -> None:
    backbone = Backbone(add_cam(two_stages(), tmp_path)[0])
    info = save(backbone, linear_head(backbone.channels), tmp_path / "new.onnx")
    assert info.fine_features == "relu_1"
    assert is_refined(tmp_path / "new.onnx")
