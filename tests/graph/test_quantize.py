"""int8 and fp16: which nodes are converted, and that the difference is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from camstream.errors import ModelError, SourceError
from camstream.graph import quantize as quantizing
from camstream.graph.add_cam import add_cam_to_file
from camstream.graph.quantize import Kind, Pictures, Precision, sample_pictures
from camstream.models.session import Model
from tests.graph import small
from tests.graph.test_add_cam import RAW, frames, run

if TYPE_CHECKING:
    from camstream.contract import Quantization

CLIPS = Path(__file__).parents[2].parent / "shared/data/videos"


def photos(folder: Path, count: int, *, side: int = 24) -> Path:
    """Write photos whose brightness is their number, over fixed noise."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 40, (count, side, side, 3))
    for number in range(count):
        image = np.clip(number * 2 + noise[number], 0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:03}.png"), image)
    return folder


def quantized(folder: Path, kind: Kind, *, hidden: int = 0) -> tuple[Path, Quantization]:
    source = small.save(small.classifier(hidden=hidden), folder)
    output = folder / f"{kind}.onnx"
    pictures = photos(folder / "photos", 80)
    info = add_cam_to_file(
        source, output, RAW, precision=Precision(kind, pictures), progress=lambda _: None
    )
    assert info.quantization is not None
    assert Model(output, device="cpu").info == info
    return output, info.quantization


@pytest.mark.parametrize("hidden", [0, 1])
def test_int8_converts_the_convolutions_and_not_the_head(tmp_path: Path, hidden: int) -> None:
    path, measured = quantized(tmp_path, "int8", hidden=hidden)
    graph = onnx.load(path).graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}

    def kind_of_weights(node: onnx.NodeProto) -> int:
        from_int8 = made.get(node.input[1])
        return int(weights[from_int8.input[0] if from_int8 else node.input[1]].data_type)

    for node in graph.node:
        if node.op_type == "Conv":
            assert kind_of_weights(node) == TensorProto.INT8
            scales = weights[made[node.input[1]].input[1]]
            assert list(scales.dims) == [small.CHANNELS]  # one a channel
        if node.op_type == "Gemm" and not node.name.startswith("camstream."):
            assert kind_of_weights(node) == TensorProto.FLOAT
        if node.op_type == "QuantizeLinear":
            assert weights[node.input[2]].data_type == TensorProto.UINT8
    got = run(path, frames(3))
    if not hidden:
        own = np.take_along_axis(got["logits"], got["cam_classes"], 1)
        np.testing.assert_allclose(got["cam"].mean((2, 3)) + got["cam_bias"], own, atol=1e-5)
    assert (measured.kind, measured.calibrated, measured.compared) == ("int8", 40, 40)
    assert 0.9 < measured.cam_correlation < 1.0


def test_fp16_converts_all_but_the_head(tmp_path: Path) -> None:
    path, measured = quantized(tmp_path, "fp16")
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    by_operator = {node.op_type: kinds.get(node.output[0]) for node in graph.node}
    assert by_operator["Conv"] == TensorProto.FLOAT16
    assert by_operator["GlobalAveragePool"] == by_operator["Gemm"] == TensorProto.FLOAT
    assert run(path, frames())["cam"].dtype == np.float32
    assert (measured.calibrated, measured.top1_agreement) == (0, 1.0)
    assert measured.cam_correlation > 0.999


def test_what_is_measured_is_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that spoils the network must not report agreement."""

    def spoilt(core: onnx.ModelProto) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(core)
        for tensor in model.graph.initializer:
            array = onnx.numpy_helper.to_array(tensor)
            if array.ndim > 1:
                shuffled = np.random.default_rng(3).permutation(array.ravel()).reshape(array.shape)
                tensor.CopyFrom(onnx.numpy_helper.from_array(shuffled, tensor.name))
        return model

    monkeypatch.setattr(quantizing, "_fp16", spoilt)
    _, measured = quantized(tmp_path, "fp16")
    assert measured.top1_agreement < 0.5
    assert measured.cam_correlation < 0.9


def test_compared_pictures_were_not_calibrated_on(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 100)
    pictures = Pictures.of(Precision("int8", folder), (24, 24))
    seen = {picture.tobytes() for picture in pictures.calibrate}
    assert len(seen) == len(pictures.compare) == 40
    assert seen.isdisjoint(picture.tobytes() for picture in pictures.compare)


@pytest.mark.parametrize(("count", "wanted"), [(30, 80), (80, 80), (333, 40)])
def test_pictures_are_sampled_evenly(tmp_path: Path, count: int, wanted: int) -> None:
    folder = photos(tmp_path / "photos", min(count, 100))
    chosen = sample_pictures(folder, wanted, size_hw=(24, 24))
    assert len(chosen) == min(wanted, count)
    means = [picture.mean() for picture in chosen]
    steps = np.diff(means)
    assert (steps > 0).all()
    assert steps.max() < 2.5 * np.median(steps)


def test_too_few_pictures(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 12)
    with pytest.raises(ModelError, match=r"has 12 pictures; .* need 20 at least"):
        Pictures.of(Precision("int8", folder), (24, 24))


def test_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing here", encoding="utf-8")
    with pytest.raises(SourceError, match="no picture in"):
        sample_pictures(tmp_path, 10, size_hw=(24, 24))


def test_reduced_once_only_and_grafted_again_unchanged(tmp_path: Path) -> None:
    path, _ = quantized(tmp_path, "int8")
    again = tmp_path / "again.onnx"
    add_cam_to_file(path, again, RAW, progress=lambda _: None)
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(ModelError, match="in a lower precision already"):
        add_cam_to_file(
            path, again, RAW, precision=Precision("fp16", None), progress=lambda _: None
        )


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips lie beside the project only")
def test_default_network_in_int8_on_a_real_clip(tmp_path: Path, lite0: Path) -> None:
    """Calibrated on a clip, it agrees with float32 on others of its frames, on CPUs without VNNI too."""
    small_file = tmp_path / "int8.onnx"
    add_cam_to_file(
        lite0,
        small_file,
        RAW,
        precision=Precision("int8", CLIPS / "dog_corgi_puppy.mp4"),
        progress=lambda _: None,
    )
    info = Model(small_file, device="cpu").info
    assert info.quantization is not None
    assert info.quantization.top1_agreement >= 0.9
    assert info.quantization.cam_correlation >= 0.98
    assert small_file.stat().st_size < 10e6  # 18.7 MB in float32
    assert info.quantization.compared == 40
