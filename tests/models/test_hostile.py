"""Model files that lie, loop, crash or damage a terminal: each is one clear line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from camstream import contract
from camstream.commands import app
from camstream.contract import ModelInfo, fit_size
from camstream.errors import ModelError
from camstream.graph import trial
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.runtime_errors import reason
from camstream.models.session import Model
from camstream.testing import write_tiny_model
from tests.graph import small


def record(path: Path) -> dict[str, Any]:
    model = onnx.load(path)
    values: dict[str, Any] = json.loads(model.metadata_props[0].value)
    return values


def with_metadata(path: Path, folder: Path, text: str | bytes) -> Path:
    """Copy a model with other metadata, which need not be UTF-8."""
    model = onnx.load(path)
    placeholder = "?" * 64
    model.metadata_props[0].value = placeholder if isinstance(text, bytes) else text
    content = model.SerializeToString()
    if isinstance(text, bytes):
        content = content.replace(placeholder.encode(), text.ljust(64))
    hostile = folder / "hostile.onnx"
    hostile.write_bytes(content)
    return hostile


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model(path, device="cpu")
    message = str(caught.value)
    assert str(path) in message
    assert len(message) < 600
    assert message.isprintable()
    assert not any(raw in message for raw in ("ONNXRuntimeError", "`", "Expected", "Traceback"))
    return message


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("labels", 5),
        ("labels", []),
        ("labels", [1, 2]),
        ("labels", [["light"], "dark"]),
        ("labels", ["x" * 1_000_000, "dark"]),
        ("labels", ["\x1b[2Jlight", "dark"]),
        ("labels", ["light\n", "dark"]),
        ("labels", ["\u202elight", "dark"]),
        ("name", "\x1b]0;title\x07"),
        ("name", 7),
        ("layer", None),
        ("cam_range", [0, 0]),
        ("cam_range", [2, 1]),
        ("cam_range", [1]),
        ("cam_range", [1, 2, 3]),
        ("cam_range", "12"),
        ("cam_range", [1e300, 1e301]),
        ("size_hw", [100_000, 224]),
        ("size_hw", [0, 224]),
        ("size_hw", [224.5, 224]),
        ("size_multiple", 0),
        ("size_multiple", -32),
        ("std", [0, 1, 1]),
        ("mean", [1, 2]),
        ("color", "CMYK"),
        ("method", "magic"),
        ("versions", {"camstream": "\x1b[31m"}),
        ("versions", []),
        ("parity", 3),
        ("parity", {"shapes_nhw": [[1, 2]]}),
        ("quantization", {"kind": "int4"}),
        ("background", "nobody"),
        ("contract", "one"),
    ],
)
def test_an_entry_that_cannot_be_believed_is_named(
    tiny_path: Path, entry: str, value: object
) -> None:
    values = record(tiny_path) | {entry: value}
    with pytest.raises(ModelError, match=rf'^tiny: in its camstream metadata, "{entry}" must be '):
        ModelInfo.from_json(json.dumps(values), path="tiny")


def test_an_entry_that_is_missing_is_named(tiny_path: Path) -> None:
    values = record(tiny_path)
    del values["size_hw"]
    with pytest.raises(ModelError, match='"size_hw" must be two whole numbers'):
        ModelInfo.from_json(json.dumps(values), path="tiny")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"labels": ' * 5_000,
        '{"contract": 1, "name": "' + "x" * 5_000_000 + '"}',
        '{"contract": 1, "size_hw": [' + "9" * 5_000 + ", 1]}",
        '{"contract": 1, "cam_range": [NaN, 1]}',
        '{"contract": 1, "labels": ["\\ud83d"]}',
    ],
    ids=["empty", "list", "open", "deep", "deep objects", "long", "digits", "NaN", "surrogate"],
)
def test_metadata_that_are_no_record(text: str) -> None:
    with pytest.raises(ModelError, match="its camstream metadata cannot be read; export"):
        ModelInfo.from_json(text, path="tiny")


@pytest.mark.parametrize("text", ["[" * 10_000, b"\xff\xfe\x00", b'{"contract": "\xc3\x28"}'])
def test_files_with_such_metadata(tiny_path: Path, tmp_path: Path, text: str | bytes) -> None:
    refusal(with_metadata(tiny_path, tmp_path, text))


def test_every_command_says_it_in_one_line_and_no_escape_reaches_the_terminal(
    tiny_path: Path, tmp_path: Path
) -> None:
    values = record(tiny_path) | {"labels": ["\x1b[31mred\x1b[0m", "dark"]}
    path = with_metadata(tiny_path, tmp_path, json.dumps(values))
    done = CliRunner().invoke(app, ["info", str(path)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_labels_that_are_fewer_than_the_classes(tiny_path: Path, tmp_path: Path) -> None:
    values = record(tiny_path) | {"labels": ["light"]}
    message = refusal(with_metadata(tiny_path, tmp_path, json.dumps(values)))
    assert "has 1 labels, but 2 classes" in message


def test_weights_that_are_no_numbers(tiny_path: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_path)
    for tensor in model.graph.initializer:
        if tensor.name == "weight":
            nan = np.full_like(numpy_helper.to_array(tensor), np.nan)
            tensor.CopyFrom(numpy_helper.from_array(nan, "weight"))
    path = tmp_path / "nan.onnx"
    onnx.save(model, path)
    assert "gives scores that are no numbers or absurdly large" in refusal(path)


def endless_loop(tiny: Path, path: Path) -> Path:
    """Put a loop of 2^62 rounds before the frames."""
    model = onnx.load(tiny)
    node, value = helper.make_node, helper.make_tensor_value_info
    body = helper.make_graph(
        [
            node("Identity", ["on"], ["on_out"]),
            node("Add", ["x", "x"], ["x_out"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("on", TensorProto.BOOL, []),
            value("x", TensorProto.FLOAT, []),
        ],
        [value("on_out", TensorProto.BOOL, []), value("x_out", TensorProto.FLOAT, [])],
    )
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(2**62), "rounds"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "go"))
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "start"))
    gemm = next(item for item in graph.node if item.op_type == "Gemm")
    index = list(graph.node).index(gemm)
    made = gemm.output[0]
    gemm.output[0] = "before_loop"
    # What the loop counts is added to the scores, so that it cannot be left out; its first value
    # comes from the picture, so that it is no constant that could be computed at the opening.
    graph.node.insert(index + 1, node("ReduceMean", ["before_loop"], ["seed"], keepdims=0))
    graph.node.insert(index + 2, node("Loop", ["rounds", "go", "seed"], ["looped"], body=body))
    graph.node.insert(index + 3, node("Add", ["before_loop", "looped"], [made]))
    onnx.save(model, path)
    return path


def test_a_graph_that_loops_for_ever_is_stopped(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    started = time.monotonic()
    message = refusal(endless_loop(tiny_path, tmp_path / "loop.onnx"))
    assert "did not end its first run within 1 seconds" in message
    assert time.monotonic() - started < 10


def test_a_source_that_loops_for_ever_is_stopped(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    path = endless_loop(tiny_path, tmp_path / "loop.onnx")
    with pytest.raises(ModelError, match="did not end its first run"):
        add_cam_to_file(path, tmp_path / "out.onnx", Overrides(), progress=lambda _: None)


@pytest.mark.skipif(os.name != "posix", reason="only these systems can limit memory")
def test_a_model_that_takes_all_memory_is_stopped(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(tiny_path)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([2**31 - 1, 2]), "huge"))
    conv = next(item for item in graph.node if item.op_type == "Conv")
    index = list(graph.node).index(conv)
    made = conv.output[0]
    conv.output[0] = "before"
    graph.node.insert(index + 1, helper.make_node("ReduceMean", ["before"], ["one"], keepdims=0))
    graph.node.insert(index + 2, helper.make_node("Expand", ["one", "huge"], ["many"]))
    graph.node.insert(index + 3, helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0))
    graph.node.insert(index + 4, helper.make_node("Add", ["before", "sum"], [made]))
    path = tmp_path / "huge.onnx"
    onnx.save(model, path)
    monkeypatch.setattr(trial, "MEMORY", 2**30)
    assert "it needs more than 1.0 GB of memory" in refusal(path)


def test_ir_versions_that_there_are_not(tiny_path: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_path)
    path = tmp_path / "ir.onnx"
    model.ir_version = 99
    onnx.save(model, path)
    assert "it needs a newer ONNX Runtime" in refusal(path)
    # ONNX Runtime takes 0 for 1; what changes a graph does not.
    model.ir_version = 0
    onnx.save(model, path)
    assert Model(path, device="cpu").predict(np.full((64, 64, 3), 255, np.uint8)).top
    with pytest.raises(ModelError, match="is no ONNX file, or a damaged one"):
        add_cam_to_file(path, tmp_path / "out.onnx", Overrides(), progress=lambda _: None)


@pytest.mark.parametrize("location", ["../secret.bin", "beside.bin", "link.bin", "/etc/hostname"])
def test_weights_in_other_files_are_refused(tiny_path: Path, tmp_path: Path, location: str) -> None:
    model = onnx.load(tiny_path)
    (blocks,) = (t for t in model.graph.initializer if t.name == "blocks")
    folder = tmp_path / "model"
    folder.mkdir()
    for file in (tmp_path / "secret.bin", folder / "beside.bin"):
        file.write_bytes(blocks.raw_data)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    size = len(blocks.raw_data)
    blocks.ClearField("raw_data")
    blocks.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        blocks.external_data.add(key=key, value=value)
    path = folder / "outside.onnx"
    path.write_bytes(model.SerializeToString())
    assert "it wants weights from another file" in refusal(path)


def test_a_trial_is_done_once_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_model(tmp_path / "new.onnx", dark_bias=77.0)
    Model(path, device="cpu")
    monkeypatch.setattr(trial, "_CHILD", tmp_path / "nothing.py")
    Model(path, device="cpu")
    other = write_tiny_model(tmp_path / "other.onnx", dark_bias=78.0)
    assert "crashes ONNX Runtime" in refusal(other)


def test_what_was_verified_here_and_what_is_shipped_needs_no_trial(
    lite0: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = small.save(small.classifier(), tmp_path)
    raw = Overrides(mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
    add_cam_to_file(source, tmp_path / "made.onnx", raw, progress=lambda _: None)
    monkeypatch.setattr(trial, "_CHILD", tmp_path / "nothing.py")
    Model(tmp_path / "made.onnx", device="cpu")
    Model(lite0, device="cpu")


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = write_tiny_model(tmp_path / "new.onnx", dark_bias=79.0)
    assert Model(path, device="cpu").info.name == "tiny"


def test_more_than_2_gb(tmp_path: Path) -> None:
    path = tmp_path / "long.onnx"
    with path.open("wb") as file:
        file.truncate(contract.MAX_FILE_BYTES + 1)  # sparse: takes no room
    assert "has more than 2 GB" in refusal(path)


def test_messages_of_onnx_runtime_are_not_shown_raw() -> None:
    raw = (
        "[ONNXRuntimeError] : 1 : FAIL : /onnxruntime_src/onnxruntime/core/graph/model.cc:181 "
        "onnxruntime::Model::Model(...) Unsupported model IR version: 99, max supported IR version: 13"
    )
    assert reason(raw) == "it needs a newer ONNX Runtime"
    raw = (
        "Fail: [ONNXRuntimeError] : 1 : FAIL : Load model from /tmp/x.onnx failed:This is an invalid "
        "model. Error: Duplicate definition of name (x)."
    )
    assert reason(raw) == "its graph is damaged"
    raw = "Fail: Non-zero status code returned while running FusedConv node. Name:'a' Status: bias"
    assert reason(raw) == "its parts do not fit together"
    assert reason(RuntimeError("bad \x1b[31mname\x07 in Conv\nmore")) == "bad [31mname in Conv"
    assert reason(RuntimeError("")) == "RuntimeError"


def test_a_size_of_one_pixel_steps_is_fitted_fast() -> None:
    started = time.perf_counter()
    w, h = fit_size((1920, 1080), preferred_hw=(4096, 4096), multiple=1)
    assert time.perf_counter() - started < 1
    assert 1.6 < w / h < 1.95
    assert 0.8 < w * h / 4096**2 < 1.25
