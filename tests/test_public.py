"""What ``import camstream`` offers to a program."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import pydoc
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import camstream
from camstream.models.session import Model
from camstream.testing import FakeSource, counted, endless

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


def test_help_shows_an_example_that_compiles() -> None:
    text = pydoc.plain(pydoc.render_doc(camstream))
    described = textwrap.dedent(text.partition("DESCRIPTION")[2].partition("PACKAGE CONTENTS")[0])
    lines = [line for line in described.splitlines() if not line or line.startswith("    ")]
    example = textwrap.dedent("\n".join(lines))
    compile(example, "help(camstream)", "exec")
    for name in ("load_model", "stream", "annotate"):
        assert f"camstream.{name}(" in example


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
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8)],
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


def test_onnxruntime_sends_and_keeps_nothing(tmp_path: Path) -> None:
    """Its telemetry would write a device's identity into the user's cache and call its maker."""
    code = "import camstream; camstream.load_model(device='cpu')"
    done = _python(code, XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []
