"""What ``import camstream`` offers to a program."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import pydoc
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import camstream
from camstream.models.session import Model
from camstream.testing import FakeSource, counted, endless
from tests.clips import Video, make

SAMPLE = Path(__file__).parents[1] / "videos" / "sample.mp4"


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, **environment},
    )


def _path_with(folder: Path) -> str:
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


def test_importing_needs_neither_torch_nor_onnx() -> None:
    code = (
        "import sys, threading, camstream, camstream.commands\n"
        "heavy = {'torch', 'onnx', 'onnxscript', 'export'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )
    done = _python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", camstream.__all__)
def test_every_public_name_is_documented_and_typed(name: str) -> None:
    public = getattr(camstream, name)
    assert inspect.getdoc(public)
    functions = [public] if inspect.isfunction(public) else []
    if inspect.isclass(public):
        functions += [
            member
            for member_name, member in vars(public).items()
            if inspect.isfunction(member) and not member_name.startswith("_")
        ]
    for function in functions:
        assert inspect.getdoc(function), function
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, function


def test_dir_lists_the_public_names_and_the_version() -> None:
    assert dir(camstream) == sorted([*camstream.__all__, "__version__"])
    assert all(getattr(camstream, name) is not None for name in dir(camstream))
    assert camstream.__version__ == importlib.metadata.version("camstream")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        camstream.nothing  # noqa: B018


def test_help_shows_an_example_that_runs(tmp_path: Path) -> None:
    text = pydoc.plain(pydoc.render_doc(camstream))
    described = textwrap.dedent(text.partition("DESCRIPTION")[2].partition("PACKAGE CONTENTS")[0])
    lines = [line for line in described.splitlines() if not line or line.startswith("    ")]
    example = textwrap.dedent("\n".join(lines))
    for name in ("load_model", "stream", "annotate"):
        assert f"camstream.{name}(" in example
    make(tmp_path / "clip.mp4", Video(frames=3))
    photo = np.random.default_rng(6).integers(0, 256, (90, 160, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "cat.jpg"), photo)
    done = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 3  # a line for each frame
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_every_kind_of_image_is_taken(model: Model, tmp_path: Path) -> None:
    bgr = np.random.default_rng(7).integers(0, 256, (60, 80, 3), np.uint8)
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), bgr)
    bgra = np.dstack([bgr, np.full((60, 80), 7, np.uint8)])
    rgb = Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))
    want = model.predict(bgr)
    for same in (path, str(path), bgra, rgb, rgb.convert("RGBA"), Image.open(path)):
        np.testing.assert_array_equal(model.predict(same).logits, want.logits)
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
    want_grey = model.predict(np.dstack([grey] * 3))
    for same in (grey, grey[..., np.newaxis], Image.fromarray(grey)):
        np.testing.assert_array_equal(model.predict(same).logits, want_grey.logits)
    both = model.predict([bgr, grey])
    assert [one.top for one in both] == [want.top, want_grey.top]
    assert model.predict([]) == []


def test_no_image_asks_whether_the_file_was_found(model: Model) -> None:
    nothing: Any = cv2.imread("nothing.png")
    for images in (nothing, [nothing]):
        with pytest.raises(ValueError, match=r"^no image: did cv2\.imread find the file\?$"):
            model.predict(images)
    with pytest.raises(ValueError, match="not int"):
        model.predict(3)  # type: ignore[call-overload]


def test_models_and_predictions_are_one_readable_line(model: Model) -> None:
    assert repr(model) == (
        "<camstream.Model efficientnet_lite0: 1000 classes, 224x224, CAM, on cpu>"
    )
    line = repr(model.predict(np.zeros((60, 80, 3), np.uint8)))
    assert re.fullmatch(r"<camstream\.Prediction '[^']+' \d+% in 80x60, \d box(es)?>", line)


def test_a_stream_takes_a_models_name(tiny_path: Path) -> None:
    for name in ("efficientnet_lite0", tiny_path):
        with camstream.stream(FakeSource(counted(2)), name, device="cpu") as predictions:
            assert len(list(predictions)) == 2
    with pytest.raises(camstream.UsageError, match="did you mean person"):
        camstream.stream(FakeSource(counted(1)), "persons")


def test_programs_are_not_told_options_of_the_command_line(tmp_path: Path, model: Model) -> None:
    make(tmp_path / "clip.mp4", Video(frames=2))
    (tmp_path / "out.mp4").write_bytes(b"old")
    with pytest.raises(camstream.SinkError, match="or replace it: overwrite=True") as caught:
        camstream.annotate(tmp_path / "clip.mp4", tmp_path / "out.mp4", model=model)
    assert "--" not in str(caught.value)
    with pytest.raises(camstream.ModelError) as other:
        camstream.load_model(device="coreml" if sys.platform == "linux" else "openvino")
    assert "--" not in str(other.value)


def test_one_image(lite0: Path) -> None:
    model = camstream.load_model(lite0, device="cpu")
    image = np.random.default_rng(3).integers(0, 256, (90, 160, 3), np.uint8)
    prediction = model.predict(image)
    best = prediction.top[0]
    assert best.label == model.info.labels[best.class_index]
    assert [top.score for top in prediction.top] == sorted(
        (top.score for top in prediction.top), reverse=True
    )
    assert prediction.cam.class_indices[0] == best.class_index
    assert prediction.cam.maps.shape[0] == len(prediction.top) == 5
    sums = prediction.cam.maps.mean(axis=(1, 2)) + prediction.cam.bias
    np.testing.assert_allclose(sums, [top.logit for top in prediction.top], atol=1e-4)
    drawn = prediction.draw()
    assert drawn.shape == image.shape
    assert (drawn != image).any()
    assert (prediction.frame.picture.bgr() == image).all()


def test_named_classes(model: Model) -> None:
    image = np.random.default_rng(4).integers(0, 256, (224, 224, 3), np.uint8)
    named = model.predict(image, classes=[281, -1, -2])
    top = model.predict(image).top
    assert list(named.cam.class_indices) == [281, top[0].class_index, top[1].class_index]
    assert named.top == top
    sums = named.cam.maps.mean(axis=(1, 2)) + named.cam.bias
    np.testing.assert_allclose(sums[1:], [top[0].logit, top[1].logit], atol=1e-4)
    for wrong in ([1000], [-1001], []):
        with pytest.raises(camstream.ModelError):
            model.predict(image, classes=wrong)


@pytest.mark.parametrize(
    "image",
    [np.zeros(8, np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 2), np.uint8)],
)
def test_what_is_no_image_is_an_error(model: Model, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 BGR"):
        model.predict(image)


def test_a_stream_over_a_file_returns_every_frame(model: Model) -> None:
    with camstream.stream(str(SAMPLE), model) as predictions:
        times = [prediction.frame.pts_s for prediction in predictions]
    code = "import av, sys; print(sum(1 for _ in av.open(sys.argv[1]).decode(video=0)))"
    counted_frames = subprocess.run(
        [sys.executable, "-c", code, str(SAMPLE)], capture_output=True, text=True, check=True
    )
    assert len(times) == int(counted_frames.stdout)
    assert times == sorted(set(times))


def test_a_stream_over_any_source_may_be_left_early(model: Model) -> None:
    source = FakeSource(endless, is_live=True)
    with camstream.stream(source, model) as predictions:
        for prediction in predictions:
            if prediction.frame.index > 2:
                break
    assert source.closed == 1
    with camstream.stream(FakeSource(counted(3)), model) as predictions:
        assert [prediction.frame.index for prediction in predictions] == [0, 1, 2]


def test_a_stream_of_what_is_not_there_is_an_error(model: Model) -> None:
    with pytest.raises(OSError, match="no such file"):
        camstream.stream("nothing.mp4", model)


def test_a_users_own_word_on_telemetry_stays() -> None:
    code = "import camstream, os; camstream.load_model; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert _python(code, ORT_DISABLE_TELEMETRY="0").stdout.strip() == "0"


def test_onnxruntime_sends_and_keeps_nothing(tmp_path: Path) -> None:
    """Its telemetry would write a device's identity into the user's cache and call its maker."""
    code = "import camstream; camstream.load_model(device='cpu')"
    done = _python(code, XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []
