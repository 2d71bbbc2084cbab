"""Adding maps to ONNX files: all forms of a head, opsets, precisions, real networks."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from camstream import contract
from camstream.errors import ModelError
from camstream.graph.add_cam import Overrides, add_cam_to_file, default_cam_range
from camstream.models.session import Model
from tests.graph import light, small

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.contract import ModelInfo

# onnxruntime 1.23, the last for Intel Macs, reads no file as new as opset 24 (IR version 12).
_NEWEST_OPSET = 23 if ort.__version__.startswith("1.23.") else 24
RAW = Overrides(mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))


def add_cam(
    model: onnx.ModelProto, folder: Path, overrides: Overrides = RAW
) -> tuple[Path, ModelInfo]:
    source, output = small.save(model, folder), folder / "with_cam.onnx"
    return output, add_cam_to_file(source, output, overrides, progress=lambda _: None)


def run(path: Path, frames: np.ndarray, classes: list[int] | None = None) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {contract.FRAMES: frames}
    if classes is not None:
        feed[contract.CLASSES] = np.array(classes, np.int64)
    return dict(zip(contract.OUTPUTS, session.run(list(contract.OUTPUTS), feed), strict=True))


def frames(n: int = 1, side: int = small.SIDE) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("linear", ["gemm", "gemm_inputs_first", "matmul", "matmul_add"])
@pytest.mark.parametrize(
    ("pool", "method"),
    [
        ("gap", "CAM"),
        ("average", "CAM"),
        ("reduce_mean", "CAM"),
        ("nhwc_mean", "CAM"),
        ("gmp", "CAM (max pooling)"),
        ("reduce_max", "CAM (max pooling)"),
        ("flatten", "HiResCAM"),
        ("nhwc_flatten", "HiResCAM"),
        ("max_flatten", "HiResCAM"),
    ],
)
def test_one_linear_layer(tmp_path: Path, pool: str, linear: str, method: str) -> None:
    path, info = add_cam(small.classifier(pool=pool, linear=linear), tmp_path)
    got = run(path, frames(2), [3, -1])
    assert info.method == method
    cells = small.CELLS // 2 if pool == "max_flatten" else small.CELLS
    assert got["cam"].shape == (2, 2, cells, cells)
    sums = got["cam"].mean((2, 3)) + got["cam_bias"]
    own = np.take_along_axis(got["logits"], got["cam_classes"], 1)
    if method == "CAM (max pooling)":
        assert info.parity is not None
        assert info.parity.identity_error is None
        assert np.abs(sums - own).max() > 0.01
    else:
        np.testing.assert_allclose(sums, own, atol=1e-5)


@pytest.mark.parametrize("linear", ["gemm", "gemm_inputs_first", "matmul", "matmul_add"])
@pytest.mark.parametrize(
    "pool", ["gap", "gmp", "flatten", "nhwc_flatten", "max_flatten", "average_flatten"]
)
def test_several_linear_layers(tmp_path: Path, pool: str, linear: str) -> None:
    path, info = add_cam(small.classifier(pool=pool, linear=linear, hidden=2), tmp_path)
    assert info.method == "Grad-CAM"
    assert info.parity is not None
    assert info.parity.identity_error is None
    assert info.parity.cam_max_diff < 1e-4
    # The finest maps: the search goes back over a local pooling before the linear layers.
    assert run(path, frames())["cam"].shape == (1, 5, small.CELLS, small.CELLS)


@pytest.mark.parametrize("opset", range(7, _NEWEST_OPSET + 1))
@pytest.mark.parametrize("hidden", [0, 1])
def test_every_opset(tmp_path: Path, opset: int, hidden: int) -> None:
    _, info = add_cam(small.classifier(opset=opset, pool="reduce_mean", hidden=hidden), tmp_path)
    assert info.parity is not None
    assert info.parity.shapes_nhw == ((1, 16, 16), (3, 16, 16))
    assert int(info.versions["opset"]) == max(opset, 15)


@pytest.mark.parametrize("listed", [True, False])
def test_weights_as_before_ir_version_4(tmp_path: Path, listed: bool) -> None:
    """They had to be listed as inputs; onnxruntime runs files in which they are not."""
    path, _ = add_cam(small.classifier(opset=8, ir_version=3, listed=listed), tmp_path)
    names = [value.name for value in onnx.load(path).graph.input]
    assert names == list(contract.INPUTS)


@pytest.mark.parametrize("pool", ["gap", "flatten", "gmp"])
@pytest.mark.parametrize("hidden", [0, 1])
def test_float16_file_keeps_its_head_and_maps_in_float32(
    tmp_path: Path, pool: str, hidden: int
) -> None:
    model = small.classifier(pool=pool, hidden=hidden, dtype=np.float16)
    path, _ = add_cam(model, tmp_path)
    got = run(path, frames(2))
    assert got["logits"].dtype == got["cam"].dtype == np.float32
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    for node in inferred.node:
        if node.op_type in ("GlobalAveragePool", "GlobalMaxPool", "Gemm", "MatMul"):
            assert types[node.output[0]] == onnx.TensorProto.FLOAT, node.name
        if node.op_type == "Conv":
            assert types[node.output[0]] == onnx.TensorProto.FLOAT16


def test_float16_mean_does_not_overflow(tmp_path: Path) -> None:
    """16 x 16 values of about 30000 have a sum that float16 does not hold."""
    maker = small.Maker(18, np.float16)
    maker.features()
    maker.weights[0] = numpy_helper.from_array(
        np.full((small.CHANNELS, 3, 3, 3), 1200, np.float16), "weight_0"
    )
    maker.reduce("ReduceMean", [2, 3])
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    path, _ = add_cam(maker.model(), tmp_path)
    got = run(path, np.full((1, 16, 16, 3), 255, np.uint8))
    assert np.isfinite(got["logits"]).all()
    assert np.abs(got["cam"]).max() > 10_000


@pytest.mark.parametrize(
    ("batch", "size", "shapes", "multiple"),
    [
        (1, 16, {(1, 16, 16)}, None),
        ("n", 16, {(1, 16, 16), (3, 16, 16)}, None),
        (1, "any", {(1, 64, 64), (1, 160, 288), (1, 320, 192), (1, 97, 131), (1, 224, 224)}, 2),
    ],
)
def test_batch_and_size_as_the_file_declares(
    tmp_path: Path,
    batch: int | str,
    size: int | str,
    shapes: set[tuple[int, int, int]],
    multiple: int | None,
) -> None:
    overrides = Overrides(size_wh=(64, 64)) if size == "any" else RAW
    path, info = add_cam(small.classifier(batch=batch, size=size), tmp_path, overrides)
    assert info.parity is not None
    assert set(info.parity.shapes_nhw) == shapes
    assert info.size_multiple == multiple
    assert Model(path, device="cpu").predict(frames()[0]).cam.maps.shape[0] == 5


def test_a_batch_that_is_declared_free_but_is_not(tmp_path: Path) -> None:
    maker = small.Maker(18)
    maker.features()
    maker.add("GlobalAveragePool")
    maker.add("Reshape", maker.stored(np.array([1, small.CHANNELS], np.int64)))
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    path, info = add_cam(maker.model(), tmp_path)
    assert info.parity is not None
    assert info.parity.shapes_nhw == ((1, 16, 16),)
    assert onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_average_pool_that_fits_one_size_needs_that_size(tmp_path: Path) -> None:
    model = small.classifier(pool="average", size="any")
    with pytest.raises(ModelError, match="--model-size"):
        add_cam(model, tmp_path)
    _, info = add_cam(model, tmp_path, Overrides(size_wh=(16, 16)))
    assert (info.method, info.size_multiple) == ("CAM", None)


@pytest.mark.parametrize("name", light.CAM)
def test_real_architectures_get_a_cam(tmp_path: Path, name: str) -> None:
    path, info = add_cam(light.load(name), tmp_path, Overrides(labels="imagenet"))
    assert info.method == "CAM"
    assert info.parity is not None
    assert info.parity.identity_error is not None
    scale = float(np.abs(run(path, frames(1, 224))["cam"]).max())
    assert 0.01 < scale < 1e6
    assert info.parity.identity_error < 1e-5 * max(scale, 1)


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_preprocessing_is_as_the_overrides_state(
    tmp_path: Path, color: Literal["RGB", "BGR"]
) -> None:
    model = small.classifier(final=None)
    overrides = Overrides(mean=(10.0, 20.0, 30.0), std=(50.0, 60.0, 70.0), color=color)
    path, _ = add_cam(model, tmp_path, overrides)
    image = frames(2)
    pixels = image[..., ::-1] if color == "RGB" else image
    fed = (pixels - np.array(overrides.mean, np.float32)) / np.array(overrides.std, np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"pixels": fed.transpose(0, 3, 1, 2).astype(np.float32)})
    np.testing.assert_allclose(run(path, image)["logits"], want, rtol=1e-4, atol=1e-4)


def test_input_with_the_channels_last(tmp_path: Path) -> None:
    maker = small.Maker(18)
    maker.add("Transpose", perm=[0, 3, 1, 2])
    maker.features()
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    model = maker.model()
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value, dims[3].dim_value = small.SIDE, 3
    path, info = add_cam(model, tmp_path)
    assert run(path, frames(2))["cam"].shape == (2, 5, small.CELLS, small.CELLS)
    for dim in dims:  # a file that does not declare its input
        dim.dim_param = "any"
    with pytest.raises(ModelError, match="--layout"):
        add_cam(model, tmp_path)
    stated = Overrides(layout="NHWC", size_wh=(16, 16), mean=RAW.mean, std=RAW.std)
    path, info = add_cam(model, tmp_path, stated)
    assert run(path, frames(2))["cam"].shape == (2, 5, small.CELLS, small.CELLS)
    assert info.size_hw == (16, 16)


def test_names_of_the_contract_in_the_source(tmp_path: Path) -> None:
    """A file whose own tensors are called frames, logits and cam."""
    model = small.classifier(final="Softmax")
    want = run(add_cam(model, tmp_path)[0], frames(2))
    names = {"pixels": "frames", "gemm_4": "logits", "softmax_5": "cam", "weight_2": "classes"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for item in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        item.name = names.get(item.name, item.name)
    got = run(add_cam(model, tmp_path)[0], frames(2))
    for name in contract.OUTPUTS:
        np.testing.assert_array_equal(got[name], want[name])


def test_only_what_the_contract_needs_is_kept(tmp_path: Path) -> None:
    maker = small.Maker(18)
    maker.features()
    backbone = maker.last
    maker.linear("matmul", small.CELLS, 5)
    other, maker.last = maker.last, backbone
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    maker.add("Softmax")
    model = maker.model()
    model.graph.output.append(helper.make_tensor_value_info(other, TensorProto.FLOAT, None))
    path, _ = add_cam(model, tmp_path)
    graph = onnx.load(path).graph
    assert other not in {name for node in graph.node for name in node.output}
    assert "weight_2" not in {tensor.name for tensor in graph.initializer}
    assert "Softmax" not in {node.op_type for node in graph.node}


def test_input_is_not_edited_and_weights_are_stored_once(tmp_path: Path) -> None:
    model = small.classifier(hidden=2, pool="flatten")
    source = small.save(model, tmp_path)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    path, info = add_cam(model, tmp_path)
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before == info.weights_sha256
    stored = sum(len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer)
    assert stored < sum(len(tensor.raw_data) for tensor in model.graph.initializer) + 500


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("hidden", [0, 1])
def test_adding_maps_twice_changes_nothing(tmp_path: Path, dtype: type, hidden: int) -> None:
    path, _ = add_cam(small.classifier(dtype=dtype, hidden=hidden, pool="flatten"), tmp_path)
    again = tmp_path / "again.onnx"
    add_cam_to_file(path, again, Overrides(), progress=lambda _: None)
    assert again.read_bytes() == path.read_bytes()


def test_new_labels_for_a_camstream_model(tmp_path: Path) -> None:
    path, info = add_cam(small.classifier(), tmp_path)
    assert info.labels[1] == "class 1"
    (tmp_path / "names.txt").write_text("\n".join("abcdef"), encoding="utf-8")
    overrides = Overrides(labels=str(tmp_path / "names.txt"), cam_range=(1.0, 2.0))
    info = add_cam_to_file(path, path, overrides, progress=lambda _: None)
    assert info.labels == tuple("abcdef")
    assert info.std == RAW.std
    assert Model(path, device="cpu").info.cam_range == (1.0, 2.0)


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("id,name\n1,cat\n2,dog\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"names\.csv has 2 labels, but .*net\.onnx has 6 classes"):
        add_cam(small.classifier(), tmp_path, Overrides(labels=str(tmp_path / "names.csv")))


def test_default_cam_range_grows_with_the_classes() -> None:
    assert default_cam_range(1000) == (13.8, 34.5)
    assert default_cam_range(2) == (1.4, 3.5)


def test_no_torch_on_this_path(tmp_path: Path) -> None:
    source = small.save(small.classifier(), tmp_path)
    code = (
        "import sys\n"
        "from camstream.commands import main\n"
        f"sys.argv = ['camstream', 'export', {str(source)!r}, '-o', {str(tmp_path / 'out.onnx')!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "equal to its source at 2 shapes" in done.stdout
    assert "mean(cam) + bias = logit within" in done.stdout
