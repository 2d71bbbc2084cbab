"""Files that are damaged, old, name data elsewhere, or hold no image classifier."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import ModelError
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.backbone import Backbone
from camstream.graph.onnx_file import read_onnx
from camstream.models.session import Model
from tests.graph import small

if TYPE_CHECKING:
    from pathlib import Path


def external(folder: Path, location: str) -> Path:
    """Save a classifier with its weights in another file, and let it name ``location``."""
    folder.mkdir(exist_ok=True)
    path = folder / "net.onnx"
    onnx.save(
        small.classifier(),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=True,
    )
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_file(tmp_path: Path) -> None:
    source = external(tmp_path / "net", "weights.bin")
    output = tmp_path / "with_cam.onnx"
    info = add_cam_to_file(source, output, Overrides(), progress=lambda _: None)
    assert info.parity is not None
    assert not any(
        t.external_data for t in onnx.load(output, load_external_data=False).graph.initializer
    )


@pytest.mark.parametrize("kind", ["above", "absolute", "link"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, kind: str) -> None:
    inner = tmp_path / "net"
    secret = tmp_path / "secret.bin"
    location = {"above": "../secret.bin", "absolute": str(secret), "link": "link.bin"}[kind]
    source = external(inner, location)
    secret.write_bytes((inner / "weights.bin").read_bytes())
    if kind == "link":
        (inner / "link.bin").symlink_to(secret)
    with pytest.raises(ModelError, match="outside its own folder: refused"):
        read_onnx(source)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has its weights in 'gone\.bin', which is not beside it"):
        read_onnx(external(tmp_path, "gone.bin"))


def test_weights_file_that_is_cut_off(tmp_path: Path) -> None:
    source = external(tmp_path, "weights.bin")
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="its weights in another file cannot be read"):
        add_cam_to_file(source, tmp_path / "out.onnx", Overrides(), progress=lambda _: None)


def test_more_than_an_onnx_file_holds(tmp_path: Path) -> None:
    source = external(tmp_path, "weights.bin")
    with (tmp_path / "weights.bin").open("r+b") as file:
        file.truncate(2**31)  # sparse: takes no room
    with pytest.raises(ModelError, match="more than 2 GB"):
        read_onnx(source)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x0b" * 500, None])
def test_no_onnx_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "net.onnx"
    if content is None:
        small.save(small.classifier(), tmp_path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no ONNX file, or a damaged one"):
        read_onnx(path)


def test_a_graph_with_a_gap(tmp_path: Path) -> None:
    model = small.classifier()
    model.graph.node[0].input[1] = "gone"
    with pytest.raises(ModelError, match="nothing makes the tensor 'gone'"):
        read_onnx(small.save(model, tmp_path))


def test_a_graph_that_onnxruntime_refuses(tmp_path: Path) -> None:
    maker = small.Maker(18)
    maker.nodes.append(helper.make_node("NoSuch", ["pixels"], ["made"], domain="nobody.knows"))
    maker.last = "made"
    maker.features()
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    model = maker.model()
    model.opset_import.append(helper.make_opsetid("nobody.knows", 1))
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, ("n", 3, 16, 16))
    model.graph.value_info.append(made)
    with pytest.raises(ModelError, match=r"onnxruntime cannot open net\.onnx"):
        add_cam_to_file(
            small.save(model, tmp_path), tmp_path / "out.onnx", Overrides(), progress=lambda _: None
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx"]


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        (("n", 1, 16, 16), TensorProto.FLOAT, "not known to be a picture with three channels"),
        ((4, 3, 16, 16), TensorProto.FLOAT, "takes batches of 4 only"),
        (("n", 3, 16, 16), TensorProto.INT64, "is INT64, no picture"),
    ],
)
def test_inputs_that_take_no_frames(
    tmp_path: Path, shape: tuple[int | str, ...], kind: int, message: str
) -> None:
    model = small.classifier()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", kind, shape))
    if shape[1] == 1:
        model.graph.initializer[0].CopyFrom(
            onnx.numpy_helper.from_array(np.ones((small.CHANNELS, 1, 3, 3), np.float32), "weight_0")
        )
    with pytest.raises(ModelError, match=message):
        add_cam_to_file(
            small.save(model, tmp_path), tmp_path / "out.onnx", Overrides(), progress=lambda _: None
        )


def test_a_size_that_the_file_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes 16x16 only"):
        add_cam_to_file(
            small.save(small.classifier(), tmp_path),
            tmp_path / "out.onnx",
            Overrides(size_wh=(32, 32)),
            progress=lambda _: None,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--int8"], "--int8 needs --calibrate"),
        (["--int8", "--fp16"], "exclude each other"),
        (["--labels", "nowhere.txt"], "cannot read the labels in nowhere.txt"),
        (["--int8", "--calibrate", "nowhere"], "there is no such file or folder"),
    ],
)
def test_an_error_is_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    source = small.save(small.classifier(), tmp_path)
    output = tmp_path / "out.onnx"
    done = CliRunner().invoke(app, ["export", str(source), "-o", str(output), *options])
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.stderr.split())
    assert done.stderr.count("camstream: ") == 1  # steps may stand before it
    assert done.stderr.splitlines()[-1].startswith("camstream: ")
    assert not output.exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--color", "GRAY", "'rgb', 'bgr'"), ("--model-size", "224", "width and height")],
)
def test_a_wrong_value_of_an_option(tmp_path: Path, option: str, value: str, message: str) -> None:
    source = small.save(small.classifier(), tmp_path)
    done = CliRunner().invoke(app, ["export", str(source), option, value])
    assert done.exit_code == 2
    assert option in done.stderr
    assert message in " ".join(done.stderr.split())


def test_options_reach_the_file(tmp_path: Path) -> None:
    source = small.save(small.classifier(size="any"), tmp_path)
    output = tmp_path / "out.onnx"
    options = ["--mean", "1", "2", "3", "--std", "4", "5", "6", "--color", "bgr"]
    options += ["--layout", "nchw", "--model-size", "48x32", "--range", "1", "9"]
    done = CliRunner().invoke(app, ["export", str(source), "-o", str(output), *options])
    assert done.exit_code == 0, done.stderr
    info = Model(output, device="cpu").info
    assert (info.mean, info.std, info.color) == ((1, 2, 3), (4, 5, 6), "BGR")
    assert (info.size_hw, info.cam_range) == ((32, 48), (1, 9))


def as_camstream_0_1_wrote_it(path: Path) -> None:
    """Rename in a file the metadata keys that the first version called otherwise."""
    model = onnx.load(path)
    (entry,) = model.metadata_props
    values = json.loads(entry.value)
    values["proof"], values["early"] = values.pop("parity"), values.pop("fine_features")
    values["proof"]["law_residual"] = values["proof"].pop("identity_error")
    entry.value = json.dumps(values)
    onnx.save(model, path)


def test_a_file_of_camstream_0_1_opens_and_can_be_changed(tmp_path: Path) -> None:
    source = small.save(small.classifier(size="any"), tmp_path)
    path, again = tmp_path / "old.onnx", tmp_path / "again.onnx"
    info = add_cam_to_file(source, path, Overrides(), progress=lambda _: None)
    new = path.read_bytes()
    as_camstream_0_1_wrote_it(path)
    assert b"law_residual" in path.read_bytes()
    assert Model(path, device="cpu").info == info
    add_cam_to_file(path, again, Overrides(), progress=lambda _: None)
    assert again.read_bytes() == new
    assert Backbone(path).info == info
