"""Which device runs the model: never another one than is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import ModelError, UsageError
from camstream.models import device as devices
from camstream.models.device import PROVIDERS, create_session, has_nvidia_driver
from camstream.models.session import Model

needs_no_driver = pytest.mark.skipif(has_nvidia_driver(), reason="this machine has a GPU")


class FakeSession:
    """Claims what ONNX Runtime may claim, and runs on the device that it is given.

    Attributes:
        runs_on: The provider that really runs, whatever was asked for.
        opened: The providers of every session that was opened.
    """

    runs_on = "CPUExecutionProvider"
    opened: list[list[Any]]
    options: list[dict[str, Any]]

    def __init__(self, path: str, options: Any, *, providers: list[Any], **others: Any) -> None:
        assert path
        self.spinning = options.get_session_config_entry("session.intra_op.allow_spinning")
        self.threads = options.intra_op_num_threads
        asked = [entry if isinstance(entry, str) else entry[0] for entry in providers]
        FakeSession.opened.append(asked)
        FakeSession.options.append(others)
        if FakeSession.runs_on == "raises" and asked[0] != PROVIDERS["cpu"]:
            raise RuntimeError("CUDA failure 100: no CUDA-capable device\nand a long story")
        self._runs_on = asked[0] if FakeSession.runs_on == "as asked" else PROVIDERS["cpu"]

    def get_providers(self) -> list[str]:
        return [self._runs_on]


@pytest.fixture
def gpu_machine(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    """A machine with a driver, where ONNX Runtime claims to have CUDA."""
    monkeypatch.setattr(FakeSession, "opened", [], raising=False)
    monkeypatch.setattr(FakeSession, "options", [], raising=False)
    monkeypatch.setattr(devices, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(devices, "preload_cuda", lambda: "")
    monkeypatch.setattr(
        ort, "get_available_providers", lambda: [PROVIDERS["cuda"], PROVIDERS["cpu"]]
    )
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    return FakeSession


def _runs(fake: type[FakeSession], monkeypatch: pytest.MonkeyPatch, runs_on: str) -> None:
    monkeypatch.setattr(fake, "runs_on", runs_on)


def test_cuda_runs_where_it_works(
    gpu_machine: type[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    _runs(gpu_machine, monkeypatch, "as asked")
    for asked in ("cuda", "auto"):
        session, device, problem = create_session("m.onnx", asked)
        assert (device, problem) == ("cuda", "")
        assert session.get_providers() == [PROVIDERS["cuda"]]
    assert gpu_machine.options[0] == {"enable_fallback": 0}  # nor may it fall back later


@pytest.mark.parametrize("way", ["CPUExecutionProvider", "raises"])
def test_cuda_that_would_fall_back_is_an_error(
    gpu_machine: type[FakeSession], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    _runs(gpu_machine, monkeypatch, way)
    with pytest.raises(ModelError, match="device cpu") as caught:
        create_session("m.onnx", "cuda")
    assert "camstream doctor" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way", ["CPUExecutionProvider", "raises"])
def test_auto_that_falls_back_says_why(
    gpu_machine: type[FakeSession], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    _runs(gpu_machine, monkeypatch, way)
    session, device, problem = create_session("m.onnx", "auto")
    assert device == "cpu"
    assert session.get_providers() == [PROVIDERS["cpu"]]
    assert "cannot use CUDA" in problem
    assert "camstream doctor" in problem


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (8, 7)])
def test_threads_leave_a_core_to_the_pipeline_and_do_not_spin(
    gpu_machine: type[FakeSession], monkeypatch: pytest.MonkeyPatch, cores: int, threads: int
) -> None:
    _runs(gpu_machine, monkeypatch, "as asked")
    monkeypatch.setattr(devices, "usable_cores", lambda: cores)
    session: Any = create_session("m.onnx", "cpu")[0]
    assert session.threads == threads
    assert session.spinning == "0"


def test_an_unknown_device_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"unknown device 'gpu'; known: auto, cpu, cuda"):
        create_session("m.onnx", "gpu")


def test_a_provider_that_is_not_built_in(lite0: Path) -> None:
    with pytest.raises(ModelError, match="no such provider"):
        create_session(str(lite0), "coreml" if ort.get_device() != "coreml" else "directml")


@needs_no_driver
def test_the_command_with_cuda_fails_in_one_line(lite0: Path) -> None:
    clip = Path(__file__).parents[2] / "videos" / "sample.mp4"
    command = ["live", str(clip), "--no-window", "--model", str(lite0), "--device", "cuda"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "no NVIDIA driver" in done.output
    assert "device cpu" in done.output


@needs_no_driver
def test_the_command_prints_the_provider_that_runs(lite0: Path) -> None:
    clip = Path(__file__).parents[2] / "videos" / "sample.mp4"
    command = ["live", str(clip), "--no-window", "--model", str(lite0), "--frames", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "efficientnet_lite0 on cpu (CPUExecutionProvider)" in done.output
    assert "note" not in done.output


def test_a_model_that_opens_but_does_not_run_is_one_line(
    lite0: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no kernel image is available\nfor execution")

    monkeypatch.setattr(ort.InferenceSession, "run", fails)
    with pytest.raises(ModelError, match="does not run on cpu: no kernel image is available;"):
        Model(lite0, device="cpu")


def test_bound_inputs_and_outputs_give_the_same(lite0: Path, model: Model) -> None:
    """The way that is taken on a GPU, with the CPU as the device that is bound to."""
    bound = Model(lite0, device="cpu")
    bound._bind_to = "cpu"
    image = np.random.default_rng(1).integers(0, 256, (120, 200, 3), np.uint8)
    for classes in (None, [3, -1]):
        want, got = model.predict(image, classes=classes), bound.predict(image, classes=classes)
        np.testing.assert_array_equal(got.cam.maps, want.cam.maps)
        np.testing.assert_array_equal(got.cam.class_indices, want.cam.class_indices)
        assert got.top == want.top
